"""What is wanted of the logs, in the field where it is typed and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from textual.widgets import Input

from dftui.ui.draw import Row, Span
from dftui.watch.lines import Level
from dftui.watch.match import Matcher
from dftui.watch.sieve import Choice

LEAST: tuple[Level, ...] = ("", "warning", "error")
"""The levels that a key goes through."""


CASE_WORDS = {"smart": "smart case", "exact": "exact case", "ignore": "any case"}


class FilterInput(Input):
    """The filter's field: no blinking cursor, which would cost 2 KB/s."""

    def __init__(self) -> None:
        super().__init__(compact=True, select_on_focus=False)
        self.cursor_blink = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked for: of whom, at which level, which text, and whether others are hidden or only this is
    marked."""

    who: frozenset[str] | None = None
    least: Level = ""
    search: Matcher = field(default_factory=Matcher)
    hides: bool = True

    @property
    def choice(self) -> Choice:
        """What is let through."""
        return Choice(self.search if self.hides else Matcher(), self.least)


def how_row(wanted: Wanted, keys: Mapping[str, str], problem: str) -> Row:
    """How the field's text is taken, with the keys that change it; or what is wrong with it."""
    if problem:
        return (Span(f" {problem} ", "bad"),)
    search, hides = wanted.search, wanted.hides
    states = (
        ("filter-regex", "regex" if search.regex else "plain", search.regex),
        ("filter-inverse", "without" if search.inverse else "with", search.inverse),
        ("filter-case", CASE_WORDS[search.case], search.case != "smart"),
        ("filter-mark", "hide others" if hides else "mark only", not hides),
    )
    spans: list[Span] = []
    for action, word, changed in states:
        spans += [Span(f" {keys[action]}", "key", action), Span(f" {word} ", "info" if changed else "muted")]
    return tuple(spans)


def how_words(wanted: Wanted) -> str:
    """How a filter that is typed will be taken."""
    search = wanted.search
    return ", ".join(
        (
            "a regular expression" if search.regex else "plain text",
            "lines without it" if search.inverse else "lines with it",
            CASE_WORDS[search.case],
            "others hidden" if wanted.hides else "only marked",
        )
    )


def search_words(search: Matcher, hides: bool) -> str:
    """A filter as it was typed, and how it is taken."""
    if not search:
        return ""
    how = [
        *(["regex"] if search.regex else []),
        *(["without"] if search.inverse else []),
        *([CASE_WORDS[search.case]] if search.case != "smart" else []),
        *([] if hides else ["marked only"]),
    ]
    return f"/{search.needle}" + (f" ({', '.join(how)})" if how else "")


def choice_spans(wanted: Wanted, since: str, looked: float) -> list[Span]:
    """What is left out of the logs, and why; empty when nothing is. `looked` is how much of what is held was looked
    at, 0 to 1."""
    parts: list[str] = []
    if wanted.who:
        parts.append(f"only {', '.join(sorted(wanted.who))}")
    if wanted.least:
        parts.append("errors only" if wanted.least == "error" else f"{wanted.least}s and worse")
    if words := search_words(wanted.search, wanted.hides):
        parts.append(words)
    if since:
        parts.append(since)
    spans: list[Span] = []
    for part in parts:
        spans += [Span("   " if spans else " "), Span(part, "info")]
    if looked < 1:
        spans += [Span("   " if spans else " "), Span(f"looking back {looked:.0%}", "muted")]
    return spans
