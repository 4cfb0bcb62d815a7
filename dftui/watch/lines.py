"""Log lines as the hub keeps them (raw) and as a screen or a file gets them (safe, masked, parsed)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from operator import itemgetter
from typing import Any, Literal, NamedTuple

MAX_LINE = 16_384
"""Bytes of a line that are kept; what is longer is cut there and says so."""

STDERR, EVENT, GAP, LATE, CUT = 1, 2, 4, 8, 16
"""Flags of a record; the bits from `LENGTH_SHIFT` up hold a cut line's full length in bytes."""
MARK = EVENT | GAP
LENGTH_SHIFT = 8

Level = Literal["", "debug", "info", "notice", "warning", "error", "critical"]
LEVELS: tuple[Level, ...] = ("", "debug", "info", "notice", "warning", "error", "critical")
"""From nothing known to the worst."""
Kind = Literal["", "request", "response", "trace", "nginx", "entrypoint", "access", "event", "gap"]


_flags = itemgetter(3)


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
        return not self.flags & MARK


def lines_in(records: Sequence[Record]) -> int:
    """How many of these a container wrote."""
    if not any(flags & MARK for flags in set(map(_flags, records))):
        return len(records)
    return sum([not record[3] & MARK for record in records])


@dataclass(frozen=True, slots=True)
class Line:
    """A record ready to draw: sanitised, secrets masked. `time` is unix seconds of the engine's stamp; `late` says
    that it came after later lines were shown; `level` and `kind` are "" where the text tells none; `folds` marks the
    follow-up lines of a stack trace, which a pane may fold under the line before them. Of DreamFactory's requests
    `method` and `path` are known, of its responses `status`; `body` is where the text goes on after the
    application's own stamp, level and tag."""

    seq: int
    time: float
    who: str
    stream: str
    text: str
    level: Level = ""
    kind: Kind = ""
    late: bool = False
    folds: bool = False
    method: str = ""
    path: str = ""
    status: int = 0
    body: int = 0

    def to_json(self) -> dict[str, Any]:
        """One object of `logs --json`; what a line does not have is left out."""
        found = asdict(self)
        for key in ("method", "path", "status", "body"):
            if key == "body" or not found[key]:
                del found[key]
        return found


@dataclass(frozen=True, slots=True)
class LogBatch:
    """Records in merged order, and `last` to ask with next time."""

    records: tuple[Record, ...]
    last: int


@dataclass(slots=True)
class Counts:
    """Lines, each figure counted at its own place: `arrived` where the engine's stream gives them, `waiting` in the
    merge, `received` where they leave it in order, `kept` where they enter a ring, `evicted` where one leaves a ring
    for newer ones, `repeated` where the engine delivered one twice (it counts once). `gaps` are holes that rotation
    or a flood made before the lines got here. `lag` is seconds from the engine's stamp to arrival."""

    arrived: int = 0
    waiting: int = 0
    received: int = 0
    kept: int = 0
    evicted: int = 0
    repeated: int = 0
    gaps: int = 0
    bytes: int = 0
    lag: float = 0.0

    def add(self, other: Counts) -> None:
        """Sum up; the lag is that of the slowest."""
        self.arrived += other.arrived
        self.waiting += other.waiting
        self.received += other.received
        self.kept += other.kept
        self.evicted += other.evicted
        self.repeated += other.repeated
        self.gaps += other.gaps
        self.bytes += other.bytes
        self.lag = max(self.lag, other.lag)


@dataclass(frozen=True, slots=True)
class LogCounts:
    """Counts of all and of each container, by name."""

    total: Counts = field(default_factory=Counts)
    by_name: Mapping[str, Counts] = field(default_factory=dict)

    def of(self, who: frozenset[str] | None) -> Counts:
        """Of these containers together (None: of all), as they are now."""
        if who is None:
            return self.total
        found = Counts()
        for name in who:
            if name in self.by_name:
                found.add(self.by_name[name])
        return found
