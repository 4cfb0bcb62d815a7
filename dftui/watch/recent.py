"""The last lines of each container as they came, for who only passes them on: nobody looks back, but a line that the
engine gives a second time must be known again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain
from operator import itemgetter

from dftui.watch.lines import Record
from dftui.watch.merge import Stretch
from dftui.watch.rings import OVERHEAD

_data = itemgetter(4)


class Recent:
    """Bounded in bytes for each container; what is oldest goes first, a piece at a time, and the newest piece stays.
    Of what came as columns it makes a record only when somebody asks for it."""

    def __init__(self, each: int) -> None:
        """`each` is bytes, as in `Rings`."""
        self.each = each
        self._pieces: dict[str, deque[tuple[Sequence[Record], int]]] = {}
        self._bytes: dict[str, int] = {}
        self._shed: set[str] = set()

    def add(self, records: Sequence[Record]) -> None:
        """Append in order, then make room."""
        if isinstance(records, Stretch):
            self._add(records.run.who, records, records.run.size)
            return
        groups: dict[str, list[Record]] = {}
        for record in records:
            groups.setdefault(record[2], []).append(record)
        for who, group in groups.items():
            self._add(who, group, sum(map(len, map(_data, group))))

    def _add(self, who: str, records: Sequence[Record], size: int) -> None:
        pieces = self._pieces.setdefault(who, deque())
        size += OVERHEAD * len(records)
        pieces.append((records, size))
        held = self._bytes.get(who, 0) + size
        while held > self.each and len(pieces) > 1:
            held -= pieces.popleft()[1]
            self._shed.add(who)
        self._bytes[who] = held

    def known(self, name: str) -> Iterator[Record]:
        """This container's records, newest first."""
        return chain.from_iterable(reversed(piece) for piece, _ in reversed(self._pieces.get(name, ())))

    def known_from(self, name: str) -> int:
        """The stamp from which on all of this container's lines are held; 0 when none is gone."""
        return self._pieces[name][0][0][0].time_ns if name in self._shed else 0
