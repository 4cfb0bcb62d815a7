"""Which lines a text or a regular expression picks: for the filter, the search and `logs --grep`."""

from __future__ import annotations

import re
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from operator import itemgetter
from types import FrameType
from typing import Literal

from dftui.watch.lines import GAP, Record
from dftui.watch.literals import required
from dftui.watch.sanitise import LIMIT

Case = Literal["smart", "exact", "ignore"]
CASES: tuple[Case, ...] = ("smart", "exact", "ignore")
Texts = Callable[[Sequence[Record]], list[str]]
PATIENCE = 0.5
"""Seconds that a regular expression may take over one piece of the lines."""
_CHUNK = 1000
_who, _flags = itemgetter(2), itemgetter(3)
_data = itemgetter(4)
_ESCAPED = re.compile(r"\\.")


class BadPattern(ValueError):
    """A text that is no regular expression, or one that takes for ever; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """Picks the lines whose shown text, or whose container's name, holds `needle`; all when it is empty.

    `inverse` picks the others. `case` "smart": capitals count only if the needle has some. Without `names` the
    container's name does not count. Raises BadPattern when it is made. Secrets are masked before anything is
    compared, so that no filter can guess them."""

    needle: str = ""
    regex: bool = False
    inverse: bool = False
    case: Case = "smart"
    names: bool = True
    pattern: re.Pattern[str] | None = field(init=False, compare=False, repr=False, default=None)
    _lower: bool = field(init=False, compare=False, repr=False, default=False)
    _needles: tuple[str, ...] = field(init=False, compare=False, repr=False, default=())
    """One of these is in every line that is picked; () when that is not known."""

    def __post_init__(self) -> None:
        if not self.needle:
            return
        letters = _ESCAPED.sub("", self.needle) if self.regex else self.needle
        lower = self.case == "ignore" or (self.case == "smart" and letters == letters.lower())
        object.__setattr__(self, "_lower", lower)
        source = self.needle if self.regex else re.escape(self.needle)
        try:
            with warnings.catch_warnings():
                # Python's hints about odd but good expressions would be printed across the screen.
                warnings.simplefilter("ignore")
                pattern = re.compile(source, re.IGNORECASE if lower else 0)
        except (re.error, OverflowError, RecursionError) as error:
            raise BadPattern(f"not a regex: {error}") from None
        object.__setattr__(self, "pattern", pattern)
        object.__setattr__(self, "_needles", required(source))

    def __bool__(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.needle)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where the text matches, to be marked; nothing of an inverse search."""
        if self.pattern is None or self.inverse:
            return []
        with patience() if self.regex else nullcontext():
            return [found.span() for found in self.pattern.finditer(text) if found.end() > found.start()]

    def _named(self, who: str) -> bool:
        return self.names and self.pattern is not None and self.pattern.search(who) is not None

    def select(self, records: Sequence[Record], texts: Texts) -> list[bool]:
        """Which of these it picks; gap marks always. `texts` gives what is shown of records.

        Raises BadPattern when an expression takes too long.
        """
        if self.pattern is None:
            return [True] * len(records)
        found: list[bool] = []
        for start in range(0, len(records), _CHUNK):
            part = records[start : start + _CHUNK]
            held = self._held(part, texts)
            named = {who for who in set(map(_who, part)) if self._named(who)}
            if named:
                held = [one or record[2] in named for one, record in zip(held, part, strict=True)]
            if self.inverse:
                held = [not one for one in held]
            if any(flags & GAP for flags in set(map(_flags, part))):
                held = [one or bool(record[3] & GAP) for one, record in zip(held, part, strict=True)]
            found += held
        return found

    def _held(self, records: Sequence[Record], texts: Texts) -> list[bool]:
        candidates = self._candidates(records)
        if candidates is None:
            return self._in(texts(records))
        held = [False] * len(records)
        if candidates:
            found = self._in(texts([records[index] for index in candidates]))
            for index, one in zip(candidates, found, strict=True):
                held[index] = one
        return held

    def _in(self, texts: Sequence[str]) -> list[bool]:
        if self.regex:
            assert self.pattern is not None
            search = self.pattern.search
            with patience():
                return [search(text) is not None for text in texts]
        if self._lower:
            needle = self.needle.lower()
            return [needle in text.lower() for text in texts]
        needle = self.needle
        return [needle in text for text in texts]

    def _candidates(self, records: Sequence[Record]) -> list[int] | None:
        """The only records that can hold what is looked for, by their raw bytes; None when these cannot tell.

        Of ASCII bytes without escapes and tabs the shown text has only pictures of control characters besides, and
        *** for secrets: what is ASCII, holds no * and is not in the bytes is not in the text either. Nine lines in
        ten are so ruled out at a tenth of the cost.
        """
        assert self.pattern is not None
        needles = [needle.encode() for needle in self._needles]
        if not needles:
            return None
        datas = list(map(_data, records))
        joined = b"".join(datas)
        # A line that is cut says so in words of its own.
        told = set[int]()
        if max(map(len, datas), default=0) > LIMIT:
            told.update(index for index, data in enumerate(datas) if len(data) > LIMIT)
        # What else is shown otherwise than it is may hold an ASCII text that its bytes do not hold in one piece.
        if not joined.isascii():
            told.update(index for index, data in enumerate(datas) if not data.isascii())
        for odd in (b"\x1b", b"\t"):
            if odd in joined:
                told.update(index for index, data in enumerate(datas) if odd in data)
        if self.pattern.flags & re.IGNORECASE:
            needles = [needle.lower() for needle in needles]
            joined = joined.lower()
            lines: Iterable[bytes] = map(bytes.lower, datas)
        else:
            lines = datas
        for needle in needles:
            if needle in joined:
                break
        else:
            return sorted(told)
        if len(needles) == 1:
            found = [index for index, data in enumerate(lines) if needle in data]
        else:
            found = [index for index, data in enumerate(lines) if any(one in data for one in needles)]
        return sorted(told.union(found)) if told else found


@contextmanager
def patience(seconds: float | None = None) -> Iterator[None]:
    """Raises BadPattern in what takes longer: some expressions need years over one line, and nothing else would be
    heard meanwhile. Python's matcher looks for signals as it goes; elsewhere than in the main thread this does
    nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seconds = PATIENCE if seconds is None else seconds

    def late(number: int, frame: FrameType | None) -> None:
        raise BadPattern(f"this expression takes more than {seconds:g} s over a few lines")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
