"""Two balancers of one stack on two managers of a swarm: one is spoken to, the other stands by with the same table.

What changes the table of the first changes the second's, too, so that a request which comes to the second never
finds a replica that is drained or gone.  A standby that does not answer keeps nobody waiting for long, and is left
alone for a while; `dftui.control.standby` brings it in step again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from dftui.balancer.config import BalancerConfig, Marked, Server
from dftui.balancer.errors import BalancerError, BalancerGone
from dftui.balancer.link import BalancerLink
from dftui.balancer.running import run_of, running
from dftui.balancer.stat import FrontendState, ServerState, Standing
from dftui.balancer.tls import Certificate
from dftui.engine.api import Engine, EngineError
from dftui.engine.nodes import Spread
from dftui.stack import names
from dftui.stack.spec import StackSpec

T = TypeVar("T")

PATIENCE = 3.0
"""Seconds for the standby to do what the other has done."""
LEAVING = 20.0
"""The same for a server that goes: its last sessions are waited for."""
REST = 5.0
"""Seconds that a standby which did not answer is left alone."""


def link_to(engine: Engine, spec: StackSpec) -> BalancerLink:
    """The link to a stack's balancer, and to its standby if the stack file asks for one."""
    name = names.container_name(spec.name, "balancer")
    if not spec.pair:
        return BalancerLink(engine, name)
    return PairedLink(engine, name, names.container_name(spec.name, "standby"))


async def frontends(link: BalancerLink) -> dict[str, FrontendState]:
    """What all clients sent and got, by the balancer's run (its counters begin anew with each); first that of the
    balancer that is spoken to."""
    found = {await run_of(link): await link.frontend()}
    if isinstance(link, PairedLink):

        async def theirs(other: BalancerLink) -> tuple[str, FrontendState]:
            return await run_of(other), await other.frontend()

        if (more := await link.also(theirs)) is not None:
            found.setdefault(*more)
    return found


async def rules_of(link: BalancerLink) -> tuple[str, str, frozenset[str]]:
    """What it runs with besides its servers: who gets the next request, the health path, who is trusted."""
    found = await running(link)
    return found.balance, found.health, frozenset(found.trusted)


class PairedLink(BalancerLink):
    """A link to one balancer that does to another whatever changes its table or file. Reading is the first's, but
    for sessions (a drain waits for those of both) and what the files note (the one that was written last holds)."""

    def __init__(self, engine: Engine, container: str, standby: str) -> None:
        super().__init__(engine, container)
        self.other = BalancerLink(engine, standby)
        self._rest = 0.0
        self._leaving: set[asyncio.Task[object]] = set()
        if isinstance(engine, Spread):
            engine.moves.append(self._turned)

    def _turned(self) -> None:
        """The other balancer is the one that is spoken to now: streams that were opened lead to the wrong one."""
        self._rest = 0.0
        for part in (self, self.shell, self.other, self.other.shell):
            task = asyncio.create_task(part.leave())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def also(
        self, work: Callable[[BalancerLink], Awaitable[T]], patience: float = PATIENCE, *, now: bool = False
    ) -> T | None:
        """The standby's part; None where it cannot be asked or refuses: it is out of step then, which is seen and put
        right. With `now` one that did not answer a moment ago is asked, too."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._rest and not now:
            return None
        try:
            async with asyncio.timeout(patience):
                done = await work(self.other)
            self._rest = 0.0
            return done
        except (EngineError, TimeoutError) as error:
            if not isinstance(error, BalancerError) or isinstance(error, BalancerGone):
                self._rest = loop.time() + REST
            return None

    # -- reading

    async def servers(self) -> tuple[ServerState, ...]:
        """Every server of the first, with the sessions that it has at the standby."""
        own, found = await asyncio.gather(super().servers(), self.also(lambda other: other.servers()))
        more = {server.name: server for server in found or ()}
        return tuple(
            replace(s, sessions=s.sessions + more[s.name].sessions, queue=s.queue + more[s.name].queue)
            if s.name in more and more[s.name].address == s.address
            else s
            for s in own
        )

    async def marked(self) -> Marked | None:
        """What the file says that was written last."""
        own, theirs = await asyncio.gather(super().marked(), self.also(lambda other: other.marked()))
        return theirs if theirs is not None and (own is None or theirs.turn > own.turn) else own

    async def standing(self, patience: float) -> Standing | None:
        """How the standby stands; None while it cannot be asked, or does not answer within so many seconds."""

        async def ask(other: BalancerLink) -> Standing:
            front = await other.frontend()
            own, theirs = await self.turns()
            return Standing(front.requests, front.rate, await self.behind(), theirs > own)

        return await self.also(ask, patience)

    async def turns(self) -> tuple[int, int]:
        """How often the first's file was written, and the standby's. Raises EngineError."""
        own, theirs = await super().marked(), await self.other.marked()
        return own.turn if own else 0, theirs.turn if theirs else 0

    async def behind(self) -> str:
        """Where the standby differs from the first, in words; "" when it is in step. Raises EngineError."""
        mine, there = await self.table(), await self.other.table()
        own, theirs = ({s.name: s for s in table.servers} for table in (mine, there))
        if odd := sorted(own.keys() ^ theirs.keys()):
            name = odd[0]
            return f"it {'lacks' if name in own else 'still has'} the server {name}"
        for name, server in own.items():
            same = theirs[name]
            if same.address != server.address:
                return f"it looks for {name} at {same.address}"
            if same.admin != server.admin:
                return f"to it {name} is {_admin(same)}"
            if same.status == server.status == "UP" and same.weight != server.weight:
                return f"it gives {name} the weight {same.weight}"
        if await self.shell.marks() != await self.other.shell.marks():
            return "its file is another one"
        if await rules_of(self) != await rules_of(self.other):
            return "it runs with another configuration"
        if await self.setup_closed() != await self.other.setup_closed():
            return "it treats the setup form otherwise"
        if _print(await self.certificate()) != _print(await self.other.certificate()):
            return "it serves another certificate"
        return ""

    # -- changing

    async def add(self, server: Server, *, closed: bool = False) -> None:
        """See `BalancerLink.add`."""
        await super().add(server, closed=closed)
        await self.also(lambda other: other.add(server, closed=closed))

    async def drain(self, name: str) -> None:
        """See `BalancerLink.drain`."""
        await self.also(lambda other: other.drain(name))
        await super().drain(name)

    async def ready(self, name: str) -> None:
        """See `BalancerLink.ready`."""
        await super().ready(name)
        await self.also(lambda other: other.ready(name))

    async def delete(self, name: str) -> ServerState | None:
        """See `BalancerLink.delete`. It goes from both before its container may."""
        _, last = await asyncio.gather(
            self.also(lambda other: other.delete(name), LEAVING, now=True), super().delete(name)
        )
        return last

    async def close_setup(self, closed: bool) -> None:
        """See `BalancerLink.close_setup`."""
        await super().close_setup(closed)
        await self.also(lambda other: other.close_setup(closed))

    async def renew(self, pem: bytes) -> None:
        """See `BalancerLink.renew`."""
        await super().renew(pem)
        await self.also(lambda other: other.renew(pem))

    async def trust(self, proxies: Iterable[str]) -> None:
        """See `BalancerLink.trust`."""
        wanted = tuple(proxies)
        await super().trust(wanted)
        await self.also(lambda other: other.trust(wanted))

    async def write_config(self, cfg: BalancerConfig) -> None:
        """See `BalancerLink.write_config`."""
        await super().write_config(cfg)
        await self.also(lambda other: other.write_config(cfg))

    async def close(self) -> None:
        """End all streams of both for good; never raises."""
        await self.other.close()
        await super().close()


def _admin(server: ServerState) -> str:
    return {"ready": "not drained", "drain": "drained", "maint": "taken out"}[server.admin]


def _print(certificate: Certificate | None) -> str:
    return "" if certificate is None else certificate.fingerprint
