"""Charts: right values in the right column, axes in round figures, marks that hide nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dftui.ui.draw import ASCII, UNICODE, Glyphs, Row, row_width, to_ascii
from dftui.ui.panes.chart import GUTTER, Window, chart, nice
from dftui.ui.panes.graphs import graph_rows
from dftui.ui.panes.pulse import FIGURES, MEMORY, RATE
from dftui.watch.format import spark
from dftui.watch.trends import SPAN, Mark, Trends

from .fake_backend import FakeBackend, app_of, remember
from .fake_streams import NOW

BUCKET = int(NOW // SPAN)
VALUES = st.lists(st.one_of(st.none(), st.floats(0, 1e9)), max_size=800)


def text(rows: list[Row]) -> list[str]:
    return ["".join(span.text for span in row) for row in rows]


@given(VALUES, st.integers(20, 200), st.integers(4, 30), st.sampled_from([UNICODE, ASCII]), st.sampled_from(FIGURES))
def test_a_chart_is_exactly_as_large_as_asked(
    values: list[float | None], width: int, height: int, glyphs: Glyphs, figure: object
) -> None:
    marks = [Mark(NOW - 100, "+2 replicas"), Mark(NOW - 3, "engine lost", "bad"), Mark(NOW - 99_999, "roll")]
    rows = chart(figure, values, marks, BUCKET, 60, width, height, glyphs)  # type: ignore[arg-type]
    assert len(rows) == height
    assert {row_width(row) for row in rows} == {width}
    assert all("?" not in to_ascii(span.text) for row in rows for span in row)


@pytest.mark.parametrize(
    ("value", "round_"), [(0, 1), (0.7, 0.8), (1, 1), (13, 20), (31, 40), (61, 80), (99, 100), (250, 300)]
)
def test_axes_end_in_round_figures(value: float, round_: float) -> None:
    assert nice(value) == pytest.approx(round_)


def test_bytes_end_in_round_units() -> None:
    assert nice(300 << 20, binary=True) == 300 << 20
    assert nice(301 << 20, binary=True) == 400 << 20
    assert MEMORY.text(nice(3 << 30, binary=True)) == "3.0G"


def test_a_column_keeps_its_value_while_it_moves_left() -> None:
    values: list[float | None] = [float(n % 37) for n in range(720)]
    one = Window.over(60, 100, 10_000)
    other = Window.over(60, 100, 10_000 + one.each)
    later: list[float | None] = [*values[one.each :], *(None for _ in range(one.each))]
    first, second = one.means(values, 10_000), other.means(later, 10_000 + one.each)
    assert first[12:-1] == second[11:-2]


def test_nothing_known_is_blank_and_zero_is_not() -> None:
    assert spark((None, 0.0, 4.0, 8.0), 8) == " ▁▅█"
    assert to_ascii(spark((None, 0.0, 4.0, 8.0), 8)) == " _=#"
    values = [0.0] * 30 + [None] * 30
    rows = text(chart(RATE, values, [], BUCKET, 5, 60 + GUTTER, 6, UNICODE))
    bottom = rows[-2][GUTTER:]
    assert set(bottom[:28]) == {"▁"}
    assert set(bottom[32:]) == {" "}


def test_every_mark_has_its_line_and_its_words_hide_no_other_words() -> None:
    marks = [Mark(NOW - 1200, "engine lost", "bad"), Mark(NOW - 1150, "engine back", "good"), Mark(NOW - 300, "roll")]
    rows = text(chart(RATE, [5.0] * 720, marks, BUCKET, 60, 100, 10, UNICODE))
    screen = "\n".join(rows)
    for mark in marks:
        assert screen.count(mark.text) == 1
    assert rows[-2].count("│") == 1 + len(marks)


def test_the_words_stand_at_the_time_where_it_was_done() -> None:
    app = app_of(FakeBackend())
    remember(app)
    rows = text(graph_rows(app.trends, 120, 36, UNICODE))
    heads = [row.split()[0] for row in rows if " now " in row]
    assert heads == ["req/s", "p95", "cpu", "mem"]
    at = {row.index("+2 replicas") for row in rows if "+2 replicas" in row}
    assert len(at) == 1
    p95 = next(n for n, row in enumerate(rows) if row.split()[:1] == ["p95"])
    column = at.pop()
    heights = [sum(row[x] not in " │" for row in rows[p95 + 2 : p95 + 8]) for x in (column - 4, column + 14)]
    assert heights[0] > 2 * heights[1], "p95 falls where two replicas came"


@pytest.mark.parametrize("size", [(60, 5), (78, 11), (118, 22), (118, 36), (198, 44), (40, 3)])
@pytest.mark.parametrize("known", [0, 1, 3, 60])
def test_graphs_fit_any_room(size: tuple[int, int], known: float) -> None:
    app = app_of(FakeBackend())
    if known:
        remember(app, known)
    rows = graph_rows(app.trends, *size, UNICODE)
    assert len(rows) <= max(3, size[1])
    assert all(row_width(row) <= size[0] for row in rows)


def test_before_the_first_minute_it_says_so() -> None:
    assert "begin in a few seconds" in "".join(text(graph_rows(Trends(), 80, 10, UNICODE)))
