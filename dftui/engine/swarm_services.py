"""What is asked of a swarm's manager: services, their tasks, nodes, overlay networks.

Source of the shapes: Docker Engine API 1.41 ("Create a service", "Update a service", "List tasks", "Update a node").
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from dftui.engine.api import EngineError, NetworkSpec, NotFound
from dftui.engine.cluster import ManagerCluster
from dftui.engine.docker import DockerEngine
from dftui.engine.nodes import Node
from dftui.engine.swarm_shape import container_id, current, node_error, wanted_tasks
from dftui.stack.names import LABEL_STACK

START_PATIENCE = 60.0
"""Seconds for a service's container to run."""
PLACE_PATIENCE = 15.0
"""Seconds in which the scheduler must have found a node."""
_TICK = 0.05
_FAILED = ("rejected", "failed", "orphaned")


async def membership(manager: DockerEngine) -> tuple[str, str]:
    """The node and the swarm that an engine manages. Raises NoCluster where it manages none."""
    info = await manager.wire.json("GET", "/info", "ask for its swarm")
    swarm = (info or {}).get("Swarm") or {}
    if not swarm.get("ControlAvailable"):
        raise await ManagerCluster(manager.wire).why_not()
    return str(swarm["NodeID"]), str((swarm.get("Cluster") or {}).get("ID") or "")


class Services:
    """The manager's word on what should run where."""

    def __init__(self, manager: DockerEngine) -> None:
        self._wire = manager.wire
        self._cluster = ManagerCluster(manager.wire)
        self._names: dict[str, str] = {}
        """Service id by name, as last listed."""

    def id_of(self, name: str) -> str:
        """The service of a name, as last listed; "" for none."""
        return self._names.get(name, "")

    async def nodes(self) -> dict[str, Node]:
        """Every node, by its id."""
        return {node.id: node for node in await self._cluster.nodes()}

    async def list(self, labels: Mapping[str, str] | None) -> Sequence[Mapping[str, Any]]:
        """Services that carry all these labels."""
        raw = await self._wire.json("GET", "/services", "list the swarm's services", query=_filters(labels))
        for one in raw or ():
            self._names[str(one["Spec"]["Name"])] = str(one["ID"])
        return raw or ()

    async def tasks(self, labels: Mapping[str, str] | None) -> Sequence[Mapping[str, Any]]:
        """Tasks of the services that carry all these labels."""
        return await self._wire.json("GET", "/tasks", "list the swarm's tasks", query=_filters(labels)) or ()

    async def create(self, name: str, body: Mapping[str, Any]) -> str:
        """A new service; its id. Raises Conflict for a name that is taken."""
        made = await self._wire.json("POST", "/services/create", f"create {name}", json_body=body)
        self._names[name] = str(made["ID"])
        return str(made["ID"])

    async def _task(self, service: str, doing: str) -> Mapping[str, Any] | None:
        query = {"filters": json.dumps({"service": [service]})}
        raw = await self._wire.json("GET", "/tasks", doing, query=query)
        return current(raw or ()).get(service)

    async def until_runs(self, service: str, name: str, old: str = "") -> Mapping[str, Any]:
        """The task once its container has started, even if that has ended since; `old` is a container that does not
        count. Raises EngineError when no node takes it."""
        begin = time.monotonic()
        while True:
            task = await self._task(service, f"start {name}")
            state = str(task["Status"].get("State")) if task is not None else ""
            ref = container_id(task) if task is not None else ""
            if task is not None and ref and ref != old and (state == "running" or _ended(state)):
                return task
            spent = time.monotonic() - begin
            if task is not None and state in _FAILED:
                raise node_error(name, task)
            placed = task is not None and task.get("NodeID")
            if spent > (START_PATIENCE if placed else PLACE_PATIENCE):
                raise node_error(name, task or {})
            await asyncio.sleep(_TICK)

    async def _update(self, service: str, doing: str, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Change a service's spec, again if somebody else changed it meanwhile; how it was before."""
        while True:
            raw = await self._wire.json("GET", f"/services/{service}", doing)
            before = json.loads(json.dumps(raw))
            change(raw["Spec"])
            query = {"version": str(raw["Version"]["Index"])}
            try:
                await self._wire.json(
                    "POST", f"/services/{service}/update", doing, query=query, json_body=raw["Spec"]
                )
            except EngineError as error:
                if "out of sequence" not in str(error):
                    raise
                continue
            return dict(before)

    async def scaled(self, service: str, replicas: int, name: str) -> Mapping[str, Any] | None:
        """To one or no task; with one, the task once it runs."""
        doing = f"{'start' if replicas else 'stop'} {name}"
        task = await self._task(service, doing)

        def scale(spec: dict[str, Any]) -> None:
            spec["Mode"]["Replicated"]["Replicas"] = replicas
            if replicas and again:  # its task ended for good: another one is made
                spec["TaskTemplate"]["ForceUpdate"] = int(spec["TaskTemplate"].get("ForceUpdate") or 0) + 1

        ended = task is not None and _ended(str(task["Status"].get("State")))
        again = task is not None and ended and task.get("DesiredState") != "running"
        raw = await self._wire.json("GET", f"/services/{service}", doing)
        if wanted_tasks(raw) != replicas or (replicas and again):
            await self._update(service, doing, scale)
        if not replicas:
            return None
        return await self.until_runs(service, name, container_id(task) if again and task is not None else "")

    async def remove(self, service: str, name: str) -> str:
        """A service; its container is stopped and goes soon. Missing is no error. The stack of one that had secrets,
        else ""."""
        stack = ""
        with suppress(NotFound):
            spec = (await self._wire.json("GET", f"/services/{service}", f"remove {name}"))["Spec"]
            if spec["TaskTemplate"]["ContainerSpec"].get("Secrets"):
                stack = str((spec.get("Labels") or {}).get(LABEL_STACK, ""))
            await self._wire.json("DELETE", f"/services/{service}", f"remove {name}")
        self._names.pop(name, None)
        return stack

    async def label_node(self, node: str, label: str, value: str | None) -> None:
        """Give a node a label, or with None take it away."""
        doing = "label a node of the swarm"
        while True:
            raw = await self._wire.json("GET", f"/nodes/{node}", doing)
            labels = {key: held for key, held in (raw["Spec"].get("Labels") or {}).items() if key != label}
            spec = {**raw["Spec"], "Labels": labels if value is None else {**labels, label: value}}
            query = {"version": str(raw["Version"]["Index"])}
            try:
                await self._wire.json("POST", f"/nodes/{node}/update", doing, query=query, json_body=spec)
                return
            except EngineError as error:
                if "out of sequence" not in str(error):
                    raise

    async def create_network(self, spec: NetworkSpec) -> str:
        """An attachable overlay, not encrypted; its id."""
        body: dict[str, Any] = {
            "Name": spec.name,
            "Driver": "overlay",
            "CheckDuplicate": True,
            "Attachable": True,
            "Internal": spec.internal,
            "Labels": dict(spec.labels),
        }
        if spec.subnet:
            body["IPAM"] = {"Driver": "default", "Config": [{"Subnet": spec.subnet}]}
        doing = f"create the network {spec.name}"
        return str((await self._wire.json("POST", "/networks/create", doing, json_body=body))["Id"])


def _ended(state: str) -> bool:
    return state in ("complete", "shutdown", "failed", "remove")


def _filters(labels: Mapping[str, str] | None) -> dict[str, str]:
    if not labels:
        return {}
    return {"filters": json.dumps({"label": [f"{key}={value}" for key, value in labels.items()]})}
