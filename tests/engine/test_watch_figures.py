"""Figures of the real database and cache: over one exec each, no password in sight, back after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from dftui.engine.api import ContainerSpec, Engine
from dftui.engine.images import ensure_bundled
from dftui.watch.datatier import Cache, Client, Database, Reading

PASSWORD = "Verysecretpasswordof32characters"
CASES = [
    pytest.param("db", Database, "connections", id="db"),
    pytest.param("cache", Cache, "clients", id="cache"),
]


class Told:
    """The latest figures, and a way to wait for some."""

    def __init__(self) -> None:
        self.now: Mapping[str, str] = {}
        self.reading = Reading()
        self._changed = asyncio.Event()

    def __call__(self, reading: Reading) -> None:
        self.reading = reading
        self.now = dict(reading.figures)
        self._changed.set()

    async def until(self, true: Callable[[Mapping[str, str]], bool]) -> None:
        async with asyncio.timeout(90):
            while not true(self.now):
                self._changed.clear()
                await self._changed.wait()


@pytest.mark.parametrize(("role", "client", "figure"), CASES)
async def test_figures_come_over_one_exec_and_again_after_a_restart(
    engine: Engine, stack_name: str, labels: dict[str, str], role: str, client: type[Client], figure: str
) -> None:
    tag = await ensure_bundled(engine, role, lambda _: None)
    env = {
        "MYSQL_ROOT_PASSWORD": PASSWORD + "r",
        "MYSQL_DATABASE": "dreamfactory",
        "MYSQL_USER": "dreamfactory",
        "MYSQL_PASSWORD": PASSWORD,
        "REDIS_PASSWORD": PASSWORD,
    }
    ref = await engine.create(ContainerSpec(stack_name, tag, labels, env, restart="no"))
    await engine.start(ref)
    opened = 0
    real: Any = engine.exec_stream

    async def counted(*args: Any, **options: Any) -> Any:
        nonlocal opened
        opened += 1
        return await real(*args, **options)

    told = Told()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "exec_stream", counted)
        task = asyncio.create_task(client(engine, ref, told).run())
        try:
            await told.until(lambda now: now.get(figure) == "0" and "…" not in now.values())
            seen = opened
            shown = await engine.exec(ref, ("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"))
            assert PASSWORD.encode() not in shown.stdout
            assert shown.exit_code == 0
            for _ in range(3):
                await asyncio.sleep(1)
            assert opened == seen
            await engine.restart(ref)
            await told.until(lambda now: not now)
            await told.until(lambda now: now.get(figure) == "0")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
