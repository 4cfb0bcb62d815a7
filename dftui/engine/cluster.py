"""A swarm's nodes and tasks over a manager's API.

Source of the shapes: Docker Engine API 1.41, "Nodes", "Tasks" and "Services".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from dftui.engine.api import Engine, EngineError
from dftui.engine.errors import one_line
from dftui.engine.nodes import Availability, NoCluster, Node, NodeState, Task
from dftui.engine.wire import Wire

OUT_OF_STEP = 5
"""Times that a change is tried anew because somebody else has changed the same node meanwhile."""
_NO_MANAGER = ("not a swarm manager", "not part of a swarm")


def cluster_of(engine: Engine) -> ManagerCluster:
    """The swarm of the engine, or of the manager that it speaks to; whether there is one shows at the first call.
    Raises NoCluster for an engine that has none."""
    wire = getattr(getattr(engine, "manager", engine), "wire", None)
    if not isinstance(wire, Wire):
        raise NoCluster("This engine is no Docker Engine, so it is in no swarm.")
    return ManagerCluster(wire)


@dataclass(frozen=True, slots=True)
class Membership:
    """What an engine is in its swarm: "manager", "worker", "inactive" (in none), or what keeps it from being either
    ("pending", "locked", "error"); and the addresses of the managers that it knows."""

    state: str
    managers: tuple[str, ...] = ()


class ManagerCluster:
    """See `Cluster`. It opens a connection for each call and keeps none."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def nodes(self) -> tuple[Node, ...]:
        """All of them, managers first, then by name."""
        found = [node_of(raw) for raw in await self._ask("GET", "/nodes", "list the swarm's nodes")]
        return tuple(sorted(found, key=lambda node: (node.role != "manager", node.name, node.id)))

    async def tasks(self) -> tuple[Task, ...]:
        """Of all services, also such as have no node."""
        doing = "list the swarm's tasks"
        services, tasks = await asyncio.gather(
            self._ask("GET", "/services", doing), self._ask("GET", "/tasks", doing)
        )
        names = {str(raw.get("ID")): str((raw.get("Spec") or {}).get("Name") or "") for raw in services}
        return tuple(task_of(raw, names) for raw in tasks)

    async def set_availability(self, node: str, availability: Availability) -> None:
        """By the node's id; one that has it already is no error. Raises NotFound."""
        doing = f"set the node {node} to {availability}"
        for again in range(OUT_OF_STEP):
            raw = await self._ask("GET", f"/nodes/{node}", doing)
            spec: dict[str, Any] = dict(raw.get("Spec") or {})
            if spec.get("Availability") == availability:
                return
            query = {"version": str((raw.get("Version") or {}).get("Index", 0))}
            body = {**spec, "Availability": availability}
            try:
                await self._ask("POST", f"/nodes/{node}/update", doing, query=query, body=body)
                return
            except EngineError as error:
                if "out of sequence" not in str(error) or again == OUT_OF_STEP - 1:
                    raise

    async def _ask(
        self, method: str, path: str, doing: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        try:
            return await self._wire.json(method, path, doing, query=query, json_body=body)
        except EngineError as error:
            words = str(error)
            if any(text in words for text in _NO_MANAGER):
                raise await self.why_not() from None
            if "does not have a leader" in words:
                raise EngineError(
                    f"Could not {doing}: the swarm has no leader. It elects one within some seconds, unless half of "
                    "its managers or more are lost.",
                    "If it stays so, start the lost managers again; services that run go on meanwhile.",
                ) from None
            raise

    async def membership(self) -> Membership:
        """What the engine is in its swarm. Raises EngineError."""
        said = (await self._wire.json("GET", "/info", "ask for its swarm")).get("Swarm") or {}
        state = str(said.get("LocalNodeState") or "inactive")
        role = "manager" if said.get("ControlAvailable") else "worker"
        managers = tuple(str(one.get("Addr") or "") for one in said.get("RemoteManagers") or ())
        return Membership(role if state == "active" else state, managers)

    async def why_not(self) -> NoCluster:
        """A worker and an engine of its own say the same of themselves; this tells them apart."""
        here = await self.membership()
        where = self._wire.address.url
        if here.state == "worker":
            return NoCluster(
                f"The engine at {where} is a worker of its swarm, and only a manager tells of the nodes.",
                f"Name a manager with --docker; they are at {one_line(', '.join(here.managers))}.",
            )
        if here.state == "locked":
            return NoCluster(f"The swarm at {where} is locked.", "Unlock it there: docker swarm unlock.")
        if here.state == "inactive":
            return NoCluster(f"The engine at {where} is in no swarm.", "`docker swarm init` there makes it one.")
        return NoCluster(f"The engine at {where} cannot speak for its swarm now (it is {here.state}).")


def node_of(raw: Mapping[str, Any]) -> Node:
    """A node of `GET /nodes`."""
    spec, status, told = raw.get("Spec") or {}, raw.get("Status") or {}, raw.get("Description") or {}
    manager = raw.get("ManagerStatus") or {}
    has = told.get("Resources") or {}
    state = str(status.get("State") or "unknown")
    address = str(status.get("Addr") or "")
    if manager and address in ("", "0.0.0.0", "127.0.0.1"):  # what a manager may think of itself
        address = str(manager.get("Addr") or "").rpartition(":")[0]
    return Node(
        id=str(raw.get("ID") or ""),
        name=str(told.get("Hostname") or ""),
        role="manager" if spec.get("Role") == "manager" else "worker",
        leader=bool(manager.get("Leader")),
        availability=cast(Availability, spec.get("Availability") or "active"),
        state=cast(NodeState, state) if state in ("ready", "down", "disconnected") else "unknown",
        address=address,
        cpus=int(has.get("NanoCPUs") or 0) / 1e9,
        memory=int(has.get("MemoryBytes") or 0),
        version=str((told.get("Engine") or {}).get("EngineVersion") or ""),
        labels=dict(spec.get("Labels") or {}),
        message=one_line(str(status.get("Message") or "")),
    )


def task_of(raw: Mapping[str, Any], services: Mapping[str, str]) -> Task:
    """A task of `GET /tasks`; `services` are names by id."""
    status = raw.get("Status") or {}
    service = str(raw.get("ServiceID") or "")
    container = (raw.get("Spec") or {}).get("ContainerSpec") or {}
    return Task(
        id=str(raw.get("ID") or ""),
        service=services.get(service) or service,
        node=str(raw.get("NodeID") or ""),
        state=str(status.get("State") or ""),
        wanted=str(raw.get("DesiredState") or ""),
        container=str((status.get("ContainerStatus") or {}).get("ContainerID") or ""),
        error=one_line(str(status.get("Err") or "")),
        labels=dict(container.get("Labels") or {}),
    )
