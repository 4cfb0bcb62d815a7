"""The request ledger: single requests through the balancer, sanitised, masked, bounded, and summed per replica."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dftui.balancer.records import RawRequest
from dftui.watch.mask import Masker
from dftui.watch.records import Request
from dftui.watch.sanitise import clean

MOST = 10_000
"""Requests kept."""
WINDOW = 60.0
"""Seconds over which percentiles are taken."""
_MOST_TIMES = 3000
_PATH, _SHORT = 1024, 64


@dataclass(frozen=True, slots=True)
class ReplicaTotals:
    """One replica's part. `requests` and `errors` (5xx) since the ledger began, each sampled record counted for those
    it stands for; `share` of all requests, 0 to 1; percentiles in milliseconds over the last minute, None without
    requests; probes are in none of it."""

    name: str
    host: str
    requests: int
    errors: int
    share: float
    p50_ms: float | None
    p95_ms: float | None


@dataclass(slots=True)
class _Sums:
    requests: int = 0
    errors: int = 0
    times: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_MOST_TIMES))


class Ledger:
    """Takes raw records in, gives requests out. `names` maps a server's name (the container's short id, the Host) to
    the container's name; ids once known stay known after the container is gone."""

    def __init__(
        self, masker: Masker | None = None, most: int = MOST, clock: Callable[[], float] = time.time
    ) -> None:
        """Keeps the last `most` requests."""
        self._masker = masker or Masker()
        self._kept: deque[Request] = deque(maxlen=most)
        self._names: dict[str, str] = {}
        self._sums: dict[str, _Sums] = {}
        self._clock = clock
        self._sampled_at = 0.0
        self._weight = 1
        self.total = 0
        """Records taken; the next one is number `total + 1`."""
        self.probes = 0
        self.lost = 0
        """Records that the balancer wrote and that never arrived."""

    def know(self, names: Mapping[str, str]) -> None:
        """Names of the replicas by short id."""
        self._names.update(names)
        if len(self._names) > 5000:
            self._names = dict(names)

    def add(self, batch: Iterable[RawRequest]) -> None:
        """Take records as the balancer gave them."""
        for raw in batch:
            self.total += 1
            request = self._request(raw)
            self._kept.append(request)
            if raw.weight > 1:
                self._sampled_at, self._weight = self._clock(), raw.weight
            if raw.probe:
                self.probes += 1
                continue
            sums = self._sums.get(request.host)
            if sums is None:
                sums = self._sums[request.host] = _Sums()
            weight = max(1, raw.weight)
            sums.requests += weight
            sums.errors += weight * (raw.status >= 500)
            sums.times.append((raw.time, raw.ms))

    def since(self, seq: int) -> tuple[Sequence[Request], int]:
        """Requests after `seq` (0: all that are kept), oldest first, and what to ask with next time."""
        fresh = self.total - seq
        if fresh <= 0:
            return (), self.total
        kept = self._kept
        if fresh >= len(kept):
            return tuple(kept), self.total
        found = [kept[-1 - back] for back in range(fresh)]
        found.reverse()
        return tuple(found), self.total

    def find(self, text: str, limit: int = MOST) -> list[Request]:
        """The newest kept requests that hold `text`, oldest first; see `matches`."""
        found: list[Request] = []
        for request in reversed(self._kept):
            if matches(request, text):
                found.append(request)
                if len(found) >= limit:
                    break
        found.reverse()
        return found

    @property
    def sampling(self) -> int:
        """N while only one request in N is recorded singly (in the last seconds), else 1."""
        return self._weight if self._clock() - self._sampled_at < 5 else 1

    def replicas(self) -> tuple[ReplicaTotals, ...]:
        """Each replica's part, by name."""
        everything = sum(sums.requests for sums in self._sums.values())
        oldest = self._clock() - WINDOW
        found: list[ReplicaTotals] = []
        for host, sums in self._sums.items():
            while sums.times and sums.times[0][0] < oldest:
                sums.times.popleft()
            times = sorted(ms for _, ms in sums.times if ms >= 0)
            share = sums.requests / everything if everything else 0.0
            p50, p95 = percentile(times, 0.5), percentile(times, 0.95)
            name = self._names.get(host, host)
            found.append(ReplicaTotals(name, host, sums.requests, sums.errors, share, p50, p95))
        return tuple(sorted(found, key=lambda one: one.name))

    def percentiles(self) -> tuple[float | None, float | None]:
        """p50 and p95 in milliseconds of all replicas' requests over the last minute (of the newest, when many)."""
        oldest = self._clock() - WINDOW
        times: list[int] = []
        for request in reversed(self._kept):
            if request.time < oldest or len(times) >= _MOST_TIMES:
                break
            if not request.probe and request.ms >= 0:
                times.append(request.ms)
        times.sort()
        return percentile(times, 0.5), percentile(times, 0.95)

    def _request(self, raw: RawRequest) -> Request:
        host = clean(raw.server, _SHORT)
        return Request(
            time=raw.time,
            client=clean(raw.client, _SHORT),
            method=clean(raw.method, _SHORT),
            path=self._masker.path(clean(raw.path, _PATH)),
            status=raw.status,
            ms=raw.ms,
            queue_ms=raw.queue_ms,
            connect_ms=raw.connect_ms,
            response_ms=raw.response_ms,
            replica=self._names.get(host, ""),
            host=host,
            id=self._masker.mask(clean(raw.id, _SHORT)),
            probe=raw.probe,
        )


def matches(request: Request, text: str) -> bool:
    """Whether every word of `text` is in the request: method, path, status, replica, Host, client, id or "probe"."""
    parts = (request.method, request.path, str(request.status), request.replica, request.host, request.client)
    line = " ".join((*parts, request.id, "probe" if request.probe else "")).lower()
    return all(word in line for word in text.lower().split())


def percentile(ordered: Sequence[int], q: float) -> float | None:
    """Nearest-rank percentile of sorted values; None of none."""
    if not ordered:
        return None
    return float(ordered[min(len(ordered) - 1, int(q * len(ordered)))])
