"""What a regular expression needs to be in a line, so that lines without it need no second look."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dftui.watch import literals
from dftui.watch.literals import required

NEEDED = {
    r"line \d+7 of": ("line ",),
    r"(foo|barx)\s+\d+": ("barx", "foo"),
    r"\[error\]": ("[error]",),
    r"(?:GET|POST) /api/v\d": (" /api/v",),
    r"(?i)ERROR": ("ERROR",),
    r"(?i:foo)bar": ("bar",),
    r"foo(?!bar)": ("foo",),
    r"fo(?=bar)": ("bar",),
    r"(?<=at )\w+": ("at ",),
    r"\bboom\b": ("boom",),
    r"(ab){2,}c": ("ab",),
    r"(abc)?de": ("de",),
    r"colou?r": ("colo",),
    r"(a)?(?(1)b|c)dd": ("dd",),
    r"(ab)\1c": ("ab",),
    r"(?>abc)d": ("abcd",),
    # A mask may stand where the * stands.
    r"password=\*\*\*": ("password=",),
    r"café au lait": (" au lait",),
    r"\d{4}": (),
    r"error|": (),
    r"(error)*": (),
    r"[ab]+": (),
    r"(?!error)": (),
    r"|".join("abcdefghijklmnopqrstuvwxyz"): (),
    r"(": (),
}


@pytest.mark.parametrize(("expression", "texts"), NEEDED.items())
def test_what_must_be_there(expression: str, texts: tuple[str, ...]) -> None:
    assert required(expression) == texts


GOOD = [expression for expression in NEEDED if expression != "("]


@given(st.sampled_from(GOOD).flatmap(lambda one: st.tuples(st.just(one), st.from_regex(one))))
def test_whatever_matches_has_one_of_them(made: tuple[str, str]) -> None:
    expression, text = made
    found = re.search(expression, text)
    assert found is not None
    texts = required(expression)
    if re.compile(expression).flags & re.IGNORECASE:
        text, texts = text.lower(), tuple(one.lower() for one in texts)
    assert not texts or any(one in text for one in texts)


def test_without_python_s_own_parser_nothing_is_known_to_be_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(literals, "_parser", None)
    required.cache_clear()
    try:
        assert required("error") == ()
    finally:
        required.cache_clear()
