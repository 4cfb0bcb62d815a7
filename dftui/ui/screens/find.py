"""`Ctrl+P`: type, move, Enter. A theme under the cursor is shown at once; Esc puts the old one back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from dftui.ui.canvas import Canvas, LineView
from dftui.ui.draw import Glyphs, Row, Span, clip_row, fit, row_width, spread
from dftui.ui.palette import Entry, Found, entries, search
from dftui.ui.screens.dialogues import field

if TYPE_CHECKING:
    from dftui.ui.app import DftuiApp

KEY, NAME = 5, 20
PATIENCE = 2.0
"""Seconds for which Enter waits for the engine, where nothing else has this name."""
TWIN_FROM = 96
"""Cells from which the commands are shown."""


def found_row(found: Found, width: int, glyphs: Glyphs) -> Row:
    """Key, name with the letters that match, what it is, the command that does the same."""
    entry = found.entry
    name = enumerate(fit(entry.name, NAME, mark=glyphs.ellipsis))
    runs = groupby(name, key=lambda letter: "brand" if letter[0] in found.letters else "strong")
    spans = (Span("".join(letter for _, letter in letters), role) for role, letters in runs)
    key = Span(fit(entry.key, KEY, mark=glyphs.ellipsis), "key")
    row: Row = (Span("  "), key, *spans, Span("  "), Span(entry.about, "muted"))
    twin = (Span(f"{entry.twin}  ", "muted"),) if entry.twin and width >= TWIN_FROM else ()
    return spread(clip_row(row, width - row_width(twin) - 2, glyphs.ellipsis), twin, width)


class FoundLines(LineView, can_focus=False):
    """What matches; the cursor is moved from the field."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Sequence[Found] = ()
        self.cursor = 0

    def count(self) -> int:
        """How many match."""
        return len(self.found)

    def row(self, index: int) -> Row:
        """One of them."""
        return found_row(self.found[index], self.size.width, self.ui.glyphs)

    def nothing(self) -> Sequence[str]:
        """Nothing matches."""
        return ("Nothing has this in its name.",)

    @property
    def chosen(self) -> Entry | None:
        """What is under the cursor."""
        at = self.cursor or 0
        return self.found[at].entry if at < len(self.found) else None

    def pointed(self, index: int) -> None:
        """A click is a choice."""
        self.set_cursor(index)
        self.app.simulate_key("enter")

    def show(self, found: Sequence[Found], keep: Entry | None = None) -> None:
        """Show these: the cursor on the first, or on the one to keep, which stays where it is in the window."""
        row = (self.cursor or 0) - self.scroll_offset.y
        names = [one.entry.name for one in found]
        at = names.index(keep.name) if keep and keep.name in names else 0
        self.found = found
        self.cursor = at
        self.wide = 0
        self.resize_content()
        self.jump(at - row if at else 0)
        self.refresh()


class FindScreen(ModalScreen[None]):
    """The field above, what matches below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave"),
        Binding("ctrl+p", "leave", "Leave", show=False, priority=True),
        Binding("down,ctrl+n", "move(1)", "Down", show=False, priority=True),
        Binding("up", "move(-1)", "Up", show=False, priority=True),
        Binding("pagedown", "page(1)", "Page down", show=False, priority=True),
        Binding("pageup", "page(-1)", "Page up", show=False, priority=True),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.input = field(placeholder="an action, a replica, a container, a theme, a stack, an engine")
        self.lines = FoundLines()
        self.foot = Canvas(classes="foot")
        self.everything: list[Entry] = []
        self.searched: str | None = None
        self.asked = asyncio.Event()
        """The engine has told its stacks, or will not."""

    @property
    def ui(self) -> DftuiApp:
        """The app, with its own type."""
        return cast("DftuiApp", self.app)

    def compose(self) -> ComposeResult:
        """Field, lines, keys."""
        with Vertical(classes="dialogue find"):
            with Horizontal(classes="ask"):
                yield Label("Find", markup=False)
                yield self.input
            yield self.lines
            yield self.foot

    def on_mount(self) -> None:
        """Before anything is typed everything is shown."""
        self.before = self.ui.palette.theme.name
        self.everything = list(entries(self.ui))
        self.input.focus()
        self.call_after_refresh(lambda: self._search(self.input.value))
        self.run_worker(self._ask_for_stacks(), name="stacks")

    async def _ask_for_stacks(self) -> None:
        """What other stacks there are is asked anew each time; they join what is shown already."""
        from dftui.engine.contexts import known

        with suppress(Exception):  # there are none, then; whatever is wrong is told by the rest of the screen
            if not self.ui.options.sealed:
                self.ui.engines = await asyncio.to_thread(known)
            if self.ui.backend is not None and not self.ui.options.sealed:
                self.ui.others = await self.ui.backend.stacks()
        self.asked.set()
        before, self.everything = self.everything, list(entries(self.ui))
        if self.searched is not None and [e.name for e in before] != [e.name for e in self.everything]:
            self.lines.show(search(self.everything, self.searched), self.lines.chosen if self.lines.cursor else None)
            self._moved()

    def on_resize(self) -> None:
        """Columns depend on the width."""
        self.call_after_refresh(self._moved)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._search(event.value)

    def _search(self, query: str) -> None:
        self.searched = query
        self.lines.show(search(self.everything, query))
        self._moved()

    def _moved(self) -> None:
        """Say where the cursor is; a theme under it is tried on."""
        self.lines.refresh()
        chosen = self.lines.chosen
        at = f"{(self.lines.cursor or 0) + 1} of {self.lines.count()}  " if chosen else ""
        keys = (
            *(Span("  Enter", "key", "key-enter"), Span("  do it     ", "muted", "key-enter")),
            *(Span("Esc", "key", "key-escape"), Span("  leave", "muted", "key-escape")),
        )
        self.foot.set_rows([spread(keys, (Span(at, "muted"),), self.foot.size.width)])
        self.ui.use_theme(chosen.theme if chosen and chosen.theme else self.before)

    def action_move(self, by: int) -> None:
        """The cursor, by a row."""
        self.lines.action_move(by)
        self._moved()

    def action_page(self, by: int) -> None:
        """The cursor, by a window."""
        self.lines.action_page(by)
        self._moved()

    def action_leave(self) -> None:
        """Nothing is done; the theme is what it was."""
        self.ui.use_theme(self.before)
        self.dismiss()

    @on(Input.Submitted)
    async def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value != self.searched:
            self._search(event.value)  # typed faster than it was shown
        if self.lines.chosen is None:  # perhaps a stack, typed faster than the engine answers
            with suppress(TimeoutError):
                await asyncio.wait_for(self.asked.wait(), PATIENCE)
            self._search(event.value)
        chosen = self.lines.chosen
        if chosen is None or not self.is_current:
            return
        self.ui.use_theme(self.before)
        self.dismiss()
        # Behind the dismissal, which gives the focus back to the pane that had it.
        self.app.call_later(chosen.call)
