"""The pure parts: rows, figures, the log model's counting, folding of steps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from dftui.control.action import Context
from dftui.control.actions import ACTIONS, footer_actions
from dftui.ui import terminal
from dftui.ui.app import states
from dftui.ui.draw import ASCII, UNICODE, Row, Span, changed, clip, clip_row, fit, row_width, spread
from dftui.ui.keymap import RESERVED, normal, remap, shown
from dftui.ui.options import Options
from dftui.ui.panes.history import Item, fold
from dftui.ui.panes.logrow import wrap_row
from dftui.ui.panes.replicas import choose_columns
from dftui.watch.format import age, millis, percent, rate, size
from dftui.watch.records import Step
from dftui.watch.snapshot import Load, ReplicaState

from .fake_backend import stack

TEXT = st.text(st.characters(exclude_categories=("C", "M", "Z")), max_size=40)


@given(TEXT, st.integers(0, 30), st.booleans())
def test_fit_is_exact_and_clip_never_wider(text: str, width: int, right: bool) -> None:
    assert cell_len(fit(text, width, right=right)) == width
    assert cell_len(clip(text, width)) <= width


@given(st.lists(TEXT, max_size=6), st.lists(TEXT, max_size=3), st.integers(1, 80))
def test_rows_never_run_over(left: list[str], right: list[str], width: int) -> None:
    spans, others = [Span(t) for t in left], [Span(t) for t in right]
    assert row_width(clip_row(spans, width)) <= width
    assert row_width(spread(spans, others, width)) <= width


def test_changed_names_only_the_cells_that_differ() -> None:
    old = (Span("ab"), Span("12"), Span("x"))
    assert changed(old, (Span("ab"), Span("13"), Span("x"))) == [(2, 2)]
    assert changed(old, (Span("ab"), Span("123"), Span("x"))) is None
    assert changed(old, (Span("ab"), Span("12", "bad"), Span("x"))) == [(2, 2)]


def test_every_state_has_its_own_sign_in_both_sets() -> None:
    for glyphs in (UNICODE, ASCII):
        assert set(glyphs.states) == set(ReplicaState)
        assert len(set(glyphs.states.values())) == len(ReplicaState)
        assert all(cell_len(sign) == 1 for sign in glyphs.states.values())
    assert all(sign.isascii() for sign in ASCII.states.values())


def test_figures_are_short_and_round() -> None:
    assert [size(n) for n in (None, 0, 61 << 20, 1288490189)] == ["-", "0B", "61M", "1.2G"]
    assert [rate(v) for v in (0.0, 0.04, 1.25, 9.97, 40.2, 12_345.0)] == ["0", "0", "1.2", "10", "40", "12k"]
    assert [millis(v) for v in (None, 7.6, 1234.0)] == ["-", "8ms", "1.2s"]
    assert [percent(v) for v in (None, 0.2, 12.6)] == ["-", "0%", "13%"]
    assert [age(v) for v in (-1, 4, 58, 125, 7300)] == ["0 s", "4 s", "50 s", "2 min", "2 h"]


@pytest.mark.parametrize(("width", "wanted"), [(80, "sess"), (100, "key"), (120, "errors"), (200, "image")])
def test_wider_screens_have_more_columns(width: int, wanted: str) -> None:
    heads = [column.head for column in choose_columns(width, 9)]
    assert wanted in heads
    assert heads[:2] == ["host", "state"]


def test_a_state_is_drawn_at_once_and_a_sentence_beside_it_with_the_next_frame() -> None:
    before = stack(3)
    web = list(before.web)
    web[2] = replace(web[2], why="its health check does not pass yet", load=Load(99.0, 1 << 30))
    assert states(replace(before, web=tuple(web))) == states(before)
    web[2] = replace(web[2], state=ReplicaState.UNREACHABLE)
    assert states(replace(before, web=tuple(web))) != states(before)
    assert states(replace(before, wanted=4)) != states(before) != states(None)


def test_a_step_that_goes_on_stays_in_its_place() -> None:
    steps: list[Item] = []
    fold(steps, Step(1, "up", "build web", "running", "docker build .", 1, 9))
    fold(steps, Step(2, "scale", "other", "running"))
    fold(steps, Step(3, "up", "build web", "ok", "", 9, 9))
    assert [(s.text, s.state, s.command) for s in steps if isinstance(s, Step)] == [
        ("build web", "ok", "docker build ."),
        ("other", "running", ""),
    ]


def test_the_registry_is_sound() -> None:
    ids = [action.id for action in ACTIONS]
    assert len(set(ids)) == len(ids)
    keys = [key for action in ACTIONS for key in action.key.split(",")]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & RESERVED
    assert all(action.help and action.name and action.show for action in ACTIONS)
    assert remap([]) == ({a.id: a.key for a in ACTIONS}, [])


def test_remapping_tells_each_mistake() -> None:
    team = {"scale-up": "Y", "scale-dwn": "b", "drain": "j", "zoom": "h", "times": "ctrl+banana"}
    mine = {"scale-down": "_", "follow": "F2", "help": "K", "quit": "K", "roll": "ctrl+y, I"}
    keys, problems = remap([("dftui.yaml", team), ("config.yaml", mine)])
    assert problems == [
        "dftui.yaml: keys: there is no action 'scale-dwn'; did you mean scale-down?",
        "dftui.yaml: keys: drain cannot have 'j', which moves in the panes.",
        "dftui.yaml: keys: times cannot have 'ctrl+banana': no key is called that.",
        "dftui.yaml: keys: zoom cannot have 'h', the key of probe; it keeps 'z'.",
        "config.yaml: keys: help cannot have 'K', the key of quit; it keeps '?'.",
    ]
    changed = {name: key for name, key in keys.items() if key != next(a.key for a in ACTIONS if a.id == name)}
    assert changed == {"scale-up": "Y", "scale-down": "underscore", "follow": "f2", "quit": "K", "roll": "ctrl+y,I"}


def test_the_users_keys_go_before_the_stacks_and_two_may_change_places() -> None:
    keys, problems = remap([("dftui.yaml", {"drain": "Y"}), ("config.yaml", {"drain": "x", "remove": "d"})])
    assert (keys["drain"], keys["remove"], problems) == ("x", "d", [])


@pytest.mark.parametrize(
    ("given", "name", "show"),
    [
        ("+", "plus", "+"),
        ("-", "minus", "-"),
        ("/", "slash", "/"),
        ("é", "é", "é"),
        ("question_mark", "question_mark", "?"),
        ("f5", "f5", "f5"),
        ("ctrl+T", "ctrl+t", "^t"),
        ("ctrl++", "ctrl+plus", "ctrl+plus"),
        ("alt+x", "alt+x", "alt+x"),
    ],
)
def test_keys_are_written_as_they_are_typed(given: str, name: str, show: str) -> None:
    assert normal(given) == name
    assert shown(name) == show


def test_the_footer_offers_what_applies() -> None:
    none = {action.id for action in footer_actions(Context())}
    assert none == {"help", "palette", "quit"}
    snapshot = stack()
    some = {a.id for a in footer_actions(Context(snapshot, snapshot.web[0], "replicas", True))}
    assert {"scale-up", "drain", "probe"} <= some
    assert "up" not in some


@pytest.mark.parametrize(
    ("env", "few"),
    [
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "xterm"}, True),
        ({"TERM": "linux"}, True),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, False),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, True),
    ],
)
def test_colours_by_terminal(env: dict[str, str], few: bool) -> None:
    assert terminal.few_colours(env) is few


def test_calmer_over_ssh_and_under_tmux(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Options.from_environment().hz == 10
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")
    assert Options.from_environment().hz == 5
    assert Options.from_environment().fence
    monkeypatch.setenv("TMUX", "/tmp/tmux,1,0")
    assert not Options.from_environment().fence


def wrapped(row: Row, width: int) -> list[str]:
    return ["".join(span.text for span in part) for part in wrap_row(row, width)]


def test_a_line_is_wrapped_between_words_unless_that_leaves_a_row_half_empty() -> None:
    row = (Span("select * from ", "muted"), Span("orders", "match"), Span(" where id = 1"))
    assert wrapped(row, 18) == ["select * from ", "orders where id = ", "1"]
    assert wrapped(row, 20) == ["select * from orders", "where id = 1"]
    assert wrapped((Span("a " + "x" * 30),), 10) == ["a xxxxxxxx", "x" * 10, "x" * 10, "xx"]
    assert wrapped((Span(""),), 10) == [""]
    # A word that is found stays marked in both of its rows.
    assert [part[-1].role for part in wrap_row((Span("ab"), Span("c" * 12, "match")), 8)] == ["match", "match"]


@given(st.lists(st.text("ab 漢字é", max_size=12), max_size=6), st.integers(1, 20))
def test_wrapping_loses_nothing_but_blanks_and_no_row_is_too_wide(texts: list[str], width: int) -> None:
    rows = wrapped(tuple(Span(text) for text in texts), width)
    assert all(cell_len(row) <= width for row in rows)
    if width > 1:
        assert "".join(rows).replace(" ", "") == "".join(texts).replace(" ", "")
