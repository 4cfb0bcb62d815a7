"""What came back of a load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Tally:
    """What came back. `failed` by kind: a status, "connect", "closed" (nothing of an answer had come), "cut" (it had
    begun), "timeout"; latencies in seconds, those of the slow requests apart."""

    sent: int = 0
    ok: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    failed_methods: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    """Of those, by method, the ones of whose answer nothing had come, or one that did not count as such."""
    hosts: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    slow: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    """How late each request left: the part of its latency that is this program's own."""
    lost: list[str] = field(default_factory=list)
    """The first failures: seconds since the start, method, path and what became of it."""
    seconds: float = 0.0

    @property
    def failures(self) -> int:
        """How many failed, of any kind."""
        return sum(self.failed.values())

    def percentile(self, share: float) -> float:
        """Latency that `share` (0 to 1) of the answered requests, without the slow ones, kept under, in seconds; 0
        without any."""
        return quantile(self.latencies, share)

    def to_json(self) -> dict[str, Any]:
        """For the next process."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Tally:
        """The way back."""
        counters = {name: Counter(data[name]) for name in ("failed", "failed_methods", "unanswered", "hosts")}
        return cls(**{**data, **counters})


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all keep under; 0 without any."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def added(tallies: Sequence[Tally]) -> Tally:
    """Several as one; `seconds` is their sum."""
    total = Tally()
    for one in tallies:
        for name in (f.name for f in fields(Tally)):
            setattr(total, name, getattr(total, name) + getattr(one, name))
    return total
