"""What a chart of a figure over time is made of: curve, round axes, the marks' places. Pure; `Curve` draws it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from dftui.ui.panes.pulse import Figure
from dftui.watch.trends import SPAN, Mark

_STEPS = (1, 2, 5, 10, 15, 20, 30)
"""Minutes between two times on the axis."""
_LABEL = 12
"""Cells between two times at least."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time that a chart of `cells` columns shows, in unix seconds; its curve has a point for each `each` seconds.

    Points lie at multiples of `each`, so that a point keeps its value while it moves to the left.
    """

    start: float
    end: float
    each: float
    cells: int

    @classmethod
    def over(cls, minutes: float, cells: int, now: int) -> Window:
        """The last `minutes` before bucket `now`."""
        end = now * SPAN
        return cls(end - minutes * 60, end, SPAN * max(1, math.ceil(minutes * 60 / SPAN / cells)), cells)

    def cell(self, at: float) -> int:
        """The column of a time; it may lie outside."""
        return math.floor(0.5 + (self.cells - 1) * (at - self.start) / (self.end - self.start))

    def time(self, cell: int) -> float:
        """The time that stands for a column."""
        return self.start + (self.end - self.start) * cell / max(1, self.cells - 1)

    def curves(self, values: Sequence[float | None]) -> list[list[tuple[float, float]]]:
        """(time, mean) of the points, cut where nothing was known; `values` are the buckets before the end, oldest
        first."""
        found: list[list[tuple[float, float]]] = [[]]
        first = round(self.end / SPAN) - len(values)
        wide = round(self.each / SPAN)
        for begin in range(first // wide * wide, first + len(values), wide):
            known = [v for v in values[max(0, begin - first) : begin - first + wide] if v is not None]
            at = min(self.end, begin * SPAN + self.each / 2)
            if not known:
                found.append([])
            elif at >= self.start:
                found[-1].append((at, sum(known) / len(known)))
        return [curve for curve in found if curve]

    def times(self) -> dict[float, str]:
        """Round minutes in local time, and how they are written."""
        step = next((60 * s for s in _STEPS if 60 * s / (self.end - self.start) * self.cells >= _LABEL), 1800)
        # Local time may be off by a part of an hour.
        offset = time.localtime(self.start).tm_gmtoff
        at = math.ceil((self.start + offset) / step) * step - offset
        found: dict[float, str] = {}
        while at <= self.end:
            found[at] = time.strftime("%H:%M", time.localtime(at))
            at += step
        return found


def nice(value: float, binary: bool = False) -> float:
    """The next round number from `value` up: 1, 2, 3, 4, 5, 6 or 8 of some power of ten, of 1024 when `binary`."""
    if value <= 0:
        return 1.0
    unit = 1024.0 ** int(math.log(value, 1024)) if binary and value >= 1024 else 1.0
    value /= unit
    power = 10.0 ** math.floor(math.log10(value))
    return unit * next((step * power for step in (1, 2, 3, 4, 5, 6, 8) if step * power >= value), 10 * power)


def heading(figure: Figure, values: Sequence[float | None], width: int, none: str) -> str:
    """The figure's name, and how much it is now, on the mean and at most, as far as there is room; `none` where
    nothing is known."""
    known = [value for value in values if value is not None]
    words = figure.words
    if not known:
        said = f"{words}  {none}"
        return said if len(said) <= width else words
    for word, value in (("now", known[-1]), ("mean", sum(known) / len(known)), ("most", max(known))):
        more = f"{words}  {word} {figure.text(value)}"
        words = more if len(more) <= width else words
    return words


def places(marks: Sequence[tuple[int, Mark]], width: int, rows: int) -> list[tuple[int, int, Mark]]:
    """(column, row from the top) of each mark's words: right of its line, else left of it, in the first row where
    they hide nothing. Where there is no such place the line stands alone."""
    taken = [(row, cell, cell + 1) for cell, _ in marks for row in range(rows)]
    found: list[tuple[int, int, Mark]] = []
    for cell, mark in reversed(marks):
        for row, begin in product(range(rows), (cell + 1, cell - len(mark.text))):
            end = begin + len(mark.text)
            free = all(row != one or end <= first or begin >= last for one, first, last in taken)
            if begin >= 0 and end <= width and free:
                found.append((begin, row, mark))
                taken.append((row, begin, end))
                break
    return found
