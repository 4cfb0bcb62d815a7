"""Rings of raw log records, bounded in bytes for each container and for all together."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter

from dftui.watch.lines import LogBatch, Record, lines_in

OVERHEAD = 240
"""Bytes that a record costs in memory beside its data (CPython 3.11: tuple, two ints, bytes header, slots in a ring
and a view)."""

_LEAST_FREED = 64 << 10
_by_seq = itemgetter(0)
_who = itemgetter(2)
_data = itemgetter(4)


class Ring:
    """One container's records, oldest first. `kept` and `evicted` count lines, not marks, where they happen."""

    __slots__ = ("bytes", "evicted", "kept", "records")

    def __init__(self) -> None:
        self.records: deque[Record] = deque()
        self.bytes = 0
        self.evicted = 0
        self.kept = 0

    def after(self, seq: int) -> Iterator[Record]:
        """Records above `seq`, newest first (the usual question is for the last few)."""
        for record in reversed(self.records):
            if record.seq <= seq:
                return
            yield record


class Rings:
    """All containers' rings."""

    def __init__(self, each: int, total: int) -> None:
        """`each` and `total` are bytes, the records' own cost included; a single record always stays."""
        self.each = each
        self.total = total
        self.bytes = 0
        self.freed = 0
        """Bytes of all records that ever left."""
        self.last_seq = 0
        self.by_name: dict[str, Ring] = {}

    def add(self, records: Sequence[Record]) -> None:
        """Append in order, then make room."""
        groups: defaultdict[str, list[Record]] = defaultdict(list)
        records = list(records)
        if len(names := set(map(_who, records))) == 1:
            groups[names.pop()] = records
        else:
            for record in records:
                groups[record[2]].append(record)
        by_name = self.by_name
        for name, group in groups.items():
            ring = by_name.get(name)
            if ring is None:
                ring = by_name[name] = Ring()
            size = sum(map(len, map(_data, group))) + OVERHEAD * len(group)
            ring.records.extend(group)
            ring.bytes += size
            ring.kept += lines_in(group)
            self.bytes += size
            self.last_seq = max(self.last_seq, group[-1].seq)
            if ring.bytes > self.each:
                self._shrink(ring, self.each)
        while self.bytes > self.total:
            largest = max(by_name.values(), key=lambda ring: ring.bytes)
            if len(largest.records) < 2:
                return
            # A part at a time, so that of many small rings none gives up what nobody has read yet.
            self._shrink(largest, largest.bytes - min(largest.bytes // 4, max(self.bytes - self.total, _LEAST_FREED)))

    def clear(self) -> list[Record]:
        """Forget everything; what was held, in order."""
        found = self.after(0)
        self.by_name.clear()
        self.bytes = 0
        return found

    def chosen(self, who: frozenset[str] | None) -> Iterator[tuple[str, Ring]]:
        """The rings of these containers; None is all."""
        return ((name, ring) for name, ring in self.by_name.items() if who is None or name in who)

    def after(self, seq: int, who: frozenset[str] | None = None) -> list[Record]:
        """Records above `seq` of these containers in merged order."""
        found: list[Record] = []
        for _, ring in self.chosen(who):
            found.extend(ring.after(seq))
        found.sort(key=_by_seq)
        return found

    def known(self, name: str) -> Iterator[Record]:
        """This container's records, newest first."""
        ring = self.by_name.get(name)
        return iter(()) if ring is None else reversed(ring.records)

    def known_from(self, name: str) -> int:
        """The stamp from which on all of this container's lines are held; 0 when none has left its ring."""
        ring = self.by_name.get(name)
        return ring.records[0].time_ns if ring is not None and ring.evicted else 0

    def oldest(self) -> Mapping[str, int]:
        """The number of each container's oldest record."""
        return {name: ring.records[0].seq for name, ring in self.by_name.items() if ring.records}

    def _shrink(self, ring: Ring, size: int) -> None:
        records = ring.records
        over = ring.bytes - size
        freed = lines = 0
        # The newest record stays even when it alone is over the size.
        while freed < over and len(records) > 1:
            # As many at once as would be too few, were all as long as the first ones.
            few = list(islice(records, 64))
            each = sum(map(len, map(_data, few))) // len(few) + OVERHEAD
            count = min(len(records) - 1, max(1, (over - freed) // each * 3 // 4)) if over - freed > 8 * each else 1
            gone = [records.popleft() for _ in range(count)]
            freed += sum(map(len, map(_data, gone))) + OVERHEAD * count
            lines += lines_in(gone)
        ring.bytes -= freed
        self.bytes -= freed
        self.freed += freed
        ring.evicted += lines


class Held:
    """What the rings held at one moment, to be looked through from the newest back, a piece at a time."""

    def __init__(self, rings: Iterable[Ring]) -> None:
        self._parts: list[list[Record]] = []
        self.lines = 0
        """Lines, not marks, that were not taken yet."""
        for ring in rings:
            if ring.records:
                self._parts.append(list(ring.records))
            self.lines += ring.kept - ring.evicted
        self._high = max((part[-1].seq for part in self._parts), default=0)

    def __bool__(self) -> bool:
        """Whether something is left."""
        return bool(self._parts)

    def take(self, count: int) -> list[Record]:
        """The `count` newest records that are left, oldest first."""
        found: list[Record] = []
        window = count
        while len(found) < count and self._parts:
            self._high -= window
            window *= 2
            for part in self._parts:
                cut = bisect_right(part, self._high, key=_by_seq)
                found += part[cut:]
                del part[cut:]
            self._parts = [part for part in self._parts if part]
        found.sort(key=_by_seq)
        if len(found) > count:
            self._parts.append(found[:-count])
            found = found[-count:]
            self._high = found[0].seq - 1
        self.lines -= lines_in(found)
        return found


class Reader:
    """Reads the rings of some containers: once what they hold, then what is added.

    `lost` counts the lines that left a ring before this reader came to them. A ring gives up its oldest first, so of
    the evicted ones those are lost that are not among the first that were kept when this reader last read."""

    def __init__(self, rings: Rings, who: frozenset[str] | None = None) -> None:
        self.who = who
        self.lost = 0
        self.missed: dict[str, int] = {}
        """Of the lines that were lost, those of the last read, by container."""
        self._rings = rings
        self._last = 0
        self._read: dict[str, int] = {}
        """Per ring: of the lines that were ever kept, the first so many are read or counted as lost."""

    def held(self) -> Held:
        """Everything that is held now; `read` goes on from there."""
        self._settle()
        self._last = self._rings.last_seq
        return Held(ring for _, ring in self._rings.chosen(self.who))

    def read(self) -> LogBatch:
        """What was added since."""
        self._settle()
        records = self._rings.after(self._last, self.who)
        self._last = self._rings.last_seq
        return LogBatch(tuple(records), self._last)

    def _settle(self) -> None:
        self.missed = {}
        for name, ring in self._rings.chosen(self.who):
            missed = ring.evicted - self._read.get(name, 0)
            if missed > 0:
                self.lost += missed
                self.missed[name] = missed
            self._read[name] = ring.kept
