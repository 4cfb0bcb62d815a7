"""One engine for each node of a swarm: found, spoken to, and left alone for a while when it does not answer.

What the stack file names is taken first; for the other nodes the way to the manager says it: over ssh the same user,
over TCP the same port, and from the manager itself ssh to the node's address.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TypeVar
from urllib.parse import urlsplit

from dftui.engine.api import EngineError, EngineUnreachable
from dftui.engine.docker import DockerEngine
from dftui.engine.nodes import Node

T = TypeVar("T")

PATIENCE = 3.0
"""Seconds for a node's engine to answer when all nodes are asked."""
SILENT = 3
"""Times in a row that one may not have answered by then; it is connected to anew after that."""
FIRST_PATIENCE = 5.0
"""And to be connected to, the first time."""
REST = 3.0
"""Seconds that a node is not asked again after it did not answer."""
Connect = Callable[[str], Awaitable[DockerEngine]]


def address_of(node: Node, manager: str, named: Mapping[str, str]) -> str:
    """Where a node's engine is spoken to."""
    if told := named.get(node.name) or named.get(node.id) or named.get(node.address):
        return told
    host = f"[{node.address}]" if ":" in node.address else node.address
    parts = urlsplit(manager)
    if parts.scheme == "ssh":
        user = f"{parts.username}@" if parts.username else ""
        return f"ssh://{user}{host}" + (f":{parts.port}" if parts.port else "")
    if parts.scheme in ("tcp", "http", "https"):
        return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
    return f"ssh://{host}"


class Links:
    """The nodes' engines by the nodes' ids; the manager's own is one of them."""

    def __init__(self, manager: DockerEngine, node_id: str, named: Mapping[str, str], connect: Connect) -> None:
        self.manager = manager
        self.manager_id = node_id
        self._named = dict(named)
        self._connect = connect
        self._engines: dict[str, DockerEngine] = {node_id: manager}
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._rest: dict[str, float] = {}
        self._why: dict[str, str] = {}
        self._silent: dict[str, int] = {}
        self.nodes: dict[str, Node] = {}
        self.changed = asyncio.Event()
        """Set when a node's engine was connected to anew."""

    @property
    def engines(self) -> Mapping[str, DockerEngine]:
        """Those that are connected to."""
        return dict(self._engines)

    @property
    def missing(self) -> bool:
        """Some node's engine is not connected to."""
        return bool(set(self.nodes) - set(self._engines))

    @property
    def away(self) -> frozenset[str]:
        """Names of the nodes whose engine is not connected to."""
        return frozenset(node.name for node_id, node in self.nodes.items() if node_id not in self._engines)

    def lead(self, node_id: str, why: object) -> None:
        """Speak to another manager from now on, which is connected to; the one before does not answer."""
        before = self.manager_id
        self.manager, self.manager_id = self._engines[node_id], node_id
        self.give_up(before, why)

    def engine(self, node_id: str) -> DockerEngine:
        """The engine of a node. Raises EngineUnreachable, naming it, where there is none."""
        if node_id in self._engines:
            return self._engines[node_id]
        node = self.nodes.get(node_id)
        name = node.name if node else node_id
        raise EngineUnreachable(
            f"The engine of the node {name} is not connected to: {self._why.get(node_id) or 'it does not answer'}.",
            f"Say in dftui.yaml how it is reached: nodes: {{{name}: ssh://user@{name}}}",
        )

    async def reach(self, node_id: str) -> DockerEngine:
        """The engine of a node, connected to now if it is not. Raises EngineUnreachable."""
        if node_id in self.nodes and node_id not in self._engines:
            if node_id not in self._opening:
                self._opening[node_id] = asyncio.create_task(self._open(self.nodes[node_id]))
            await asyncio.wait((self._opening[node_id],), timeout=FIRST_PATIENCE)
        return self.engine(node_id)

    async def know(self, nodes: Mapping[str, Node]) -> None:
        """These are the nodes now: connect to the new ones, and wait for a moment until that is done."""
        self.nodes = dict(nodes)
        for gone in set(self._engines) - set(nodes) - {self.manager_id}:
            await self._engines.pop(gone).close()
        now = time.monotonic()
        for node_id in nodes:
            open_now = node_id in self._engines or node_id in self._opening
            if not open_now and self._rest.get(node_id, 0) <= now:
                self._opening[node_id] = asyncio.create_task(self._open(nodes[node_id]))
        fresh = [task for node_id, task in self._opening.items() if node_id not in self._why]
        if fresh:
            await asyncio.wait(fresh, timeout=FIRST_PATIENCE)

    async def _open(self, node: Node) -> None:
        engine: DockerEngine | None = None
        try:
            engine = await self._connect(address_of(node, self.manager.address.url, self._named))
            told = await engine.wire.json("GET", "/info", "ask which node it is", timeout=PATIENCE * 5)
            there = str(((told or {}).get("Swarm") or {}).get("NodeID") or "")
            if there != node.id:
                raise EngineError(f"what answers at {engine.address.url} is another node of a swarm, or none")
            self._engines[node.id], engine = engine, None
            self._why.pop(node.id, None)
            self._silent.pop(node.id, None)
            self.changed.set()
        except EngineError as error:
            self._why[node.id] = str(error).rstrip(".")
            self._rest[node.id] = time.monotonic() + REST
        finally:
            self._opening.pop(node.id, None)
            if engine is not None:
                await engine.close()

    def give_up(self, node_id: str, error: object) -> None:
        """A node's engine does not answer: not asked again for a while."""
        if node_id == self.manager_id or (engine := self._engines.pop(node_id, None)) is None:
            return
        self._why[node_id] = str(error).rstrip(".")
        self._rest[node_id] = time.monotonic() + REST
        task = asyncio.create_task(engine.close())
        self._opening[f"close {node_id} {id(engine)}"] = task
        task.add_done_callback(lambda _: self._opening.pop(f"close {node_id} {id(engine)}", None))

    async def each(self, ask: Callable[[DockerEngine], Awaitable[T]]) -> dict[str, T | None]:
        """What every node answers, None where one does not; the manager's own failure is raised."""

        async def one(node_id: str, engine: DockerEngine) -> tuple[str, T | None]:
            if node_id == self.manager_id:
                return node_id, await ask(engine)
            try:
                async with asyncio.timeout(PATIENCE):
                    answer = await ask(engine)
                self._silent.pop(node_id, None)
                return node_id, answer
            except EngineUnreachable as error:
                self.give_up(node_id, error)
            except TimeoutError:
                self._silent[node_id] = self._silent.get(node_id, 0) + 1
                if self._silent[node_id] >= SILENT:
                    self.give_up(node_id, "it does not answer in time")
            return node_id, None

        found = dict(await asyncio.gather(*(one(*pair) for pair in self._engines.items())))
        return {node_id: found.get(node_id) for node_id in {*self.nodes, *found}}

    async def close(self) -> None:
        """Let go of all."""
        for task in tuple(self._opening.values()):
            task.cancel()
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        for engine in self._engines.values():
            with suppress(EngineError):
                await engine.close()
