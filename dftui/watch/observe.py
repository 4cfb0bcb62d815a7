"""One look at a stack: everything that can be asked at once, no streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dftui.balancer.config import Marked
from dftui.balancer.link import BalancerLink, read_config
from dftui.balancer.pair import PairedLink, link_to
from dftui.balancer.stat import Latency, Standing, Table
from dftui.balancer.tls import Certificate
from dftui.engine.api import Container, Engine, EngineError, EngineInfo
from dftui.engine.nodes import Spread
from dftui.stack import names
from dftui.stack.spec import StackSpec
from dftui.watch.datatier import NOTHING, Cache, Client, Database, Reading
from dftui.watch.derive import Facts, derive
from dftui.watch.sanitise import clean
from dftui.watch.snapshot import EngineFacts, Snapshot
from dftui.watch.traffic import Traffics

PATIENCE = 5.0
"""Seconds for the balancer to answer."""


def engine_facts(info: EngineInfo) -> EngineFacts:
    """What answers, safe to draw."""
    return EngineFacts(kind=clean(info.kind, 32), host=clean(info.host, 200), version=clean(info.version, 64))


def running(containers: tuple[Container, ...], role: str) -> Container | None:
    """The running container of a role."""
    found = [c for c in containers if c.labels.get(names.LABEL_ROLE) == role and c.state == "running"]
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Balancer:
    """What the balancer says in one look; `table` None when it did not answer, and `error` why."""

    table: Table | None = None
    latencies: Mapping[str, Latency] = field(default_factory=dict)
    setup_closed: bool | None = None
    certificate: Certificate | None = None
    error: str = ""
    acting: str = ""


async def observe(
    engine: Engine,
    spec: StackSpec,
    link: BalancerLink | None = None,
    *,
    mask: Callable[[str], str] = lambda text: text,
) -> Snapshot:
    """The snapshot now. Rates need two looks and are not in it; latencies and shares are those since the balancer
    began. Raises EngineUnreachable or another EngineError when the engine cannot be asked; a balancer, database or
    cache that does not answer is a fact, not an error."""
    info, containers = await asyncio.gather(engine.info(), engine.containers({names.LABEL_STACK: spec.name}))
    own = link or link_to(engine, spec)
    try:
        noted, balancer, beside, db, cache = await asyncio.gather(
            marked(engine, own, containers),
            _ask_balancer(running(containers, "balancer"), own),
            standing(own),
            _ask(Database, engine, running(containers, "db")),
            _ask(Cache, engine, running(containers, "cache")),
        )
    finally:
        if link is None:
            await own.close()
    readings = {"db": db, "cache": cache}
    traffics = Traffics(whole=True)
    table = balancer.table
    if table is not None:
        traffics.update(table, time.monotonic(), balancer.latencies)
        readings["balancer"] = Reading({k: v for k, v in traffics.figures.items() if k != "req/s"})
    facts = Facts(
        engine=engine_facts(info),
        at=time.time(),
        containers=containers,
        servers=None if table is None else table.servers,
        servers_error=balancer.error,
        frontend=None if table is None else table.frontend,
        wanted=None if noted is None else noted.wanted,
        held=held_out(noted),
        traffic=traffics.by_server,
        total=traffics.total,
        readings=readings,
        setup_closed=balancer.setup_closed,
        certificate=balancer.certificate,
        acting=balancer.acting,
        standing=beside,
        away=away(engine),
    )
    return derive(spec, facts, mask)


async def _ask_balancer(found: Container | None, link: BalancerLink) -> Balancer:
    if found is None:
        return Balancer()
    try:
        async with asyncio.timeout(PATIENCE):
            who = await link.holder()
            words = who.words() if who else ""
            return Balancer(
                await link.table(),
                await link.latencies(),
                await link.setup_closed(),
                await link.certificate(),
                acting=words,
            )
    except EngineError as failed:
        return Balancer(error=str(failed))
    except TimeoutError:
        return Balancer(error="it did not answer in time")


async def standing(link: BalancerLink, patience: float = PATIENCE) -> Standing | None:
    """What the standby says; None without one, and while it does not answer."""
    return await link.standing(patience) if isinstance(link, PairedLink) else None


def away(engine: Engine) -> frozenset[str]:
    """Names of an engine's machines that do not answer."""
    return engine.away if isinstance(engine, Spread) else frozenset()


async def _ask(client: type[Client], engine: Engine, found: Container | None) -> Reading:
    if found is None:
        return NOTHING
    try:
        async with asyncio.timeout(PATIENCE):
            return await client(engine, found.id).once()
    except TimeoutError:
        return NOTHING


async def marked(engine: Engine, link: BalancerLink, containers: tuple[Container, ...]) -> Marked | None:
    """What stands in the balancer's own file, which every dftui writes; None without one."""
    found = [c for c in containers if c.labels.get(names.LABEL_ROLE) == "balancer"]
    if not found:
        return None
    try:
        async with asyncio.timeout(PATIENCE):
            if found[0].state == "running":
                return await link.marked()
            return await read_config(engine, found[0].id)  # a paused one keeps its streams and answers nothing
    except (EngineError, TimeoutError):
        return None


def held_out(noted: Marked | None) -> dict[str, str]:
    """Why each replica that the file names is kept out, by its short id."""
    return {one.name: one.why for one in noted.held} if noted else {}
