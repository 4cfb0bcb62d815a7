"""The request ledger: single requests through the balancer, sanitised, masked, bounded. What each replica served in
all is counted by the balancer itself (`traffic`): under load only one request in so many is recorded singly."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from dftui.balancer.records import RawRequest
from dftui.watch.mask import Masker
from dftui.watch.records import Request
from dftui.watch.requestfilter import Filter
from dftui.watch.sanitise import clean

MOST = 10_000
"""Requests kept."""
WINDOW = 60.0
"""Seconds over which percentiles are taken."""
_MOST_TIMES = 3000
_PATH, _SHORT = 1024, 64


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
        """The newest kept requests that pass a `Filter`, oldest first."""
        passes = Filter(text)
        found: list[Request] = []
        for request in reversed(self._kept):
            if passes(request):
                found.append(request)
                if len(found) >= limit:
                    break
        found.reverse()
        return found

    @property
    def sampling(self) -> int:
        """N while only one request in N is recorded singly (in the last seconds), else 1."""
        return self._weight if self._clock() - self._sampled_at < 5 else 1

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
            weight=max(1, raw.weight),
        )


def percentile(ordered: Sequence[int], q: float) -> float | None:
    """Nearest-rank percentile of sorted values; None of none."""
    if not ordered:
        return None
    return float(ordered[min(len(ordered) - 1, int(q * len(ordered)))])
