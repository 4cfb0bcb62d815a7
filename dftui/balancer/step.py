"""One balancer brought in step with another: what it runs with, its servers, its file and its certificate."""

from __future__ import annotations

import asyncio

from dftui.balancer.config import CONFIG_PATH, Server
from dftui.balancer.link import BalancerLink
from dftui.balancer.pair import rules_of
from dftui.balancer.running import reload_as
from dftui.balancer.stat import ServerState
from dftui.balancer.tls import CERTIFICATE_PATH
from dftui.engine.api import Engine

LAST = 2.0
"""Seconds that the last requests have to a server that is taken out."""
_PAUSE = 0.05


async def bring(engine: Engine, source: BalancerLink, of: str, target: BalancerLink, to: str) -> None:
    """Make the running balancer `to` what the running balancer `of` is; no request is lost. Raises EngineError."""
    rules = balance, health, trusted = await rules_of(source)
    if await source.shell.marks() != await target.shell.marks() or rules != await rules_of(target):
        text = await engine.get_file(of, CONFIG_PATH)
        await target.shell.write(text.decode())
    if (await rules_of(target))[:2] != (balance, health):
        await reload_as(engine, to, target, health)
    if (await rules_of(target))[2] != trusted:
        await target.trust(sorted(trusted))
    await _servers(source, target)
    if await source.setup_closed() != (closed := await target.setup_closed()):
        await target.close_setup(not closed)
    served, there = await source.certificate(), await target.certificate()
    if served is not None and there is not None and served.fingerprint != there.fingerprint:
        await target.renew(await engine.get_file(of, CERTIFICATE_PATH))


async def _servers(source: BalancerLink, target: BalancerLink) -> None:
    wanted = {server.name: server for server in (await source.table()).servers}
    have = {server.name: server for server in (await target.table()).servers}
    odd = [name for name, server in have.items() if name not in wanted or _unlike(server, wanted[name])]
    await asyncio.gather(*(_take_out(target, name) for name in odd))
    for name, server in wanted.items():
        closed = server.admin != "ready"
        if name not in have or name in odd:
            host, _, port = server.address.rpartition(":")
            await target.add(Server(name, host.strip("[]"), int(port), name), closed=closed)
            if not closed and server.weight != 1:
                await target.command(f"set server web/{name} weight {server.weight}")
        elif have[name].admin != server.admin:
            await (target.drain if closed else target.ready)(name)


def _unlike(one: ServerState, other: ServerState) -> bool:
    """What a drain or a failed check does not explain; those take the weight, too."""
    return one.address != other.address or (one.status == other.status == "UP" and one.weight != other.weight)


async def _take_out(target: BalancerLink, name: str) -> None:
    """Nothing new to it, its last requests answered, then out of the table."""
    await target.drain(name)
    loop = asyncio.get_running_loop()
    end = loop.time() + LAST
    while loop.time() < end:
        state = (await target.table()).server(name)
        if state is None or state.sessions + state.queue == 0:
            break
        await asyncio.sleep(_PAUSE)
    await target.delete(name)
