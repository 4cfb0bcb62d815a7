"""Rings of raw log records, bounded in bytes for each container and for all together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from dftui.watch.lines import Record

OVERHEAD = 220
"""Bytes that a record costs in memory beside its data (CPython 3.11: tuple, two ints, bytes header, slot)."""

Evicted = Callable[[Record], None]


class Ring:
    """One container's records, oldest first."""

    __slots__ = ("bytes", "evicted", "kept", "records")

    def __init__(self) -> None:
        self.records: deque[Record] = deque()
        self.bytes = 0
        self.kept = 0
        self.evicted = 0

    def add(self, record: Record) -> None:
        """Append; the owner evicts."""
        self.records.append(record)
        self.bytes += len(record.data) + OVERHEAD
        self.kept += 1

    def after(self, seq: int) -> Iterator[Record]:
        """Records above `seq`, newest first (the usual question is for the last few)."""
        for record in reversed(self.records):
            if record.seq <= seq:
                return
            yield record


class Rings:
    """All containers' rings. `on_evict` hears of each record that leaves before its ring is forgotten."""

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
        added = 0
        for record in records:
            ring = touched.get(record.who)
            if ring is None:
                ring = touched[record.who] = by_name.setdefault(record.who, Ring())
            ring.records.append(record)
            size = len(record.data) + OVERHEAD
            ring.bytes += size
            ring.kept += 1
            added += size
        self.bytes += added
        for ring in touched.values():
            if ring.bytes > self.each:
                self._shrink(ring, self.each)
        while self.bytes > self.total:
            largest = max(by_name.values(), key=lambda ring: ring.bytes)
            if len(largest.records) < 2:
                return
            self._shrink(largest, max(0, largest.bytes - max(self.bytes - self.total, self.total // 64)))

    def forget(self, name: str) -> None:
        """Drop a whole ring (a container long gone)."""
        ring = self.by_name.pop(name, None)
        if ring is not None:
            self._shrink(ring, -1)

    def after(self, seq: int, who: frozenset[str] | None = None) -> list[Record]:
        """Records above `seq` of these containers (None: all) in merged order."""
        found: list[Record] = []
        for name, ring in self.by_name.items():
            if who is None or name in who:
                found.extend(ring.after(seq))
        found.sort()
        return found

    def _shrink(self, ring: Ring, size: int) -> None:
        records = ring.records
        heard = self._on_evict
        # The newest record stays even when it alone is over the size; -1 empties the ring.
        keep = 0 if size < 0 else 1
        while ring.bytes > size and len(records) > keep:
            gone = records.popleft()
            freed = len(gone.data) + OVERHEAD
            ring.bytes -= freed
            self.bytes -= freed
            ring.evicted += 1
            if heard is not None:
                heard(gone)
