"""The rows about drift: how soon each kind is shown, and how soon a killed replica is back without being asked."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from dftui.watch.alarms import Alarm
from tests.bench.rows import Row, Sample, at_most
from tests.engine.drifting import BREAKAGES, ground_of, killed, seen, watching
from tests.engine.operate import operating
from tests.stacks import Stack, docker
from tests.tinyweb import text, tiny_image

REPLICAS = 3
SHOWN, RESTORED = 2.0, 10.0
COMMAND = "python -m tests.bench drift"


def drift(runs: int) -> list[Row]:
    """Each kind so many times, each put right before the next."""
    shown: dict[Alarm, list[float]] = {kind: [] for kind in BREAKAGES}
    with (
        tempfile.TemporaryDirectory(prefix="dftui-bench-") as folder,
        Stack(Path(folder), text(tiny_image(), REPLICAS)) as stack,
    ):
        stack.ok("up")
        for _ in range(runs):
            for kind, found in shown.items():
                found.append(asyncio.run(_shown(stack, kind)))
        stack.file.write_text(f"repair: auto\n{stack.file.read_text()}")
        with stack.follow("watch", "--json"):
            restored = [asyncio.run(_restored(stack)) for _ in range(runs)]
        stack.ok("down", "--volumes", "--yes")
        docker("rmi", "-f", f"dftui-test/odd:{stack.name}", check=False)
    return [
        *(_row(f"drift shown: {kind.value}", runs, found, SHOWN) for kind, found in shown.items()),
        _row("`docker kill` to serving again, repair: auto", runs, restored, RESTORED),
    ]


def _row(what: str, runs: int, found: list[float], limit: float) -> Row:
    met = at_most(max(found), limit)
    return Row(what, COMMAND, runs, Sample(tuple(found), "s"), None, "", f"each ≤ {limit:g} s", met)


async def _shown(stack: Stack, kind: Alarm) -> float:
    async with watching(stack) as watcher, operating(stack) as (operator, engine):
        await BREAKAGES[kind](await ground_of(stack, operator, engine))
        begin = time.monotonic()
        await seen(watcher, lambda snapshot: kind in {one.kind for one in snapshot.drift})
        took = time.monotonic() - begin
        await operator.repair()
        await seen(watcher, lambda snapshot: snapshot.serving == REPLICAS)
        return took


async def _restored(stack: Stack) -> float:
    async with watching(stack) as watcher, operating(stack) as (operator, engine):
        await killed(await ground_of(stack, operator, engine))
        begin = time.monotonic()
        await seen(watcher, lambda snapshot: snapshot.serving < REPLICAS)
        await seen(watcher, lambda snapshot: snapshot.serving == REPLICAS)
        return time.monotonic() - begin
