"""Log lines as text and as JSON, and in a new file that only its owner can read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from dftui.watch.lines import Line, Record
from dftui.watch.sanitise import json_line
from dftui.watch.sieve import Shower

_PIECE = 1000


class SaveError(Exception):
    """A file that was not written; `str()` says why and what to do."""


def stamp(at: float) -> str:
    """A local time with its offset, to the millisecond."""
    seconds = int(at)
    before, after = _second(seconds)
    return f"{before}.{int((at - seconds) * 1000):03d}{after}"


@lru_cache(8)
def _second(seconds: int) -> tuple[str, str]:
    """What stands before and after the fraction; the lines of a second share it."""
    whole = datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
    return whole[:19], whole[19:]


def plain(line: Line, width: int = 0) -> str:
    """Time, container and text of a line."""
    return f"{stamp(line.time)} {line.who:<{width}} | {'(late) ' if line.late else ''}{line.text}"


class NewFile:
    """A text file that was not there before, mode 0600. Use as a context manager. Raises SaveError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            self._file = os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8", errors="backslashreplace")
        except FileExistsError:
            raise SaveError(f"There is already a file {path}, which stays as it is; choose another name.") from None
        except (OSError, ValueError) as error:
            raise SaveError(f"{_why(error)}: {path} was not written.") from None

    def write(self, text: str) -> None:
        """Add text."""
        try:
            self._file.write(text)
        except OSError as error:
            raise SaveError(f"{_why(error)}: not all of {self.path} was written.") from None

    def __enter__(self) -> NewFile:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise SaveError(f"{_why(error)}: not all of {self.path} was written.") from None


def save(path: Path, records: Sequence[Record], shower: Shower) -> int:
    """Write what may be shown of these to a new file, as JSON lines where its name ends in .json or .jsonl; how many
    lines. Secrets are masked as everywhere. Raises SaveError."""
    width = max((len(record.who) for record in records), default=0)
    in_json = path.suffix in (".json", ".jsonl")
    with NewFile(path) as file:
        for start in range(0, len(records), _PIECE):
            lines = shower.lines(records[start : start + _PIECE])
            texts: Iterable[str] = (json_line(line.to_json()) if in_json else plain(line, width) for line in lines)
            file.write("".join(f"{text}\n" for text in texts))
    return len(records)


def _why(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
