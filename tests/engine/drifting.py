"""What may happen to a stack behind dftui's back, each done as somebody with `docker` and `socat` would do it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dftui.balancer.config import CONFIG_PATH, BalancerConfig, render
from dftui.control.operator import Operator
from dftui.control.world import webs
from dftui.engine.api import Container, Engine, File
from dftui.engine.connect import connect
from dftui.stack.file import load
from dftui.stack.names import LABEL_KEY, LABEL_STACK
from dftui.watch.alarms import Alarm
from dftui.watch.snapshot import Snapshot
from dftui.watch.watcher import Watcher
from tests.engine.breaking import by_hand
from tests.stacks import Stack, docker

OTHER_KEY = "another0APP0KEY0of0thirtytwo0000"


@dataclass(frozen=True, slots=True)
class Ground:
    """A stack, one who can act on it, its replicas, and the one of them that things happen to."""

    stack: Stack
    operator: Operator
    engine: Engine
    pool: list[Container]
    web: Container

    async def docker(self, *argv: str) -> None:
        """As the command line does it."""
        await asyncio.to_thread(docker, *argv)

    async def runtime(self, line: str) -> None:
        """A runtime command to the balancer."""
        await self.operator.link.command(line)


async def removed(ground: Ground) -> None:
    await ground.docker("rm", "-f", ground.web.name)


async def killed(ground: Ground) -> None:
    await ground.docker("kill", ground.web.name)


async def server_left(ground: Ground) -> None:
    await ground.runtime("add server web/feedfeedfeed 127.0.0.9:9")


async def server_gone(ground: Ground) -> None:
    await ground.operator.link.delete(ground.web.short)


async def server_moved(ground: Ground) -> None:
    # Nobody listens there; on port 80 it would be the balancer itself, and requests would go round in it for ever.
    await ground.runtime(f"set server web/{ground.web.short} addr 127.0.0.9 port 9")


async def weightless(ground: Ground) -> None:
    await ground.runtime(f"set server web/{ground.web.short} weight 0")


async def another_key(ground: Ground) -> None:
    labels = {LABEL_KEY: "0badbad0"}
    await by_hand(
        ground.stack, ground.operator, ground.engine, ground.web.name, {"APP_KEY": OTHER_KEY}, labels=labels
    )


async def another_image(ground: Ground) -> None:
    tag = f"dftui-test/odd:{ground.stack.name}"
    await ground.docker("commit", ground.web.name, tag)
    await by_hand(ground.stack, ground.operator, ground.engine, ground.web.name, {}, image=tag)


async def off_network(ground: Ground) -> None:
    await ground.docker("network", "disconnect", f"{ground.stack.name}-back", ground.web.name)


async def balancer_gone(ground: Ground) -> None:
    await ground.docker("rm", "-f", f"{ground.stack.name}-lb")


async def balancer_replaced(ground: Ground) -> None:
    """It comes back with a file that knows no servers."""
    name = f"{ground.stack.name}-lb"
    await ground.docker("stop", name)
    text = render(BalancerConfig(ground.stack.name, len(ground.pool), ()))
    await ground.engine.put_file(name, File(CONFIG_PATH, text.encode()))
    await ground.docker("start", name)


async def database_paused(ground: Ground) -> None:
    await ground.docker("pause", f"{ground.stack.name}-mysql")


async def cache_stopped(ground: Ground) -> None:
    await ground.docker("stop", f"{ground.stack.name}-redis")


BREAKAGES: dict[Alarm, Callable[[Ground], Awaitable[None]]] = {
    Alarm.TOO_FEW: removed,
    Alarm.FAILED: killed,
    Alarm.SERVER_WITHOUT_CONTAINER: server_left,
    Alarm.NOT_IN_BALANCER: server_gone,
    Alarm.SERVER_ADDRESS: server_moved,
    Alarm.WEIGHT: weightless,
    Alarm.ANOTHER_KEY: another_key,
    Alarm.ANOTHER_IMAGE: another_image,
    Alarm.OFF_NETWORK: off_network,
    Alarm.SERVICE_MISSING: balancer_gone,
    Alarm.TABLE_EMPTY: balancer_replaced,
    Alarm.SERVICE_PAUSED: database_paused,
    Alarm.SERVICE_STOPPED: cache_stopped,
}


@asynccontextmanager
async def watching(stack: Stack) -> AsyncIterator[Watcher]:
    """A watcher of its own, as a screen has one, that knows the stack."""
    engine = await connect()
    watcher = Watcher(engine, load(stack.file))
    task = asyncio.create_task(watcher.run())
    try:
        await seen(watcher, lambda snapshot: snapshot.serving == snapshot.wanted)
        yield watcher
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await engine.close()


async def seen(watcher: Watcher, true: Callable[[Snapshot], bool]) -> Snapshot:
    """The first snapshot of which this is true."""
    async with asyncio.timeout(60):
        while not true(watcher.snapshot):
            changed = asyncio.Event()
            end = watcher.subscribe(lambda _, changed=changed: changed.set())  # type: ignore[misc]
            await changed.wait()
            end()
    return watcher.snapshot


async def ground_of(stack: Stack, operator: Operator, engine: Engine, index: int = -1) -> Ground:
    """The stack as it is now; `index` of the replica that things happen to."""
    pool = webs(await engine.containers({LABEL_STACK: stack.name}))
    return Ground(stack, operator, engine, pool, pool[index])
