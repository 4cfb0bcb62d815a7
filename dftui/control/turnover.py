"""One replica's place taken by another, one's way out, and the balancer's file after each change: what scale, roll
and repair share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from dftui.balancer.config import Held
from dftui.control import ground, replicas, specs
from dftui.control.admission import HeldOut
from dftui.control.pool import Pool, look
from dftui.control.receipts import Drained
from dftui.control.specs import Plan
from dftui.control.steps import Progress
from dftui.control.world import World, webs
from dftui.engine.api import Container
from dftui.stack import names
from dftui.watch.derive import number_of


@dataclass(slots=True)
class Turnover:
    """Who is on the way in or out, and the steps. `locked` takes the stack's lock for an action so named."""

    world: World
    locked: Callable[[str], AbstractAsyncContextManager[None]]
    draining: dict[str, str] = field(default_factory=dict)
    """Server by name of each replica that is on its way out."""
    undo: set[str] = field(default_factory=set)
    admitting: set[str] = field(default_factory=set)
    """Servers that have not passed their health check yet: the file does not know them, so that one that was left
    half-way (in the gate it looks drained) can be told from one that was drained on purpose."""
    held: dict[str, str] = field(default_factory=dict)
    """Why each server is held out that was found wanting here, until the file has it."""
    _file: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def replace(
        self,
        progress: Progress,
        plan: Plan,
        old: Container,
        wanted: int,
        why: str,
        *,
        before: Callable[[str, str], Awaitable[None]] | None = None,
    ) -> tuple[str, Drained | None]:
        """A new replica in, then the old one out: the new one's name, and the drain (None: undone, the old stays).

        `before` is given the new one's id and name before it is admitted. One that fails is removed again."""
        pool = await look(self.world)
        number = names.lowest_free((number_of(c) for c in pool.containers), 1)[0]
        spec = specs.web(plan, number)
        ref = await replicas.create(self.world, progress, spec)
        try:
            if before is not None:
                await before(ref, spec.name)
            fresh = next(c for c in webs(await self.world.containers()) if c.id == ref)
            await replicas.admit(self.world, progress, plan, fresh, known=pool.knows(fresh))
        except BaseException:
            await asyncio.shield(self.world.engine.remove(ref, force=True))
            raise
        await self.keep(plan, wanted, without=[old])
        drained = await self.drain_out(progress, await look(self.world), old, why)
        if drained is not None:
            await self.keep(plan, wanted, without=[old])
            await replicas.dispose(self.world, progress, old)
        return spec.name, drained

    async def try_again(self, container: Container) -> None:
        """Let in one that is held out, if it passes now; it counts from then on. Raises HeldOut. The lock is held."""
        plan, wanted = await asyncio.gather(ground.current_plan(self.world), self.world.wanted())
        progress = Progress("undrain", self.world.report, total=1)
        try:
            await replicas.admit(self.world, progress, plan, container)
        except HeldOut as error:
            self.held[container.short] = error.why
            await self.keep(plan, wanted)
            raise
        await self.keep(plan, wanted + 1)

    async def drain_out(self, progress: Progress, pool: Pool, container: Container, why: str) -> Drained | None:
        """Drain a replica and take it out of the table; None when undone."""
        if container.short not in pool.states:
            return Drained(container.name, 0, 0.0)
        self.draining[container.name] = container.short
        try:
            with progress.step(f"drain {container.name} ({why})"):
                drained = await replicas.drain(
                    self.world, container.name, container.short, undone=lambda: container.name in self.undo
                )
                if drained is None:
                    await self.world.link.ready(container.short)
                    return None
                await self.world.link.delete(container.short)
        except BaseException:
            await asyncio.shield(self._restore(container.short))
            raise
        finally:
            self.draining.pop(container.name, None)
        if drained.sessions_left:
            progress.tell(
                f"{container.name}: {drained.sessions_left} sessions were cut after the drain's time was over"
            )
        return drained

    async def _restore(self, server: str) -> None:
        """Interrupted while draining: the replica is there and good, so it serves again."""
        state = await replicas.state_of(self.world, server)
        if state is not None:
            await self.world.link.ready(server)

    async def keep(self, plan: Plan, wanted: int, without: Iterable[Container] = ()) -> None:
        """Write the wanted number and the servers that should be found after a restart of the balancer."""
        async with self._file:
            leaving = {c.short for c in without} | self.admitting
            pool = await look(self.world)
            servers = [
                self.world.server(plan, c)
                for c in pool.containers
                if c.short in pool.states and c.short not in leaving
            ]
            await self.world.write_config(plan, wanted, servers, await self._held(pool))

    async def _held(self, pool: Pool) -> list[Held]:
        """Those outside of whom the file, or this one, says why."""
        why = {one.name: one.why for one in await self.world.held()} | self.held
        self.held = {}
        return [Held(c.short, why[c.short]) for c in pool.containers if pool.outside(c) and c.short in why]
