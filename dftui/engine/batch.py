"""Many log lines at once, as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from operator import lt
from typing import Literal, overload

from dftui.engine.api import LogLine

_new = tuple.__new__


def last_times(lines: Sequence[LogLine]) -> dict[str, int]:
    """The stamp of the last line of each stream that is among these."""
    if isinstance(lines, Batch):
        return dict(zip(lines.streams, lines.times, strict=True))
    return {line.stream: line.time_ns for line in lines}


class Batch(Sequence[LogLine]):
    """Lines of one container; a tuple for each would cost as much as reading them does, so it is made only for
    whoever asks for single lines.  `times`, `streams` and `texts` are as long as each other."""

    __slots__ = ("_rising", "streams", "texts", "times")

    def __init__(
        self, times: Sequence[int], streams: Sequence[Literal["stdout", "stderr"]], texts: Sequence[bytes]
    ) -> None:
        self.times = times
        self.streams = streams
        self.texts = texts
        self._rising: bool | None = None

    @property
    def rising(self) -> bool:
        """Whether each line is stamped later than the one before it."""
        if self._rising is None:
            self._rising = all(map(lt, self.times, self.times[1:]))
        return self._rising

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[LogLine]:
        return map(_new, repeat(LogLine), zip(self.times, self.streams, self.texts, strict=True))

    @overload
    def __getitem__(self, index: int) -> LogLine: ...

    @overload
    def __getitem__(self, index: slice) -> Batch: ...

    def __getitem__(self, index: int | slice) -> LogLine | Batch:
        if isinstance(index, slice):
            return Batch(self.times[index], self.streams[index], self.texts[index])
        return LogLine(self.times[index], self.streams[index], self.texts[index])
