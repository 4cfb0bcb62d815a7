"""Where Podman's answers on Docker's API are not Docker's. Seen with Podman 4.3.1 (Debian 12)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

KIND = "podman"


def kind_of(version: Mapping[str, Any]) -> str:
    """What answers, by what `/version` says it is made of."""
    parts = [str(one.get("Name", "")).lower() for one in version.get("Components") or ()]
    return KIND if any(KIND in part for part in parts) else "docker"


def lasting_id(info: Mapping[str, Any]) -> str:
    """Podman tells another id each time it is asked: what stays is its machine's name and where it keeps its data."""
    where = f"{info.get('Name', '')}:{info.get('DockerRootDir', '')}"
    return f"podman-{hashlib.sha256(where.encode()).hexdigest()[:32]}"
