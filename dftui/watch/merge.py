"""Lines of several containers put in time order: each waits a moment for earlier ones of the others."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise, repeat
from operator import itemgetter, le
from typing import overload

from dftui.engine.api import LogLine
from dftui.engine.batch import Batch
from dftui.watch.lines import CUT, LATE, LENGTH_SHIFT, MARK, MAX_LINE, STDERR, Record

MOST_BYTES = 4 << 20
"""So much may wait; more is let go at once, in the order that it then has."""
_first = itemgetter(0)
_who, _flags, _data = itemgetter(2), itemgetter(3), itemgetter(4)
_new = tuple.__new__


@dataclass(slots=True)
class Run:
    """What arrived together from one container, as columns. `flags` None: none has any."""

    who: str
    times: Sequence[int]
    flags: Sequence[int] | None
    texts: Sequence[bytes]
    ordered: bool | None = None
    """Its times never go back; None when it is made: find out."""
    size: int = field(init=False)
    """Bytes of its texts."""

    def __post_init__(self) -> None:
        if self.ordered is None:
            self.ordered = all(map(le, self.times, self.times[1:]))
        self.size = sum(map(len, self.texts))

    @property
    def lines(self) -> int:
        """Lines, not marks."""
        return len(self.times) if self.flags is None else sum([not flag & MARK for flag in self.flags])

    def rows(self) -> Iterator[tuple[int, str, int, bytes]]:
        """Time, name, flags and text of each."""
        return zip(self.times, repeat(self.who), repeat(0) if self.flags is None else self.flags, self.texts)

    def part(self, chosen: slice) -> Run:
        """Some of it."""
        flags = None if self.flags is None else self.flags[chosen]
        return Run(self.who, self.times[chosen], flags, self.texts[chosen], self.ordered or None)

    def upto(self, time_ns: int) -> tuple[Run, Run]:
        """What is stamped up to this time, and the rest."""
        if self.ordered:
            cut = bisect_right(self.times, time_ns)
            return self.part(slice(cut)), self.part(slice(cut, None))
        rows = list(self.rows())
        return (
            run_of(self.who, [row for row in rows if row[0] <= time_ns]),
            run_of(self.who, [row for row in rows if row[0] > time_ns]),
        )


def run_of(who: str, rows: Sequence[tuple[int, str, int, bytes]]) -> Run:
    """A run of single rows."""
    if not rows:
        return Run(who, (), None, ())
    times, _, flags, texts = zip(*rows, strict=True)
    return Run(who, times, flags if any(flags) else None, texts)


def run_of_lines(name: str, lines: Sequence[LogLine]) -> Run:
    """A container's lines as they are kept: what is too long is cut and says so."""
    ordered: bool | None = None
    if isinstance(lines, Batch):
        times, streams, texts = lines.times, lines.streams, lines.texts
        ordered = lines.rising or None
    else:
        times, streams, texts = zip(*lines, strict=True)
    long = max(map(len, texts)) > MAX_LINE
    if not long and "stderr" not in streams:
        return Run(name, times, None, texts, ordered)
    flags = [STDERR if stream == "stderr" else 0 for stream in streams]
    if long:
        over = [len(text) > MAX_LINE for text in texts]
        flags = [
            flag | CUT | len(text) << LENGTH_SHIFT if cut else flag
            for flag, text, cut in zip(flags, texts, over, strict=True)
        ]
        texts = [text[:MAX_LINE] for text in texts]
    return Run(name, times, flags, texts, ordered)


class Stretch(Sequence[Record]):
    """Records of one container that follow each other, as columns: of a flood that is only passed on, no record is
    ever made."""

    __slots__ = ("first", "run")

    def __init__(self, run: Run, first: int) -> None:
        """`first` is the number of its first record."""
        self.run = run
        self.first = first

    def __len__(self) -> int:
        return len(self.run.times)

    def __iter__(self) -> Iterator[Record]:
        run, first = self.run, self.first
        flags = run.flags or repeat(0)
        rows = zip(range(first, first + len(self)), run.times, repeat(run.who), flags, run.texts)
        return map(_new, repeat(Record), rows)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> Stretch: ...

    def __getitem__(self, index: int | slice) -> Record | Stretch:
        run = self.run
        if isinstance(index, slice):
            return Stretch(run.part(index), self.first + index.indices(len(self))[0])
        seq = self.first + range(len(self))[index]
        return Record(seq, run.times[index], run.who, run.flags[index] if run.flags else 0, run.texts[index])


class Merge:
    """Pure: times are the caller's clock. Runs come in; records leave, numbered in merged order."""

    def __init__(self, wait: float) -> None:
        """`wait`: seconds that a line waits for earlier ones."""
        self.wait = wait
        self.last_seq = 0
        self._high_ns = 0
        self._pending: list[Run] = []
        self._bytes = 0
        self._arrivals: list[tuple[float, int]] = []

    def __bool__(self) -> bool:
        """Whether something waits."""
        return bool(self._pending)

    @property
    def full(self) -> bool:
        """More waits than may."""
        return self._bytes > MOST_BYTES

    def add(self, run: Run, now: float) -> None:
        """Take what arrived together."""
        if run.times:
            self._pending.append(run)
            self._bytes += run.size
            self._arrivals.append((now, max(run.times)))

    def waiting(self) -> Counter[str]:
        """Lines, not marks, that wait now, by container."""
        found: Counter[str] = Counter()
        for run in self._pending:
            found[run.who] += run.lines
        return found

    def known(self, name: str, since_ns: int) -> Iterator[Record]:
        """A container's lines from this stamp on that wait."""
        rows = chain.from_iterable(run.rows() for run in self._pending if run.who == name)
        return (Record(0, *row) for row in rows if row[0] >= since_ns and not row[2] & MARK)

    def due(self, now: float) -> Sequence[Record]:
        """Those that have waited long enough, and all that is stamped before them."""
        if self.full:
            return self.all()
        waited = upto = 0
        for at, newest in self._arrivals:
            if at > now - self.wait:
                break
            upto = max(upto, newest)
            waited += 1
        if not waited:
            return []
        del self._arrivals[:waited]
        ready: list[Run] = []
        left: list[Run] = []
        for run in self._pending:
            if run.times[-1] <= upto and run.ordered:
                ready.append(run)
                continue
            early, late = run.upto(upto)
            if early.times:
                ready.append(early)
            if late.times:
                left.append(late)
        self._pending = left
        self._bytes = sum([run.size for run in left])
        return self._numbered(ready)

    def all(self) -> Sequence[Record]:
        """Everything that waits, now."""
        ready, self._pending, self._bytes = self._pending, [], 0
        self._arrivals.clear()
        return self._numbered(ready)

    def again(self) -> None:
        """What comes now was read before: older stamps are not late."""
        self._high_ns = 0

    def _numbered(self, runs: list[Run]) -> Sequence[Record]:
        if not runs:
            return ()
        runs.sort(key=lambda run: run.times[0])
        in_turn = all(run.ordered for run in runs) and all(a.times[-1] <= b.times[0] for a, b in pairwise(runs))
        if in_turn and len({run.who for run in runs}) == 1:
            return self._number(_joined(runs))
        if in_turn:
            return [record for run in runs for record in self._number(run)]
        rows = sorted(chain.from_iterable(run.rows() for run in runs), key=_first)
        times, names, told, texts = zip(*rows, strict=True)
        first, flags = self._marked(times, told)
        columns = zip(range(first, self.last_seq + 1), times, names, flags or repeat(0), texts)  # noqa: B905
        return list(map(_new, repeat(Record), columns))

    def _number(self, run: Run) -> Stretch:
        first, flags = self._marked(run.times, run.flags)
        return Stretch(run if flags is run.flags else Run(run.who, run.times, flags, run.texts, run.ordered), first)

    def _marked(self, times: Sequence[int], flags: Sequence[int] | None) -> tuple[int, Sequence[int] | None]:
        """The first number of what leaves now, and its flags: what is stamped before what has left is late."""
        high, first = self._high_ns, self.last_seq + 1
        self._high_ns = max(high, times[-1])
        self.last_seq += len(times)
        if times[0] < high:
            flags = [flag | LATE if at < high else flag for flag, at in zip(flags or repeat(0), times)]  # noqa: B905
        return first, flags


def _joined(runs: Sequence[Run]) -> Run:
    """Runs of one container, each after the other, as one."""
    if len(runs) == 1:
        return runs[0]
    flags: list[int] | None = None
    if any(run.flags for run in runs):
        flags = [flag for run in runs for flag in run.flags or (0,) * len(run.times)]
    times = list(chain.from_iterable(run.times for run in runs))
    return Run(runs[0].who, times, flags, list(chain.from_iterable(run.texts for run in runs)), True)


def who_in(records: Sequence[Record]) -> set[str]:
    """Whose records these are."""
    return {records.run.who} if isinstance(records, Stretch) else set(map(_who, records))


def flags_in(records: Sequence[Record]) -> set[int]:
    """The flags that some of these have; 0 may be left out."""
    return set(records.run.flags or ()) if isinstance(records, Stretch) else set(map(_flags, records))


def texts_in(records: Sequence[Record]) -> Sequence[bytes]:
    """The raw texts of these."""
    return records.run.texts if isinstance(records, Stretch) else list(map(_data, records))


def runs_of(records: Iterable[Record]) -> list[Run]:
    """Records as runs, one for each container."""
    rows: dict[str, list[tuple[int, str, int, bytes]]] = {}
    for record in records:
        rows.setdefault(record.who, []).append(record[1:])
    return [run_of(who, found) for who, found in rows.items()]


def count_lines(records: Sequence[Record]) -> Counter[str]:
    """Lines, not marks, by container."""
    if isinstance(records, Stretch):
        return Counter({records.run.who: records.run.lines})
    found = Counter(map(_who, records))
    found.subtract(Counter([record[2] for record in records if record[3] & MARK]))
    return found
