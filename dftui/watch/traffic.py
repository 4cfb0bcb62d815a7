"""Totals and rates from the balancer's counters, rounded so that a quiet stack redraws nothing.

HAProxy's counters of a server go with the server, and all of them with the balancer's process: they are carried on
here, so that a total never falls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from dftui.balancer.stat import Latency, ServerState, Table
from dftui.watch.figures import Rate, rounded
from dftui.watch.snapshot import Traffic

_LATENCY_STAYS = 15.0
"""Seconds that a latency is shown after the last request."""
_MOST_KEPT = 5000
BUCKET = 5.0
BUCKETS = 12
"""A replica's last minute is kept as so many counts of so many seconds, for its share."""


@dataclass(slots=True)
class Counter:
    """A pair of counters (requests, those failed) that may begin anew: `requests` and `failed` never fall."""

    requests: int = 0
    failed: int = 0
    _last: tuple[int, int] = (0, 0)

    def update(self, requests: int, failed: int) -> int:
        """Take a reading; by how much `requests` grew."""
        before, self._last = self._last, (requests, failed)
        if requests < before[0] or failed < before[1]:
            before = (0, 0)
        self.requests += requests - before[0]
        self.failed += failed - before[1]
        return requests - before[0]


@dataclass(slots=True)
class _Minute:
    """Counts of the last minute, the newest last; the last one is still being filled."""

    counts: deque[int] = field(default_factory=lambda: deque([0] * BUCKETS, maxlen=BUCKETS))

    def add(self, count: int) -> None:
        self.counts[-1] += count

    def roll(self, steps: int) -> None:
        self.counts.extend([0] * min(steps, BUCKETS))


class Traffics:
    """Fed with each reading of the table; `by_server`, `total` and `figures` are what to show."""

    def __init__(self, *, whole: bool = False) -> None:
        """`whole`: what was counted before the first reading is in the shares too (for one look only)."""
        self._whole = whole
        self._rates: dict[str, Rate] = {}
        self._total = Rate(0.5)
        self._latency: dict[str, tuple[float, Latency]] = {}
        self._counters: dict[str, Counter] = {}
        self._all = Counter()
        self._minutes: dict[str, _Minute] = {}
        self._bucket: int | None = None
        self.by_server: Mapping[str, Traffic] = {}
        self.total = Traffic()
        self.figures: Mapping[str, str] = {}

    def update(
        self,
        table: Table,
        at: float,
        latencies: Mapping[str, Latency] | None = None,
        percentiles: tuple[float | None, float | None] = (None, None),
        gone: Mapping[str, ServerState] | None = None,
    ) -> bool:
        """Take a reading made at `at` (monotonic seconds); whether something to show changed. `percentiles` are
        p50 and p95 of everything; `gone` holds the last counters of servers that were deleted."""
        there = {server.name for server in table.servers}
        for left in self._rates.keys() - there:
            del self._rates[left]
            self._minutes.pop(left, None)
            if gone and left in gone:
                self._counters[left].update(gone[left].requests, gone[left].failed)
        for name, latency in (latencies or {}).items():
            self._latency[name] = (at, latency)
        self._latency = {
            name: (when, one)
            for name, (when, one) in self._latency.items()
            if name in there and at - when < _LATENCY_STAYS
        }
        self._count(table, at)
        lately = sum(sum(minute.counts) for minute in self._minutes.values())
        found: dict[str, Traffic] = {}
        for server in table.servers:
            rate = self._rates.setdefault(server.name, Rate(0.5)).update(server.requests, at)
            latency_of = self._latency.get(server.name)
            counter, minute = self._counters[server.name], self._minutes[server.name]
            found[server.name] = Traffic(
                requests=counter.requests,
                errors=counter.failed,
                rate=few(rate),
                p50_ms=few(latency_of[1].p50_ms) if latency_of else None,
                p95_ms=few(latency_of[1].p95_ms) if latency_of else None,
                sessions=server.sessions,
                queue=server.queue,
                share=round(sum(minute.counts) / lately, 2) if lately else None,
            )
        front, back = table.frontend, table.backend
        p50, p95 = percentiles
        total = Traffic(
            requests=self._all.requests,
            errors=self._all.failed,
            rate=few(self._total.update(front.requests, at)),
            p50_ms=None if p50 is None else few(p50),
            p95_ms=None if p95 is None else few(p95),
            sessions=front.sessions,
            queue=back.queue,
        )
        up = sum(server.serving for server in table.servers)
        figures = {
            "req/s": rounded(total.rate),
            "sessions": str(front.sessions),
            "errors": f"{total.errors:,}",
            "servers": f"{up}/{len(table.servers)} up",
            "queue": str(back.queue),
            "retries": f"{back.retries:,}",
            "redispatches": f"{back.redispatches:,}",
            "denied": f"{front.denied:,}",
            "session limit": f"{front.max_sessions:,}",
        }
        same = found == self.by_server and total == self.total and figures == self.figures
        self.by_server, self.total, self.figures = found, total, figures
        return not same

    def _count(self, table: Table, at: float) -> None:
        bucket = int(at // BUCKET)
        steps = 0 if self._bucket is None else bucket - self._bucket
        counts = self._bucket is not None or self._whole
        self._bucket = bucket
        for minute in self._minutes.values():
            minute.roll(steps)
        self._all.update(table.frontend.requests, table.frontend.failed)
        for server in table.servers:
            counter = self._counters.setdefault(server.name, Counter())
            grown = counter.update(server.requests, server.failed)
            minute = self._minutes.setdefault(server.name, _Minute())
            if counts:  # what came before the first look did not come in this minute
                minute.add(grown)
        if len(self._counters) > _MOST_KEPT:
            kept = {server.name for server in table.servers}
            self._counters = {name: one for name, one in self._counters.items() if name in kept}


def few(value: float | None) -> float:
    """A figure with at most two digits that count, 0 for next to nothing."""
    if value is None or value < 0.05:
        return 0.0
    if value < 10:
        return round(value, 1)
    digits = len(str(int(value))) - 2
    return float(round(value / 10**digits) * 10**digits)
