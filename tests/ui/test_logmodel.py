"""The view on the log lines: its counts, the lazy look back, memory, folding. Pure: no screen."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dftui.ui.panes.logmodel import PIECE, PINNED, SWEEP, LogModel
from dftui.ui.panes.logwindow import Window
from dftui.watch.match import Matcher
from dftui.watch.rings import OVERHEAD
from dftui.watch.sieve import Choice

from .fake_backend import TRACE
from .fake_streams import NOW, FakeLogs


def ticks() -> Callable[[], float]:
    """A clock that goes on by a second each time it is asked."""
    counter = itertools.count()
    return lambda: float(next(counter))


def holds(model: LogModel) -> None:
    """The identity that the header promises."""
    tally = model.tally()
    assert tally.shown + tally.filtered + tally.dropped == tally.received
    assert tally.astray == 0


def texts(model: LogModel) -> list[str]:
    return [record.data.decode() for record in model.items]


def test_shown_and_filtered_and_dropped_are_received_and_loss_is_said() -> None:
    logs = FakeLogs(ring_bytes=100 * (8 + OVERHEAD))
    model = LogModel(logs)
    logs.feed("a", *(f"line {n:03}" for n in range(60)))
    assert model.pull() == (60, 60)
    logs.feed("a", *(f"line {n:03}" for n in range(250)))
    assert model.pull() == (100, 100)
    tally = model.tally()
    assert (tally.received, tally.shown, tally.filtered, tally.dropped) == (310, 160, 0, 150)
    model.restart(None, Choice(Matcher("LINE 24")))
    assert model.tally().shown == 0
    model.restart(None, Choice(Matcher("line 24")))
    tally = model.tally()
    assert (tally.received, tally.shown, tally.filtered, tally.dropped) == (310, 10, 90, 210)
    holds(model)


def test_a_line_lost_by_a_fault_of_the_program_is_unaccounted_for() -> None:
    logs = FakeLogs()
    model = LogModel(logs)
    logs.feed("a", "one", "two")
    model.pull()
    holds(model)
    logs.swallow = 3
    logs.feed("a", *(f"{n}" for n in range(10)))
    model.pull()
    tally = model.tally()
    assert (tally.received, tally.shown, tally.astray) == (12, 9, 3)
    # One that never left the merge is missed, too.
    logs.by_name["a"].arrived += 1
    model.pull()
    assert model.tally().astray == 4


def test_dropped_lines_are_missing_where_they_were() -> None:
    logs = FakeLogs(ring_bytes=10 * (3 + OVERHEAD))
    model = LogModel(logs)
    logs.feed("quiet", "one")
    model.pull()
    logs.feed("a", *(f"{n:03}" for n in range(30)))
    logs.feed("quiet", "two")
    logs.feed("a", *(f"{n:03}" for n in range(30, 35)))
    model.restart(None, Choice(Matcher("03", inverse=True)))
    logs.feed("a", *(f"{n:03}" for n in range(40, 70)))
    logs.feed("quiet", "three")
    model.pull()
    assert texts(model)[-12:] == [
        "20 lines of a came faster than they could be looked at",
        *(f"{n:03}" for n in range(60, 70)),
        "three",
    ]
    assert [record.seq for record in model.items] == sorted({record.seq for record in model.items})
    holds(model)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("feed"), st.sampled_from("abc"), st.integers(1, 60)),
        st.tuples(st.just("pull"), st.just(""), st.just(0)),
        st.tuples(st.just("look"), st.just(""), st.just(0)),
        st.tuples(st.just("filter"), st.sampled_from(["", "1", "x", "#0"]), st.integers(0, 3)),
        st.tuples(st.just("sweep"), st.just(""), st.integers(0, 1)),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(STEPS)
def test_the_figures_agree_at_every_moment(steps: list[tuple[str, str, int]]) -> None:
    logs = FakeLogs(ring_bytes=60 * (4 + OVERHEAD), total_bytes=150 * (4 + OVERHEAD))
    model = LogModel(logs, ticks())
    number = 0
    for step, word, size in steps:
        match step:
            case "feed":
                lines = [f"{number + n:04}" if n % 5 else "#0 x" for n in range(size)]
                number += size
                logs.feed(word, *lines)
            case "pull":
                model.pull()
            case "look":
                model.look(1.5)
            case "filter":
                who = [None, frozenset("a"), frozenset("ab"), frozenset("z")][size]
                model.restart(who, Choice(Matcher(word)), 0.0)
            case "sweep":
                items = model.items
                model._swept = -SWEEP
                model.sweep((items[len(items) // 2].seq, items[-1].seq) if size and items else None)
        holds(model)
        assert [r.seq for r in model.items] == sorted({r.seq for r in model.items})
        assert len(model.items) == len(model.heads)
    while model.looking:
        model.look(1)
    model.pull()
    holds(model)


def test_the_newest_piece_is_there_at_once_and_the_rest_comes_before_it() -> None:
    logs = FakeLogs()
    for n in range(5 * PIECE):
        logs.feed(f"c{n % 3}", f"line {n}")
    model = LogModel(logs, ticks())
    model.restart(None, Choice(Matcher("line")), 0.0)
    assert len(model.items) == PIECE
    assert texts(model)[-1] == f"line {5 * PIECE - 1}"
    assert model.looking
    assert 0 < model.looked < 1
    holds(model)
    logs.feed("c0", "line newest")
    model.pull()
    holds(model)
    while model.looking:
        assert model.look(1.5) > 0
        holds(model)
    assert texts(model) == [*(f"line {n}" for n in range(5 * PIECE)), "line newest"]
    assert model.looked == 1


def test_a_trace_on_the_seam_of_two_pieces_is_not_torn() -> None:
    logs = FakeLogs()
    logs.feed("a", "head", *TRACE)
    logs.feed("b", *["x"] * (PIECE - 2))
    model = LogModel(logs, ticks())
    while model.looking:
        model.look(1)
    assert model.folded[1] == len(TRACE)
    assert [model.hidden(n) for n in range(6)] == [False, True, True, True, True, False]


def test_traces_are_unfolded_one_by_one_and_all() -> None:
    logs = FakeLogs()
    logs.feed("a", "head", *TRACE, "after")
    model = LogModel(logs)
    assert model.head_of(0) == model.head_of(3) == 1
    assert model.head_of(5) is None
    assert (model.step(0, 1), model.step(5, -1)) == (5, 0)
    model.flipped ^= {1}
    assert model.step(0, 1) == 1
    model.unfold_all = True
    assert model.step(0, 1) == 5
    model.flipped.clear()
    assert model.step(0, 1) == 1


def test_what_the_rings_gave_up_is_let_go_but_not_under_the_eyes(monkeypatch: pytest.MonkeyPatch) -> None:
    room = 2000
    monkeypatch.setattr("dftui.ui.panes.logmodel.SWEEP", 1000)
    logs = FakeLogs(ring_bytes=room * (4 + OVERHEAD))
    model = LogModel(logs)
    logs.feed("quiet", "stay")
    logs.feed("a", *(f"{n:04}" for n in range(room)))
    model.pull()
    at = model.items[1000].seq
    for _ in range(3):
        logs.feed("a", *(f"{n:04}" for n in range(1500)))
        model.pull()
        assert model.sweep((at, at + 20))
    data = texts(model)
    assert data[0] == "stay"
    first = model.index(at)
    assert data[first - PINNED] == "0949"
    assert data[first : first + 3] == ["0999", "1000", "1001"]
    assert "lines that came here are no longer held" in data[first + 21 + PINNED - 1]
    # Only what the rings hold and what is looked at is in memory.
    assert len(data) <= room + 2 * PINNED + 30
    holds(model)
    logs.feed("a", *(f"{n:04}" for n in range(1500)))
    model.pull()
    assert model.sweep(None)
    assert model.index(at) == 1
    assert len(model.items) == room + 1


def test_the_lag_is_that_of_the_line_that_waited_longest() -> None:
    logs = FakeLogs()
    model = LogModel(logs)
    assert model.tally().lag == 0
    logs.feed("a", "x", at=NOW)
    model.pull()
    assert model.tally().lag == 0.1


HEIGHTS = st.lists(st.integers(1, 7), min_size=1, max_size=40)


@given(HEIGHTS, st.integers(1, 12), st.lists(st.integers(-20, 20), max_size=20))
def test_the_window_stays_within_the_lines_and_scrolls_by_rows(
    heights: list[int], rows: int, moves: list[int]
) -> None:
    logs = FakeLogs()
    logs.feed("a", *("x" for _ in heights))
    window = Window(lambda index: heights[index])
    window.model, window.rows = LogModel(logs), rows
    total = sum(heights)
    last = max(0, total - rows)

    def at() -> int:
        return sum(heights[: window.top - 1]) + window.skip

    window.to_end()
    assert at() == last
    where = last
    for by in moves:
        window.scroll(by)
        where = max(0, min(last, where + by))
        assert at() == where
        assert 0 <= window.skip < heights[window.top - 1] or total <= rows
    for index in range(len(heights)):
        window.show(index)
        begin = sum(heights[:index])
        assert at() <= begin + max(0, heights[index] - rows)
        assert begin + heights[index] <= at() + max(rows, heights[index])
