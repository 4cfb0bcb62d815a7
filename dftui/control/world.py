"""What every action needs at hand: the engine, what is wanted, the balancer's link, and looks at what exists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from dftui.balancer.config import BalancerConfig, Filed, Held, Marked, Server
from dftui.balancer.link import BalancerLink
from dftui.control.errors import ActionError
from dftui.control.specs import FIRST_WEB_HOST, Plan
from dftui.control.steps import Report
from dftui.engine.api import Container, Engine, EngineError, EngineInfo, Network
from dftui.stack import names
from dftui.stack.spec import StackSpec
from dftui.watch.derive import number_of
from dftui.watch.mask import Masker
from dftui.watch.sanitise import clean

T = TypeVar("T")
R = TypeVar("R")

PARALLEL = 4
"""Containers started at once; more only lengthen each other (measured on two cores)."""


@dataclass(slots=True)
class World:
    """One stack on one engine, as actions see it."""

    engine: Engine
    spec: StackSpec
    link: BalancerLink
    report: Report
    ending: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a container of the stack is ended: Docker 20.10 can lock up for good (libnetwork, releaseNetwork
    against processEndpointDelete) when containers of one network end at the same moment.  Seen to happen."""

    filed: Filed | None = None
    """What the stack file said when it was last rolled out, as it was last seen noted; each writing of the balancer's
    file keeps it."""
    refiled: Filed | None = None
    """What the next writing notes instead."""

    turn: int = 0
    """How often the balancer's file was written, as far as seen: with two balancers it says whose holds."""

    _info: EngineInfo | None = None

    async def _engine_info(self) -> EngineInfo:
        """What stays the same of the engine; asked once, for it takes longer than any other look."""
        if self._info is None:
            self._info = await self.engine.info()
        return self._info

    async def engine_id(self) -> str:
        """The engine's id."""
        return (await self._engine_info()).id

    async def at_once(self) -> int:
        """Replicas to start and boot side by side: one for each two cores while requests come in, for each keeps a
        core busy and the requests need one, too (p99 beside 1 → 8 on two cores: 6 ms so, 13 to 46 with four)."""
        if not (await self.link.frontend()).rate:
            return PARALLEL
        return max(1, min(PARALLEL, (await self._engine_info()).cpus // 2))

    @property
    def stack(self) -> str:
        """The stack's name."""
        return self.spec.name

    def name(self, role: str, number: int = 0) -> str:
        """A container's name."""
        return names.container_name(self.stack, role, number)

    async def containers(self) -> tuple[Container, ...]:
        """Every container of the stack; one call. Raises ActionError when a newer dftui made one: what this one does
        not know of it, it could break."""
        found = await self.engine.containers({names.LABEL_STACK: self.stack})
        for container in found:
            if schema := names.made_by_newer(container.labels):
                raise ActionError(
                    f"the stack {self.stack} was made by a newer dftui (labels of schema {schema}, this one knows "
                    f"{names.SCHEMA}); nothing was changed",
                    "upgrade this dftui: pipx upgrade dftui",
                )
        return found

    async def networks(self) -> tuple[Network, ...]:
        """The stack's own networks."""
        return await self.engine.networks({names.LABEL_STACK: self.stack})

    async def marked(self) -> Marked | None:
        """What the balancer's configuration file says is wanted; None without a balancer."""
        found = await self.link.marked()
        if found is not None:
            self.filed = found.filed or self.filed
            self.turn = max(self.turn, found.turn)
        return found

    async def held(self) -> tuple[Held, ...]:
        """The replicas that are noted as held out; some may be gone."""
        noted = await self.marked()
        return noted.held if noted else ()

    async def wanted(self) -> int:
        """The wanted number: from the balancer's file, else the stack file."""
        marked = await self.marked()
        return marked.wanted if marked else self.spec.web.replicas

    def config(
        self,
        plan: Plan,
        wanted: int,
        servers: Iterable[Server],
        held: Iterable[Held] = (),
        *,
        closed: bool = False,
        https: int = 0,
    ) -> BalancerConfig:
        """The balancer's whole configuration; `held` are replicas that are kept out; `closed`: the setup form is
        refused, because there is an admin; `https` is the published port of HTTPS, 0 without it."""
        return BalancerConfig(
            stack=self.stack,
            wanted=wanted,
            servers=tuple(servers),
            balance=self.spec.balancer.balance,
            health_path=self.spec.web.health,
            probe_nonce=plan.probe_nonce(),
            trusted_proxies=self.spec.balancer.trusted_proxies,
            # Closed from the start where dftui makes the admin: a stale cache would let a stranger make a second.
            deny_setup=closed or self.spec.makes_admin,
            https=https,
            plain=self.spec.plain,
            held=tuple(held),
            filed=self.refiled or self.filed,
            turn=self.turn + 1 if self.spec.pair else 0,
        )

    def address(self, container: Container) -> str:
        """Where the balancer reaches a replica: its address on the front network, "" when it is not on it."""
        return container.addresses.get(names.network_name(self.stack, "front"), "")

    def server(self, plan: Plan, container: Container) -> Server:
        """The balancer's entry for a replica: named by its Host, at its fixed address."""
        address = self.address(container) or plan.fixed(FIRST_WEB_HOST + number_of(container))
        if address is None:
            raise ActionError(f"{container.name} has no address on the front network", "dftui repair")
        return Server(name=container.short, address=address, port=self.spec.web.port, replica=container.name)

    async def write_config(
        self, plan: Plan, wanted: int, servers: Iterable[Server], held: Iterable[Held] = ()
    ) -> None:
        """Rewrite the balancer's file, so that a restart of it finds its servers; no reload."""
        closed = not self.spec.plain and (self.spec.makes_admin or await self.setup_closed())
        # As the balancer was made: with another port or without its certificate's file it would not start again.
        marked = await self.marked()
        https = marked.https if marked is not None else 0
        await self.link.write_config(self.config(plan, wanted, servers, held, closed=closed, https=https))
        self.filed, self.refiled = self.refiled or self.filed, None

    async def setup_closed(self) -> bool:
        """Whether the balancer refuses the setup form, or will when it runs again."""
        try:
            return await self.link.setup_closed()
        except EngineError:
            marked = await self.marked()
            return marked is not None and marked.deny_setup

    async def close_setup(self, plan: Plan) -> None:
        """Refuse the setup form from now on, over restarts of the balancer too."""
        await self.link.close_setup(True)
        marked = await self.marked()
        if marked is not None:
            await self.write_config(plan, marked.wanted, marked.servers, marked.held)

    async def last_words(self, ref: str, plan: Plan | None = None, lines: int = 8) -> str:
        """The last log lines of a container, cleaned and with the secrets masked."""
        masker = Masker(plan.secrets.values() if plan else ())
        found: list[str] = []
        try:
            async for batch in self.engine.logs(ref, tail=lines):
                found += [masker.mask(clean(line.data)) for line in batch]
        except EngineError:
            return ""
        return "\n".join(found[-lines:])


def webs(containers: Iterable[Container]) -> list[Container]:
    """The replicas among a stack's containers, by number."""
    found = [c for c in containers if c.labels.get(names.LABEL_ROLE) == "web"]
    return sorted(found, key=number_of)


def by_role(containers: Iterable[Container], role: str) -> Container | None:
    """The container of a role that has one."""
    return next((c for c in containers if c.labels.get(names.LABEL_ROLE) == role), None)


@asynccontextmanager
async def turn(limit: asyncio.Semaphore, seconds: float) -> AsyncIterator[None]:
    """One of the limit's turns for the block, given back after so many seconds if that takes longer."""
    await limit.acquire()
    given = False

    def give_back() -> None:
        nonlocal given
        if not given:
            given = True
            limit.release()

    timer = asyncio.get_running_loop().call_later(seconds, give_back)
    try:
        yield
    finally:
        timer.cancel()
        give_back()


async def bounded(limit: int, work: Callable[[T], Awaitable[R]], items: Iterable[T]) -> list[R]:
    """Run `work` for each item, at most `limit` at once; the first failure cancels the rest and is raised."""
    gate = asyncio.Semaphore(limit)

    async def one(item: T) -> R:
        async with gate:
            return await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except BaseExceptionGroup as group_error:
        first: BaseException = group_error
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
    return [task.result() for task in tasks]
