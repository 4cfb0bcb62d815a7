"""Every key, from the registry."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from dftui.ui.actions import ACTIONS, MOVES
from dftui.ui.canvas import Canvas
from dftui.ui.draw import Row, Span, fit
from dftui.ui.panes.history import HistoryLines


def help_rows(shown_keys: dict[str, str], width: int) -> list[Row]:
    """Grouped as in the registry: key, what it does, the command that does the same."""
    wide = width >= 90
    rows: list[Row] = []
    group = ""
    for action in ACTIONS:
        if action.group != group:
            group = action.group
            rows += [(), (Span(f"  {group}", "title"),)]
        row: Row = (Span("  "), Span(fit(shown_keys[action.id], 9), "key"), Span(action.help))
        if action.twin and wide:
            room = max(2, 66 - len(action.help))
            row = (*row, Span(" " * room), Span(action.twin, "muted"))
        rows.append(row)
    rows += [(), (Span("  Moving", "title"),)]
    rows += [(Span("  "), Span(fit(keys, 16), "key"), Span(text)) for keys, text in MOVES]
    rows += [(), (Span("  Each state has a sign and a word:", "muted"),)]
    return rows[1:]


class HelpScreen(ModalScreen[None]):
    """`?`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1", "dismiss", "Close"),
    ]

    def __init__(self, shown_keys: dict[str, str]) -> None:
        super().__init__()
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
        rows = help_rows(self.shown_keys, self.lines.size.width)
        states = [(Span("  "), Span(f"{ui.glyphs.states[s]} {s.value}", role)) for s, role in STATE_ROLES.items()]
        self.lines.replace([*rows, *states])
        self.lines.set_follow(False)
        self.lines.jump(0)
        self.lines.focus()
