"""The second half of `up` on a stack that runs: what was edited in the stack file since it was last rolled out.

Replicas are rolled (one more than wanted, never fewer), then their number is set, then the balancer is reloaded,
which loses nothing, or, for another port or image, replaced, which has a gap that is measured and told.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

from dftui.balancer.running import reload
from dftui.balancer.tls import CERTIFICATE_PATH
from dftui.control import changes, ground, planning, specs, tls
from dftui.control.errors import ActionError
from dftui.control.history import note_receipt
from dftui.control.lock import held_outside
from dftui.control.roll import Roller
from dftui.control.scale import Scaler
from dftui.control.specs import Plan
from dftui.control.steps import Progress, docker_run
from dftui.control.up import all_up
from dftui.control.world import World, by_role, webs
from dftui.engine.api import Container, ContainerSpec, EngineError


@dataclass(slots=True)
class Rollout:
    """Brings what runs to what the stack file says."""

    world: World
    scaler: Scaler
    roller: Roller

    async def check(self) -> None:
        """Raise ActionError, before anything is done, for edits of what cannot be changed while the stack is up."""
        look = await planning.outline(self.world)
        if found := changes.refused(look, self.world.spec):
            told = "; ".join(one.what for one in found)
            raise ActionError(f"{told}; nothing was changed", found[0].hint)
        await planning.check_health(self.world, look)

    async def run(self, asked: int | None) -> None:
        """All of it; `asked` is the number of replicas that is wanted whatever the file says. Raises ActionError."""
        marked = await self.world.marked()
        if marked is None:
            return
        spec = self.world.spec
        edited = changes.image_edited(spec, marked)
        plan = await self._target(edited)
        look = await planning.look(self.world, plan)
        odd = changes.to_replace(look, plan)
        if odd:
            await self._roll(plan, odd, edited=edited)
        wanted = asked if asked is not None else changes.wanted_number(spec, marked)
        note = changes.filed(spec) if spec.path or marked.filed is None else marked.filed
        if note != marked.filed or wanted != marked.wanted:
            self.world.refiled = note
            await self.scaler.keep(plan, wanted)
        pool = webs(await self.world.containers())
        if len(changes.counted(pool, changes.still_held(marked, pool))) != wanted:
            await self.scaler.settle(wanted)
        edit = changes.balancer_edit(look, spec, plan.source)
        if edit.replace:
            await self._replace_balancer(plan, edit)
        elif edit.reload:
            await self._reload(plan, edit)

    async def _target(self, edited: bool) -> Plan:
        """What replicas should be made from now; nothing is pulled or built for it but what the file names anew."""
        current = await ground.current_plan(self.world)
        if not edited:
            return current
        containers = await self.world.containers()
        resolved = await ground.gather_images(self.world, containers, lambda _: None)
        return replace(current, images=resolved.refs, image_ids=resolved.ids)

    async def _roll(self, plan: Plan, odd: dict[str, tuple[str, ...]], *, edited: bool) -> None:
        progress = Progress("roll", self.world.report)
        for name, why in odd.items():
            progress.tell(f"{name} is replaced: {'; '.join(why)}", state="running")
        image = None if edited else plan.images["web"]
        result = await self.roller.run(image, only=odd)
        if result.rolled_back:
            raise ActionError(
                f"the new replicas did not come up, so the old ones are back: {result.why}",
                "put the stack file right; dftui plan shows what differs",
            )
        note_receipt(result.to_json())

    async def _reload(self, plan: Plan, edit: changes.BalancerEdit) -> None:
        progress = Progress("balancer", self.world.report, total=1)
        await planning.all_answer(self.world)
        name = self.world.name("balancer")
        with progress.step(f"reload {name}: {'; '.join(edit.reload)}", command=f"docker kill -s USR2 {name}"):
            states = await self.world.link.servers()
            await self.scaler.keep(plan, await self.world.wanted())
            await reload(self.world.engine, name, self.world.link, self.world.spec.web.health)
            for state in states:
                if state.admin == "drain":
                    await self.world.link.drain(state.name)

    async def _replace_balancer(self, plan: Plan, edit: changes.BalancerEdit) -> None:
        """The old one goes, the new one comes; when it does not, the old one is made anew."""
        world = self.world
        if edit.moved:
            await ground.check_port(world, plan.source, moved=True)
        if edit.reload:
            await planning.all_answer(world)
        everyone = await world.containers()
        old = by_role(everyone, "balancer")
        assert old is not None
        ports = tuple({changes.where(p): p for p in (await world.engine.inspect(old.id)).container.ports}.values())
        marked, states = await world.marked(), await world.link.servers()
        closed = not world.spec.plain and await world.setup_closed()
        known = {state.name for state in states}
        pool = [c for c in webs(everyone) if c.state == "running" and c.short in known]
        held = changes.still_held(marked, everyone)
        wanted = marked.wanted if marked else len(pool)
        secure = specs.https(world.spec, plan.source)
        servers = [world.server(plan, c) for c in pool]
        config = world.config(plan, wanted, servers, held, closed=closed, https=secure.host_port if secure else 0)
        image = world.spec.images.balancer or plan.images["balancer"]
        spec = replace(specs.balancer(plan, config), image=image)
        before = replace(config, https=marked.https if marked else 0)
        back = replace(specs.balancer(plan, before), image=old.image_id, ports=ports)
        pair = await tls.read(world)
        pem = pair.pem if pair is not None else b""
        kept = await world.engine.get_file(old.id, CERTIFICATE_PATH) if before.https else b""
        progress = Progress("balancer", world.report, total=1)
        progress.tell(f"{old.name} is replaced: {'; '.join(edit.replace)}", state="running")
        # The lock in the old one goes with it; nobody else may act meanwhile.
        async with held_outside(world.engine, world.stack, old.image_id, "replace the balancer"):
            begin = time.monotonic()
            with progress.step(f"replace {old.name}", command=f"docker rm -f {old.name} && {docker_run(spec)}"):
                await asyncio.shield(self._swap(old, (spec, pem), (back, kept)))
                await all_up(world, plan, pool)
            gap = time.monotonic() - begin
        for state in states:
            if state.admin == "drain":
                await world.link.drain(state.name)
        progress.tell(f"{old.name} answers again; it was away for {gap:.2f} s")

    async def _swap(
        self, old: Container, new: tuple[ContainerSpec, bytes], back: tuple[ContainerSpec, bytes]
    ) -> None:
        """Each with its certificate, b"" without HTTPS."""
        engine = self.world.engine
        async with self.world.ending:
            await engine.stop(old.id, 2)
            await engine.remove(old.id, force=True)
        try:
            await self._run(*new)
        except EngineError as error:
            await self._run(*back)
            raise ActionError(f"{error}; the balancer is back as it was", error.hint) from None

    async def _run(self, spec: ContainerSpec, pem: bytes) -> None:
        ref = await self.world.engine.create(spec)
        try:
            if pem:
                await tls.put(self.world, ref, pem)
            await self.world.engine.start(ref)
        except BaseException:
            await asyncio.shield(self.world.engine.remove(ref, force=True))
            raise
