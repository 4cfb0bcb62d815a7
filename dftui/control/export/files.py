"""The files of an export: written whole, never over another's, those with secrets for their owner alone."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dftui.control.errors import ActionError

PLAIN, OWN, SCRIPT = 0o644, 0o600, 0o755
CERTIFICATE = "site.pem"
"""HTTPS: the chain, then its key, as HAProxy reads them."""


@dataclass(frozen=True, slots=True)
class Exported:
    """One file: its path in the folder, its text (never shown: it may hold secrets), its mode."""

    name: str
    text: str = field(repr=False)
    mode: int = PLAIN


def plain(name: str, text: str) -> Exported:
    """Everybody may read it; the balancer reads its own as another user."""
    return Exported(name, text)


def hidden(name: str, text: str) -> Exported:
    """It holds secrets."""
    return Exported(name, text, OWN)


def comment(*lines: str) -> str:
    """The head of a file."""
    return "".join(f"# {line}".rstrip() + "\n" for line in lines) + "\n"


def check(files: Iterable[Exported], secrets: Iterable[str]) -> None:
    """No file that others may read holds a secret. Raises ActionError."""
    held = tuple(secrets)
    for file in files:
        if file.mode != OWN and any(secret in file.text for secret in held):
            raise ActionError(f"{file.name} would hold a secret; nothing was written", "please report this")


def save(folder: Path, files: Iterable[Exported]) -> list[Path]:
    """Write all or none; their paths. Raises ActionError when one is there already, or cannot be written."""
    files = tuple(files)
    taken = [folder / file.name for file in files if os.path.lexists(folder / file.name)]
    if taken:
        raise ActionError(f"{taken[0]} is there already; nothing was written", "name another folder: --output FOLDER")
    made: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            path = folder / file.name
            if path.parent != folder:
                path.parent.mkdir(mode=0o700, exist_ok=True)
            # With its mode from the first moment; O_EXCL: not over one that came meanwhile, nor through a link.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWN)
            made.append(path)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(file.text)
                os.fchmod(descriptor, file.mode)
    except OSError as error:
        for path in made:
            path.unlink(missing_ok=True)
        raise ActionError(
            f"{error.filename or folder} could not be written: {error.strerror}; nothing is left of the export"
        ) from None
    return made
