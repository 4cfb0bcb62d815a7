"""One curve with its axes: values by time as a filled area, what was done as lines through it. Pure."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from dftui.ui.draw import Glyphs, Row, Span, clip_row, fit, row_width
from dftui.ui.panes.pulse import Figure
from dftui.watch.format import BLOCKS
from dftui.watch.trends import SPAN, Mark

GUTTER = 7
"""Cells of the vertical axis and its figures."""
_STEPS = (1, 2, 5, 10, 15, 20, 30)
"""Minutes between two times on the axis."""
_WORDS = 4
"""Rows from the top in which words may stand."""
_LABEL = 12
"""Cells between two times at least."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which time a chart shows: `columns` of `each` buckets, up to and with the bucket before `end`.

    A column's limits are multiples of `each`, so that a column keeps its value while it moves to the left.
    """

    columns: int
    each: int
    end: int

    @classmethod
    def over(cls, minutes: float, columns: int, now: int) -> Window:
        """The last `minutes` before bucket `now`."""
        columns = max(1, columns)
        each = max(1, math.ceil(minutes * 60 / SPAN / columns))
        return cls(columns, each, math.ceil(now / each) * each)

    @property
    def start(self) -> int:
        """The first bucket."""
        return self.end - self.columns * self.each

    def column(self, at: float) -> int:
        """The column that holds a unix time; it may lie outside."""
        return int(at / SPAN - self.start) // self.each

    def means(self, values: Sequence[float | None], now: int) -> list[float | None]:
        """The mean of each column; `values` are the buckets before `now`, oldest first."""
        first = now - len(values)
        found: list[float | None] = []
        for column in range(self.columns):
            begin = self.start + column * self.each - first
            known = [v for v in values[max(0, begin) : max(0, begin + self.each)] if v is not None]
            found.append(sum(known) / len(known) if known else None)
        return found


def nice(value: float, binary: bool = False) -> float:
    """The next round number from `value` up: 1, 2, 3, 4, 5, 6 or 8 of some power of ten, of 1024 when `binary`."""
    if value <= 0:
        return 1.0
    unit = 1024.0 ** int(math.log(value, 1024)) if binary and value >= 1024 else 1.0
    value /= unit
    power = 10.0 ** math.floor(math.log10(value))
    return unit * next((step * power for step in (1, 2, 3, 4, 5, 6, 8) if step * power >= value), 10 * power)


def chart(
    figure: Figure,
    values: Sequence[float | None],
    marks: Sequence[Mark],
    now: int,
    minutes: float,
    width: int,
    height: int,
    glyphs: Glyphs,
    none: str = "nothing known yet",
) -> list[Row]:
    """`height` rows of `width` cells: heading, area, time axis. `values` are the buckets before `now`; `none` is said
    where there is no value."""
    window = Window.over(minutes, width - GUTTER, now)
    columns = window.means(values, now)
    known = [value for value in columns if value is not None]
    top = nice(max(figure.floor, *known) if known else figure.floor, binary=figure.name == "memory")
    rows = height - 2
    lines = _lines(columns, marks, window, top, rows)
    out = [_heading(figure, values, width, none, glyphs)]
    for row, line in enumerate(lines):
        label = figure.text(top) if row == 0 else figure.text(top / 2) if rows > 2 and row == rows // 2 else ""
        tick = "┤" if label else "│"
        label = fit(label, GUTTER - 2, right=True, mark=glyphs.ellipsis)
        out.append((Span(label, "muted"), Span(f" {tick}", "rule"), *line))
    out.append(_axis(figure, window))
    return out


def _heading(figure: Figure, values: Sequence[float | None], width: int, none: str, glyphs: Glyphs) -> Row:
    known = [value for value in values if value is not None]
    spans: Row = (Span("  "), Span(figure.words, "strong"))
    if not known:
        spans = clip_row((*spans, Span(f"  {none}", "muted")), width, glyphs.ellipsis)
    else:
        for word, value in (("now", known[-1]), ("mean", sum(known) / len(known)), ("most", max(known))):
            text = figure.text(value)
            piece = (Span(f"  {word} ", "muted"), Span(text), Span(" " * max(0, 5 - len(text))))
            if row_width(spans) + row_width(piece) <= width:
                spans = (*spans, *piece)
    return (*spans, Span(" " * max(0, width - row_width(spans))))


def _lines(
    columns: Sequence[float | None], marks: Sequence[Mark], window: Window, top: float, rows: int
) -> list[Row]:
    """The area, a grid of (character, role), then joined to spans."""
    most = len(BLOCKS)
    grid = [[(" ", "")] * len(columns) for _ in range(rows)]
    for x, value in enumerate(columns):
        if value is None:
            continue
        # What is known and nothing still has the lowest bar: only what is not known is blank.
        filled = max(1, round(value / top * rows * most))
        for y in range(rows):
            part = min(most, filled - (rows - 1 - y) * most)
            if part > 0:
                grid[y][x] = (BLOCKS[part - 1], "curve")
    shown = [(x, mark) for mark in marks if 0 <= (x := window.column(mark.at)) < len(columns)]
    for x, mark in shown:
        for line in grid:
            line[x] = ("│", mark.role or "accent")
    taken = [(y, x, x) for x, _ in shown for y in range(rows)]
    for x, mark in reversed(shown):
        _write(grid, taken, x, mark.text, f"{mark.role}-strong" if mark.role else "title")
    return [_joined(cells) for cells in grid]


def _write(
    grid: list[list[tuple[str, str]]], taken: list[tuple[int, int, int]], x: int, text: str, role: str
) -> None:
    """A mark's words to the right of its line, else to its left, in the first row where they hide nothing; the line
    alone where there is no such place."""
    width = len(grid[0]) if grid else 0
    for y in range(min(len(grid), _WORDS)):
        for begin in (x + 1, x - len(text)):
            end = begin + len(text)
            free = all(end <= first or begin > last for row, first, last in taken if row == y)
            if begin < 0 or end > width or not free:
                continue
            for at, character in enumerate(text, begin):
                grid[y][at] = (character, role)
            taken.append((y, begin, end))
            return


def _joined(cells: Sequence[tuple[str, str]]) -> Row:
    spans: list[Span] = []
    for character, role in cells:
        if spans and spans[-1].role == role:
            spans[-1] = Span(spans[-1].text + character, role)
        else:
            spans.append(Span(character, role))
    return tuple(spans)


def _axis(figure: Figure, window: Window) -> Row:
    """Times of day at round minutes, in the line under the area."""
    cells = ["─"] * window.columns
    seconds = window.each * SPAN
    step = next((60 * s for s in _STEPS if 60 * s / seconds >= _LABEL), 60 * _STEPS[-1])
    begin = window.start * SPAN
    # Round in local time, which may be off by a part of an hour.
    offset = time.localtime(begin).tm_gmtoff
    at = math.ceil((begin + offset) / step) * step - offset
    while (x := window.column(at)) + 6 <= window.columns:
        cells[x : x + 6] = f"┴{time.strftime('%H:%M', time.localtime(at))}"
        at += step
    zero = fit(figure.text(0), GUTTER - 2, right=True)
    return (Span(zero, "muted"), Span(" └", "rule"), Span("".join(cells), "muted"))
