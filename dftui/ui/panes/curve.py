"""One figure of the stack over time, drawn by plotext; imported when the graphs are first looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.style import Style
from rich.text import Text
from textual_plotext import PlotextPlot

from dftui.ui.draw import fit, to_ascii
from dftui.ui.panes.chart import Window, heading, nice, places
from dftui.ui.panes.pulse import CPU, FOLLOWED, MEMORY, Figure
from dftui.watch.sanitise import clean
from dftui.watch.trends import BUCKETS

if TYPE_CHECKING:
    from dftui.ui.app import DftuiApp

GUTTER = 7
"""Cells of the vertical axis and its figures."""
HEADROOM = 1.15
"""The axis ends so much above the highest value, so that words have a place."""
WORDS = 4
"""Rows from the top in which words may stand."""


class Curve(PlotextPlot):
    """A filled curve with its axes, and lines with words through it for what was done."""

    ALLOW_SELECT = False

    def __init__(self, figure: Figure) -> None:
        super().__init__()
        self.figure = figure
        # Its colours are those of the style sheet and of the palette: plotext's own are for one kind of terminal.
        self.set_reactive(PlotextPlot.theme, "clear")
        self.minutes, self.times = 60, True

    def show(self, minutes: int, times: bool) -> None:
        """Draw the last `minutes` anew, with `times` under the axis or without."""
        self.minutes, self.times = minutes, times
        self.entitle()
        self.refresh()

    def entitle(self) -> None:
        """Say above it how much it is, as far as there is room."""
        figure = self.figure
        trends = cast("DftuiApp", self.app).trends
        none = f"known up to {FOLLOWED} containers" if figure in (CPU, MEMORY) else "nothing known yet"
        values = figure.series(trends.stack).until(trends.bucket, BUCKETS)
        self.border_title = f" {heading(figure, values, self.size.width - 2, none)} "

    def on_resize(self) -> None:
        """There is another room for it."""
        self.entitle()

    def render(self) -> Text:
        """Textual asks for what is to be seen."""
        ui = cast("DftuiApp", self.app)
        width, height = self.size.width - GUTTER, self.size.height - 1 - self.times
        if width < 1 or height < 1:
            return Text()
        figure, trends, plt = self.figure, ui.trends, self.plt
        window = Window.over(self.minutes, width, trends.bucket)
        curves = window.curves(figure.series(trends.stack).until(trends.bucket, BUCKETS))
        most = max((y for curve in curves for _, y in curve), default=0)
        top = nice(max(figure.floor, most * HEADROOM), figure is MEMORY)
        plt.clear_data()
        plt.frame(False)
        plt.xaxes(True, False)
        plt.yaxes(True, False)
        plt.xlim(window.start, window.end)
        plt.ylim(0, top)
        steps = [0, top / 2, top] if height > 3 else [0, top]
        plt.yticks(steps, [f"{fit(figure.text(step), GUTTER - 2, right=True)} " for step in steps])
        times = window.times() if self.times else {}
        plt.xticks(list(times), list(times.values()))
        colour, _ = _ink(ui.palette.style("curve"))
        for curve in curves:
            at, value = zip(*curve, strict=True)
            plt.plot(at, value, marker="#" if ui.palette.ascii else "hd", color=colour, fillx=True)
        row = [top * (height - 1 - y) / max(1, height - 1) for y in range(height)]
        marks = [
            (cell, mark) for mark in trends.marks_since(window.start) if 0 <= (cell := window.cell(mark.at)) < width
        ]
        for cell, mark in marks:
            colour, _ = _ink(ui.palette.style(mark.role or "accent"))
            plt.scatter([window.time(cell)] * height, row, marker="│", color=colour)
        for cell, y, mark in places(marks, width, min(WORDS, height)):
            colour, weight = _ink(ui.palette.style(f"{mark.role}-strong" if mark.role else "title"))
            plt.text(clean(mark.text), window.time(cell), row[y], color=colour, style=weight, alignment="left")
        text = cast(Text, super().render())
        if ui.palette.ascii:
            text.plain = to_ascii(text.plain)
        return text


def _ink(style: Style) -> tuple[tuple[int, int, int] | int | str, str]:
    """A style's colour and weight as plotext takes them."""
    colour = style.color
    weight = "bold" if style.bold else "default"
    if colour is None or colour.is_default:
        return "default", weight
    if colour.triplet is not None:
        return (colour.triplet.red, colour.triplet.green, colour.triplet.blue), weight
    return colour.number or 0, weight
