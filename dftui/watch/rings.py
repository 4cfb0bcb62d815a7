"""Rings of raw log records, bounded in bytes for each container and for all together."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter

from dftui.watch.lines import Record

OVERHEAD = 220
"""Bytes that a record costs in memory beside its data (CPython 3.11: tuple, two ints, bytes header, slot)."""

_by_seq = itemgetter(0)
Evicted = Callable[[Record], None]


_MOST_MARKS = 8192


class Ring:
    """One container's records, oldest first. `kept` and `evicted` count lines, not marks, where they happen."""

    __slots__ = ("_mark_kept", "_mark_seqs", "bytes", "evicted", "kept", "records")

    def __init__(self) -> None:
        self.records: deque[Record] = deque()
        self.bytes = 0
        self.kept = 0
        self.evicted = 0
        self._mark_seqs: list[int] = [0]
        self._mark_kept: list[int] = [0]

    def mark(self, seq: int) -> None:
        """All records up to `seq` are in: remember how many lines that makes."""
        self._mark_seqs.append(seq)
        self._mark_kept.append(self.kept)
        if len(self._mark_seqs) > _MOST_MARKS:
            del self._mark_seqs[1 : _MOST_MARKS // 2]
            del self._mark_kept[1 : _MOST_MARKS // 2]

    def lost_after(self, seq: int) -> int:
        """Lines above `seq` that left the ring. Exact for a `seq` at which a merge ended, as readers ask."""
        kept_upto = self._mark_kept[bisect_right(self._mark_seqs, seq) - 1]
        return max(0, self.evicted - kept_upto)

    def after(self, seq: int) -> Iterator[Record]:
        """Records above `seq`, newest first (the usual question is for the last few)."""
        for record in reversed(self.records):
            if record.seq <= seq:
                return
            yield record


class Rings:
    """All containers' rings. `on_evict` hears of each record that leaves."""

    def __init__(self, each: int, total: int, on_evict: Evicted | None = None) -> None:
        """`each` and `total` are bytes, the records' own cost included; a single record always stays."""
        self.each = each
        self.total = total
        self.bytes = 0
        self.by_name: dict[str, Ring] = {}
        self._on_evict = on_evict

    def add(self, records: Iterable[Record]) -> None:
        """Append in order, then make room."""
        by_name = self.by_name
        touched: dict[str, Ring] = {}
        added = last = 0
        for record in records:
            ring = touched.get(record.who)
            if ring is None:
                ring = touched[record.who] = by_name.setdefault(record.who, Ring())
            ring.records.append(record)
            size = len(record.data) + OVERHEAD
            ring.bytes += size
            ring.kept += record.is_line
            added += size
            last = record.seq
        self.bytes += added
        for ring in touched.values():
            ring.mark(last)
            if ring.bytes > self.each:
                self._shrink(ring, self.each)
        while self.bytes > self.total:
            largest = max(by_name.values(), key=lambda ring: ring.bytes)
            if len(largest.records) < 2:
                return
            self._shrink(largest, max(0, largest.bytes - max(self.bytes - self.total, self.total // 64)))

    def after(self, seq: int, who: frozenset[str] | None = None) -> list[Record]:
        """Records above `seq` of these containers (None: all) in merged order."""
        found: list[Record] = []
        for name, ring in self.by_name.items():
            if who is None or name in who:
                found.extend(ring.after(seq))
        found.sort(key=_by_seq)
        return found

    def lost_after(self, seq: int, who: frozenset[str] | None = None) -> int:
        """Lines of these containers above `seq` that left the rings."""
        return sum(ring.lost_after(seq) for name, ring in self.by_name.items() if who is None or name in who)

    def _shrink(self, ring: Ring, size: int) -> None:
        records = ring.records
        heard = self._on_evict
        # The newest record stays even when it alone is over the size.
        while ring.bytes > size and len(records) > 1:
            gone = records.popleft()
            freed = len(gone.data) + OVERHEAD
            ring.bytes -= freed
            self.bytes -= freed
            ring.evicted += gone.is_line
            if heard is not None:
                heard(gone)
