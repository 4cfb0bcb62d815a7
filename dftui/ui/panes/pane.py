"""What every pane has: a title bar that says which one is in focus, and a body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.containers import Vertical
from textual.widget import Widget

from dftui.ui.canvas import Canvas
from dftui.ui.draw import Glyphs, Row, Span, row_width, spread

TABS: tuple[tuple[str, str], ...] = (
    ("logs", "3"),
    ("requests", "4"),
    ("actions", "5"),
    ("probe", "6"),
    ("graphs", "7"),
    ("verify", "8"),
    ("nodes", "9"),
)
"""Panes that share the lower part of the screen, with the number key of each."""


def title_row(
    names: Sequence[tuple[str, str, bool]], right: Sequence[Span], width: int, focused: bool, glyphs: Glyphs
) -> Row:
    """A title bar: (name, number, active) each, then figures at the right edge. Where room is short the tabs that
    are not in sight have only their numbers, then the first figures go."""
    right = (*right, Span(" ")) if right else ()
    for short in (False, True):
        left = [Span(glyphs.mark if focused else " ", "accent"), Span(" ")]
        for name, number, active in names:
            role = ("tab" if focused else "strong") if active else "muted"
            left.append(Span(f"{number} ", "muted", f"pane-{name}"))
            if active or not short:
                left += [Span(name, role, f"pane-{name}"), Span("  ")]
        if row_width(left) + row_width(right) < width:
            break
    while right and row_width(left) + row_width(right) >= width:
        right = right[1:]
    return spread(left, right, width)


def title_room(names: Sequence[tuple[str, str, bool]], width: int) -> int:
    """Cells for the figures beside the shortest names."""
    return width - 2 - sum(len(number) + 1 + (len(name) + 2) * active for name, number, active in names) - 2


class Pane(Vertical):
    """Title and body. Subclasses set `pane` (its name) and fill in `figures`."""

    pane: ClassVar[str] = ""
    number: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__(id=self.pane, classes="pane")
        self.heading = Canvas(classes="title")

    @property
    def body(self) -> Widget:
        """The widget that takes the focus."""
        raise NotImplementedError

    def names(self) -> list[tuple[str, str, bool]]:
        """Names in the title: its own, or every tab where it shares its place."""
        return [(self.pane, self.number, True)]

    def figures(self) -> Sequence[Span]:
        """What stands at the right of the title."""
        return ()

    def draw_title(self) -> None:
        """Bring the title up to date."""
        width = self.heading.size.width
        if width:
            focused = self.has_pseudo_class("focus-within") or self.body.has_focus
            row = title_row(self.names(), self.figures(), width, focused, self.heading.ui.glyphs)
            self.heading.set_rows([row])

    def on_resize(self) -> None:
        """The width of the title may have changed."""
        self.draw_title()

    def on_descendant_focus(self) -> None:
        """Focus came."""
        self.draw_title()

    def on_descendant_blur(self) -> None:
        """Focus went."""
        self.draw_title()

    def set_stale(self, stale: bool) -> None:
        """Grey the facts."""
        body = self.body
        if hasattr(body, "set_stale"):
            body.set_stale(stale)


class TabPane(Pane):
    """One of those that share the lower part."""

    tabs: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self.add_class("tab")
        self.shown_tabs: tuple[str, ...] = ()

    def names(self) -> list[tuple[str, str, bool]]:
        """Every tab that shares this place."""
        shown = self.shown_tabs or (self.pane,)
        return [(name, number, name == self.pane) for name, number in TABS if name in shown]
