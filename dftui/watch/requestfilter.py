"""Which requests are looked for: words that must all be there, as in `5xx web2 !/status >250`."""

from __future__ import annotations

import re
from collections.abc import Callable

from dftui.watch.records import Request

HELP = "words: any text of a request, 404, 5xx, gone, probe, >250 (ms), <5; !word for what must not be there"
"""Completes "only those that hold all of these …"."""

Test = Callable[[Request], bool]
_CLASS = re.compile(r"([1-5])xx")
_TIME = re.compile(r"([<>])(\d{1,9})(?:ms)?")


def _words_of(request: Request) -> str:
    status = "gone" if request.status < 0 else str(request.status)
    parts = (request.method, request.path, status, request.replica, request.host, request.client, request.id)
    return " ".join((*parts, "probe" if request.probe else "")).lower()


def _test(word: str) -> Test:
    if len(word) > 1 and word[0] == "!":
        inner = _test(word[1:])
        return lambda request: not inner(request)
    if found := _CLASS.fullmatch(word):
        hundred = int(found[1])
        return lambda request: request.status // 100 == hundred
    if found := _TIME.fullmatch(word):
        limit = int(found[2])
        return (lambda request: request.ms > limit) if found[1] == ">" else (lambda request: request.ms < limit)
    return lambda request: word in _words_of(request)


class Filter:
    """A request passes when every word of `text` holds of it; an empty text lets all pass. Capitals do not count."""

    __slots__ = ("_tests", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._tests = tuple(_test(word) for word in text.lower().split())

    def __call__(self, request: Request) -> bool:
        """Whether it passes."""
        return all(test(request) for test in self._tests)
