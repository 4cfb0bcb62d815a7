"""`dftui stats`: requests, latency, CPU and memory, for the stack and for each replica, measured while it runs.

What a running screen shows as curves lives in that screen alone and goes back to when it was opened; this command
has no other memory than its own run.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

from dftui.cli.common import Opened, emit, emit_line, masker, opened, say
from dftui.cli.exits import Exit, UsageError
from dftui.cli.text import stats_text
from dftui.watch.snapshot import Service, Snapshot
from dftui.watch.trends import BUCKETS, SPAN, Series, Trends, total_load

_SECONDS = 3
"""Rates and CPU need two readings each."""
_PATIENCE = 5
_MOST = BUCKETS * SPAN


def arguments(parser: argparse.ArgumentParser) -> None:
    """How long to measure, and whether to go on."""
    parser.add_argument(
        "--seconds",
        type=int,
        default=_SECONDS,
        metavar="N",
        help=f"measure that long (default {_SECONDS}, {_MOST:.0f} at most); from {2 * SPAN:.0f} on with the curve",
    )
    parser.add_argument("--watch", action="store_true", help="again every N seconds, until Ctrl-C")


async def run(args: argparse.Namespace) -> int:
    """Print what was measured; 0 also when there is no stack."""
    if not 1 <= args.seconds <= _MOST:
        raise UsageError(f"--seconds takes 1 to {_MOST:.0f}, not {args.seconds}.")
    async with opened(args) as world:
        meter = _Meter(world)
        await meter.start()
        try:
            while True:
                snapshot = await meter.measure(args.seconds)
                lost = snapshot.engine.lost_since is not None
                if lost:
                    say(f"The engine does not answer: {snapshot.engine.error}")
                elif args.json:
                    (emit_line if args.watch else emit)(document(snapshot, meter.trends, args.seconds))
                else:
                    print(stats_text(snapshot, meter.trends), end="\n\n" if args.watch else "\n", flush=True)
                if not args.watch:
                    return Exit.NO_ENGINE if lost else Exit.DONE
        finally:
            await meter.close()


class _Meter:
    """A watcher that samples every container, and the curves of its run."""

    def __init__(self, world: Opened) -> None:
        self._world = world
        self.trends = Trends()

    async def start(self) -> None:
        from dftui.watch.logs import LogHub
        from dftui.watch.watcher import Watcher

        mask = await masker(self._world)
        logs = LogHub(self._world.engine, masker=mask, tail=0)
        self._watcher = Watcher(self._world.engine, self._world.spec, masker=mask, logs=logs)
        self._watching = asyncio.ensure_future(self._watcher.run())
        await self._watcher.first()

    async def measure(self, seconds: int) -> Snapshot:
        """Look once a second; the last look. A little longer where the engine is slow to sample a container."""
        for second in range(seconds + _PATIENCE):
            snapshot = self._watcher.snapshot
            if second >= seconds and (not snapshot.exists or total_load(snapshot).cpu is not None):
                break
            self._watcher.watch_stats({s.id for s in snapshot.services if s.id} | {r.id for r in snapshot.web})
            await asyncio.sleep(1)
            self.trends.take(self._watcher.snapshot, time.time())
        return self._watcher.snapshot

    async def close(self) -> None:
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)


def document(snapshot: Snapshot, trends: Trends, seconds: int) -> dict[str, Any]:
    """The JSON: figures now, and what of this run's curve is complete (`span` seconds each, null: not known)."""
    load = total_load(snapshot)
    history = {
        name: [None if value is None else round(value, 2) for value in _closed(series, trends)]
        for name, series in (
            ("requests_per_second", trends.stack.rate),
            ("p95_ms", trends.stack.p95),
            ("cpu_percent", trends.stack.cpu),
            ("memory_bytes", trends.stack.memory),
        )
    }
    return {
        "stack": snapshot.stack,
        "at": round(snapshot.at, 3),
        "seconds": seconds,
        "requests_per_second": snapshot.traffic.rate,
        "p50_ms": snapshot.traffic.p50_ms,
        "p95_ms": snapshot.traffic.p95_ms,
        "cpu_percent": load.cpu,
        "memory_bytes": load.memory,
        "services": [_service(one) for one in snapshot.services],
        "web": [
            {
                "name": one.name,
                "host": one.host,
                "state": one.state.value,
                "requests_per_second": one.traffic.rate,
                "requests": one.traffic.requests,
                "share": one.traffic.share,
                "p50_ms": one.traffic.p50_ms,
                "p95_ms": one.traffic.p95_ms,
                "cpu_percent": one.load.cpu,
                "memory_bytes": one.load.memory,
                "sessions": one.traffic.sessions,
                "errors": one.traffic.errors,
            }
            for one in snapshot.web
        ],
        "history": {"span": SPAN, "since": "this command was started", **history},
    }


def _closed(series: Series, trends: Trends) -> list[float | None]:
    return series.until(trends.bucket, min(trends.known, BUCKETS))


def _service(one: Service) -> dict[str, Any]:
    return {
        "role": one.role,
        "name": one.name,
        "state": one.state,
        "cpu_percent": one.load.cpu,
        "memory_bytes": one.load.memory,
        "figures": dict(one.figures),
    }
