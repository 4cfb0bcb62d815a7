"""The rows about churn: what scaling, rolling, a killed replica and a restarted balancer cost the users of the API.

Open-loop load through the balancer (keep-alive and fresh connections; GET, HEAD and POST; some slow on purpose) at
a fifth of what generator, balancer and webs reach together on this machine.  Quiet, each kind of churn and both
baselines take turns in every run.  It goes to the balancer's own address: the engine's port proxy is not measured.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dftui.balancer.config import Server
from dftui.balancer.running import reload
from dftui.control import ground, replicas, specs
from dftui.control.operator import Operator
from dftui.control.pool import look
from dftui.control.steps import Progress, ignore
from dftui.control.world import PARALLEL, bounded
from dftui.engine.api import Container, Engine
from dftui.stack import names
from dftui.watch.derive import number_of
from tests.bench.rows import Row, Sample, at_most
from tests.engine.operate import operating, until, until_all_serve
from tests.load import Load, Plan
from tests.stacks import Stack, docker
from tests.tally import Tally, added, quantile
from tests.tinyweb import text, tiny_image

SHARE = 0.2
P99_RATIO = 1.5
AT_LEAST = 200_000
LEAST, MOST, MANY = 1, 8, 4
"""Replicas: scaled between the first two; the last while it is quiet, one is killed or all are rolled."""
AT_MOST = 180.0
"""Seconds for one cycle, roll, kill or restart."""
GETS = ("GET", "HEAD")
COMMAND = "python -m tests.bench churn"


@dataclass(frozen=True, slots=True)
class Lengths:
    """Seconds of each part of a run."""

    capacity: float = 5.0
    quiet: float = 15.0
    scale: float = 25.0
    roll: float = 25.0
    kill: float = 15.0
    restart: float = 5.0
    baseline: float = 15.0
    runs: int = 3
    counted: int = AT_LEAST
    """Requests that scale and roll send at least, all runs together."""


SHORT = Lengths(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, runs=1, counted=0)
"""Each kind of churn once: that the machinery works, not what it costs."""


@dataclass(slots=True)
class Part:
    """What one kind of churn came to: a tally for each run, and how often it was done (cycles, rolls, kills)."""

    tallies: list[Tally] = field(default_factory=list)
    times: int = 0
    receipts: int = 0
    """Requests that dftui's own receipts say have failed."""

    @property
    def total(self) -> Tally:
        """Of all runs."""
        return added(self.tallies)

    def failed(self, *methods: str) -> int:
        """How many requests of these methods failed in all runs."""
        return sum(self.total.failed_methods[method] for method in methods)

    def unanswered(self, *methods: str) -> int:
        """How many of them failed although nothing of an answer had come yet."""
        return sum(self.total.unanswered[method] for method in methods)

    def sample(self, share: float, *, slow: bool = True) -> Sample:
        """Milliseconds, one for each run, with or without the requests that are slow on purpose."""
        found = (tally.latencies + (tally.slow if slow else []) for tally in self.tallies)
        return Sample(tuple(1000 * quantile(values, share) for values in found), "ms")

    def lost(self, *methods: str) -> Sample:
        """Failed requests, one figure for each run."""
        return Sample(tuple(float(sum(t.failed_methods[m] for m in methods)) for t in self.tallies), "failed")


class Churn:
    """One stack under load; `parts` fills run by run."""

    def __init__(self, stack: Stack, operator: Operator, engine: Engine, plan: Plan) -> None:
        self.parts: dict[str, Part] = {}
        self.plan = plan
        self._balancer = f"{stack.name}-lb"
        self._operator = operator
        self._engine = engine
        self._world = operator._world

    async def capacity(self, seconds: float) -> float:
        """Requests/s when each of 64 connections sends its next one as soon as it has its answer; none is slow."""
        await self._operator.scale(to=MANY)
        with Load(replace(self.plan, rate=0, seconds=seconds, slow=0.0, connections=64)) as load:
            tally = await asyncio.to_thread(load.wait)
        assert not tally.failures, tally.lost
        return tally.ok / tally.seconds

    async def part(
        self, name: str, seconds: float, once: Callable[[Part], Awaitable[None]], requests: float = 0
    ) -> None:
        """Load while `once` is done, at least one time, until the time is over and so many requests were due; the
        last one is finished."""
        part = self.parts.setdefault(name, Part())
        with Load(self.plan) as load:
            end = time.monotonic() + max(seconds, requests / max(1.0, self.plan.rate))
            while True:
                async with asyncio.timeout(AT_MOST):
                    await once(part)
                part.times += 1
                if time.monotonic() >= end:
                    break
            part.tallies.append(await asyncio.to_thread(load.stop))

    async def quiet(self, seconds: float) -> None:
        """Nothing happens."""

        async def nothing(_: Part) -> None:
            await asyncio.sleep(seconds)

        await self._operator.scale(to=MANY)
        await self.part("quiet", seconds, nothing)

    async def scale(self, part: Part) -> None:
        """1 → 8 → 1."""
        for to in (MOST, LEAST):
            part.receipts += (await self._operator.scale(to=to)).receipt.failed

    async def roll(self, part: Part) -> None:
        """All of them replaced, for a variable that differs."""
        web = self._world.spec.web
        changed = replace(web, env={**web.env, "ROLLED": str(time.monotonic_ns())})
        self._world.spec = replace(self._world.spec, web=changed)
        result = await self._operator.roll()
        assert len(result.replaced) == MANY and not result.rolled_back, result
        part.receipts += result.receipt.failed

    async def kill(self, part: Part) -> None:
        """One is killed behind dftui's back, and repaired once the balancer has seen it."""
        victim = (await self._pool())[part.times % MANY]
        await asyncio.to_thread(docker, "kill", victim.name)

        async def seen() -> bool:
            return (await self._operator.link.server(victim.short)).status == "DOWN"

        await until(seen, "seen down")
        await self._operator.repair()

    async def restart(self, _: Part) -> None:
        """The engine restarts the balancer."""
        await asyncio.to_thread(docker, "restart", self._balancer)
        await until_all_serve(self._operator)

    async def reload(self, _: Part) -> None:
        """1 → 8 → 1 as it is done without a runtime API: the configuration written anew and reloaded (SIGUSR2)."""
        plan = await ground.current_plan(self._world)
        progress = Progress("baseline", ignore)
        stays = await self._pool()
        numbers = names.lowest_free(map(number_of, stays), MOST - LEAST)

        async def start(number: int) -> None:
            spec = specs.web(plan, number)
            ref = await replicas.create(self._world, progress, spec)
            await replicas.wait_for_status(self._world, ref, spec.name, plan, lambda s: s.ready, "it answers", 30)

        await bounded(PARALLEL, start, numbers)
        pool = await self._pool()
        for servers in (pool, stays):
            await self._reloaded(plan, [self._world.server(plan, c) for c in servers])
        old = {container.id for container in stays}  # not the containers themselves: their age is told anew each time
        await self._stop([container for container in pool if container.id not in old])

    async def stop(self, _: Part) -> None:
        """1 → 8 as dftui does it, → 1 by `docker stop` alone, without a drain."""
        await self._operator.scale(to=MOST)
        gone = (await self._pool())[LEAST:]
        await self._stop(gone)
        for container in gone:
            await replicas.forget(self._world, container.short)
        await self._operator._scaler.keep(await ground.current_plan(self._world), LEAST)

    async def _reloaded(self, plan: specs.Plan, servers: Sequence[Server]) -> None:
        await self._world.write_config(plan, len(servers), servers)
        await reload(self._engine, self._balancer, self._world.link, self._world.spec.web.health)

    async def _stop(self, containers: Sequence[Container]) -> None:
        for container in containers:
            await asyncio.to_thread(docker, "stop", container.name)
            await asyncio.to_thread(docker, "rm", container.name)

    async def _pool(self) -> list[Container]:
        return sorted((await look(self._world)).containers, key=lambda c: c.created)


async def run(churn: Churn, lengths: Lengths) -> None:
    """Everything once."""
    each = lengths.counted / (2 * lengths.runs)
    await churn.quiet(lengths.quiet)
    await churn.part("roll", lengths.roll, churn.roll, each)
    await churn.part("kill", lengths.kill, churn.kill)
    await churn.part("restart", lengths.restart, churn.restart)
    await churn._operator.scale(to=LEAST)
    await churn.part("scale", lengths.scale, churn.scale, each)
    await churn.part("reload", lengths.baseline, churn.reload)
    await churn.part("stop", lengths.baseline, churn.stop)


@dataclass(frozen=True, slots=True)
class Measured:
    """Requests/s reached and sent, and what each part came to."""

    capacity: float
    rate: float
    parts: dict[str, Part]


async def measure(stack: Stack, lengths: Lengths, *, tiny: bool) -> Measured:
    """A stack that is up, all runs. The stand-in is slow with `?delay_ms=` alone, the tiny web on /slow."""
    address = docker(
        "inspect",
        f"{stack.name}-lb",
        "--format",
        f'{{{{(index .NetworkSettings.Networks "{stack.name}-front").IPAddress}}}}',
    )
    plan = Plan(80, address, fresh=0.1, posts=0.1, heads=0.05, slow=0.02, slow_path="/slow", post_path="/api")
    if not tiny:
        plan = replace(plan, path="/up", slow_path="/up?delay_ms=250", post_path="/up")
    async with operating(stack) as (operator, engine):
        churn = Churn(stack, operator, engine, plan)
        capacity = await churn.capacity(lengths.capacity)
        churn.plan = replace(churn.plan, rate=SHARE * capacity)
        for _ in range(lengths.runs):
            if tiny:
                await run(churn, lengths)
            else:
                await churn.quiet(lengths.quiet)
                await operator.scale(to=LEAST)
                await churn.part("scale", lengths.scale, churn.scale)
        return Measured(capacity, churn.plan.rate, churn.parts)


def stack_text(image: str) -> str:
    """The stack file's lines; "" for the stand-in."""
    if image:
        return text(image, MANY)
    return f"images: {{source: bundled}}\nweb:\n  replicas: {MANY}\n  env: {{STANDIN_ALLOW_DELAY: '1'}}\n"


def churn(lengths: Lengths, keep: Callable[[str, Sequence[Row]], None]) -> None:
    """All rows: the tiny web in full, the stand-in for scaling; each web's are given to `keep` when measured."""
    for name, image, what in (("churn", tiny_image(), ""), ("churn-stand-in", "", ", the stand-in as web")):
        with (
            tempfile.TemporaryDirectory(prefix="dftui-bench-") as folder,
            Stack(Path(folder), stack_text(image)) as stack,
        ):
            stack.ok("up")
            measured = asyncio.run(measure(stack, lengths, tiny=bool(image)))
            stack.ok("down", "--volumes", "--yes")
        keep(name, rows(measured, lengths.runs, what))


WORDS = {
    "scale": (f"scale {LEAST} → {MOST} → {LEAST}", "cycles"),
    "roll": (f"roll of {MANY} replicas", "rolls"),
    "kill": (f"`docker kill` of one of {MANY}, then repair", "kills"),
    "restart": ("`docker restart` of the balancer", "restarts"),
    "reload": ("configuration rewrite and reload", "cycles"),
    "stop": ("`docker stop` without a drain", "cycles"),
}


def rows(measured: Measured, runs: int, what: str) -> list[Row]:
    """As the table has them: failures against both baselines, latencies against quiet."""
    parts = measured.parts
    quiet = parts["quiet"]
    found: list[Row] = []

    def row(words: str, sample: Sample, baseline: Sample | None = None, is_: str = "", goal: str = "-") -> Row:
        made = Row(words + what, COMMAND, runs, sample, baseline, is_, goal, None)
        found.append(made)
        return made

    def judged(met: bool) -> None:
        found[-1] = replace(found[-1], met=met)

    def latencies(words: str, part: Part, goal: bool) -> None:
        for share, name in ((0.99, "p99"), (0.5, "p50")):
            for slow, which in ((True, ""), (False, " of the quick requests")):
                against = None if part is quiet else quiet.sample(share, slow=slow)
                text = f"≤ {P99_RATIO} x" if goal and share == 0.99 else "-"
                made = row(f"{words}: {name}{which}", part.sample(share, slow=slow), against, "quiet", text)
                if goal and share == 0.99:
                    judged(at_most(made.ratio, P99_RATIO))

    load = f"{measured.rate:,.0f} requests/s, {SHARE:.0%} of {measured.capacity:,.0f}"
    latencies(f"quiet ({load})", quiet, goal=False)
    lags = tuple(1000 * quantile(tally.lags, 0.99) for tally in quiet.tallies)
    row("quiet: how late the generator itself sent, p99", Sample(lags, "ms"))
    for name in ("scale", "roll", "kill", "restart"):
        if (part := parts.get(name)) is None:
            continue
        words, unit = WORDS[name]
        said = f"{words}, {part.times} {unit}, {part.total.sent:,} requests"
        if name == "kill":
            row(f"{said}: GETs and HEADs that failed unanswered", _once(part.unanswered(*GETS)), goal="0")
            judged(part.unanswered(*GETS) == 0)
            row(f"{words}: all that failed, POSTs too", part.lost(*GETS, "POST"))
        else:
            others: list[str] = [one for one in ("reload", "stop") if name == "scale" and one in parts]
            for other in others or [""]:
                base = parts[other] if other else None
                is_ = f"{WORDS[other][0]}, {base.times} cycles, {base.total.sent:,} requests" if base else ""
                against = base.lost(*GETS, "POST") if base else None
                goal = "-" if name == "restart" else "0"
                row(f"{said}: failed", part.lost(*GETS, "POST"), against, is_, goal)
                if goal == "0":
                    judged(part.failed(*GETS, "POST") == part.receipts == 0)
        latencies(words, part, goal=name in ("scale", "roll"))
    if "roll" in parts:
        both = parts["scale"].total.sent + parts["roll"].total.sent
        row("scale and roll together", Sample((float(both),), "requests"), goal=f"≥ {AT_LEAST:,}")
        judged(both >= AT_LEAST)
    return found


def _once(count: int) -> Sample:
    return Sample((float(count),), "failed")
