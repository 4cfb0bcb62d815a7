"""The rows about a swarm of three nodes: what scaling, rolling, draining and losing nodes cost the users of the API,
and what the screen costs with a hundred replicas.

The swarm is a real one (`tests.swarmlab`), and the load the one of `churn`, at the same share of what is reached: to
the port that the manager publishes, on to replicas of all nodes over the overlay network.  A node is lost in three
ways: all its processes end at once; its link is cut; its engine is killed while its replicas run on.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from dftui.control.operator import Operator
from dftui.control.world import webs
from dftui.engine.api import Container, Engine
from dftui.engine.bundled import bundled_tag
from dftui.engine.connect import connect
from dftui.engine.images import ensure_bundled
from tests.bench.churn import GETS, LEAST, MANY, MOST, SHARE, Churn, Part
from tests.bench.fifty import idle
from tests.bench.rows import Row, Sample, at_most
from tests.engine.operate import operating
from tests.engine.swarm_rig import left, swarm_stack
from tests.load import Load, Plan
from tests.pty_run import PtyRun
from tests.stacks import Stack
from tests.swarmlab import LabNode, SwarmLab
from tests.tinyweb import text, tiny_image

COMMAND = "python -m tests.bench swarm"
AT_LEAST = 100_000
OUT = 1.0
SCREEN_CPU = 10.0
PATIENCE = 120.0
"""Seconds for what a swarm does by itself."""
LOOK = 0.25
BEFORE = 2.0
"""Seconds in which it is seen how many requests are in flight at a node before it is lost."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Seconds of each part of a run."""

    capacity: float = 5.0
    quiet: float = 10.0
    churn: float = 10.0
    runs: int = 3
    counted: int = AT_LEAST
    """Requests that scale, roll and node drain send at least, all runs together."""
    many: int = 100
    screen: float = 30.0
    heartbeat: str = "5s"
    """Docker's own; a node that is silent for three of them is down."""


SHORT = Lengths(1.0, 1.0, 1.0, runs=1, counted=0, many=12, screen=2.0, heartbeat="1s")
"""Everything once: that it works, not what it costs."""


@dataclass(slots=True)
class Loss(Part):
    """What losing nodes in one way came to, one figure for each time."""

    in_flight: list[float] = field(default_factory=list)
    """Requests at the node, the most that were seen just before."""
    out: list[float] = field(default_factory=list)
    """Seconds until none of its replicas was up in the balancer."""
    back: list[float] = field(default_factory=list)
    """And until as many served again elsewhere."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to lose a node, and how it comes back."""

    lose: Callable[[LabNode], None]
    again: Callable[[LabNode], None]
    dies: bool = True
    """Its replicas answer no more."""


def ways(lab: SwarmLab) -> dict[str, Way]:
    """All of them."""
    return {
        "dead": Way(LabNode.crash, LabNode.again),
        "cut": Way(lab.cut, lab.mend),
        "engine": Way(LabNode.kill, LabNode.again, dies=False),
    }


class Swarm(Churn):
    """One stack on a swarm under load; `losses` fill run by run."""

    def __init__(self, lab: SwarmLab, stack: Stack, operator: Operator, engine: Engine, plan: Plan) -> None:
        super().__init__(stack, operator, engine, plan)
        self._lab = lab
        self._stack = stack
        self.losses: dict[str, Loss] = {}

    async def drain(self, _: Part) -> None:
        """The worker with the most replicas is drained and activated again."""
        name = (await self._fullest())[0].name
        receipt = await asyncio.to_thread(self._stack.json, "nodes", "drain", name)
        assert receipt["replaced"] and not receipt["waiting"], receipt
        await asyncio.to_thread(self._stack.json, "nodes", "activate", name)

    async def lose(self, name: str, way: Way) -> None:
        """A node is lost, what it had is let in elsewhere, and it comes back."""
        loss = self.losses.setdefault(name, Loss())
        node, there = await self._fullest()
        before = {c.name: c.short for c in there}
        with Load(self.plan) as load:
            loss.in_flight.append(await self._in_flight({*before.values()}))
            begin = time.monotonic()
            await asyncio.to_thread(way.lose, node)
            if way.dies:
                await _until(lambda: self._out({*before.values()}), "out of the balancer", every=0.002)
                loss.out.append(time.monotonic() - begin)
            await _until(lambda: self._moved(before), "made anew elsewhere")
            await self._operator.repair()
            assert not {*before.values()} & {s.name for s in await self._operator.link.servers()}
            loss.back.append(time.monotonic() - begin)
            await asyncio.to_thread(way.again, node)
            await asyncio.to_thread(self._lab.until_ready)
            await asyncio.sleep(BEFORE)
            loss.tallies.append(await asyncio.to_thread(load.stop))
        loss.times += 1

    async def _fullest(self) -> tuple[LabNode, list[Container]]:
        """The worker that has the most replicas, and these; there are some, for they are spread."""
        pool = webs(await self._engine.containers(self._labels))
        workers = self._lab.nodes[self._lab.managers :]
        found = {node.name: [c for c in pool if c.node == node.name] for node in workers}
        node = max(workers, key=lambda one: len(found[one.name]))
        assert found[node.name], found
        return node, found[node.name]

    @property
    def _labels(self) -> dict[str, str]:
        return {"dftui.stack": self._stack.name}

    async def _in_flight(self, servers: set[str]) -> float:
        most, end = 0, time.monotonic() + BEFORE
        while time.monotonic() < end:
            table = await self._operator.link.servers()
            most = max(most, sum(s.sessions for s in table if s.name in servers))
            await asyncio.sleep(0.01)
        return float(most)

    async def _out(self, servers: set[str]) -> bool:
        return not any(s.status == "UP" for s in await self._operator.link.servers() if s.name in servers)

    async def _moved(self, before: dict[str, str]) -> bool:
        now = {c.name: c for c in await self._engine.containers(self._labels)}
        return all(
            now[name].state == "running" and not now[name].pending and now[name].short != short
            for name, short in before.items()
        )


async def _until(so: Callable[[], Awaitable[bool]], what: str, every: float = LOOK) -> None:
    end = time.monotonic() + PATIENCE
    while not await so():
        assert time.monotonic() < end, f"never {what}"
        await asyncio.sleep(every)


def restarted(lab: SwarmLab, stack: Stack, plan: Plan, part: Part) -> None:
    """The manager's engine is restarted; once the balancer reaches the other nodes, a repair lets in what was made
    anew."""
    elsewhere = sum(web["node"] != lab.manager.name for web in stack.json("status")["web"])
    with Load(plan) as load:
        time.sleep(1)
        lab.manager.restart()
        lab.until_ready()
        stack.wait_serving(elsewhere, PATIENCE)
        stack.ok("repair")
        part.tallies.append(load.stop())
    part.times += 1


@dataclass(slots=True)
class Measured:
    """Requests/s reached and sent, and what each part came to."""

    capacity: float = 0.0
    rate: float = 0.0
    parts: dict[str, Part] = field(default_factory=dict)
    losses: dict[str, Loss] = field(default_factory=dict)
    manager: Part = field(default_factory=Part)
    screen: dict[str, list[float]] = field(default_factory=dict)


async def run(swarm: Swarm, lengths: Lengths) -> None:
    """Everything once that needs the manager."""
    each = lengths.counted / (3 * lengths.runs)
    await swarm.quiet(lengths.quiet)
    await swarm.part("roll", lengths.churn, swarm.roll, each)
    await swarm.part("drain", lengths.churn, swarm.drain, each)
    await swarm._operator.scale(to=LEAST)
    await swarm.part("scale", lengths.churn, swarm.scale, each)
    await swarm._operator.scale(to=MOST)
    for name, way in ways(swarm._lab).items():
        await swarm.lose(name, way)


async def measure(lab: SwarmLab, stack: Stack, lengths: Lengths) -> Measured:
    """A stack that is up, all runs."""
    found = Measured()
    slow = {"slow": 0.02, "slow_path": "/slow", "post_path": "/api"}
    plan = Plan(stack.port, stack.address, fresh=0.1, posts=0.1, heads=0.05, **slow)  # type: ignore[arg-type]
    for _ in range(lengths.runs):
        async with operating(stack) as (operator, engine):
            swarm = Swarm(lab, stack, operator, engine, plan)
            swarm.parts, swarm.losses = found.parts, found.losses
            if not found.rate:
                found.capacity = await swarm.capacity(lengths.capacity)
                found.rate = SHARE * found.capacity
                plan = replace(plan, rate=found.rate)
            swarm.plan = plan
            await run(swarm, lengths)
        await asyncio.to_thread(restarted, lab, stack, plan, found.manager)
    found.screen = screen(stack, lengths)
    return found


def screen(stack: Stack, lengths: Lengths) -> dict[str, list[float]]:
    """CPU of the screen in percent of a core, with many replicas: looked at, and over as long a time in which `+` and
    `-` are pressed and done."""
    many = lengths.many
    found: dict[str, list[float]] = {"idle": [], "operated": []}
    found["start"] = [stack.json("scale", str(many))["seconds"] / (many - MOST)]
    for _ in range(lengths.runs):
        found["idle"].append(idle(stack, many, lengths.screen)[0])
        with PtyRun(stack.argv(), columns=120, rows=40, env=stack.env, cwd=str(stack.folder)) as shown:
            shown.wait_text(f"{many} of {many} serving", 60)
            time.sleep(lengths.screen / 3)
            before, begin = shown.usage(), time.monotonic()
            for key, count in (("+", many + 1), ("-", many)):
                shown.send(key)
                shown.wait_text(f"{count} of {count} serving", 60)
            time.sleep(max(0.0, begin + lengths.screen - time.monotonic()))
            after = shown.usage()
            found["operated"].append(100 * (after.cpu - before.cpu) / (time.monotonic() - begin))
    stack.ok("scale", str(MANY))
    return found


async def _images(lab: SwarmLab) -> str:
    """Every image at every node; the web's tag."""
    web = await asyncio.to_thread(tiny_image)
    here = await connect()
    try:
        for role in ("db", "cache", "balancer"):
            await ensure_bundled(here, role, lambda _: None)
    finally:
        await here.close()
    await asyncio.to_thread(lab.load, web, *(bundled_tag(role) for role in ("db", "cache", "balancer")))
    return web


def swarm(lengths: Lengths) -> list[Row]:
    """All rows; the swarm and all it had are gone then."""
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="dftui-bench-")))
        lab = held.enter_context(SwarmLab(heartbeat=lengths.heartbeat))
        stack = held.enter_context(swarm_stack(folder, lab, text(asyncio.run(_images(lab)), MANY)))
        stack.ok("up")
        measured = asyncio.run(measure(lab, stack, lengths))
        stack.ok("down", "--volumes", "--yes")
        assert left(lab, stack.name) == []
    return rows(measured, lengths)


WORDS = {
    "scale": f"scale {LEAST} → {MOST} → {LEAST}",
    "roll": f"roll of {MANY} replicas",
    "drain": "node drain, then activate",
}
LOSSES = {
    "dead": "a node's processes killed, all at once",
    "cut": "a node's link cut",
    "engine": "a node's engine killed, its replicas drained before it is back",
}
MANAGER = "the only manager's engine restarted"


def rows(measured: Measured, lengths: Lengths) -> list[Row]:
    """As the table has them."""
    runs, parts = lengths.runs, measured.parts
    found: list[Row] = []

    def row(words: str, sample: Sample, base: Sample | None = None, is_: str = "", goal: str = "-") -> Row:
        made = Row(f"swarm: {words}", COMMAND, runs, sample, base, is_, goal, None)
        found.append(made)
        return made

    def judged(met: bool) -> None:
        found[-1] = replace(found[-1], met=met)

    def latencies(words: str, part: Part) -> None:
        quiet = parts["quiet"]
        for share, name in ((0.99, "p99"), (0.5, "p50")):
            against = None if part is quiet else quiet.sample(share, slow=False)
            row(f"{words}: {name} of the quick requests", part.sample(share, slow=False), against, "quiet")

    latencies(f"quiet ({measured.rate:,.0f} requests/s, {SHARE:.0%} of {measured.capacity:,.0f})", parts["quiet"])
    for name, said in WORDS.items():
        part = parts[name]
        counted = f"{said}, {part.times} times, {part.total.sent:,} requests: failed"
        row(counted, part.lost(*GETS, "POST"), goal="0")
        judged(part.failed(*GETS, "POST") == part.receipts == 0)
        latencies(said, part)
    together = sum(parts[name].total.sent for name in WORDS)
    row("scale, roll and node drain together", Sample((float(together),), "requests"), goal=f"≥ {AT_LEAST:,}")
    judged(together >= AT_LEAST)
    for name, said in LOSSES.items():
        loss = measured.losses[name]
        counted = f"{said}, {loss.times} times, {loss.total.sent:,} requests: failed"
        if loss.out:
            there = Sample(tuple(loss.in_flight), "requests")
            row(counted, loss.lost(*GETS, "POST"), there, "in flight there, the most seen just before", "≤ 1 x")
            judged(all(t.failures <= most for t, most in zip(loss.tallies, loss.in_flight, strict=True)))
            row(f"{said}: GETs and HEADs that failed", loss.lost(*GETS))
            row(f"{said}: out of the balancer", Sample(tuple(loss.out), "s"), goal=f"≤ {OUT:g} s")
            judged(at_most(max(loss.out), OUT))
        else:
            row(counted, loss.lost(*GETS, "POST"), goal="0")
            judged(loss.failed(*GETS, "POST") == 0)
        back = Sample(tuple(loss.back), "s")
        row(f"{said}: as many serve elsewhere (heartbeat {lengths.heartbeat})", back)
    manager = measured.manager
    counted = f"{MANAGER}, {manager.times} times, {manager.total.sent:,} requests: failed"
    row(counted, manager.lost(*GETS, "POST"))
    away = Sample(tuple(tally.failures / measured.rate for tally in manager.tallies), "s")
    row(f"{MANAGER}: nobody answered for", away)
    row(f"scale {MOST} → {lengths.many}, for each replica", Sample(tuple(measured.screen["start"]), "s"))
    for name, said in (("idle", "idle"), ("operated", f"+ and - within {lengths.screen:g} s")):
        sample = Sample(tuple(measured.screen[name]), "% of a core")
        row(f"CPU of the screen, {lengths.many} replicas on three nodes, {said}", sample, goal=f"≤ {SCREEN_CPU:g} %")
        judged(at_most(sample.median, SCREEN_CPU))
    return found
