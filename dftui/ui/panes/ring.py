"""A list that grows at its end and stays bounded: logs, requests and actions are such lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from textual.cache import LRUCache

from dftui.ui.canvas import LineView
from dftui.ui.draw import Row

T = TypeVar("T")


class RingView(LineView, Generic[T]):
    """Follows its end until the user scrolls up, and never moves under the user's eyes: what comes meanwhile is
    counted in `unseen`. Subclasses draw an item in `draw`."""

    def __init__(self, limit: int = 10_000, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.limit = limit
        self.follow = True
        self.unseen = 0
        self._height = 0
        self._top = 0
        self._items: list[T] = []
        self._base = 0
        self._cache: LRUCache[int, Row] = LRUCache(256)

    @property
    def items(self) -> Sequence[T]:
        """What is held, oldest first."""
        return self._items

    def draw(self, item: T) -> Row:
        """One item as a row."""
        raise NotImplementedError

    def count(self) -> int:
        """How many are held."""
        return len(self._items)

    def row(self, index: int) -> Row:
        """Drawn once, kept while it is near the window."""
        key = self._base + index
        row = self._cache.get(key)
        if row is None:
            row = self._cache[key] = self.draw(self._items[index])
        return row

    def redraw(self) -> None:
        """How items look has changed."""
        self._cache.clear()
        self.wide = 0
        self.refresh()

    def append(self, new: Sequence[T]) -> None:
        """Take items at the end; the oldest go when there are too many."""
        if not new:
            return
        was = len(self._items)
        self._items.extend(new)
        gone = max(0, len(self._items) - self.limit)
        if gone:
            del self._items[:gone]
            self._base += gone
        self.resize_content()
        if self.follow:
            self.jump(self.max_scroll_y)
            self.refresh()
            return
        self.unseen += len(new)
        top, height = self.scroll_offset.y, self.size.height
        if gone:
            self.jump(top - gone)
            if top < gone:
                self.refresh()
        elif was < top + height:
            self.refresh()

    def replace(self, items: Sequence[T]) -> None:
        """Show other items, at their end."""
        self._items = list(items)[-self.limit :]
        self._base = 0
        self.unseen = 0
        self.follow = True
        self._cache.clear()
        self.wide = 0
        self.resize_content()
        self.jump(self.max_scroll_y)
        self.refresh()

    def set_follow(self, follow: bool) -> None:
        """Hold the end in sight, or let go."""
        self.follow = follow
        self.unseen = 0
        if follow:
            self.jump(self.max_scroll_y)

    def moved(self) -> None:
        """The user scrolled: at the end the list follows, above it it does not."""
        if self.at_end != self.follow:
            self.follow = self.at_end
            self.unseen = 0

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Remember what is in sight. When the window grows at the end, textual has moved it before `on_resize`."""
        super().watch_scroll_y(old_value, new_value)
        if self.size.height == self._height:
            self._top = round(new_value)

    def on_resize(self) -> None:
        """The window changed its height, at its upper edge: what is read stays where it is on the screen. What is
        read from its beginning still begins there."""
        taller, self._height = self.size.height - self._height, self.size.height
        top = self._top - taller if self._top else 0
        self.resize_content()
        self.jump(self.max_scroll_y if self.follow else top)
        self._top = self.scroll_offset.y
        self.show_cursor()
