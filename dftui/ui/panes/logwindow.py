"""Where the window on the log lines stands, in rows of any height. Pure.

It knows its place by the number of a record, so that nothing moves under the user's eyes when older lines are put
before it, leave, or are folded away; nothing that is out of sight is ever measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dftui.ui.panes.logmodel import LogModel


class Window:
    """`top` is the number of the first record in sight, `skip` how many of its rows are above the window."""

    def __init__(self, height_of: Callable[[int], int]) -> None:
        """`height_of` gives the rows of the record at an index."""
        self.height_of = height_of
        self.model: LogModel | None = None
        self.rows = 0
        self.top = 0
        self.skip = 0

    @property
    def _items(self) -> LogModel:
        assert self.model is not None
        return self.model

    def walk(self, index: int, by: int = 1) -> Iterator[int]:
        """Indexes of records that are not folded away, from this one on."""
        model = self._items
        if 0 <= index < len(model.items) and not model.hidden(index):
            yield index
        at = model.step(index, by)
        while at is not None:
            yield at
            at = model.step(at, by)

    def to_end(self, last: int | None = None) -> None:
        """Put a record (the newest) at the window's end."""
        model = self._items
        room = self.rows
        top = len(model.items)
        self.skip = 0
        for index in self.walk(len(model.items) - 1 if last is None else last, -1):
            room -= self.height_of(index)
            top = index
            if room <= 0:
                self.skip = -room
                break
        self._begin(top)

    def scroll(self, rows: int) -> bool:
        """Move by rows, within the lines; whether anything moved."""
        model = self._items
        before = (self.top, self.skip)
        index = model.index(self.top)
        self.skip += rows
        while self.skip < 0:
            above = model.step(index, -1)
            if above is None:
                self.skip = 0
                break
            index = above
            self.skip += self.height_of(index)
        while index < len(model.items) and self.skip >= (tall := self.height_of(index)):
            below = model.step(index, 1)
            if below is None:
                break
            self.skip -= tall
            index = below
        at, skip = index, self.skip
        self.to_end()
        if (model.index(self.top), self.skip) > (at, skip):
            self._begin(at)
            self.skip = skip
        return before != (self.top, self.skip)

    def show(self, index: int) -> None:
        """Bring a record into sight, moving as little as possible."""
        model = self._items
        at, skip = model.index(self.top), self.skip
        if index < at or (index == at and skip):
            self._begin(index)
            self.skip = 0
            return
        self.to_end(index)
        if (model.index(self.top), self.skip) < (at, skip):
            self._begin(at)
            self.skip = skip

    def around(self, index: int) -> None:
        """Bring a record into sight with lines above and below it."""
        self._begin(index)
        self.skip = 0
        self.scroll(-(self.rows // 3))

    def _begin(self, index: int) -> None:
        items = self._items.items
        self.top = items[index].seq if index < len(items) else 0
