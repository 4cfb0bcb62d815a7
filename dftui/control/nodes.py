"""The machines of a swarm: what runs on each, and taking one out of use without losing a request."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from dftui.control.effects import Effect, refusal
from dftui.control.errors import ActionError
from dftui.control.history import note_receipt, recorded
from dftui.control.steps import Progress, Report, ignore
from dftui.engine.api import Engine, EngineError
from dftui.engine.nodes import Cluster, Node, NodeUse, Task, find
from dftui.stack import names

PATIENCE = 180.0
"""Seconds for what runs on a node to be elsewhere."""
TICK = 0.25
_PINNED = {"db": "database", "cache": "cache"}

Replace = Callable[[Sequence[str]], Awaitable[object]]
"""Replaces the replicas of these names, a new one first: each is drained in the balancer before it ends."""


@dataclass(frozen=True, slots=True)
class NodeReceipt:
    """What draining or activating a node did. `moved` are services whose tasks run elsewhere now; `waiting` those
    that find no place, with the scheduler's reason; `replaced` the replicas that left by way of the balancer."""

    node: str
    before: str
    availability: str
    moved: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    """Tasks of services that run once on each node: there is no other place for them."""
    waiting: dict[str, str] = field(default_factory=dict)
    replaced: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """`nodes drain --json`."""
        return {**asdict(self), "seconds": round(self.seconds, 3)}

    @property
    def text(self) -> str:
        """The receipt in a sentence."""
        if self.availability == "active":
            if self.before == "active":
                return f"{self.node} takes tasks, as before."
            return f"{self.node} takes tasks again; those that run elsewhere stay there."
        count = len(self.moved)
        parts = [f"{count} task{'s' if count != 1 else ''} moved in {self.seconds:.1f} s"]
        if self.replaced:
            parts.append(f"{len(self.replaced)} of them replicas, drained in the balancer first")
        if self.ended:
            parts.append(f"{len(self.ended)} ended, of services that run once on each node")
        if self.waiting:
            told = "; ".join(f"{name} ({why})" for name, why in sorted(self.waiting.items()))
            parts.append(f"no place for {told}")
        return f"{self.node} is drained: {', '.join(parts)}."


async def look(cluster: Cluster) -> tuple[NodeUse, ...]:
    """Every node, with what runs on it or is on its way there."""
    nodes, tasks = await asyncio.gather(cluster.nodes(), cluster.tasks())
    found: list[NodeUse] = []
    for node in nodes:
        there = [task for task in tasks if task.node == node.id and task.alive]
        services = tuple(sorted(task.service for task in there))
        found.append(NodeUse(node, services, tuple(task.container for task in there if task.container)))
    return tuple(found)


class Nodes:
    """Acts on the nodes of the swarm that a stack is on, or could be."""

    def __init__(
        self,
        engine: Engine,
        cluster: Cluster,
        stack: str,
        replace: Replace,
        report: Report = ignore,
        *,
        read_only: str = "",
    ) -> None:
        self._read_only = read_only
        self._engine = engine
        self._cluster = cluster
        self._stack = stack
        self._replace = replace
        self._report = report

    async def drain(self, who: str, *, pinned_too: bool = False) -> NodeReceipt:
        """Have a node's tasks run elsewhere, and none come to it: the stack's replicas by way of the balancer, one by
        one, then the rest by the scheduler. A database or a cache cannot leave its data: a node that has one is
        refused, unless `pinned_too`. Raises ActionError."""
        return await self._acting(f"drain node {who}", lambda: self._drain(who, pinned_too))

    async def activate(self, who: str) -> NodeReceipt:
        """Let tasks come to a node again. Raises ActionError."""
        return await self._acting(f"activate node {who}", lambda: self._activate(who))

    async def _acting(self, what: str, work: Callable[[], Awaitable[NodeReceipt]]) -> NodeReceipt:
        if refused := refusal(Effect.CHANGE, self._read_only):
            raise ActionError(refused)
        try:
            async with recorded(self._engine, self._stack, what):
                receipt = await work()
                note_receipt(receipt.to_json())
                return receipt
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    async def _activate(self, who: str) -> NodeReceipt:
        begin = time.monotonic()
        node = find(await self._cluster.nodes(), who)
        progress = Progress("nodes", self._report, total=1)
        with progress.step(f"activate {node.name}", command=_command(node, "active")):
            await self._cluster.set_availability(node.id, "active")
        return NodeReceipt(node.name, node.availability, "active", seconds=time.monotonic() - begin)

    async def _drain(self, who: str, pinned_too: bool) -> NodeReceipt:
        begin = time.monotonic()
        nodes, tasks = await asyncio.gather(self._cluster.nodes(), self._cluster.tasks())
        node = find(nodes, who)
        mine = [task for task in tasks if task.node == node.id and task.alive]
        if not any(one.id != node.id and _takes(one) for one in nodes):
            raise ActionError(
                f"no other node is ready to take what runs on {node.name}; nothing was done",
                "activate another one first: dftui nodes",
            )
        pinned = [task for task in mine if task.labels.get(names.LABEL_ROLE) in _PINNED]
        if pinned and not pinned_too:
            kind = _PINNED[pinned[0].labels[names.LABEL_ROLE]]
            raise ActionError(
                f"{node.name} has {pinned[0].service}, a {kind} that cannot leave its data: the stack would stop; "
                "nothing was done",
                f"`dftui nodes drain {node.name} --yes` goes ahead all the same",
            )
        progress = Progress("nodes", self._report, total=len(mine) + 1)
        replaced = await self._by_the_balancer(node, {task.container for task in mine}, progress)
        with progress.step(f"drain {node.name}", command=_command(node, "drain")):
            await self._cluster.set_availability(node.id, "drain")
        before = {task.id for task in mine}
        waiting = await self._until_elsewhere(node, before, {task.service for task in mine}, progress)
        moved, ended = _sorted_out(mine, tasks, await self._cluster.tasks(), {*waiting}, replaced)
        return NodeReceipt(
            node.name,
            node.availability,
            "drain",
            moved=moved,
            ended=ended,
            waiting=waiting,
            replaced=replaced,
            seconds=time.monotonic() - begin,
        )

    async def _by_the_balancer(self, node: Node, ids: Collection[str], progress: Progress) -> tuple[str, ...]:
        """Replace the stack's own replicas that run there, while nothing new may come to the node."""
        labels = {names.LABEL_STACK: self._stack, names.LABEL_ROLE: "web"}
        webs = sorted(c.name for c in await self._engine.containers(labels) if c.id in ids)
        if not webs:
            return ()
        with progress.step(f"let nothing new come to {node.name}", command=_command(node, "pause"), work=0):
            await self._cluster.set_availability(node.id, "pause")
        try:
            await self._replace(webs)
        except BaseException:
            with suppress(EngineError):  # the first error is the one to tell
                await asyncio.shield(self._cluster.set_availability(node.id, node.availability))
            raise
        return tuple(webs)

    async def _until_elsewhere(
        self, node: Node, before: Collection[str], services: Collection[str], progress: Progress
    ) -> dict[str, str]:
        """Wait for the tasks to have ended there and to run elsewhere; what finds no place, with the reason."""
        end = time.monotonic() + PATIENCE
        told = -1
        while True:
            tasks = await self._cluster.tasks()
            # What a lost node has, nobody can end, and it is not waited for.
            reached = node.state == "ready"
            there = [task for task in tasks if reached and task.id in before and task.state == "running"]
            coming = [task for task in tasks if task.service in services and task.alive and not task.runs]
            waiting = {task.service: task.error for task in coming if not task.node and task.error}
            left = len(there) + sum(task.service not in waiting for task in coming)
            if not left:
                return waiting
            if left != told:
                told = left
                progress.tell(f"{left} tasks are still to move from {node.name}", state="running")
            if time.monotonic() > end:
                slow = ", ".join(sorted({task.service for task in (*there, *coming)}))
                raise ActionError(
                    f"{node.name} gets no more tasks, but after {PATIENCE:.0f} s these have not moved: {slow}",
                    f"look at them: docker node ps {node.name}",
                )
            await asyncio.sleep(TICK)


def _sorted_out(
    mine: Sequence[Task],
    before: Sequence[Task],
    after: Sequence[Task],
    waiting: Collection[str],
    new: Collection[str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The services of the tasks that have left, once a task: those that run elsewhere now, and those that do not. A
    replica that another one took the place of has moved, too."""
    elsewhere = Counter(task.service for task in before if task.alive) - Counter(task.service for task in mine)
    more = Counter(task.service for task in after if task.runs) - elsewhere
    moved: list[str] = []
    ended: list[str] = []
    for name in sorted(task.service for task in mine):
        if name in new or more[name] > 0:
            more[name] -= 1
            moved.append(name)
        elif name not in waiting:
            ended.append(name)
    return tuple(moved), tuple(ended)


def _takes(node: Node) -> bool:
    return node.state == "ready" and node.availability == "active"


def _command(node: Node, availability: str) -> str:
    return f"docker node update --availability {availability} {node.name}"
