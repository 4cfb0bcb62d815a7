"""`repair`: what is wanted, what exists and what the balancer believes are compared, and brought together again.

It also finishes or takes back what a dftui that was killed left half done: all that is needed to know stands in the
engine and in the balancer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from dftui.balancer.config import Marked
from dftui.control import ground, replicas, standby
from dftui.control.admission import HeldOut
from dftui.control.errors import ActionError, NotUp
from dftui.control.pool import Pool, look
from dftui.control.scale import Scaler
from dftui.control.specs import Plan
from dftui.control.steps import Progress, docker_begin
from dftui.control.world import PARALLEL, World, bounded, by_role
from dftui.engine.api import Container, EngineError, NotFound
from dftui.stack import names
from dftui.watch.datatier import READY, Database
from dftui.watch.drift import SETUP_OPEN, WEIGHT, weight_words

Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be, and the sentence that says what repair does about it."""

    kind: str
    who: str
    what: str
    repair: str
    asked: bool = False
    """It is as it should be, but is to be replaced all the same."""


@dataclass(frozen=True, slots=True)
class RepairResult:
    """`repair --json`."""

    findings: tuple[Finding, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The documented shape."""
        return {
            "repaired": [{"who": f.who, "what": f.what, "repair": f.repair} for f in self.findings],
            "seconds": round(self.seconds, 3),
        }


_LOOK_AGAIN = 0.5
"""Seconds between two looks at a server that is to leave when others have come."""
HALF_DONE = ("setup", "created", "server", "unknown", "count", "file")
"""Kinds of findings that an interrupted action leaves."""
REPLACE = "replace it, a new one first"
_SERVICES = {"db": "the database", "cache": "the cache", "balancer": "the balancer"}


def services_off(containers: Sequence[Container], services: Collection[str]) -> list[Finding]:
    """Database, cache and balancer as far as they do not run. Pure."""
    found: list[Finding] = []
    for role, word in _SERVICES.items():
        if role not in services:
            continue
        service = by_role(containers, role)
        if service is None:
            found.append(Finding("service", role, f"{word} is missing", "create it"))
        elif service.state == "paused":
            found.append(Finding("service", role, f"{word} ({service.name}) is paused", "unpause it"))
        elif service.state != "running":
            found.append(Finding("service", role, f"{word} ({service.name}) does not run", "start it"))
    return found


def find(
    containers: Sequence[Container],
    pool: Pool,
    plan: Plan | None,
    marked: Marked | None,
    *,
    setup_open: bool = False,
    services: Collection[str] = tuple(_SERVICES),
) -> list[Finding]:
    """All findings, in the order they are put right. Pure. `plan` None: the key and the image are not compared;
    `setup_open`: the setup form can be reached although there is an admin; `services` are those that it has."""
    found: list[Finding] = []
    if setup_open:
        found.append(Finding("setup-open", "balancer", SETUP_OPEN.what, SETUP_OPEN.repair))
    found += services_off(containers, services)
    for container in containers:
        if container.labels.get(names.LABEL_ROLE) == "setup":
            found.append(
                Finding("setup", container.name, f"{container.name} is left over; it holds ADMIN_*", "remove it")
            )
    # What is held out is no drift: it is kept on purpose, and counts as nothing.
    held = {h.name for h in marked.held} - set(pool.states) if marked else set()
    pool_of = [c for c in pool.containers if c.short not in held]
    alive = {c.short: c for c in pool_of if c.state == "running"}
    for name in sorted(set(pool.states) - {c.short for c in pool.containers}):
        found.append(Finding("server", name, f"server {name} in the balancer has no container", "take it out"))
    in_file = {s.name for s in marked.servers} if marked else set()
    too_many = marked is not None and len(pool_of) > marked.wanted
    for container in pool_of:
        found += _of_replica(container, pool, plan)
        state = pool.states.get(container.short)
        if state is not None and state.admin == "drain" and container.short not in in_file and not too_many:
            text = f"{container.name} was not let in to the end"
            found.append(Finding("unknown", container.name, text, "admit it once it is healthy"))
    if marked is not None:
        wanted = marked.wanted
        there = len(pool_of)
        if there != wanted:
            doing = f"add {wanted - there}" if there < wanted else f"drain and remove {there - wanted}"
            found.append(Finding("count", "web", f"{wanted} replicas are wanted, {there} exist", doing))
        elif {s.name for s in marked.servers} != set(alive) and not found:
            found.append(
                Finding("file", "balancer", "the balancer's file names other servers than there are", "rewrite it")
            )
    return found


def _of_replica(container: Container, pool: Pool, plan: Plan | None) -> list[Finding]:
    name = container.name
    if container.state == "paused":
        return [Finding("stopped", name, f"{name} is paused", "unpause it")]
    if container.state == "created":
        return [Finding("created", name, f"{name} was created but never started", "remove it")]
    if container.pending:
        text = f"{name} has no container now ({container.pending})"
        return [Finding("stopped", name, text, "wait until the swarm has placed it, then admit it")]
    if container.state != "running":
        return [Finding("stopped", name, f"{name} does not run ({container.status})", "start and admit it")]
    if plan is not None:
        if container.short not in pool.states and _front(plan) not in container.addresses:
            return [Finding("unknown", name, f"{name} is not on the front network yet", "join and admit it")]
        odd = _odd(container, plan)
        if odd:
            return [Finding("replace", name, f"{name} {odd}", REPLACE)]
    if container.short not in pool.states:
        return [Finding("unknown", name, f"the balancer does not know {name}", "admit it once it is healthy")]
    state = pool.states[container.short]
    address = container.addresses.get(names.network_name(container.labels.get(names.LABEL_STACK, ""), "front"))
    if address and state.address.rpartition(":")[0] != address:
        text = f"the balancer looks for {name} at {state.address.rpartition(':')[0]}, where it is not"
        return [Finding("unknown", name, text, "put its address right")]
    if state.admin == "maint":
        return [Finding("unknown", name, f"{name} is taken out of the balancer", "admit it once it is healthy")]
    if state.admin == "ready" and state.status == "UP" and state.weight != WEIGHT:
        return [Finding("weight", name, f"{name} {weight_words(state.weight)}", "put it back")]
    return []


def _odd(container: Container, plan: Plan) -> str:
    labels = container.labels
    if labels.get(names.LABEL_KEY, plan.key) != plan.key:
        return f"runs with another APP_KEY ({labels[names.LABEL_KEY]}, not {plan.key})"
    if container.image_id and container.image_id != plan.image_ids.get("web", container.image_id):
        return "runs another image"
    if _front(plan) not in container.addresses:
        return "is not on the front network"
    if names.network_name(plan.spec.name, "back") not in container.addresses:
        return "is not on the back network"
    return ""


def _front(plan: Plan) -> str:
    return names.network_name(plan.spec.name, "front")


class Repairer:
    """Finds what is off, and puts it right."""

    def __init__(self, world: World, scaler: Scaler, bring_up: Callable[[], Awaitable[None]]) -> None:
        self._world = world
        self._scaler = scaler
        self._bring_up = bring_up

    async def look(self) -> list[Finding]:
        """What is off now. Raises ActionError (NotUp where there is no stack) or EngineError."""
        containers = await self._world.containers()
        if not containers:
            raise NotUp(self._world.stack)
        balancer = by_role(containers, "balancer")
        if balancer is None or balancer.state != "running":
            return find(containers, Pool([], {}), None, None, services=self._world.spec.services)
        plan = await ground.current_plan(self._world, odd_keys=True)
        pool, marked = await look(self._world), await self._world.marked()
        setup_open = await self._setup_open(containers)
        found = find(containers, pool, plan, marked, setup_open=setup_open, services=self._world.spec.services)
        if (off := await standby.off(self._world, containers)) is not None:
            found.append(Finding("standby", off.node, off.what, off.repair))
        return found

    async def _setup_open(self, containers: Sequence[Container]) -> bool:
        if self._world.spec.plain or await self._world.setup_closed():
            return False
        if self._world.spec.makes_admin:
            return True
        db = by_role(containers, "db")
        return db is not None and (await Database(self._world.engine, db.id).once()).admin == READY

    async def recover(self) -> tuple[Finding, ...]:
        """Finish or take back what an interrupted action left half done, and nothing else: what somebody stopped or
        changed on purpose is left for `repair`. The lock is held by the caller. Raises ActionError."""
        done: list[Finding] = []
        for _ in range(2):  # what was still on its way out at the first look is gone at the second
            findings = [f for f in await self.look() if f.kind in HALF_DONE]
            if not findings:
                break
            done += findings
            progress = Progress("recover", self._world.report, total=len(findings))
            for finding in findings:
                progress.tell(f"left by an interrupted action: {finding.what}: {finding.repair}", state="running")
            await self._put_right(progress, findings)
        return tuple(done)

    async def repair(self, replaced: Sequence[str] = ()) -> RepairResult:
        """Put right what is off, and replace those named; what it is going to do is told first. Raises
        ActionError."""
        begin = time.monotonic()
        progress = Progress("repair", self._world.report)
        try:
            done: list[Finding] = []
            asked = [Finding("replace", name, f"{name} is to be replaced", REPLACE, True) for name in replaced]
            if asked:
                progress.total += len(asked)
                await self._put_right(progress, asked)
                done += asked
            # Again: a missing service hides what stands behind it, and a start can reveal a failure.
            for _ in range(3):
                findings = [f for f in await self.look() if f.kind != "count" or not self._scaler.asked]
                if not findings:
                    break
                progress.total += len(findings)
                for finding in findings:
                    progress.tell(f"{finding.what}: {finding.repair}", state="running")
                await self._put_right(progress, findings)
                done += findings
            left = [f for f in await self.look() if f.kind != "count" or not self._scaler.asked]
            if left:
                raise ActionError(
                    "repair could not put everything right: " + "; ".join(f.what for f in left),
                    "look at it: dftui status",
                )
            if not done:
                progress.tell("nothing to repair")
            return RepairResult(tuple(done), time.monotonic() - begin)
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    async def _put_right(self, progress: Progress, findings: list[Finding]) -> None:
        if any(f.kind in ("service", "setup") for f in findings):
            await self._bring_up()
            return
        plan = await ground.current_plan(self._world, odd_keys=True)
        containers = {c.name: c for c in await self._world.containers()}
        wanted = await self._world.wanted()

        async def one(finding: Finding) -> None:
            await self._one(progress, plan, finding, containers.get(finding.who), wanted)

        simple = [f for f in findings if f.kind not in ("count", "replace", "file")]
        last = await self._serving(simple)
        others_came = asyncio.Event()

        async def come() -> None:
            await bounded(PARALLEL, one, [f for f in simple if f not in last])
            others_came.set()

        async def leave(finding: Finding) -> None:
            await self._until_spent(finding.who, others_came)
            await one(finding)

        works: list[Work] = [come, *(partial(leave, finding) for finding in last)]
        await bounded(len(works), lambda work: work(), works)
        await self._scaler.keep(plan, wanted)
        for finding in findings:
            if finding.kind == "replace":
                await one(finding)
        if any(f.kind == "count" for f in findings):
            await self._scaler.settle(wanted)

    async def _serving(self, findings: Sequence[Finding]) -> list[Finding]:
        """Those of servers without a container that serve all the same, as on a swarm's node that was lost and runs
        on: they go when others have come. One at another replica's address is not among them: it would have that
        serve before it was let in."""
        pool = await look(self._world)
        taken = {self._world.address(c) for c in pool.containers}
        found: list[Finding] = []
        for finding in findings:
            state = pool.states.get(finding.who) if finding.kind == "server" else None
            if state is not None and state.status == "UP" and state.address.rpartition(":")[0] not in taken:
                found.append(finding)
        return found

    async def _until_spent(self, server: str, others_came: asyncio.Event) -> None:
        """Until others serve, or it does no more: what it was asked last is asked of others once it is out."""
        while not others_came.is_set():
            state = await replicas.state_of(self._world, server)
            if state is None or state.status != "UP":
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN):
                    await others_came.wait()

    async def _one(
        self, progress: Progress, plan: Plan, finding: Finding, container: Container | None, wanted: int
    ) -> None:
        world = self._world
        if finding.kind == "setup-open":
            with progress.step("close the setup form in the balancer"):
                await world.close_setup(plan)
            return
        if finding.kind == "standby":
            await standby.ensure(world, progress)
            return
        if finding.kind == "server":
            with progress.step(f"take server {finding.who} out of the balancer"):
                await replicas.forget(world, finding.who)
            return
        if container is None:
            return
        match finding.kind:
            case "stopped":
                word = "unpause" if container.state == "paused" else "start"
                command = docker_begin(word, container.name, service=world.spec.swarm)
                with progress.step(f"{word} {container.name}", command=command):
                    await (world.engine.unpause if word == "unpause" else world.engine.start)(container.id)
                await self._admit_again(progress, plan, container)
            case "created":
                with progress.step(f"remove {container.name}", command=f"docker rm {container.name}"):
                    await world.engine.remove(container.id, force=True)
            case "unknown":
                await self._admit_again(progress, plan, container)
            case "weight":
                with progress.step(f"weight of {container.name} as it was"):
                    await world.link.command(f"set server web/{container.short} weight 100%")
            case "replace" if (await look(world)).outside(container):
                await replicas.dispose(world, progress, container)  # it serves nothing, and another is there for it
            case "replace":
                why = "as asked" if finding.asked else "it is not like the others"
                await self._scaler.replace(progress, plan, container, wanted, why)

    async def _admit_again(self, progress: Progress, plan: Plan, container: Container) -> None:
        if self._world.spec.swarm:  # a service that was started or placed since has another container
            container = next((c for c in await self._world.containers() if c.name == container.name), container)
        state = await replicas.state_of(self._world, container.short)
        expected = self._world.server(plan, container)
        half_way = state is not None and state.admin == "drain"
        if half_way or (state is not None and not state.address.startswith(f"{expected.address}:")):
            await replicas.forget(self._world, container.short)
        try:
            await replicas.join(self._world, plan, container)
            await replicas.admit(self._world, progress, plan, container)
        except (ActionError, NotFound) as error:
            there = next((c for c in await self._world.containers() if c.id == container.id), None)
            if there is None or there.state == "exited":
                # Gone or stopped meanwhile (one that ends by itself is started again): a removal that was under way
                # when its dftui was killed.  The next look counts anew.
                return
            if not isinstance(error, HeldOut):
                raise
            self._scaler.held[container.short] = error.why
            progress.tell(str(error), state="failed")
