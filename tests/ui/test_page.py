"""Only cells that changed go out, and the terminal shows what was put, whatever it showed before."""

from __future__ import annotations

import asyncio
import unicodedata

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import Color, ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.screen import Screen

from dftui.ui.page import Page, plain
from dftui.ui.pen import Pens
from tests.ui.fake_backend import FakeBackend, app_of, busy, settle, stack

WIDTH, HEIGHT = 24, 8
STYLES = (
    Style(),
    Style(color="red"),
    Style(color="#102030", bgcolor="#405060", bold=True),
    Style(color="#102030", bgcolor="#405060"),
    Style(bgcolor="blue", underline=True),
    Style(dim=True, bold=True),
    Style(reverse=True, italic=True, link="https://example.org/"),
)
TEXT = st.text(st.sampled_from("ab  äé漢字🚀e\u0301…─●"), max_size=30)
PUT = st.tuples(
    st.integers(0, WIDTH - 1),
    st.integers(0, HEIGHT - 1),
    st.lists(st.tuples(TEXT, st.sampled_from(STYLES)), max_size=4),
)


class Terminal:
    def __init__(self) -> None:
        self.screen = pyte.Screen(WIDTH, HEIGHT)
        self._stream = pyte.Stream(self.screen)
        self.feed("\x1b[?7l")

    def feed(self, text: str) -> None:
        self._stream.feed(text)

    def cells(self) -> list[list[object]]:
        """Signs and how they look; the ink of a blank shows only in its ground."""
        found: list[list[object]] = []
        for y in range(self.screen.lines):
            row = [self.screen.buffer[y][x] for x in range(self.screen.columns)]
            found.append(
                [
                    (c.data, c.bg, c.reverse, c.underscore)
                    if c.data == " "
                    else (
                        unicodedata.normalize("NFC", c.data),
                        c.fg,
                        c.bg,
                        c.bold,
                        c.italics,
                        c.underscore,
                        c.reverse,
                    )
                    for c in row
                ]
            )
        return found


def put(page: Page, x: int, y: int, parts: list[tuple[str, Style]]) -> None:
    page.put(x, y, [Segment(text, style) for text, style in parts])


LINES = st.sampled_from(["one line", "another line", "漢字 a third", "", "last 🚀"])
ROWS = st.lists(LINES, min_size=HEIGHT, max_size=HEIGHT)


@given(st.lists(st.tuples(ROWS, st.integers(-3, 3)), min_size=1, max_size=6))
def test_rows_that_move_are_moved(frames: list[tuple[list[str], int]]) -> None:
    page = Page()
    page.resize(WIDTH, HEIGHT)
    seen = Terminal()
    rows = [f"row {n} of {HEIGHT}" for n in range(HEIGHT)]
    for fresh, by in frames:
        rows = (rows[by:] + fresh[:by]) if by >= 0 else (fresh[:-by] + rows)[:HEIGHT]
        for y, row in enumerate(rows):
            put(page, 0, y, [(row, STYLES[1]), (" " * WIDTH, STYLES[3])])
        seen.feed(page.difference())
        fresh_page = Page()
        fresh_page.resize(WIDTH, HEIGHT)
        for y, row in enumerate(rows):
            put(fresh_page, 0, y, [(row, STYLES[1]), (" " * WIDTH, STYLES[3])])
        other = Terminal()
        other.feed(fresh_page.difference())
        assert seen.cells() == other.cells()


def test_a_log_that_goes_up_by_a_line_costs_a_line() -> None:
    page = Page()
    page.resize(80, 24)

    def show(first: int) -> str:
        put(page, 0, 0, [("title", Style(bold=True))])
        for y in range(20):
            put(page, 0, y + 2, [(f"{(first + y) * 7919:07d} and some words of line {first + y:04d}", Style())])
        return page.difference()

    show(1)
    assert len(show(2)) < 120
    assert len(show(4)) < 220
    assert len(show(3)) < 120


@given(st.lists(st.lists(PUT, min_size=1, max_size=6), min_size=1, max_size=6))
def test_differences_add_up_to_the_whole(frames: list[list[tuple[int, int, list[tuple[str, Style]]]]]) -> None:
    page, whole = Page(), Page()
    page.resize(WIDTH, HEIGHT)
    seen = Terminal()
    for frame in frames:
        for one in frame:
            put(page, *one)
        seen.feed(page.difference())
    # What a terminal that saw only the end shows.
    whole.resize(WIDTH, HEIGHT)
    for frame in frames:
        for one in frame:
            put(whole, *one)
    fresh = Terminal()
    fresh.feed(whole.difference())
    assert seen.cells() == fresh.cells()
    assert page.difference() == ""


@given(st.lists(st.tuples(st.text(max_size=20), st.sampled_from(STYLES)), max_size=5), st.booleans())
def test_nothing_but_printable_text_and_its_own_sequences_leaves(parts: list[tuple[str, Style]], ascii: bool) -> None:
    import re

    page = Page(ascii=ascii)
    page.resize(WIDTH, HEIGHT)
    put(page, 0, 1, parts)
    text = re.sub(r"\x1b\[(?:[0-9;]*m|[0-9]*C|[0-9]+(?:;[0-9]+)?H)", "", page.difference())
    bad = [c for c in text if not c.isprintable() and unicodedata.category(c) != "Mn"]
    assert not bad
    assert not ascii or text.isascii()


def test_a_changed_figure_costs_a_few_bytes() -> None:
    page = Page()
    page.resize(80, 24)
    ground = Style(color="#c0c0c0", bgcolor="#101418")
    put(page, 0, 3, [("connections  ", ground), ("12", ground + Style(bold=True)), ("   queries/s  48", ground)])
    page.difference()
    put(page, 0, 3, [("connections  ", ground), ("13", ground + Style(bold=True)), ("   queries/s  48", ground)])
    sent = page.difference()
    assert sent.count("3") >= 1
    assert len(sent) < 55
    assert "connections" not in sent


def test_a_forgotten_screen_is_sent_whole() -> None:
    page = Page()
    page.resize(20, 2)
    put(page, 0, 0, [("hello", Style())])
    page.difference()
    page.forget()
    assert "hello" in page.difference()


@pytest.mark.parametrize(
    ("sign", "stands_for"), [("ü", "u"), ("…", "~"), ("─", "-"), ("╭", "+"), ("漢", "?"), ("ﬁ", "f"), ("x", "x")]
)
def test_each_sign_has_one_in_ascii(sign: str, stands_for: str) -> None:
    assert plain(sign) == stands_for


def test_the_way_between_inks_is_short_and_right() -> None:
    pens = Pens(ColorSystem.TRUECOLOR)
    screen = pyte.Screen(4, 1)
    stream = pyte.Stream(screen)
    numbers = [pens.number(style) for style in STYLES]
    for here in numbers:
        for there in numbers:
            # In two steps and from scratch: the same.
            screen.reset()
            stream.feed(pens.way(0, here) + pens.way(here, there) + "x")
            by_way = screen.buffer[0][0]
            screen.reset()
            stream.feed(pens.way(0, there) + "x")
            assert by_way == screen.buffer[0][0]
    assert len(pens.way(numbers[3], numbers[2])) <= len("\x1b[1m")


def test_few_colours_are_kept_few() -> None:
    pens = Pens(ColorSystem.STANDARD)
    assert "38;2" not in pens.way(0, pens.number(Style(color=Color.parse("#ff0000"))))


async def test_the_terminal_shows_what_textual_would_have_drawn() -> None:
    """Through panes, dialogues, floods and a resize: both ways of writing give the same picture."""
    fake = busy(FakeBackend(stack()))
    app = app_of(fake)
    width, height = 100, 30

    def terminal() -> tuple[pyte.Screen, pyte.Stream]:
        screen = pyte.Screen(width, height)
        stream = pyte.Stream(screen)
        stream.feed("\x1b[?7l")
        return screen, stream

    (ours, our_stream), (theirs, their_stream) = terminal(), terminal()
    page = Page()
    page.resize(width, height)
    from dftui.ui.wire import put_update

    sent = [0, 0]
    plain_display = App._display

    def both(self: App[object], screen: Screen[object], update: object) -> None:
        if isinstance(update, LayoutUpdate | ChopsUpdate):
            text = update.render_segments(self.console)
            # textual ends lines of partial updates with a newline, which moves nothing that matters to it.
            their_stream.feed(text.replace("\n", ""))
            put_update(page, update)
            mine = page.difference()
            our_stream.feed(mine)
            sent[0] += len(mine)
            sent[1] += len(text)
        plain_display(self, screen, update)  # type: ignore[arg-type]

    app._display = both.__get__(app)  # type: ignore[method-assign]
    async with app.run_test(size=(width, height)) as pilot:
        await settle(pilot)
        for keys in (
            "j",
            "j",
            "3",
            "pageup",
            "k",
            "T",
            "end",
            "slash",
            "R",
            "E",
            "Q",
            "escape",
            "4",
            "5",
            "1",
            "question_mark",
        ):
            await pilot.press(keys)
            await settle(pilot)
        await pilot.press("escape", "equals_sign")
        await settle(pilot)
        await pilot.press("escape", "z", "z", "ctrl+t")
        await settle(pilot)
        for n in range(5):
            fake.logs.feed("df-web1", *(f"line {k} of {n}" for k in range(20)))
            await asyncio.sleep(0.05)
        await settle(pilot)
        assert [line.rstrip() for line in ours.display] == [line.rstrip() for line in theirs.display]
        for y in range(height):
            for x in range(width):
                a, b = ours.buffer[y][x], theirs.buffer[y][x]
                same = a == b or (a.data == b.data == " " and a.bg == b.bg)
                assert same, (x, y, a, b)
    assert sent[0] < sent[1] / 3
