"""Which log lines are shown: of whom, and that the filter lets through. Pure; the pane draws what this keeps.

What the rings hold is looked through from the newest back, a piece at a time, so that the first page of a new filter
is there at once and no key waits for the rest.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import compress, repeat
from operator import ge, itemgetter

from dftui.ui.backend import Logs
from dftui.watch.lines import GAP, Counts, Record
from dftui.watch.rings import Held, Reader
from dftui.watch.sieve import Choice, Sieve, Sifted, orphaned

PIECE = 1000
"""Records that are looked at between two looks at the clock."""
_MOST_TRACE = 2000
SWEEP = 1 << 20
"""Bytes that may be kept here though the rings have given them up."""
PINNED = 50
"""Lines above and below the window that stay while it is held, even when their ring has given them up."""
_by_seq = itemgetter(0)
_by_time = itemgetter(1)
_who = itemgetter(2)


@dataclass(frozen=True, slots=True)
class Tally:
    """The figures of a log header, each counted at its own place: `received` where lines leave the merge in order,
    `shown` and `filtered` where the filter decides, `dropped` where lines left their ring before this view came to
    them. `lag` is seconds from the engine's stamp of a line to its painting. `unlooked` lines are held and not looked
    at yet: `received` is without them, and so without those that still wait in the merge.

    `astray` is no count but a check: lines that some counter saw and none of the later ones did. It is 0 unless the
    program is wrong, and then the header says it."""

    received: int
    shown: int
    filtered: int
    dropped: int
    lag: float
    gaps: int = 0
    unlooked: int = 0
    astray: int = 0


class LogModel:
    """Reads the hub from where it stopped, filters, counts. `items` are the records let through, oldest first;
    `heads` has, for each, the number of the line that it is folded under, or 0."""

    def __init__(self, logs: Logs, clock: Callable[[], float] = time.perf_counter) -> None:
        self.logs = logs
        self.who: frozenset[str] | None = None
        self.choice = Choice()
        self.items: list[Record] = []
        self.heads: list[int] = []
        self.folded: Counter[int] = Counter()
        """How many lines there are under each line."""
        self.unfold_all = False
        self.flipped: set[int] = set()
        """Lines whose traces are not as `unfold_all` says."""
        self.shown = 0
        self.filtered = 0
        self._clock = clock
        self._lag = 0.0
        self._reader: Reader
        self._seen: Counts
        """The hub's counts at the moment when this view last read."""
        self._held: Held
        self._at_first = 0
        self._live: Sieve
        self._generation = 0
        self._swept = 0
        self._hole: tuple[int, int] | None = None
        self.restart(None, Choice(), 0.0)

    # -- looking ----------------------------------------------------------------------------------------------------
    def restart(self, who: frozenset[str] | None, choice: Choice, seconds: float = 0.015) -> None:
        """Another choice: everything that the hub still holds is looked at again, for `seconds` right now.

        Raises BadPattern when an expression takes too long.
        """
        self.who, self.choice = who, choice
        self.shown = self.filtered = 0
        self.items, self.heads = [], []
        self.folded.clear()
        self.flipped.clear()
        self._hole = None
        self._generation = self.logs.generation
        self._swept = self.logs.freed_bytes
        self._reader = self.logs.reader(who)
        self._held = self._reader.held()
        self._seen = self.logs.counts.of(who)
        self._at_first = self._held.lines
        self._live = Sieve(choice, self.logs)
        self._look(self._live)
        self.look(seconds)

    @property
    def looking(self) -> bool:
        """Whether held lines are left to look at."""
        return bool(self._held)

    @property
    def looked(self) -> float:
        """How much of what was held is looked at, 0 to 1."""
        return 1 - self._held.lines / self._at_first if self._at_first else 1.0

    def look(self, seconds: float) -> int:
        """Look further back for so long; how many records that put before the others."""
        was = len(self.items)
        end = self._clock() + seconds
        while self._held and self._clock() < end:
            # Of what lies further back, only what the piece itself holds can say what belongs under what.
            self._look(Sieve(self.choice, self.logs))
        return len(self.items) - was

    def _look(self, sieve: Sieve) -> None:
        piece = self._held.take(PIECE)
        more = 0
        while self._held and more < _MOST_TRACE and orphaned(piece):
            before = self._held.take(100)
            piece[0:0] = before
            more += len(before)
        found = sieve.sift(piece)
        self.items[0:0] = found.records
        self.heads[0:0] = found.heads
        self._count(found.heads, found.shown, found.filtered)

    def pull(self) -> tuple[int, int]:
        """Take what is new: how many records came, and how many lines of them are to be shown. Raises BadPattern."""
        batch = self._reader.read()
        self._seen = self.logs.counts.of(self.who)
        if not batch.records:
            return 0, 0
        # The one that waited longest tells how far behind the screen is.
        self._lag = next((lag for r in batch.records if (lag := self.logs.lag_of(r)) is not None), 0.0)
        found = self._live.sift(batch.records)
        if self._reader.missed:
            self._mark_missed(batch.records, found)
        self.items += found.records
        self.heads += found.heads
        self._count(found.heads, found.shown, found.filtered)
        return len(batch.records), found.shown

    def _mark_missed(self, records: tuple[Record, ...], found: Sifted) -> None:
        """Say before the first line of each container whose lines were dropped how many were."""
        taken = {record.seq for record in records}
        for name, lines in self._reader.missed.items():
            first = next((record for record in records if record.who == name), None)
            if first is None:
                continue
            # The lines that are gone had numbers that nothing here has: one of them is the mark's.
            seq = next(n for n in range(first.seq - 1, 0, -1) if n not in taken)
            taken.add(seq)
            text = f"{lines:,} lines of {name} came faster than they could be looked at"
            at = bisect_left(found.records, seq, key=_by_seq)
            found.records.insert(at, Record(seq, first.time_ns, name, GAP, text.encode()))
            found.heads.insert(at, 0)

    @property
    def outdated(self) -> bool:
        """The hub has begun anew: so must this."""
        return self.logs.generation != self._generation

    def _count(self, heads: list[int], shown: int, filtered: int) -> None:
        self.shown += shown
        self.filtered += filtered
        if any(heads):
            self.folded.update(head for head in heads if head)

    # -- memory -----------------------------------------------------------------------------------------------------
    def sweep(self, window: tuple[int, int] | None) -> bool:
        """Let go of records that the rings gave up, now and then; whether something went.

        What lies about the `window` (numbers of its first and last record, while it is held) stays under the
        reader's eyes; where lines after it are gone, a mark says how many.
        """
        freed = self.logs.freed_bytes
        if freed - self._swept < SWEEP:
            return False
        self._swept = freed
        hole = self._take_mark()
        oldest = self.logs.oldest()
        # From the youngest of the rings' ends on, all are held.
        sure = self.index(max(oldest.values(), default=0))
        items, heads = self.items[:sure], self.heads[:sure]
        alive = list(map(ge, map(_by_seq, items), map(oldest.get, map(_who, items), repeat(0))))
        last = sure
        if window is not None:
            first = max(0, self.index(window[0]) - PINNED)
            last = min(last, self.index(window[1]) + PINNED)
            alive[first:last] = [True] * (last - first)
        gone = [record for record, stays in zip(items[last:], alive[last:], strict=True) if not stays]
        if any(heads):
            for head, stays in zip(heads, alive, strict=True):
                if head and not stays:
                    self.folded[head] -= 1
        self.items[:sure], self.heads[:sure] = compress(items, alive), compress(heads, alive)
        if window is not None and (gone or hole):
            seq = hole[0] if hole else gone[0].seq
            self._mark_hole(seq, (hole[1] if hole else 0) + sum(record.is_line for record in gone))
        self.flipped &= set(self.folded)
        return True

    def _take_mark(self) -> tuple[int, int] | None:
        """Take the mark of an earlier hole away: its number, and the lines that it told of."""
        hole, self._hole = self._hole, None
        if hole is not None:
            at = self.index(hole[0])
            del self.items[at], self.heads[at]
        return hole

    def _mark_hole(self, seq: int, lines: int) -> None:
        """Say in the place of the first record that is gone how many lines are."""
        at = self.index(seq)
        text = f"{lines:,} lines that came here are no longer held"
        self.items.insert(at, Record(seq, self.items[max(0, at - 1)].time_ns, "", GAP, text.encode()))
        self.heads.insert(at, 0)
        self._hole = (seq, lines)

    # -- finding ----------------------------------------------------------------------------------------------------
    def index(self, seq: int) -> int:
        """Where the record of this number is, or would be."""
        return bisect_left(self.items, seq, key=_by_seq)

    def index_at(self, time_ns: int) -> int:
        """The first record that is not older; late ones aside, records stand in the order of their times."""
        return bisect_left(self.items, time_ns, key=_by_time)

    def hidden(self, index: int) -> bool:
        """Whether it is folded away."""
        head = self.heads[index]
        return bool(head) and (head in self.flipped) == self.unfold_all

    def step(self, index: int, by: int) -> int | None:
        """The next record that is not folded away, after or before this one; None at the end."""
        index += by
        while 0 <= index < len(self.items):
            if not self.hidden(index):
                return index
            index += by
        return None

    def head_of(self, index: int) -> int | None:
        """The number of the line that a record's trace is under, or that has one under itself; None without."""
        head = self.heads[index] or self.items[index].seq
        return head if self.folded[head] > 0 else None

    # -- figures ----------------------------------------------------------------------------------------------------
    def tally(self) -> Tally:
        """The header's figures."""
        return Tally(
            received=self._seen.received - self._held.lines,
            shown=self.shown,
            filtered=self.filtered,
            dropped=self._reader.lost,
            lag=self._lag,
            gaps=self._seen.gaps,
            unlooked=self._held.lines,
            astray=self._astray(),
        )

    def _astray(self) -> int:
        seen = self._seen
        in_merge = seen.arrived - seen.waiting - seen.received
        after = seen.received - self._held.lines - self.shown - self.filtered - self._reader.lost
        return abs(in_merge) + abs(after)
