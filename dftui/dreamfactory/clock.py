"""How far a replica's clock is off, bounded for certain from the `Date` of its answers.

`Date` is cut to whole seconds (RFC 9110, 5.6.7), so one answer tells the clock to a second and the time it took; the
bounds of many are cut with each other.  A slow machine or link makes the bounds wide, never wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime

FAR = 1e12


@dataclass(frozen=True, slots=True)
class Bounds:
    """Another clock minus this one's, in seconds: at least `low`, at most `high`."""

    low: float = -FAR
    high: float = FAR

    @property
    def known(self) -> bool:
        """Anything was measured."""
        return self.high < FAR

    def narrowed(self, other: Bounds) -> Bounds:
        """Both hold; where they cannot (a clock was set meanwhile), the later one."""
        both = Bounds(max(self.low, other.low), min(self.high, other.high))
        return both if both.low <= both.high else other

    def since(self, other: Bounds) -> Bounds:
        """That clock against another one, both measured by this one's."""
        return Bounds(self.low - other.high, self.high - other.low)

    @property
    def least(self) -> float:
        """What it is off for certain, with its sign; 0 when it may be right."""
        return self.low if self.low > 0 else min(self.high, 0.0)


def stamped(stamp: float, sent: float, received: float, cut: float = 0.0) -> Bounds:
    """From a time that the other side stamped between `sent` and `received`, cut down by up to `cut` seconds."""
    return Bounds(stamp - received, stamp + cut - sent)


def of_date(header: str, sent: float, received: float) -> Bounds:
    """From an HTTP `Date`; nothing known when it is none."""
    try:
        stamp = parsedate_to_datetime(header).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return Bounds()
    return stamped(stamp, sent, received, 1.0)
