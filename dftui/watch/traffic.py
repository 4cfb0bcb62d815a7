"""Rates from the balancer's counters, rounded so that a quiet stack redraws nothing."""

from __future__ import annotations

from collections.abc import Mapping

from dftui.balancer.stat import Latency, Table
from dftui.watch.figures import Rate, rounded
from dftui.watch.snapshot import Traffic

_LATENCY_STAYS = 15.0
"""Seconds that a latency is shown after the last request."""


class Traffics:
    """Fed with each reading of the table; `by_server`, `total` and `figures` are what to show."""

    def __init__(self) -> None:
        self._rates: dict[str, Rate] = {}
        self._total = Rate(0.5)
        self._latency: dict[str, tuple[float, Latency]] = {}
        self.by_server: Mapping[str, Traffic] = {}
        self.total = Traffic()
        self.figures: Mapping[str, str] = {}

    def update(
        self,
        table: Table,
        at: float,
        latencies: Mapping[str, Latency] | None = None,
        percentiles: tuple[float | None, float | None] = (None, None),
    ) -> bool:
        """Take a reading made at `at` (monotonic seconds); whether something to show changed. `percentiles` are
        p50 and p95 of everything."""
        there = {server.name for server in table.servers}
        for gone in self._rates.keys() - there:
            del self._rates[gone]
        for name, latency in (latencies or {}).items():
            self._latency[name] = (at, latency)
        self._latency = {
            name: (when, one)
            for name, (when, one) in self._latency.items()
            if name in there and at - when < _LATENCY_STAYS
        }
        found: dict[str, Traffic] = {}
        for server in table.servers:
            rate = self._rates.setdefault(server.name, Rate(0.5)).update(server.requests, at)
            latency_of = self._latency.get(server.name)
            found[server.name] = Traffic(
                requests=server.requests,
                errors=server.failed,
                rate=few(rate),
                p50_ms=few(latency_of[1].p50_ms) if latency_of else None,
                p95_ms=few(latency_of[1].p95_ms) if latency_of else None,
                sessions=server.sessions,
                queue=server.queue,
            )
        front, back = table.frontend, table.backend
        p50, p95 = percentiles
        total = Traffic(
            requests=front.requests,
            errors=front.failed,
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
            "errors": f"{front.failed:,}",
            "servers": f"{up}/{len(table.servers)} up",
            "queue": str(back.queue),
            "retries": f"{back.retries:,}",
        }
        same = found == self.by_server and total == self.total and figures == self.figures
        self.by_server, self.total, self.figures = found, total, figures
        return not same


def few(value: float | None) -> float:
    """A figure with at most two digits that count, 0 for next to nothing."""
    if value is None or value < 0.05:
        return 0.0
    if value < 10:
        return round(value, 1)
    digits = len(str(int(value))) - 2
    return float(round(value / 10**digits) * 10**digits)
