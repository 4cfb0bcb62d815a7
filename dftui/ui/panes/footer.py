"""The last line: the keys that do something now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dftui.control.action import Context
from dftui.control.actions import footer_actions
from dftui.ui.draw import Row, Span, row_width, spread
from dftui.watch.format import bytes_rate

if TYPE_CHECKING:
    from dftui.ui.wire import Wire


class Meter:
    """Bytes a second to the terminal, shown on request."""

    def __init__(self) -> None:
        self.on = False
        self.text = ""
        self._at = 0.0

    def toggle(self) -> None:
        """`b`."""
        self.on = not self.on
        self.text = ""
        self._at = 0.0

    def look(self, wire: Wire) -> bool:
        """To be called often: about once a second the figure is made anew; whether what is shown changed."""
        now = time.monotonic()
        if now - self._at < 1.0:
            return False
        self._at = now
        rate, cap, before = wire.bytes_per_second(), wire.max_bps, self.text
        if self.on:
            self.text = f" {bytes_rate(rate)}" + (f" of {bytes_rate(cap)}" if cap else "") + " "
        return self.text != before


def footer_row(context: Context, shown_keys: dict[str, str], width: int, meter: str = "") -> Row:
    """As many keys as fit, the most useful first; `?` is always there, and `meter` at the right edge."""
    if meter:
        room = width - len(meter) - 1
        return spread(footer_row(context, shown_keys, room), [Span(meter, "info")], width)
    actions = footer_actions(context)
    last = [a for a in actions if a.id in ("help", "quit")]
    tail: list[Span] = []
    for action in last:
        tail += [Span(shown_keys[action.id], "key", action.id), Span(f" {action.name}  ", "muted", action.id)]
    row: list[Span] = [Span(" ")]
    for action in actions:
        if action in last:
            continue
        piece = [Span(shown_keys[action.id], "key", action.id), Span(f" {action.name}  ", "muted", action.id)]
        if row_width(row) + row_width(piece) + row_width(tail) > width:
            continue
        row += piece
    return (*row, *tail)
