"""The balancer that stands by on another manager of a swarm: made, brought in step, and what is off with it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from dftui.balancer.config import CONFIG_PATH
from dftui.balancer.link import BalancerLink
from dftui.balancer.pair import PairedLink
from dftui.balancer.step import bring
from dftui.balancer.tls import CERTIFICATE_PATH
from dftui.control import ground, specs, tls
from dftui.control.errors import ActionError
from dftui.control.steps import Progress, docker_run
from dftui.control.world import World, by_role
from dftui.engine.api import Container, EngineError, File
from dftui.engine.cluster import cluster_of
from dftui.engine.nodes import Spread

PATIENCE = 30.0
"""Seconds to bring one in step: a server that leaves has its last requests."""
SILENT = 10.0
"""Seconds without an answer after which one that runs is started anew."""
MAJORITY = 3
"""Managers of a swarm that goes on acting when one of them is lost (Raft: more than half must be there)."""


@dataclass(frozen=True, slots=True)
class Off:
    """What is not as it should be with the standby on `node`, and what a repair does."""

    node: str
    what: str
    repair: str


def other_node(world: World, active: Container | None) -> str:
    """The node of the pair on which the balancer is not; by default it comes to the first."""
    pair = world.spec.pair
    at = active.node if active is not None else pair[0]
    return next(node for node in pair if node != at)


def lacking(world: World, containers: Sequence[Container]) -> str:
    """The node that is to have a standby and has none, though it can be reached; "" for none."""
    if not world.spec.pair or by_role(containers, "standby") is not None:
        return ""
    node = other_node(world, by_role(containers, "balancer"))
    return "" if isinstance(world.engine, Spread) and node in world.engine.away else node


async def check(world: World) -> None:
    """Raise ActionError where the two nodes of the stack file cannot have a balancer each; say where too few managers
    are there to go on without one."""
    pair = world.spec.balancer.nodes
    if not pair:
        return
    if not world.spec.swarm:
        raise ActionError("balancer.nodes names two machines, and one engine has no second", "engine: swarm")
    nodes = await cluster_of(world.engine).nodes()
    managers = [node.name for node in nodes if node.role == "manager"]
    for name in pair:
        if name not in managers:
            raise ActionError(
                f"balancer.nodes names {name}, which is no manager of this swarm: {', '.join(managers)} are",
                f"dftui speaks to the manager that has the balancer: docker node promote {name}",
            )
    active = by_role(await world.containers(), "balancer")
    here = active.node if active is not None else (await world.engine.info()).name
    if here not in pair:
        raise ActionError(
            f"the balancer is on {here}, and balancer.nodes names {pair[0]} and {pair[1]}",
            f"name one of their engines with --docker: {world.spec.nodes[pair[0]]}",
        )
    if len(managers) < MAJORITY:
        Progress("up", world.report).tell(
            f"{len(managers)} managers: when one is lost, requests go on by the standby, but nothing can be scaled "
            "until it is back; three bear the loss of one"
        )


async def off(world: World, containers: Sequence[Container]) -> Off | None:
    """What a repair can do about the standby now; None when that is nothing. Raises EngineError."""
    link, active, standby = world.link, by_role(containers, "balancer"), by_role(containers, "standby")
    if not isinstance(link, PairedLink) or active is None or active.state != "running":
        return None
    node = other_node(world, active)
    if standby is None:  # where its node is lost, nothing helps until that is back
        what = f"the standby balancer on {node} is missing"
        return Off(node, what, "create it") if lacking(world, containers) else None
    if standby.state == "paused":
        return Off(node, f"the standby balancer on {node} is paused", "unpause it")
    if standby.state != "running":
        return Off(node, f"the standby balancer on {node} does not run", "start it in step")
    if unlike(active, standby):
        return Off(node, f"the standby balancer on {node} was made otherwise than the other", "replace it")
    behind = await link.also(lambda _: link.behind(), SILENT, now=True)
    if behind is None:
        return Off(node, f"the standby balancer on {node} does not answer", "restart it")
    what = f"the standby balancer on {node} is out of step: {behind}"
    return Off(node, what, "bring it in step") if behind else None


def unlike(active: Container, standby: Container) -> bool:
    """Another image, or other ports; each has an address of its own."""
    ports = [sorted({(p.container_port, p.host_port) for p in one.ports}) for one in (active, standby)]
    return active.image_id != standby.image_id or (bool(ports[1]) and ports[0] != ports[1])


async def in_step(world: World, *, now: bool = False) -> None:
    """Bring the one that was not told the last change in step with the other, where both run; what cannot be done
    now is seen, and is a repair's. The stack's lock is held by the caller; `now` as of `PairedLink.also`."""
    link = world.link
    if not isinstance(link, PairedLink):
        return
    here, there = world.name("balancer"), world.name("standby")

    async def step(other: BalancerLink) -> None:
        if not (behind := await link.behind()):
            return
        own, theirs = await link.turns()
        if theirs <= own:
            await bring(world.engine, link, here, other, there)
            Progress("standby", world.report).tell(f"the standby balancer is in step again; before, {behind}")
            return
        alone = BalancerLink(world.engine, here)
        try:
            await bring(world.engine, other, there, alone, here)
        finally:
            await alone.close()
        Progress("standby", world.report).tell("the balancer is in step again with the one that stood in for it")

    if await link.also(lambda other: other.shell.who(), now=now) is not None:
        await link.also(step, PATIENCE)


async def ensure(world: World, progress: Progress) -> None:
    """A standby that runs, made as the balancer is, in step with it; nothing without one in the stack file.
    Raises ActionError."""
    link = world.link
    if not isinstance(link, PairedLink):
        return
    containers = await world.containers()
    active, standby = by_role(containers, "balancer"), by_role(containers, "standby")
    if active is None or active.state != "running":
        return
    node = other_node(world, active)
    if standby is None and not lacking(world, containers):
        progress.tell(f"{node} does not answer: the standby balancer there waits for it", state="failed")
        return
    try:
        if standby is not None and standby.state == "paused":
            await world.engine.unpause(standby.id)
        elif standby is not None and (standby.state == "running" and not unlike(active, standby)):
            if await link.also(lambda _: link.behind(), SILENT, now=True) is None:
                await world.engine.restart(standby.id, 1)
        elif standby is not None and not unlike(active, standby):
            await _start(world, progress, active, standby.id, f"docker -H {node} start {standby.name}")
        else:
            await _make(world, progress, active, standby, node)
        await _until_it_answers(link)
    except EngineError as error:
        raise ActionError(f"the standby balancer on {node} does not come up: {error}", error.hint) from None
    await in_step(world, now=True)


async def _make(world: World, progress: Progress, active: Container, old: Container | None, node: str) -> None:
    if old is not None:
        with progress.step(f"remove {old.name} on {node}: it was made otherwise"):
            await world.engine.remove(old.id, force=True)
    text = await world.engine.get_file(active.id, CONFIG_PATH)
    spec = specs.balancer(await ground.current_plan(world), text)
    spec = replace(spec, image=active.image, place=f"node:{node}")
    with progress.step(f"start {world.name('standby')} on {node}", command=f"DOCKER_HOST={node} {docker_run(spec)}"):
        ref = await world.engine.create(spec)
        try:
            await _start(world, None, active, ref, "")
        except BaseException:
            await asyncio.shield(world.engine.remove(ref, force=True))
            raise


async def _start(world: World, progress: Progress | None, active: Container, ref: str, command: str) -> None:
    """Start one that does not run, with the file and the certificate that the other has now."""
    text = await world.engine.get_file(active.id, CONFIG_PATH)
    await world.engine.put_file(ref, File(CONFIG_PATH, text, 0o644))
    if await world.link.certificate() is not None:
        await tls.put(world, ref, await world.engine.get_file(active.id, CERTIFICATE_PATH))
    if progress is None:
        await world.engine.start(ref)
        return
    with progress.step("start the standby balancer, in step with the other", command=command):
        await world.engine.start(ref)


async def _until_it_answers(link: PairedLink) -> None:
    end = asyncio.get_running_loop().time() + PATIENCE
    while True:
        with suppress(EngineError):
            await link.other.table()
            return
        if asyncio.get_running_loop().time() > end:
            await link.other.table()  # says why not
            return
        await asyncio.sleep(0.1)
