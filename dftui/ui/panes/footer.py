"""The last line: the keys that do something now."""

from __future__ import annotations

from dftui.control.action import Context
from dftui.control.actions import footer_actions
from dftui.ui.draw import Row, Span, row_width


def footer_row(context: Context, shown_keys: dict[str, str], width: int) -> Row:
    """As many keys as fit, the most useful first; `?` is always there."""
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
