"""What must stand in whatever a regular expression matches: of a hundred thousand lines, those without it need no
second look.

Read off the tree that Python's own compiler of expressions begins with (`re._parser`, as it is from 3.11 to 3.14).
That is private: where it is gone, or is not as it was, nothing is known to be needed, which is slow and right.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

_MOST = 16
"""Texts of which one must be there; more are no quicker to look for than the expression itself."""
_parser: Any = getattr(re, "_parser", None)


@lru_cache(64)
def required(expression: str) -> tuple[str, ...]:
    """One of these ASCII texts stands in whatever the expression matches, capitals aside where it ignores them; ()
    where that is not plain to see. Long ones are preferred, as they are seldom there; none has a `*` in it, so that
    what a mask shows is never looked for where the secret itself stands."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = _parser.parse(expression)
        found = _best(tree, bool(tree.state.flags & re.IGNORECASE))
    except (AttributeError, TypeError, ValueError, re.error, OverflowError, RecursionError):
        return ()
    return tuple(sorted(found))


class _Found:
    """The best of the sets met so far, and the literal text that is just being read."""

    def __init__(self) -> None:
        self.best: frozenset[str] = frozenset()
        self.text = ""

    def offer(self, texts: Iterable[str]) -> None:
        """One of these must be there."""
        texts = frozenset(texts)
        if texts and len(texts) <= _MOST and _worth(texts) > _worth(self.best):
            self.best = texts

    def end(self) -> None:
        """What comes now does not follow the text read so far."""
        if self.text:
            self.offer((self.text,))
            self.text = ""


def _worth(texts: frozenset[str]) -> tuple[int, int]:
    return min(map(len, texts), default=0), -len(texts)


def _best(tree: Any, ignored: bool) -> frozenset[str]:
    found = _Found()
    _read(tree, found, ignored)
    found.end()
    return found.best


def _read(tree: Any, found: _Found, ignored: bool) -> None:
    """Go through what must be matched one after the other; `ignored`: capitals do not count anywhere."""
    for op, value in tree:
        name = str(op)
        if name == "LITERAL":
            char = chr(value)
            if char.isascii() and char != "*":
                found.text += char
            else:
                found.end()
        elif name == "SUBPATTERN":
            _, added, _, inner = value
            if added & re.IGNORECASE and not ignored:
                found.end()
            else:
                _read(inner, found, ignored)
        elif name == "ATOMIC_GROUP":
            _read(value, found, ignored)
        elif name == "BRANCH":
            found.end()
            ways = [_best(way, ignored) for way in value[1]]
            if all(ways):
                found.offer(frozenset().union(*ways))
        elif name.endswith("_REPEAT"):
            least, _, inner = value
            found.end()
            if least:
                found.offer(_best(inner, ignored))
        elif name == "ASSERT":
            found.offer(_best(value[1], ignored))
        elif name not in ("AT", "ASSERT_NOT"):
            found.end()
