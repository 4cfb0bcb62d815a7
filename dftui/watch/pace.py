"""Reading a flood late rather than at any price: the pace, and what the engine loses meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_LONGEST_WAIT = 0.25
_JUMP_NS = 1_000_000_000


class Pace:
    """A bucket of lines, refilled at so many a second; None reads as fast as the engine gives."""

    def __init__(self, lines: float | None) -> None:
        self._lines = lines
        self._credit = lines or 0.0
        self._at = 0.0

    @property
    def exceeded(self) -> bool:
        """More was read than the pace allows."""
        return self._credit < 0

    def spend(self, lines: int, now: float) -> float:
        """So many were read: seconds to wait for the next ones."""
        if self._lines is None:
            return 0.0
        self._credit = min(self._lines / 2, self._credit + (now - self._at) * self._lines) - lines
        self._at = now
        return min(_LONGEST_WAIT, -self._credit / self._lines) if self._credit < 0 else 0.0


def jumps(times: Iterable[int], before_ns: int) -> Iterator[tuple[int, int]]:
    """Pairs of neighbouring stamps that are more than a second apart.

    Behind a flood the engine goes on with a younger file of the log when it has removed the one that was read, and
    says nothing; who reads seconds behind and then finds such a jump has most likely lost what was between.
    """
    for at in times:
        if at - before_ns > _JUMP_NS:
            yield before_ns, at
        before_ns = max(before_ns, at)
