"""CPU and memory of the containers that somebody looks at: one stats stream each, none for the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from dftui.engine.api import Engine, EngineError
from dftui.watch.snapshot import Load

_MIB = 1 << 20
_CPU_STEP = 1.0
_RETRY = 3.0


def steady(before: float | None, now: float, step: float) -> float:
    """`now` in whole steps; stays at `before` while it is less than a step away, so that noise redraws nothing."""
    if before is not None and abs(now - before) < step:
        return before
    return round(now / step) * step


class Loads:
    """`watch` says whose stats to stream; `by_id` holds the latest, rounded; `changed` is called when one differs."""

    def __init__(self, engine: Engine, changed: Callable[[], None]) -> None:
        self._engine = engine
        self._changed = changed
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.by_id: dict[str, Load] = {}

    def watch(self, ids: Iterable[str]) -> None:
        """Stream these running containers (by id), end the other streams."""
        wanted = frozenset(ids)
        for ref in self._tasks.keys() - wanted:
            self._tasks.pop(ref).cancel()
            self.by_id.pop(ref, None)
        for ref in wanted:
            task = self._tasks.get(ref)
            if task is None or task.done():
                self._tasks[ref] = asyncio.create_task(self._stream(ref), name=f"stats {ref[:12]}")

    async def close(self) -> None:
        """End all streams."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _stream(self, ref: str) -> None:
        while True:
            try:
                async for sample in self._engine.stats(ref):
                    self._take(ref, sample.cpu, sample.memory)
            except EngineError:
                pass
            await asyncio.sleep(_RETRY)

    def _take(self, ref: str, cpu: float | None, memory: int) -> None:
        before = self.by_id.get(ref, Load())
        step = max(_MIB, (before.memory or 0) // 100 // _MIB * _MIB)
        load = Load(
            before.cpu if cpu is None else steady(before.cpu, cpu, _CPU_STEP),
            int(steady(before.memory, memory, step)),
        )
        if load != before:
            self.by_id[ref] = load
            self._changed()
