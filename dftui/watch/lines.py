"""Log lines as the hub keeps them (raw) and as a screen or a file gets them (safe, masked, parsed)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

MAX_LINE = 16_384
"""Bytes of a line that are kept; what is longer is cut there and says so."""

STDERR, EVENT, GAP, LATE, CUT = 1, 2, 4, 8, 16
"""Flags of a record; the bits from `LENGTH_SHIFT` up hold a cut line's full length in bytes."""
LENGTH_SHIFT = 8

Level = Literal["", "debug", "info", "notice", "warning", "error", "critical"]
Kind = Literal["", "request", "response", "trace", "nginx", "entrypoint", "access", "event", "gap"]


class Record(NamedTuple):
    """One line in a ring. `seq` counts all containers' records in merged order, from 1, without holes; `who` is the
    container's name; `data` is raw: never draw it, ask `LogHub.line`."""

    seq: int
    time_ns: int
    who: str
    flags: int
    data: bytes

    @property
    def is_line(self) -> bool:
        """A container wrote it (it is neither a life-cycle event nor a gap mark)."""
        return not self.flags & (EVENT | GAP)


@dataclass(frozen=True, slots=True)
class Line:
    """A record ready to draw: sanitised, secrets masked. `time` is unix seconds of the engine's stamp; `late` says
    that it came after later lines were shown; `level` and `kind` are "" where the text tells none; `folds` marks the
    follow-up lines of a stack trace, which a pane may fold under the line before them."""

    seq: int
    time: float
    who: str
    stream: str
    text: str
    level: Level = ""
    kind: Kind = ""
    late: bool = False
    folds: bool = False

    def to_json(self) -> dict[str, Any]:
        """One object of `logs --json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class LogBatch:
    """What `LogHub.lines_since` gives: `records` in merged order, `last` to ask with next time, `lost` lines of these
    containers that left the rings before they were asked for."""

    records: tuple[Record, ...]
    last: int
    lost: int = 0


@dataclass(slots=True)
class Counts:
    """Counted at separate places: `received` where lines come from the engine, `kept` where they enter a ring,
    `dropped` where one is thrown away before it entered, `evicted` where one leaves a ring for newer ones,
    `repeated` where the engine delivered one twice. `lag` is seconds from the engine's stamp to arrival."""

    received: int = 0
    kept: int = 0
    dropped: int = 0
    evicted: int = 0
    repeated: int = 0
    gaps: int = 0
    bytes: int = 0
    lag: float = 0.0


@dataclass(frozen=True, slots=True)
class LogCounts:
    """Counts of all and of each container, by name."""

    total: Counts = field(default_factory=Counts)
    by_name: Mapping[str, Counts] = field(default_factory=dict)
