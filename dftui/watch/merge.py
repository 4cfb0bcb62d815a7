"""Lines of several containers put in time order: each waits a moment for earlier ones of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import repeat
from operator import itemgetter

from dftui.watch.lines import LATE, MARK, Record

MOST_BYTES = 4 << 20
"""So much may wait; more is let go at once, in the order that it then has."""
_by_time = itemgetter(1)
_who = itemgetter(2)
_new = tuple.__new__


class Merge:
    """Pure: times are the caller's clock. Records come in with number 0 and leave numbered in merged order."""

    def __init__(self, wait: float) -> None:
        """`wait`: seconds that a line waits for earlier ones."""
        self.wait = wait
        self.last_seq = 0
        self._high_ns = 0
        self._pending: list[Record] = []
        self._bytes = 0
        self._arrivals: list[tuple[float, int]] = []

    def __bool__(self) -> bool:
        """Whether something waits."""
        return bool(self._pending)

    @property
    def full(self) -> bool:
        """More waits than may."""
        return self._bytes > MOST_BYTES

    def add(self, records: Iterable[Record], size: int, newest_ns: int, now: float) -> None:
        """Take records that arrived together; `size` is their bytes, `newest_ns` their newest stamp."""
        self._pending.extend(records)
        self._bytes += size
        self._arrivals.append((now, newest_ns))

    def waiting(self) -> Counter[str]:
        """Lines, not marks, that wait now, by container."""
        return count_lines(self._pending)

    def known(self, name: str, since_ns: int) -> Iterator[Record]:
        """A container's lines from this stamp on that wait."""
        return (r for r in self._pending if r.who == name and r.time_ns >= since_ns and r.is_line)

    def due(self, now: float) -> list[Record]:
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
        ready = [record for record in self._pending if record[1] <= upto]
        if len(ready) == len(self._pending):
            self._pending, self._bytes = [], 0
        else:
            self._pending = [record for record in self._pending if record[1] > upto]
            self._bytes = sum([len(record[4]) for record in self._pending])
        return self._numbered(ready)

    def all(self) -> list[Record]:
        """Everything that waits, now."""
        ready, self._pending, self._bytes = self._pending, [], 0
        self._arrivals.clear()
        return self._numbered(ready)

    def again(self) -> None:
        """What comes now was read before: older stamps are not late."""
        self._high_ns = 0

    def _numbered(self, ready: list[Record]) -> list[Record]:
        if not ready:
            return ready
        ready.sort(key=_by_time)
        first, high = self.last_seq + 1, self._high_ns
        self.last_seq += len(ready)
        self._high_ns = max(high, ready[-1].time_ns)
        _, stamps, names, flags, texts = zip(*ready, strict=True)
        if stamps[0] < high:
            flags = tuple(flag | LATE if at < high else flag for flag, at in zip(flags, stamps, strict=True))
        numbers = range(first, first + len(ready))
        return list(map(_new, repeat(Record), zip(numbers, stamps, names, flags, texts, strict=True)))


def count_lines(records: list[Record]) -> Counter[str]:
    """Lines, not marks, by container."""
    found = Counter(map(_who, records))
    found.subtract(Counter([record[2] for record in records if record[3] & MARK]))
    return found
