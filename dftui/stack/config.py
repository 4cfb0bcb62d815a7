"""The user's config file (`config.yaml` in the config folder) and the machine's (`/etc/dftui/config.yaml`).

Both are read and checked as the stack file is. What the user wants goes before what the machine's owner wants, but
for `read_only`, which either can impose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dftui.stack import paths
from dftui.stack.fields import CONFIG
from dftui.stack.file import load_values


@dataclass(frozen=True, slots=True)
class Config:
    """`None` where neither file says anything; `keys` by file, the one that goes before the other last."""

    theme: str | None = None
    mouse: bool | None = None
    ascii: bool | None = None
    read_only: str = ""
    """The file that imposes it, "" when none does."""
    keys: tuple[tuple[str, Mapping[str, str]], ...] = field(default=())


def load() -> Config:
    """Both files, as far as they are there. Raises StackFileError with every mistake of the first bad one."""
    found: dict[str, Any] = {}
    keys: list[tuple[str, Mapping[str, str]]] = []
    read_only = ""
    for path in (paths.SYSTEM_CONFIG_FILE, paths.user_config_file()):
        if not path.exists():
            continue
        read = load_values(path, "the config file", CONFIG)
        if read.pop("read_only", False) and not read_only:
            read_only = str(path)
        if wanted := read.pop("keys", None):
            keys.append((str(path), wanted))
        found |= read
    return Config(**found, read_only=read_only, keys=tuple(keys))
