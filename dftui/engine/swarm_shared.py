"""What a swarm has beside its containers: networks and images, which the manager has for all, and volumes, which are
of one node each."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TypeVar

from dftui.engine.api import (
    Conflict,
    ContainerSpec,
    Engine,
    EngineError,
    EngineUnreachable,
    Image,
    ImageProgress,
    Network,
    NetworkSpec,
    NotFound,
    Volume,
)
from dftui.engine.carry import carry
from dftui.engine.docker import DockerEngine
from dftui.engine.nodes import find
from dftui.engine.swarm_links import Links
from dftui.engine.swarm_services import Services, membership
from dftui.engine.swarm_shape import SERVICE_ID
from dftui.stack.names import LABEL_STACK, data_label

T = TypeVar("T")

SURE = 3.0
"""Seconds for a manager that did not answer to answer after all, before another one is spoken to."""
IN_USE_PATIENCE = 20.0
"""Seconds for which the removal of a network is tried while the swarm still sees tasks on it."""
_TICK = 0.05


class Shared:
    """The part of the `Engine` Protocol that is about no container."""

    def __init__(self, manager: DockerEngine, links: Links, cluster: str, pair: Collection[str] = ()) -> None:
        """`cluster` is the swarm's id; `pair` names two managers: one is spoken to when the other is lost."""
        self.manager = manager
        self.links = links
        self.services = Services(manager)
        self._cluster = cluster
        self._pair = frozenset(pair)
        self._moving = asyncio.Lock()
        self.moves: list[Callable[[], None]] = []
        self.moved = ""
        """Why another manager than the one that was asked for is spoken to, in a sentence."""

    # -- the manager -----------------------------------------------------------------------------------------------

    async def _by_a_manager(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask, and once more where the manager is lost and another one is there to be spoken to."""
        asked = self.manager
        try:
            return await ask()
        except EngineUnreachable as error:
            async with self._moving:
                if self.manager is asked and not await self._move(error):
                    raise
        return await ask()

    async def _move(self, why: EngineUnreachable) -> bool:
        """To the other manager of the pair, if the one that is spoken to does not answer and that one does."""
        for node_id, node in self.links.nodes.items():
            if node_id == self.links.manager_id or node.name not in self._pair:
                continue
            with suppress(EngineError, TimeoutError):
                async with asyncio.timeout(SURE):
                    await self.manager.wire.json("GET", "/version", "ask whether it is there")
                return False  # it was a moment's silence
            with suppress(EngineError):
                engine = await self.links.reach(node_id)
                if await membership(engine) == (node_id, self._cluster):
                    self.links.lead(node_id, why)
                    self.manager, self.services = engine, Services(engine)
                    self._forget()
                    for told in self.moves:
                        told()
                    return True
        return False

    def _forget(self) -> None:
        """Another manager is spoken to: what is known of who is called what does not hold."""

    async def plain(self, spec: ContainerSpec, name: str) -> tuple[str, str]:
        """Create a container that is no service, on the node of that name ("": the manager); its node and id. What is
        to be published on another node's address, which that one has alone, is published on its own."""
        nodes = await self.services.nodes()
        await self.links.know(nodes)
        node_id = find(tuple(nodes.values()), name).id if name else self.links.manager_id
        others = {node.address for node in nodes.values()} - {nodes[node_id].address}
        ports = tuple(replace(p, host_ip=nodes[node_id].address) if p.host_ip in others else p for p in spec.ports)
        engine = await self.links.reach(node_id)
        if name:
            await self._brought(spec.image, {node_id})
        return node_id, await engine.create(replace(spec, ports=ports))

    @property
    def away(self) -> frozenset[str]:
        """Names of the nodes whose engine is not connected to."""
        return self.links.away

    # -- networks and volumes --------------------------------------------------------------------------------------

    async def networks(self, labels: Mapping[str, str] | None = None) -> tuple[Network, ...]:
        """All networks with these labels, as the manager has them."""
        return await self.manager.networks(labels)

    async def create_network(self, spec: NetworkSpec) -> str:
        """An overlay that plain containers may join, too; a name or a subnet that is taken raises Conflict, which the
        swarm itself does not see."""
        if spec.subnet:
            wanted = ipaddress.ip_network(spec.subnet)
            for other in await self.networks():
                if any(wanted.overlaps(ipaddress.ip_network(one)) for one in other.subnets if ":" not in one):
                    raise Conflict(f"Could not create the network {spec.name}: {spec.subnet} overlaps {other.name}.")
        return await self.services.create_network(spec)

    async def remove_network(self, ref: str) -> None:
        """Remove; ends when the manager has it no more, which is some time after it said yes. Tries again for a while
        when the swarm still sees tasks on it."""
        end = time.monotonic() + IN_USE_PATIENCE
        there = {one.id for one in await self.networks() if ref in (one.id, one.name)}
        while there:
            try:
                await self.manager.remove_network(ref)
            except EngineError as error:
                going = "in use" in str(error) or "not found" in str(error)
                if not going or time.monotonic() > end:
                    raise
            if time.monotonic() > end or not there & {one.id for one in await self.networks()}:
                return
            await asyncio.sleep(_TICK)

    async def volumes(self, labels: Mapping[str, str] | None = None) -> tuple[Volume, ...]:
        """All volumes with these labels; one that several nodes have by the same name counts once."""
        await self.links.know(await self.services.nodes())
        found: dict[str, Volume] = {}
        for told in (await self.links.each(lambda engine: engine.volumes(labels))).values():
            for one in told or ():
                found.setdefault(one.name, one)
        return tuple(found.values())

    async def data_node(self, stack: str) -> str:
        """The node that has the stack's data; the manager becomes it where there is none yet."""
        label = data_label(stack)
        nodes = await self.services.nodes()
        for node in nodes.values():
            if node.labels.get(label) == "true":
                return node.id
        await self.services.label_node(self.links.manager_id, label, "true")
        return self.links.manager_id

    async def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """On the node that has the stack's data; other nodes make their own when a replica needs it."""
        node_id = await self.data_node(labels.get(LABEL_STACK, ""))
        await self.links.know(await self.services.nodes())
        await self.links.engine(node_id).create_volume(name, labels)

    async def remove_volume(self, name: str) -> None:
        """From every node that has it; missing is no error. With a stack's last one no node has its data any more."""
        await self.links.know(await self.services.nodes())
        told = await self.links.each(lambda engine: engine.volumes())
        before = {one.name: one.labels.get(LABEL_STACK, "") for listed in told.values() for one in listed or ()}
        stack = before.pop(name, "")
        having = [node for node, listed in told.items() if any(one.name == name for one in listed or ())]
        await asyncio.gather(*(self._remove_volume(self.links.engine(node), name, stack) for node in having))
        if stack and stack not in before.values():
            for node in (await self.services.nodes()).values():
                if data_label(stack) in node.labels:
                    await self.services.label_node(node.id, data_label(stack), None)

    async def _remove_volume(self, engine: DockerEngine, name: str, stack: str) -> None:
        """From one node, once what ended there of services that are gone has gone, too: the swarm removes it, but
        some time later. A node that is lost meanwhile keeps it."""
        end = time.monotonic() + IN_USE_PATIENCE
        looks = 0
        with suppress(EngineUnreachable):
            while True:
                try:
                    await engine.remove_volume(name)
                    return
                except Conflict:
                    stay = {None, *(str(one["ID"]) for one in await self.services.list({LABEL_STACK: stack}))}
                    held = await engine.containers({LABEL_STACK: stack}) if stack else ()
                    going = [one for one in held if one.labels.get(SERVICE_ID) not in stay]
                    looks = 0 if going else looks + 1  # it may have gone since
                    if looks > 1 or time.monotonic() > end:
                        raise
                for one in going:
                    if one.state in ("exited", "dead", "created"):
                        with suppress(NotFound, Conflict):  # the swarm is at it
                            await engine.remove(one.id, force=True)
                await asyncio.sleep(_TICK)

    # -- images ----------------------------------------------------------------------------------------------------

    async def images(self, labels: Mapping[str, str] | None = None) -> tuple[Image, ...]:
        """All images of the manager with these labels."""
        return await self.manager.images(labels)

    async def image(self, ref: str) -> Image | None:
        """By tag, digest or id, at the manager."""
        return await self.manager.image(ref)

    async def tag(self, ref: str, tag: str) -> None:
        """Give an image one more name, at the manager."""
        await self.manager.tag(ref, tag)

    def pull(self, ref: str) -> AsyncIterator[ImageProgress]:
        """Pull to the manager."""
        return self.manager.pull(ref)

    def build(
        self, tag: str, context: bytes, *, labels: Mapping[str, str], args: Mapping[str, str] | None = None
    ) -> AsyncIterator[ImageProgress]:
        """Build at the manager."""
        return self.manager.build(tag, context, labels=labels, args=args)

    def import_image(
        self, tag: str, chunks: AsyncIterator[bytes], *, labels: Mapping[str, str]
    ) -> AsyncIterator[ImageProgress]:
        """Import at the manager."""
        return self.manager.import_image(tag, chunks, labels=labels)

    async def remove_image(self, ref: str) -> None:
        """From every node."""
        await self.links.each(lambda engine: engine.remove_image(ref))

    async def _brought(self, ref: str, to: Collection[str] | None) -> None:
        """Have an image where `bring` has it, without a word of its progress."""
        async with aclosing(self.bring(ref, to)) as told:  # type: ignore[type-var]
            async for _ in told:
                pass

    async def bring(self, ref: str, to: Collection[str] | None = None) -> AsyncIterator[ImageProgress]:
        """Have an image of the manager's on every node that is connected to, or on these. Raises as `carry` does."""
        await self.links.know(await self.services.nodes())
        targets: dict[str, Engine] = {}
        for node_id, engine in self.links.engines.items():
            if node_id != self.links.manager_id and (to is None or node_id in to):
                name = self.links.nodes[node_id].name if node_id in self.links.nodes else node_id
                targets[f"{name} ({node_id})" if name in targets else name] = engine
        async with aclosing(carry(self.manager, ref, targets)) as told:  # type: ignore[type-var]
            async for progress in told:
                if progress.stage == "carrying":
                    yield replace(progress, text=f"to {progress.layer}")
