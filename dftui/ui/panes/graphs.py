"""The last hour as curves, with what was done marked on them."""

from __future__ import annotations

from collections.abc import Sequence

from textual.widget import Widget

from dftui.ui.canvas import Canvas
from dftui.ui.draw import Glyphs, Row, Span, clip_row
from dftui.ui.panes.chart import chart
from dftui.ui.panes.pane import TabPane
from dftui.ui.panes.pulse import CPU, FIGURES, MEMORY, Figure
from dftui.watch.trends import BUCKETS, SPAN, Trends

SPANS = (5, 15, 30, 60)
"""Minutes that can be shown: the least that holds all that is known."""
STACKED = 7
"""Rows of each chart from which they stand one below the other, so that marks line up."""
LEAST = 4
FOLLOWED = 16
"""Containers up to which CPU and memory of all are followed."""


def minutes_of(trends: Trends) -> int:
    """How much time the curves show now."""
    known = trends.known * SPAN / 60
    return next((minutes for minutes in SPANS if minutes >= known), SPANS[-1])


def why_none(figure: Figure) -> str:
    """What is said of a figure without a value."""
    if figure in (CPU, MEMORY):
        return f"known while all of up to {FOLLOWED} containers are sampled"
    return "nothing known yet"


def graph_rows(trends: Trends, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """All four charts: one below the other where they are high enough, else two by two, or the first ones."""
    if trends.known < 2:
        words = ("The curves begin in a few seconds.", "They go back to when this dftui was opened, an hour at most.")
        return [(), *(clip_row((Span(f"  {word}", "muted"),), width, glyphs.ellipsis) for word in words)]
    minutes = minutes_of(trends)
    marks = tuple(trends.marks_since((trends.bucket - BUCKETS) * SPAN))
    across = 1 if height >= STACKED * len(FIGURES) or width < 60 else 2
    down = max(1, min(-(-len(FIGURES) // across), height // LEAST))
    each = (width - across) // across
    rows: list[Row] = []
    for line in range(down):
        high = height // down + (1 if line < height % down else 0)
        figures = FIGURES[line * across : (line + 1) * across]
        now = trends.bucket
        curves = [(figure, figure.series(trends.stack).until(now, BUCKETS)) for figure in figures]
        parts = [
            chart(figure, curve, marks, now, minutes, each, high, glyphs, why_none(figure))
            for figure, curve in curves
        ]
        rows += [tuple(span for part in parts for span in (*part[n], Span(" "))) for n in range(high)]
    return [clip_row(row, width, glyphs.ellipsis) for row in rows]


class GraphCanvas(Canvas, can_focus=True):
    """The charts."""


class GraphsPane(TabPane):
    """Title and charts."""

    pane = "graphs"
    number = "7"

    def __init__(self) -> None:
        super().__init__()
        self.canvas = GraphCanvas()

    def compose(self) -> list[Widget]:
        """Title, charts."""
        return [self.heading, self.canvas]

    @property
    def body(self) -> Widget:
        """The charts."""
        return self.canvas

    def figures(self) -> Sequence[Span]:
        """How much time is shown."""
        return [Span(f"the last {minutes_of(self.heading.ui.trends)} min", "muted")]

    def draw(self) -> None:
        """Bring the charts up to date, if they are in sight."""
        width, height = self.canvas.size
        if self.display and width and height:
            ui = self.canvas.ui
            self.canvas.set_rows(graph_rows(ui.trends, width, height, ui.glyphs))
            self.draw_title()

    def on_resize(self) -> None:
        """All depends on the size."""
        self.draw()
