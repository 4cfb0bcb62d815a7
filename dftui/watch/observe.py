"""One look at a stack: everything that can be asked at once, no streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from dftui.balancer.config import Marked
from dftui.balancer.link import BalancerLink, read_config
from dftui.balancer.stat import Table
from dftui.engine.api import Container, Engine, EngineError, EngineInfo
from dftui.stack import names
from dftui.stack.spec import StackSpec
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


async def observe(
    engine: Engine,
    spec: StackSpec,
    link: BalancerLink | None = None,
    *,
    mask: Callable[[str], str] = lambda text: text,
) -> Snapshot:
    """The snapshot now; rates and live figures are not in it. Raises EngineUnreachable or another EngineError when
    the engine cannot be asked; a balancer that does not answer is a fact, not an error."""
    info, containers = await asyncio.gather(engine.info(), engine.containers({names.LABEL_STACK: spec.name}))
    balancer = running(containers, "balancer")
    noted = await marked(engine, containers)
    table: Table | None = None
    error = ""
    if balancer is not None:
        own = link or BalancerLink(engine, balancer.id)
        try:
            async with asyncio.timeout(PATIENCE):
                table = await own.table()
        except EngineError as failed:
            error = str(failed)
        except TimeoutError:
            error = "it did not answer in time"
        finally:
            if link is None:
                await own.close()
    traffics = Traffics()
    if table is not None:
        traffics.update(table, time.monotonic())
    facts = Facts(
        engine=engine_facts(info),
        at=time.time(),
        containers=containers,
        servers=None if table is None else table.servers,
        servers_error=error,
        frontend=None if table is None else table.frontend,
        wanted=None if noted is None else noted.wanted,
        held=held_out(noted),
        traffic=traffics.by_server,
        total=traffics.total,
        figures={"balancer": traffics.figures} if table is not None else {},
    )
    return derive(spec, facts, mask)


async def marked(engine: Engine, containers: tuple[Container, ...]) -> Marked | None:
    """What stands in the balancer's own file, which every dftui writes; None without one."""
    found = [c for c in containers if c.labels.get(names.LABEL_ROLE) == "balancer"]
    if not found:
        return None
    try:
        return await read_config(engine, found[0].id)
    except EngineError:
        return None


def held_out(noted: Marked | None) -> dict[str, str]:
    """Why each replica that the file names is kept out, by its short id."""
    return {one.name: one.why for one in noted.held} if noted else {}
