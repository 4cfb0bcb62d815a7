"""One thing that `dftui doctor` looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`ok` None when it could not be seen from here; `do` is what to do about it."""

    name: str
    ok: bool | None
    what: str
    do: str = ""
