"""How many replicas the load asks for: a pure policy with hysteresis and cool-down.

It adds when the load per serving replica has stood above the target for a while, enough to bring it under; it removes
one when the others could carry the load with room to spare for longer.  After each step it rests: `cool_down` after a
removal, and shorter than that all other times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

HIGH = 1.1
"""Times the target: above it replicas are added."""
LOW = 0.7
"""Times the target that the remaining ones would carry: below it one goes."""
HIGH_FOR = 5.0
REST_UP = 10.0
COOL_DOWN = 60.0
LOW_SHARE = 0.5
"""Of the cool-down: how long the load must have been low."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A step: to this number, and why, in a sentence."""

    to: int
    why: str


@dataclass(slots=True)
class Autoscaler:
    """Feed it once a second or so. `target` is requests/s (or percent of a core) a replica; `unit` names it."""

    target: float
    unit: str
    least: int
    most: int
    cool_down: float = COOL_DOWN
    _high_since: float | None = None
    _low_since: float | None = None
    _rest_until: float = 0.0

    def look(self, now: float, serving: int, wanted: int, load: float) -> Advice | None:
        """`load` is the whole pool's; None while nothing is to be done. `now` in seconds of any steady clock."""
        if serving == 0 or serving != wanted:
            self._high_since = self._low_since = None  # a change is under way, or something is broken
            return None
        each = load / serving
        self._high_since = _since(self._high_since, now, each > self.target * HIGH)
        spare = serving > 1 and load / (serving - 1) < self.target * LOW
        self._low_since = _since(self._low_since, now, spare)
        if now < self._rest_until:
            return None
        high_for, low_for = min(HIGH_FOR, self.cool_down), LOW_SHARE * self.cool_down
        if self._high_since is not None and now - self._high_since >= high_for and wanted < self.most:
            to = min(self.most, max(wanted + 1, math.ceil(load / self.target)))
            why = f"{each:.0f} {self.unit} a replica, above the target {self.target:g}"
            return self._step(now, to, min(REST_UP, self.cool_down), why)
        if self._low_since is not None and now - self._low_since >= low_for and wanted > self.least:
            why = f"{load:.0f} {self.unit} in all: {serving - 1} carry it at {load / (serving - 1):.0f} each"
            return self._step(now, wanted - 1, self.cool_down, why)
        return None

    def _step(self, now: float, to: int, rest: float, why: str) -> Advice:
        self._rest_until = now + rest
        self._high_since = self._low_since = None
        return Advice(to, why)


def _since(before: float | None, now: float, so: bool) -> float | None:
    """Since when something has been so without a break; None while it is not."""
    if not so:
        return None
    return now if before is None else before
