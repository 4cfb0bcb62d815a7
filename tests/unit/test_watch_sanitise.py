from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dftui.watch.sanitise import CUT_MARK, LIMIT, clean, clean_all, clean_lines

TEXT = st.text(st.characters(), max_size=300)
HOSTILE = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "\x1b",
                "\x1b[",
                "\x1b]",
                "\x1bP",
                "\x07",
                "\x1b\\",
                "\x9b",
                "\x9d",
                "\x9c",
                "31m",
                "52;c;QUJD",
                "\u202e",
                "\r",
            ]
        ),
        st.text(max_size=4),
    ),
    max_size=40,
).map("".join)


def safe(text: str) -> bool:
    return all(unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for char in text)


@given(st.one_of(TEXT, HOSTILE))
@example("\x1b\x1b[m[31m")
@example("\x1b]0;title\x1b[31m\x07")
@example("\ud800 lone")
def test_nothing_a_terminal_acts_on_is_left(text: str) -> None:
    shown = clean(text)
    assert safe(shown)
    assert len(shown) <= LIMIT
    assert clean(shown) == shown


@given(st.binary(max_size=400))
def test_any_bytes_become_safe_text(data: bytes) -> None:
    assert safe(clean(data))


@given(HOSTILE, st.integers(min_value=10, max_value=60))
def test_a_bound_holds_and_is_said(text: str, limit: int) -> None:
    shown = clean(text * 5, limit)
    assert len(shown) <= limit
    assert safe(shown)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("a\x1b]52;c;ZXZpbA==\x07b", "ab"),
        ("a\x1b]0;title\x1b\\b", "ab"),
        ("a\x1bP1;2q#0\x1b\\b", "ab"),
        ("a\x1b_apc\x1b\\b", "ab"),
        ("a\x9b31mb", "ab"),
        ("a\x1bcb", "ab"),
        ("a\x1b(0b", "ab"),
        ("never ends \x1b]0;x", "never ends 0;x"),
        ("bell\x07", "bell␇"),
        ("nul\x00", "nul␀"),
        ("del\x7f", "del␡"),
        ("c1\x85x", "c1\ufffdx"),
        ("bidi \u202egnp.exe", "bidi \ufffdgnp.exe"),
        ("zero\u200bwidth", "zero\ufffdwidth"),
        ("a\u00a0b\u3000c", "a b c"),
        ("a\tb", "a   b"),
        ("progress 1%\rprogress 2%", "progress 1%␍progress 2%"),
        ("windows\r\n", "windows"),
        ("two\nlines", "two␊lines"),
        ("äöü 漢字 🚀", "äöü 漢字 🚀"),
        ("[@click=app.quit]x[/]", "[@click=app.quit]x[/]"),
    ],
)
def test_each_kind_of_foreign_text(raw: str, shown: str) -> None:
    assert clean(raw) == shown


def test_bytes_that_are_no_utf8_are_shown_as_such() -> None:
    assert clean(b"a\xff\x9bb \xc3\xa4") == "a«\\xff»«\\x9b»b ä"


def test_a_zalgo_pile_is_cut_down() -> None:
    assert len(clean("e" + "\u0301" * 200)) <= 5


@pytest.mark.parametrize("text", ["x" * 10_000, "ä" * 10_000, b"x" * 10_000_000, "\x1b[m" * 20_000 + "end"])
def test_a_long_text_says_that_it_was_cut(text: str | bytes) -> None:
    shown = clean(text)
    assert shown.endswith(CUT_MARK)
    assert len(shown) <= LIMIT


def test_several_lines_keep_the_last() -> None:
    assert clean_lines(b"a\nb\x07\nc", 2) == ["b␇", "c"]


@given(st.lists(st.one_of(st.binary(max_size=30), st.text("ab c", max_size=30).map(str.encode)), max_size=20))
def test_many_at_once_are_as_one_by_one(lines: list[bytes]) -> None:
    assert clean_all(lines) == [clean(line) for line in lines]
