"""Which lines a filter picks, and that no expression can hang the program."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dftui.watch.lines import CUT, EVENT, GAP, LENGTH_SHIFT, Record
from dftui.watch.mask import Masker
from dftui.watch.match import BadPattern, Case, Matcher, patience
from dftui.watch.paint import Painter

SECRET = "Abcdefgh12345678"
PAINTER = Painter(Masker([SECRET]))


def records(*texts: str | bytes, who: str = "c", flags: int = 0) -> list[Record]:
    datas = [text.encode() if isinstance(text, str) else text for text in texts]
    return [Record(n + 1, n, who, flags, data) for n, data in enumerate(datas)]


def picked(matcher: Matcher, *texts: str | bytes) -> list[bool]:
    return matcher.select(records(*texts), PAINTER.texts)


@pytest.mark.parametrize(
    ("matcher", "wanted"),
    [
        (Matcher("error"), [True, True, False]),
        (Matcher("ERROR"), [False, True, False]),
        (Matcher("error", case="exact"), [True, False, False]),
        (Matcher("ErRoR", case="ignore"), [True, True, False]),
        (Matcher("error", inverse=True), [False, False, True]),
        (Matcher("err.r", regex=True), [True, True, False]),
        (Matcher("^ERR.R", regex=True), [False, True, False]),
        # What is escaped is no capital.
        (Matcher(r"err\Sr", regex=True), [True, True, False]),
        (Matcher("error|fine", regex=True, inverse=True), [False, False, False]),
        (Matcher("(?i)ERROR", regex=True, case="exact"), [True, True, False]),
        (Matcher("err.r"), [False, False, False]),
        (Matcher(""), [True, True, True]),
    ],
)
def test_plain_regex_inverse_and_case(matcher: Matcher, wanted: list[bool]) -> None:
    assert picked(matcher, "an error here", "ERROR there", "all is fine") == wanted


def test_what_is_compared_is_what_is_shown() -> None:
    line = f"password={SECRET} \x1b[31mred\x1b[0m er\x1b[1mror \xff"
    assert picked(Matcher("error"), line, b"er\x1b[31mror") == [True, True]
    assert picked(Matcher("password=***"), line) == [True]
    assert picked(Matcher(SECRET[:4]), line, "plain " + SECRET) == [False, False]
    assert picked(Matcher("xff»"), b"\xff") == [True]


def test_a_cut_line_is_found_by_the_words_that_say_so() -> None:
    cut = Record(1, 1, "c", CUT | 20_000 << LENGTH_SHIFT, b"x" * 16_384)
    assert Matcher("20,000 bytes").select([cut], PAINTER.texts) == [True]


def test_a_container_s_name_counts_unless_told_and_gaps_are_never_left_out() -> None:
    lines = records("one", "two", who="df-redis")
    assert Matcher("redis").select(lines, PAINTER.texts) == [True, True]
    assert Matcher("redis", names=False).select(lines, PAINTER.texts) == [False, False]
    assert Matcher("REDIS", inverse=True).select(lines, PAINTER.texts) == [True, True]
    assert Matcher("x").select(records("lines are missing", flags=GAP), PAINTER.texts) == [True]
    assert Matcher("x").select(records("df-web1 started", flags=EVENT), PAINTER.texts) == [False]


@given(
    st.lists(
        st.lists(st.sampled_from(["a", "B", "ab", "\x1b[1m", "é", "\t", SECRET, "=", "***", " "]), max_size=6).map(
            "".join
        ),
        max_size=30,
    ),
    st.text("abB=* é", min_size=1, max_size=3),
    st.sampled_from(["smart", "exact", "ignore"]),
    st.booleans(),
)
def test_the_short_way_by_raw_bytes_picks_the_same(texts: list[str], needle: str, case: str, inverse: bool) -> None:
    matcher = Matcher(needle, inverse=inverse, case=case, names=False)  # type: ignore[arg-type]
    lower = case == "ignore" or (case == "smart" and needle == needle.lower())
    shown = PAINTER.texts(records(*texts))
    wanted = [(needle.lower() in text.lower() if lower else needle in text) != inverse for text in shown]
    assert picked(matcher, *texts) == wanted


@given(
    st.lists(st.one_of(st.text("abAB .*=\x1bé\n", max_size=12), st.just(f"a {SECRET} b")), max_size=6),
    st.text("abB.^$*+?|()[]\\\\ =é", min_size=1, max_size=7),
    st.sampled_from(["smart", "exact", "ignore"]),
    st.booleans(),
)
def test_an_expression_picks_what_it_finds_in_the_shown_text(
    texts: list[str], needle: str, case: Case, inverse: bool
) -> None:
    try:
        matcher = Matcher(needle, regex=True, case=case, inverse=inverse, names=False)
    except BadPattern:
        return
    assert matcher.pattern is not None
    # Alone and with others: plain lines are looked at together.
    held = [matcher.pattern.search(text) is not None for text in PAINTER.texts(records(*texts))]
    expected = [one != inverse for one in held]
    assert picked(matcher, *texts) == expected
    assert [picked(matcher, text)[0] for text in texts] == expected


@pytest.mark.parametrize("needle", ["(", "[a", "a{2,1}", "*", "(?P<n>", "\\", "(?<=a*)b"])
def test_what_is_no_expression_says_why(needle: str) -> None:
    with pytest.raises(BadPattern, match="not a regex: "):
        Matcher(needle, regex=True)
    assert picked(Matcher(needle), f"x{needle}y") == [True]


def test_an_odd_but_good_expression_prints_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    Matcher("[[a]", regex=True)
    assert not recwarn.list


def test_an_expression_that_would_take_years_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dftui.watch.match.PATIENCE", 0.05)
    with pytest.raises(BadPattern, match="takes more than"):
        picked(Matcher("(x+x+)+y", regex=True), "x" * 4000)


def test_patience_leaves_other_work_alone() -> None:
    with patience(5):
        assert re.search("a", "ba")


def test_matches_are_marked_but_not_of_an_inverse_search() -> None:
    assert Matcher("ab").spans("xABab") == [(1, 3), (3, 5)]
    assert Matcher("b*", regex=True).spans("abb") == [(1, 3)]
    assert Matcher("ab", inverse=True).spans("ab") == []
