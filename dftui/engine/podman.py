"""Podman, which speaks Docker's API, where its answers are not Docker's. Tried with Podman 4.3.1 (Debian 12) as root;
what stays different stands in help/podman.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dftui.engine import translate
from dftui.engine.api import ContainerSpec, EngineInfo, EngineUnreachable
from dftui.engine.docker import DockerEngine

KIND = "podman"
NETAVARK = "netavark"


def is_podman(version: Mapping[str, Any]) -> bool:
    """Whether it is Podman that answers, by what `/version` says it is made of."""
    return any(KIND in str(one.get("Name", "")).lower() for one in version.get("Components") or ())


def create_body(spec: ContainerSpec) -> dict[str, Any]:
    """The body of the create call. Containers' users may bind low ports, as Docker has it since 20.10: HAProxy
    listens on port 80 as a user of its own."""
    body = translate.create_body(spec)
    if not spec.isolated:
        body["HostConfig"]["Sysctls"] = {"net.ipv4.ip_unprivileged_port_start": "0"}
    return body


class PodmanEngine(DockerEngine):
    """One Podman at one address; made by `dftui.engine.connect.connect`."""

    _body = staticmethod(create_body)

    async def info(self) -> EngineInfo:
        """What answers. Podman tells another id each time it is asked; what lasts is its machine's name, and where it
        keeps its data."""
        found = await super().info()
        lasting = hashlib.sha256(f"{found.name}:{found.root}".encode()).hexdigest()
        return replace(found, kind=KIND, id=f"{KIND}-{lasting[:32]}")

    async def check(self) -> None:
        """Raise EngineUnreachable where no stack could work, before anything is begun."""
        told = await self.wire.json("GET", "/libpod/info", "ask how Podman is set up")
        backend = str((told.get("host") or {}).get("networkBackend") or "unknown")
        if backend != NETAVARK:
            raise EngineUnreachable(
                f"The Podman at {self.address.url} has the network backend {backend}: its containers would not find "
                "each other by name, so no stack can work there.",
                f'Take {NETAVARK}: apt-get install netavark aardvark-dns; network_backend = "{NETAVARK}" under '
                "[network] in /etc/containers/containers.conf; podman system reset, which removes all it holds.",
            )
