"""Which lines are let through, and which go under the line before them as part of a stack trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Protocol

from dftui.watch.lines import GAP, LEVELS, MARK, STDERR, Level, Line, Record, lines_in
from dftui.watch.match import Matcher
from dftui.watch.parse import continues

MOST_FOLDED = 500
"""Lines that go under one; a trace that is longer begins again, so that no container can hide all it writes."""
_CHUNK = 1000
_who_and_flags = itemgetter(2, 3)


class Shower(Protocol):
    """Makes of records what may be shown."""

    def texts(self, records: Sequence[Record]) -> list[str]:
        """The text of each."""
        ...

    def lines(self, records: Sequence[Record]) -> list[Line]:
        """Each with all that its text says."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """What is wanted: lines that `matcher` picks, at `least` as bad as this level ("": all, those without one too),
    stamped before `until_ns` (0: any). The lines of a stack trace have the level of the line above them."""

    matcher: Matcher = field(default_factory=Matcher)
    least: Level = ""
    until_ns: int = 0

    def __bool__(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.matcher or self.least or self.until_ns)


@dataclass(frozen=True, slots=True)
class Sifted:
    """What was let through: `heads` has, for each of `records`, the number of the line that it belongs under (0: it
    stands by itself). `shown` and `filtered` count lines, not marks, where it is decided about each."""

    records: list[Record]
    heads: list[int]
    shown: int
    filtered: int


@dataclass(slots=True)
class _Last:
    """Of one container's stream: its last line that stands by itself, and what followed."""

    seq: int
    kept: bool
    bad_enough: bool
    trace: bool = False
    under: int = 0


class Sieve:
    """Takes records in merged order, any number at a time."""

    def __init__(self, choice: Choice, shower: Shower) -> None:
        self._choice = choice
        self._shower = shower
        # By stream, then container: what nginx says on standard error stands amidst the application's traces.
        self._last: tuple[dict[str, _Last], dict[str, _Last]] = ({}, {})

    def sift(self, records: Sequence[Record]) -> Sifted:
        """Decide about these. Raises BadPattern when an expression takes too long."""
        if not self._choice:
            return self._all(records)
        out: list[Record] = []
        heads: list[int] = []
        shown = filtered = 0
        for start in range(0, len(records), _CHUNK):
            found = self._some(records[start : start + _CHUNK])
            out += found.records
            heads += found.heads
            shown += found.shown
            filtered += found.filtered
        return Sifted(out, heads, shown, filtered)

    def _some(self, records: Sequence[Record]) -> Sifted:
        choice, last = self._choice, self._last
        picked = choice.matcher.select(records, self._shower.texts)
        if not any(picked) and not choice.least:
            # Most of a rare search. What is picked later belongs under none of these; a level, it would have of one.
            names = {record[2] for record in records}
            for of_stream in last:
                for who in names & of_stream.keys():
                    of_stream[who].kept = False
            return Sifted([], [], 0, lines_in(records))
        bad_enough: list[bool] | None = None
        if choice.least:
            least = LEVELS.index(choice.least)
            bad_enough = [LEVELS.index(line.level) >= least for line in self._shower.lines(records)]
        out: list[Record] = []
        heads: list[int] = []
        shown = filtered = 0
        for index, record in enumerate(records):
            head, enough = self._place(record, bad_enough is None or bad_enough[index])
            keep = picked[index] and (enough or bool(record.flags & GAP))
            if choice.until_ns and record.time_ns >= choice.until_ns:
                keep = False
            if not head and not record.flags & MARK:
                last[record.flags & STDERR][record.who].kept = keep
            if keep:
                out.append(record)
                # What is folded away must have something to be folded under.
                heads.append(head if head and last[record.flags & STDERR][record.who].kept else 0)
                shown += record.is_line
            else:
                filtered += record.is_line
        return Sifted(out, heads, shown, filtered)

    def _all(self, records: Sequence[Record]) -> Sifted:
        heads: list[int] = []
        append = heads.append
        last = self._last
        shown = 0
        for record in records:
            seq, _, who, flags, data = record
            if flags & MARK:
                self._ended(who)
                append(0)
                continue
            shown += 1
            before = last[flags & STDERR].get(who)
            if before is None:
                last[flags & STDERR][who] = _Last(seq, True, True)
                append(0)
            elif continues(data, before.trace) and before.under < MOST_FOLDED:
                before.trace = True
                before.under += 1
                append(before.seq)
            else:
                before.seq, before.kept, before.trace, before.under = seq, True, False, 0
                append(0)
        return Sifted(list(records), heads, shown, 0)

    def _place(self, record: Record, enough: bool) -> tuple[int, bool]:
        """Under which line a record belongs (0: none), and whether it is bad enough."""
        if record.flags & MARK:
            self._ended(record.who)
            return 0, enough
        last = self._last[record.flags & STDERR]
        before = last.get(record.who)
        if before is not None and before.under < MOST_FOLDED and continues(record.data, before.trace):
            before.trace = True
            before.under += 1
            return before.seq, before.bad_enough
        last[record.who] = _Last(record.seq, True, enough)
        return 0, enough

    def _ended(self, who: str) -> None:
        """What a container writes after an event or a gap continues nothing."""
        for of_stream in self._last:
            of_stream.pop(who, None)


def orphaned(records: Sequence[Record]) -> bool:
    """Whether the first line of some container's stream here may continue one that came earlier."""
    streams = {(who, flags & STDERR) for who, flags in set(map(_who_and_flags, records)) if not flags & MARK}
    for _, _, who, flags, data in records:
        if (who, flags & STDERR) in streams and not flags & MARK:
            if continues(data, False):
                return True
            streams.discard((who, flags & STDERR))
            if not streams:
                break
    return False
