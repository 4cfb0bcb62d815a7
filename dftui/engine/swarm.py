"""A Docker Swarm behind the `Engine` Protocol: what is created with a `place` is a service of exactly one replica.

The scheduler places and restarts; dftui drains in the balancer and then removes the service, for the scheduler's own
scale-down stops a task at once.  A container is known by its own id and its service's name, and whatever is done in
it is done by the engine of the node that has it.  Images and networks are asked for at the manager, which also runs
what has no `place` as plain containers: the balancer and what helps for a moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any, TypeVar

from dftui.engine import swarm_events
from dftui.engine.api import (
    Attachment,
    ByteStream,
    Conflict,
    Container,
    ContainerDetail,
    ContainerSpec,
    EngineError,
    EngineInfo,
    EngineUnreachable,
    Event,
    ExecResult,
    File,
    LogLine,
    NotFound,
    Session,
    Stats,
)
from dftui.engine.docker import DockerEngine
from dftui.engine.swarm_links import Connect, Links
from dftui.engine.swarm_secrets import Secrets, behind, into, told
from dftui.engine.swarm_services import membership
from dftui.engine.swarm_shape import SERVICE_ID, container_id, merge, named, seen_from, service_body
from dftui.engine.swarm_shared import Shared
from dftui.stack.names import LABEL_STACK

T = TypeVar("T")

JUST = 5.0
"""Seconds within which a start belongs to the creation before it."""
_MOST_KNOWN = 5000


async def open_swarm(
    manager: DockerEngine, named_nodes: Mapping[str, str], connect: Connect, pair: Collection[str] = ()
) -> SwarmEngine:
    """A swarm by one of its managers; when that is lost, by the other of the `pair`. Raises NoCluster where it is no
    manager."""
    node_id, cluster = await membership(manager)
    return SwarmEngine(manager, node_id, cluster, named_nodes, connect, pair)


class SwarmEngine(Shared):
    """A swarm, spoken to at one of its managers; made by `open_swarm`."""

    def __init__(
        self,
        manager: DockerEngine,
        node_id: str,
        cluster: str,
        named_nodes: Mapping[str, str],
        connect: Connect,
        pair: Collection[str] = (),
    ) -> None:
        super().__init__(manager, Links(manager, node_id, named_nodes, connect), cluster, pair)
        self._known: dict[str, tuple[str, str, str]] = {}
        """Node, container and service ("" for a plain one) by id and by name, as last seen."""
        self._made: dict[str, float] = {}
        """When each container of a service was made here (monotonic seconds) that was not started since."""
        self._secrets = Secrets(manager)
        self._has: dict[str, dict[str, str]] = {}
        """The secrets of each container that has some, by variable."""

    # -- what answers ----------------------------------------------------------------------------------------------

    async def info(self) -> EngineInfo:
        """The manager, under the swarm's id: another manager of it is the same engine."""

        async def ask() -> EngineInfo:
            return replace(await self.manager.info(), kind="swarm", id=self._cluster)

        return await self._by_a_manager(ask)

    # -- who is where ----------------------------------------------------------------------------------------------

    async def containers(self, labels: Mapping[str, str] | None = None) -> tuple[Container, ...]:
        """All containers with these labels, whichever node has them; a node that does not answer is told for by the
        swarm."""
        return await self._by_a_manager(lambda: self._containers(labels))

    async def _containers(self, labels: Mapping[str, str] | None) -> tuple[Container, ...]:
        await self.links.know(await self.services.nodes())
        services, tasks, listed = await asyncio.gather(
            self.services.list(labels),
            self.services.tasks(labels),
            self.links.each(lambda engine: engine.containers(labels)),
        )
        found = seen_from(self.links.manager_id, merge(services, tasks, self.links.nodes, listed))
        if labels is None or len(self._known) > _MOST_KNOWN:
            self._known.clear()
            self._has.clear()
        for one, node_id in found:
            self._note(one, node_id)
        return tuple(one for one, _ in found)

    def _forget(self) -> None:
        self._known.clear()
        self._secrets = Secrets(self.manager)

    def _note(self, one: Container, node_id: str) -> None:
        service = one.labels.get(SERVICE_ID, "") or self.services.id_of(one.name)
        place = node_id, "" if one.pending or one.id == service else one.id, service
        for key in (one.id, one.name, one.short):
            self._known[key] = place
        if place[1] and (secrets := told(one.labels)):
            self._has[one.id] = secrets

    async def _find(self, ref: str, *, anew: bool = False) -> tuple[str, str, str]:
        """Node, container and service of what is called so. What no look has seen is the manager's own."""
        if anew or ref not in self._known:
            self._known.pop(ref, None)
            await self.containers()
        return self._known.get(ref, (self.links.manager_id, ref, ""))

    async def _at(self, ref: str, doing: str, *, anew: bool = False) -> tuple[DockerEngine, str]:
        node_id, container, _ = await self._find(ref, anew=anew)
        if not container:
            raise Conflict(f"Could not {doing}: its service has no container now.")
        return await self.links.reach(node_id), container

    async def _there(self, ref: str, doing: str, ask: Callable[[DockerEngine, str], Awaitable[T]]) -> T:
        """Ask the engine that has a container; where it is there no more, once more where it is now."""
        engine, container = await self._at(ref, doing)
        try:
            return await ask(engine, container)
        except (NotFound, Conflict):
            again = await self._at(ref, doing, anew=True)
            if again == (engine, container):
                raise
            return await ask(*again)

    async def inspect(self, ref: str) -> ContainerDetail:
        """By name or id."""
        _, container, service = await self._find(ref)
        if service and not container:
            one = next((c for c in await self.containers() if c.id == service), None)
            if one is not None:
                return ContainerDetail(one, {}, error=one.pending)
        detail = await self._there(ref, f"look at {ref}", lambda engine, there: engine.inspect(there))
        node_id = (await self._find(detail.container.id))[0]
        node = self.links.nodes.get(node_id)
        if secrets := told(detail.container.labels):
            values = await self._secrets.read(self.links.engine(node_id), detail.container.id, secrets)
            detail = replace(detail, env={**detail.env, **values})
        return replace(detail, container=named(detail.container, node.name if node else ""))

    # -- life ------------------------------------------------------------------------------------------------------

    async def create(self, spec: ContainerSpec) -> str:
        """A plain container at the manager, not started; or with a `place` a service, and its container, which runs
        when this ends."""
        kind, _, name = spec.place.partition(":")
        if kind in ("", "node"):
            node_id, ref = await self.plain(spec, name)
            self._known |= dict.fromkeys((ref,) if name else (ref, spec.name), (node_id, ref, ""))
            return ref
        if spec.files or spec.ports:
            raise EngineError(f"Could not create {spec.name}: a service of dftui's has neither files nor ports.")
        stack = spec.labels.get(LABEL_STACK, "")
        image = await self.manager.image(spec.image)
        if image is None:
            raise NotFound(f"Could not create {spec.name}: No such image: {spec.image}.")
        where = {await self.data_node(stack)} if spec.place == "data" else None
        with suppress(EngineUnreachable):  # a node that has just been lost gets no task either
            await self._brought(spec.image, where)
        ids = {one.name: one.id for one in await self.networks()}
        if missing := [one.network for one in spec.networks if one.network not in ids]:
            raise NotFound(f"Could not create {spec.name}: network {missing[0]} not found.")
        service = await self._service(spec, image.id, service_body(spec, image.id, ids))
        try:
            task = await self.services.until_runs(service, spec.name)
        except BaseException:
            await asyncio.shield(self._undo(service, spec.name))
            raise
        found = self._placed(task, service)
        for key in (found[1], found[1][:12], spec.name):
            self._known[key] = found
        self._made[found[1]] = time.monotonic()
        return found[1]

    async def _service(self, spec: ContainerSpec, image_id: str, body: dict[str, Any]) -> str:
        if not spec.secrets:
            return await self.services.create(spec.name, body)
        for again in (True, False):
            into(body, spec, await self._secrets.hide(spec, image_id))
            try:
                return await self.services.create(spec.name, body)
            except EngineError as error:  # the last service that had one was removed meanwhile, and it with that
                if not again or "secret" not in str(error):
                    raise
        raise AssertionError

    def _placed(self, task: Mapping[str, Any], service: str) -> tuple[str, str, str]:
        ref = container_id(task)
        labels = ((task.get("Spec") or {}).get("ContainerSpec") or {}).get("Labels") or {}
        if secrets := told(labels):
            self._has[ref] = secrets
        return str(task.get("NodeID") or ""), ref, service

    async def _undo(self, service: str, name: str) -> None:
        with suppress(EngineError):  # the first error is the one to tell
            await self.services.remove(service, name)

    async def start(self, ref: str) -> None:
        """Start; a service that is being placed is waited for. What `create` has just made runs, or has ended."""
        if time.monotonic() - self._made.pop(ref, -JUST) < JUST:
            return
        node_id, container, service = await self._find(ref)
        if not service:
            await self.links.engine(node_id).start(container)
            return
        task = await self.services.scaled(service, 1, ref)
        if task is not None:
            self._known[ref] = self._placed(task, service)

    async def stop(self, ref: str, timeout: float = 10.0) -> None:
        """SIGTERM, then SIGKILL; of a service by its scale, for it would be started again."""
        node_id, container, service = await self._find(ref)
        if not service:
            await self.links.engine(node_id).stop(container, timeout)
            return
        await self.services.scaled(service, 0, ref)
        if container:
            with suppress(NotFound, EngineUnreachable):
                await self.links.engine(node_id).stop(container, timeout)

    async def restart(self, ref: str, timeout: float = 10.0) -> None:
        """Stop and start again; a service's container is another one then."""
        _, _, service = await self._find(ref)
        if not service:
            await self._there(ref, f"restart {ref}", lambda engine, there: engine.restart(there, timeout))
            return
        await self.stop(ref, timeout)
        await self.start(ref)

    async def kill(self, ref: str, signal: str = "SIGKILL") -> None:
        """Send a signal to PID 1; a service's container that ends by it is made anew by the scheduler."""
        await self._there(ref, f"send {signal} to {ref}", lambda engine, there: engine.kill(there, signal))

    async def pause(self, ref: str) -> None:
        """Freeze all processes."""
        await self._there(ref, f"pause {ref}", lambda engine, there: engine.pause(there))

    async def unpause(self, ref: str) -> None:
        """And thaw them."""
        await self._there(ref, f"unpause {ref}", lambda engine, there: engine.unpause(there))

    async def rename(self, ref: str, name: str) -> None:
        """Give a container another name; a service keeps its own."""
        if (await self._find(ref))[2]:
            raise EngineError(f"{ref} is a service of a swarm, which cannot be renamed.")
        await self._there(ref, f"rename {ref} to {name}", lambda engine, there: engine.rename(there, name))

    async def remove(self, ref: str, force: bool = False) -> None:
        """Remove a container, or a service with its own; missing is no error."""
        node_id, container, service = await self._find(ref)
        if not service:
            with suppress(NotFound):
                await self.links.engine(node_id).remove(container, force)
        else:
            if not force and container:
                with suppress(NotFound, EngineUnreachable):
                    state = (await self.links.engine(node_id).inspect(container)).container.state
                    if state in ("running", "paused"):
                        raise Conflict(f"Could not remove {ref}: it is {state}.")
            stack = await self.services.remove(service, ref)
            if container:
                with suppress(NotFound, EngineUnreachable):  # a lost node's goes when it comes back
                    await self.links.engine(node_id).remove(container, force=True)
            if stack:
                await self._secrets.sweep(stack, await self.services.list({LABEL_STACK: stack}))
        self._made.pop(container, None)
        for key in [key for key, place in self._known.items() if place == (node_id, container, service)]:
            del self._known[key]

    # -- inside ----------------------------------------------------------------------------------------------------

    async def put_file(self, ref: str, file: File) -> None:
        """Lay a file into a container."""
        await self._there(ref, f"lay {file.path} into {ref}", lambda engine, there: engine.put_file(there, file))

    async def get_file(self, ref: str, path: str) -> bytes:
        """Read a file."""
        return await self._there(ref, f"read {path} in {ref}", lambda engine, there: engine.get_file(there, path))

    async def get_archive(self, ref: str, path: str) -> AsyncIterator[bytes]:
        """A folder or file as a tar."""
        engine, there = await self._at(ref, f"read {path} in {ref}")
        async with aclosing(engine.get_archive(there, path)) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                yield piece

    async def put_archive(self, ref: str, path: str, chunks: AsyncIterator[bytes]) -> None:
        """Unpack a tar into a folder that exists."""
        engine, there = await self._at(ref, f"unpack files into {path} in {ref}")
        await engine.put_archive(there, path, chunks)

    async def exec(
        self,
        ref: str,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        user: str = "",
        timeout: float = 30.0,
    ) -> ExecResult:
        """Run to its end, on the node that has it."""

        async def run(engine: DockerEngine, there: str) -> ExecResult:
            words = self._inside(there, argv, env)
            return await engine.exec(there, words, env=env, stdin=stdin, user=user, timeout=timeout)

        return await self._there(ref, f"run {argv[0]} in {ref}", run)

    async def exec_stream(
        self, ref: str, argv: tuple[str, ...], *, env: Mapping[str, str] | None = None, user: str = ""
    ) -> ByteStream:
        """Run with stdin and stdout held open."""

        async def run(engine: DockerEngine, there: str) -> ByteStream:
            return await engine.exec_stream(there, self._inside(there, argv, env), env=env, user=user)

        return await self._there(ref, f"run {argv[0]} in {ref}", run)

    async def exec_session(
        self,
        ref: str,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str] | None = None,
        user: str = "",
        size: tuple[int, int] | None = None,
    ) -> Session:
        """Run at a terminal of `size`, or without one at a pipe."""

        async def run(engine: DockerEngine, there: str) -> Session:
            return await engine.exec_session(there, self._inside(there, argv, env), env=env, user=user, size=size)

        return await self._there(ref, f"run {argv[0]} in {ref}", run)

    def _inside(self, container: str, argv: tuple[str, ...], env: Mapping[str, str] | None) -> tuple[str, ...]:
        return behind(set(self._has.get(container, ())) - set(env or ()), argv)

    async def connect(self, network: str, ref: str, attachment: Attachment) -> None:
        """Join a plain container to a network; a service is on all of its networks from the start."""
        node_id, container, service = await self._find(ref)
        if service:
            raise NotFound(f"Could not join {ref} to the network {network}: a service joins when it is made.")
        await self.links.engine(node_id).connect(network, container, attachment)

    # -- streams ---------------------------------------------------------------------------------------------------

    async def events(self, labels: Mapping[str, str] | None = None, since: float = 0.0) -> AsyncIterator[Event]:
        """Every node's events, and when a node or service changes; raises EngineUnreachable when the manager goes."""
        await self.links.know(await self._by_a_manager(lambda: self.services.nodes()))
        async with aclosing(swarm_events.merged(self.links, labels, since)) as events:
            async for event in events:
                yield event

    async def logs(
        self, ref: str, *, follow: bool = False, tail: int | None = None, since_ns: int = 0
    ) -> AsyncIterator[Sequence[LogLine]]:
        """Batches of lines, from the node that has it."""
        engine, there = await self._at(ref, f"read the log of {ref}")
        async with aclosing(engine.logs(there, follow=follow, tail=tail, since_ns=since_ns)) as lines:  # type: ignore[type-var]
            async for batch in lines:
                yield batch

    async def stats(self, ref: str) -> AsyncIterator[Stats]:
        """A sample each second or two, from the node that has it."""
        engine, there = await self._at(ref, f"read the figures of {ref}")
        async with aclosing(engine.stats(there)) as samples:  # type: ignore[type-var]
            async for sample in samples:
                yield sample

    async def close(self) -> None:
        """Let go of every node."""
        await self.links.close()
