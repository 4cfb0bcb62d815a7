"""Charts: right values at the right time, axes in round figures, marks that hide nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dftui.ui.draw import to_ascii
from dftui.ui.panes.chart import Window, heading, nice, places
from dftui.ui.panes.pulse import CPU, FIGURES, MEMORY, RATE
from dftui.watch.format import spark
from dftui.watch.trends import SPAN, Mark

from .conftest import words
from .fake_backend import FakeBackend, app_of, busy, remember, stack
from .fake_streams import NOW
from .looks import Scene, at_scene, settled

BUCKET = int(NOW // SPAN)
OPEN = Scene("graphs", keys=("o",))


@pytest.mark.parametrize(
    ("value", "round_"), [(0, 1), (0.7, 0.8), (1, 1), (13, 20), (31, 40), (61, 80), (99, 100), (250, 300)]
)
def test_axes_end_in_round_figures(value: float, round_: float) -> None:
    assert nice(value) == pytest.approx(round_)


def test_bytes_end_in_round_units() -> None:
    assert nice(300 << 20, binary=True) == 300 << 20
    assert nice(301 << 20, binary=True) == 400 << 20
    assert MEMORY.text(nice(3 << 30, binary=True)) == "3.0G"


def test_a_point_keeps_its_value_while_it_moves_left() -> None:
    values = [float(n % 37) for n in range(725)]
    before = dict(Window.over(60, 100, 10_000).curves(values[:720])[0])
    after = dict(Window.over(60, 100, 10_005).curves(values[5:])[0])
    both = sorted(before.keys() & after.keys())[1:-1]
    assert len(both) > 80
    assert [before[at] for at in both] == [after[at] for at in both]


def test_nothing_known_is_a_gap_and_zero_is_not() -> None:
    assert spark((None, 0.0, 4.0, 8.0), 8) == " ▁▅█"
    assert to_ascii(spark((None, 0.0, 4.0, 8.0), 8)) == " _=#"
    window = Window.over(5, 60, BUCKET)
    first, second = window.curves([*[0.0] * 20, *[None] * 20, *[3.0] * 20])
    assert {value for _, value in first} == {0.0}
    assert {value for _, value in second} == {3.0}
    assert [window.cell(at) for at in (first[0][0], first[-1][0], second[0][0], second[-1][0])] == [0, 19, 40, 59]


@given(
    st.lists(st.tuples(st.integers(0, 70), st.sampled_from(["roll", "+2 replicas", "df-web1 failed"])), max_size=12),
    st.integers(71, 120),
    st.integers(1, 5),
)
def test_no_words_hide_others_or_a_line(found: list[tuple[int, str]], width: int, rows: int) -> None:
    lines = [(cell, Mark(0.0, text)) for cell, text in sorted(found)]
    taken = {(cell, row) for cell, _ in lines for row in range(rows)}
    for begin, row, mark in places(lines, width, rows):
        assert row < rows
        for cell in range(begin, begin + len(mark.text)):
            assert 0 <= cell < width
            assert (cell, row) not in taken
            taken.add((cell, row))


@pytest.mark.parametrize("width", [2, 12, 30, 80])
def test_a_heading_says_what_there_is_room_for(width: int) -> None:
    for figure in FIGURES:
        for said in (heading(figure, [5.0, None, 9.0], width, ""), heading(figure, [None], width, "not known")):
            assert said == figure.words or len(said) <= width
    assert heading(RATE, [4.0, None, 8.0], 80, "") == "req/s  now 8.0  mean 6.0  most 8.0"
    assert heading(CPU, [None], 80, "not known") == "cpu  not known"


async def test_p95_falls_where_two_replicas_came() -> None:
    app = app_of(busy(FakeBackend(stack(4))))
    remember(app)
    async with app.run_test(size=(120, 40)) as pilot:
        await at_scene(pilot, app, Scene("zoomed", keys=("o", "z")))
        rows = [row.ljust(120) for row in words(app).splitlines()]
        heads = [n for n, row in enumerate(rows) if " now " in row]
        assert [rows[n].strip(" ─").split()[0] for n in heads] == ["req/s", "p95", "cpu", "mem"]
        at = {row.index("+2 replicas") for row in rows if "+2 replicas" in row}
        assert len(at) == 1, "one below the other, so that marks line up"
        column = at.pop()
        area = rows[heads[1] + 1 : heads[2] - 1]
        before, after = (sum(row[x] in "▄█▙▟" for row in area) for x in (column - 4, column + 14))
        assert before > 2 * after
        assert sum(row[column - 1] == "│" for row in area) == len(area), "its line can be seen through the area"
        assert [row.split("┤")[0].strip() for row in area if "┤" in row] == ["200ms", "100ms", "0ms"]
        lost, back = (rows[heads[0] + 1].index(word) for word in ("engine lost", "engine back"))
        assert lost < back < column


async def test_the_graphs_fit_any_room() -> None:
    app = app_of(busy(FakeBackend(stack(4))))
    remember(app)
    async with app.run_test(size=(80, 24)) as pilot:
        await at_scene(pilot, app, OPEN)
        for size, shown in (((80, 24), 2), ((64, 16), 2), ((120, 40), 4), ((200, 50), 4), ((64, 70), 4)):
            await pilot.resize_terminal(*size)
            await settled(pilot, app, OPEN)
            screen = words(app)
            assert screen.count(" now ") == shown, screen
            assert ("cpu, mem: z " in screen) == (shown < 4)


async def test_before_the_first_seconds_it_says_so() -> None:
    app = app_of(busy(FakeBackend(stack(4))))
    async with app.run_test(size=(80, 24)) as pilot:
        await at_scene(pilot, app, OPEN)
        assert "begin in a few seconds" in words(app)
