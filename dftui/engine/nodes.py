"""The machines of a swarm as the rest of dftui knows them: facts, and a Protocol of what is done with them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from dftui.engine.api import EngineError, ImageProgress

NodeRole = Literal["manager", "worker"]
Availability = Literal["active", "pause", "drain"]
NodeState = Literal["ready", "down", "disconnected", "unknown"]


class NoCluster(EngineError):
    """The engine is in no swarm, or is a worker of one, which is told nothing of the others."""


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of a swarm, as its managers see it. `cpus` counts cores, `memory` bytes; both are what it has, not
    what is free."""

    id: str
    name: str
    """Its host name; two nodes may have the same."""
    role: NodeRole
    leader: bool
    availability: Availability
    """Whether tasks may come ("active"), may only stay ("pause"), or have to leave ("drain")."""
    state: NodeState
    address: str
    cpus: float
    memory: int
    version: str
    """Its engine's."""
    labels: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    """What the managers say of its state, e.g. "heartbeat failure"; usually nothing."""


@dataclass(frozen=True, slots=True)
class Task:
    """One container that a service wants, or its attempt at one. `node` and `container` are "" as long as it has
    none; `state` is the swarm's own word ("pending", "running", "shutdown", …)."""

    id: str
    service: str
    """The service's name."""
    node: str
    state: str
    wanted: str
    """Where it should get to; "running" for all that are not on their way out."""
    container: str = ""
    error: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        """It runs, or is on its way to; one that waits before a restart is "ready" first."""
        return self.wanted in ("ready", "running") and self.state not in _OVER

    @property
    def runs(self) -> bool:
        """It does, and may stay."""
        return self.wanted == self.state == "running"


@dataclass(frozen=True, slots=True)
class NodeUse:
    """A node, and the services that have tasks on it, one name a task; and these tasks' containers."""

    node: Node
    tasks: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """One of `nodes --json`."""
        return {**asdict(self.node), "tasks": list(self.tasks)}


_OVER = frozenset(("complete", "shutdown", "failed", "rejected", "remove", "orphaned"))


class Cluster(Protocol):
    """A swarm, by one of its managers. Every call raises EngineError, NoCluster where there is no swarm."""

    async def nodes(self) -> tuple[Node, ...]:
        """All of them, managers first, then by name."""
        ...

    async def tasks(self) -> tuple[Task, ...]:
        """Of all services, also such as have no node."""
        ...

    async def set_availability(self, node: str, availability: Availability) -> None:
        """By the node's id. Raises NotFound."""
        ...


@runtime_checkable
class Spread(Protocol):
    """An engine of several machines."""

    @property
    def away(self) -> frozenset[str]:
        """Names of those whose own engine is not connected to."""
        ...

    @property
    def moves(self) -> list[Callable[[], None]]:
        """What is called when another manager is spoken to from now on."""
        ...

    def bring(self, ref: str) -> AsyncIterator[ImageProgress]:
        """Have an image on every machine, as it is; progress by machine."""
        ...


def find(nodes: tuple[Node, ...], who: str) -> Node:
    """The node called so: by its name, or the beginning of its id. Raises EngineError, naming those there are."""
    found = [node for node in nodes if node.name == who]
    found = found or [node for node in nodes if len(who) >= 4 and node.id.startswith(who)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(node.id for node in found)
        raise EngineError(f"There are {len(found)} nodes called {who}.", f"Name one by its id: {ids}.")
    raise EngineError(f"There is no node {who}.", "There are: " + ", ".join(node.name for node in nodes) + ".")
