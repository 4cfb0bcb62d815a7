"""The last hour as curves, with what was done marked on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.containers import Container
from textual.widget import Widget
from textual.widgets import Static

from dftui.ui.draw import Span
from dftui.ui.panes.pane import TabPane
from dftui.ui.panes.pulse import FIGURES
from dftui.watch.trends import SPAN, Trends

if TYPE_CHECKING:
    from dftui.ui.panes.curve import Curve

SPANS = (5, 15, 30, 60)
"""Minutes that can be shown: the least that holds all that is known."""
LEAST = 6
"""Rows of a chart: its name, three of the curve, the axis and its times."""
STACKED = 8
"""Rows of each chart from which they stand one below the other, so that marks line up."""
FIRST = "The curves begin in a few seconds. They go back to when this dftui was opened, an hour at most."


def minutes_of(trends: Trends) -> int:
    """How much time the curves show now."""
    known = trends.known * SPAN / 60
    return next((minutes for minutes in SPANS if minutes >= known), SPANS[-1])


def arranged(width: int, height: int) -> tuple[int, int]:
    """Charts beside each other, and below each other: all of them, or as many as can be read."""
    across = 1 if height >= STACKED * len(FIGURES) or width < 60 else 2
    return across, max(1, min(len(FIGURES) // across, height // LEAST))


class Graphs(Container, can_focus=True):
    """The charts."""


class GraphsPane(TabPane):
    """Title and charts."""

    pane = "graphs"
    number = "7"

    def __init__(self) -> None:
        super().__init__()
        self.graphs = Graphs()
        self.first = Static(FIRST, markup=False)
        self.curves: list[Curve] = []

    def compose(self) -> list[Widget]:
        """Title, charts."""
        return [self.heading, self.graphs]

    @property
    def body(self) -> Widget:
        """The charts."""
        return self.graphs

    def figures(self) -> Sequence[Span]:
        """How much time is shown, and what is left out."""
        ui = self.heading.ui
        left = ", ".join(curve.figure.words for curve in self.curves if not curve.display)
        said = f"without {left}   " if self.screen.has_class("zoomed") else f"{left}: {ui.shown_keys['zoom']}   "
        return [Span(said if left else "", "muted"), Span(f"the last {minutes_of(ui.trends)} min", "muted")]

    def draw(self) -> None:
        """Bring the charts up to date, if they are in sight."""
        width, height = self.graphs.size
        if not (self.display and width and height):
            return
        trends = self.heading.ui.trends
        known = trends.known >= 2
        if not known and not self.first.is_attached:
            self.graphs.mount(self.first)
        elif known and not self.curves:
            from dftui.ui.panes.curve import Curve

            self.curves = [Curve(figure) for figure in FIGURES]
            self.graphs.remove_children()
            self.graphs.mount_all(self.curves)
            self.call_after_refresh(self.draw)
        across, down = arranged(width, height)
        if self.graphs.styles.grid_size_columns != across:
            self.graphs.styles.grid_size_columns = across
        for n, curve in enumerate(self.curves, 1):
            curve.display = n <= across * down
            curve.show(minutes_of(trends), times=across > 1 or n == down)
        self.draw_title()

    def on_resize(self) -> None:
        """All depends on the size."""
        self.draw()
