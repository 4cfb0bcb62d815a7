"""Small curves: the line under the header that shows how the whole stack does, and the bars beside single figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from dftui.ui.draw import Row, Span, fit, row_width
from dftui.watch.format import millis, percent, rate, size, spark
from dftui.watch.snapshot import Snapshot
from dftui.watch.trends import Series, Track, Trends, total_load

CELLS = 12
"""Cells of a curve beside a figure."""
_LEAST, _MOST, _APART = 5, 60, 3
FOLLOWED = 16
"""Containers up to which CPU and memory of all are followed."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that has a curve. `floor` is the least that a full bar stands for, so that the noise of an idle stack
    stays at the bottom; `text` writes a value."""

    name: str
    words: str
    floor: float
    text: Callable[[float], str]

    def series(self, track: Track) -> Series:
        """Its values in a track."""
        found: Series = attrgetter(self.name)(track)
        return found


RATE = Figure("rate", "req/s", 5.0, rate)
P95 = Figure("p95", "p95", 50.0, millis)
CPU = Figure("cpu", "cpu", 20.0, percent)
MEMORY = Figure("memory", "mem", float(16 << 20), lambda value: size(int(value)))
FIGURES = (RATE, P95, CPU, MEMORY)


def highest(figure: Figure, curves: Iterable[Sequence[float | None]]) -> float:
    """What a full bar stands for, the same for all curves that are compared."""
    most = max((value for curve in curves for value in curve if value is not None), default=0.0)
    # A steady figure does not fill its place: whether it rises or falls is what is to be seen.
    return max(figure.floor, most * 1.5)


def bars(figure: Figure, track: Track, bucket: int, cells: int) -> str:
    """A curve of its own scale."""
    values = figure.series(track).until(bucket, cells)
    return spark(values, highest(figure, (values,)))


def pulse_row(snapshot: Snapshot, trends: Trends, width: int) -> Row:
    """Requests a second, p95, CPU and memory of the whole stack: the figure now, and its curve where it fits."""
    load = total_load(snapshot)
    now = (
        rate(snapshot.traffic.rate),
        millis(snapshot.traffic.p95_ms),
        percent(load.cpu),
        size(load.memory),
    )
    labels = [
        (Span(f"{figure.words} ", "muted"), Span(fit(text, 5, right=True)))
        for figure, text in zip(FIGURES, now, strict=True)
    ]
    room = width - 3 - sum(map(row_width, labels)) - _APART * (len(labels) - 1)
    cells = min(_MOST, room // len(labels) - 1)
    row: list[Span] = []
    for figure, label in zip(FIGURES, labels, strict=True):
        row += [Span(" " * (_APART if row else 2)), *label]
        if cells >= _LEAST:
            row += [Span(" "), Span(bars(figure, trends.stack, trends.bucket, cells), "curve")]
    return tuple(row)
