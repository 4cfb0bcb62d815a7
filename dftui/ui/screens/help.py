"""Every key, from the registry."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from dftui.control.actions import MOVES, Action
from dftui.ui.canvas import Canvas
from dftui.ui.draw import Row, Span, fit
from dftui.ui.panes.history import HistoryLines

TWINS_AT = 92
"""Column of the commands, behind the longest help."""


def help_rows(actions: Sequence[Action], shown_keys: dict[str, str], width: int) -> list[Row]:
    """Grouped as in the registry: key, what it does, the command that does the same."""
    wide = width >= 118
    rows: list[Row] = []
    group = ""
    for action in actions:
        if action.group != group:
            group = action.group
            rows += [(), (Span(f"  {group}", "title"),)]
        keys = max(4, len(shown_keys[action.id]) + 2)
        twin = action.twin if wide else ""
        room = max(20, width - keys - 4 - (len(twin) + 2 if twin else 0))
        first, *rest = wrap(action.help, room)
        row: Row = (Span("  "), Span(fit(shown_keys[action.id], keys), "key"), Span(first))
        if twin:
            row = (*row, Span(" " * max(2, TWINS_AT - keys - len(first))), Span(twin, "muted"))
        rows.append(row)
        rows += [(Span(" " * (2 + keys)), Span(line)) for line in rest]
    rows += [(), (Span("  Moving", "title"),)]
    rows += [(Span("  "), Span(fit(keys, 16), "key"), Span(text)) for keys, text in MOVES]
    rows += [(), (Span("  Each state has a sign and a word:", "muted"),)]
    return rows[1:]


class HelpScreen(ModalScreen[None]):
    """`?`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1", "dismiss", "Close"),
    ]

    def __init__(self, actions: Sequence[Action], shown_keys: dict[str, str]) -> None:
        super().__init__()
        self.actions = actions
        self.shown_keys = shown_keys
        self.lines = HistoryLines(500)
        self.heading = Canvas(classes="title")

    def compose(self) -> ComposeResult:
        """Title, keys."""
        with Vertical(classes="dialogue wide-dialogue"):
            yield self.heading
            yield self.lines

    def on_resize(self) -> None:
        """Draw for this width."""
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        from dftui.ui.draw import STATE_ROLES

        ui = self.lines.ui
        self.heading.set_rows([(Span(" "), Span("Keys", "title"), Span("   Esc closes", "muted"))])
        rows = help_rows(self.actions, self.shown_keys, self.lines.size.width)
        states = [(Span("  "), Span(f"{ui.glyphs.states[s]} {s.value}", role)) for s, role in STATE_ROLES.items()]
        self.lines.replace([*rows, *states])
        self.lines.set_follow(False)
        self.lines.jump(0)
        self.lines.focus()
