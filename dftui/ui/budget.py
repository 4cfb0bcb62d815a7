"""A cap on bytes a second to the terminal: a token bucket."""

from __future__ import annotations

import time
from collections.abc import Callable


class Budget:
    """In no second more than `rate` bytes. For one thread."""

    def __init__(self, rate: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._clock = clock
        # What a full bucket gives at once and what flows in meanwhile make `rate` together.
        self.burst = rate // 10
        self._flow = rate - self.burst
        self._level = float(self.burst)
        self._at = clock()

    def take(self, size: int) -> float:
        """Seconds to wait before these bytes (at most `burst`) may go; they count as gone."""
        now = self._clock()
        self._level = min(self.burst, self._level + (now - self._at) * self._flow)
        self._at = now
        self._level -= size
        return max(0.0, -self._level / self._flow)
