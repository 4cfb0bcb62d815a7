"""A swarm's JSON to the facts of `api`, and a `ContainerSpec` to a service of one replica. Pure.

Source of the shapes: Docker Engine API 1.41 (Service, Task, Node).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dftui.engine.api import Container, ContainerSpec, EngineError, Event
from dftui.engine.nodes import Node
from dftui.engine.translate import stamp
from dftui.stack.names import LABEL_ROLE, LABEL_STACK, container_name, data_label, stack_labels

LABEL_IMAGE = "dftui.image.name"
"""The image's name: a service names it by its id, which no node tries to pull."""
SERVICE_ID = "com.docker.swarm.service.id"
SERVICE_NAME = "com.docker.swarm.service.name"
RESTART_DELAY = 1.0
_RUNS = ("running", "ready", "accepted", "preparing", "starting", "assigned", "pending", "new", "allocated")


def service_body(spec: ContainerSpec, image_id: str, networks: Mapping[str, str]) -> dict[str, Any]:
    """What creates a service that runs one such container at a time; `networks` holds ids by name.

    It has no health check of the engine's: a swarm kills what does not pass, and a database under load must not be
    killed; and it would give it no name on its networks before the first check, ten seconds later."""
    stack = spec.labels.get(LABEL_STACK, "")
    container: dict[str, Any] = {
        "Image": image_id,
        "Labels": {**spec.labels, LABEL_IMAGE: spec.image},
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "Mounts": [_mount(stack, name, target) for target, name in sorted(spec.volumes.items())],
        "Healthcheck": {"Test": ["NONE"]},
    }
    if spec.entrypoint is not None:
        container["Command"] = list(spec.entrypoint)
    if spec.command is not None:
        container["Args"] = list(spec.command)
    if spec.stop_signal:
        container["StopSignal"] = spec.stop_signal
    limits: dict[str, int] = {}
    if spec.cpus is not None:
        limits["NanoCPUs"] = round(spec.cpus * 1e9)
    if spec.memory is not None:
        limits["MemoryBytes"] = spec.memory
    restart: dict[str, Any] = {"Condition": "none"}
    if spec.restart != "no":
        restart = {"Condition": "any", "Delay": round(RESTART_DELAY * 1e9)}
    placement = {"Constraints": [f"node.labels.{data_label(stack)} == true"]} if spec.place == "data" else {}
    return {
        "Name": spec.name,
        "Labels": dict(spec.labels),
        "TaskTemplate": {
            "ContainerSpec": container,
            "Resources": {"Limits": limits},
            "RestartPolicy": restart,
            "Placement": placement,
            "Networks": [{"Target": networks[one.network], "Aliases": list(one.aliases)} for one in spec.networks],
            "LogDriver": {
                "Name": "json-file",
                "Options": {"max-size": spec.log_max_size, "max-file": str(spec.log_max_file)},
            },
        },
        "Mode": {"Replicated": {"Replicas": 1}},
        "EndpointSpec": {"Mode": "dnsrr"},
    }


def _mount(stack: str, name: str, target: str) -> dict[str, Any]:
    """A named volume of whatever node it lands on, known as the stack's there, too."""
    which = name.removeprefix(f"{stack}-")
    mount: dict[str, Any] = {"Type": "volume", "Source": name, "Target": target}
    if stack:
        mount["VolumeOptions"] = {"Labels": stack_labels(stack, which)}
    return mount


def wanted_tasks(service: Mapping[str, Any]) -> int:
    """How many tasks a service should have; 1 for a mode that has no number."""
    mode = (service.get("Spec") or {}).get("Mode") or {}
    return int((mode.get("Replicated") or {"Replicas": 1}).get("Replicas") or 0)


def current(tasks: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The task that counts of each service, by service: the newest that is meant to run, else the newest."""
    found: dict[str, Mapping[str, Any]] = {}
    for task in sorted(tasks, key=lambda one: (one.get("DesiredState") in _RUNS, str(one.get("CreatedAt")))):
        found[str(task.get("ServiceID", ""))] = task
    return found


def container_id(task: Mapping[str, Any]) -> str:
    """The container of a task; "" while it has none."""
    return str(((task.get("Status") or {}).get("ContainerStatus") or {}).get("ContainerID") or "")


def trouble(task: Mapping[str, Any]) -> str:
    """What the scheduler or the node says of a task that does not run."""
    status = task.get("Status") or {}
    return str(status.get("Err") or status.get("Message") or status.get("State") or "")


def named(container: Container, node: str) -> Container:
    """A container of a service under its service's name, with its image's name and its node's."""
    name = container.labels.get(SERVICE_NAME) or container.name
    return replace(container, name=name, image=container.labels.get(LABEL_IMAGE, container.image), node=node)


def event_named(event: Event) -> Event:
    """An event of a service's container under the service's name."""
    name = event.labels.get(SERVICE_NAME)
    return replace(event, name=name) if name and event.kind == "container" else event


def _from_task(service: Mapping[str, Any], task: Mapping[str, Any], node: str) -> Container:
    """A container that the swarm says runs, on a node whose own engine does not tell."""
    made = (task.get("Spec") or {}).get("ContainerSpec") or {}
    labels = dict(made.get("Labels") or {})
    return Container(
        id=container_id(task),
        name=str(service["Spec"]["Name"]),
        image=str(labels.get(LABEL_IMAGE) or made.get("Image", "")),
        image_id=str(made.get("Image", "")),
        state="running",
        health="none",
        created=stamp(str(task.get("CreatedAt", ""))),
        labels=labels,
        addresses={
            str(one["Network"]["Spec"]["Name"]): str(one["Addresses"][0]).partition("/")[0]
            for one in task.get("NetworksAttachments") or ()
            if one.get("Addresses")
        },
        status="Running, its node's engine is not asked",
        node=node,
    )


def _without(service: Mapping[str, Any], task: Mapping[str, Any] | None, node: str) -> Container:
    """A service that has no container now: stopped on purpose, or being placed."""
    spec = service["Spec"]
    made = spec["TaskTemplate"]["ContainerSpec"]
    labels = dict(made.get("Labels") or {})
    off = not wanted_tasks(service)
    return Container(
        id=str(service["ID"]),
        name=str(spec["Name"]),
        image=str(labels.get(LABEL_IMAGE) or made.get("Image", "")),
        image_id=str(made.get("Image", "")),
        state="exited" if off else "restarting",
        health="none",
        created=stamp(str(service.get("CreatedAt", ""))),
        labels=labels,
        addresses={},
        status="Stopped: its service is scaled to 0" if off else "Being placed",
        exit_code=0 if off else None,
        node=node,
        pending="" if off else (trouble(task) if task is not None else "") or "not placed yet",
    )


def merge(
    services: Sequence[Mapping[str, Any]],
    tasks: Sequence[Mapping[str, Any]],
    nodes: Mapping[str, Node],
    listed: Mapping[str, Sequence[Container] | None],
) -> list[tuple[Container, str]]:
    """Every container that counts, with its node's id: the plain ones, and one for each service. `listed` is what
    each node's own engine lists, None where it cannot be asked; what it does not tell, the swarm's word holds for."""
    found: list[tuple[Container, str]] = []
    by_id: dict[str, tuple[Container, str]] = {}
    for node_id, containers in listed.items():
        name = nodes[node_id].name if node_id in nodes else node_id
        for one in containers or ():
            if SERVICE_ID in one.labels:
                by_id[one.id] = named(one, name), node_id
            else:
                found.append((replace(one, node=name), node_id))
    counts = current(tasks)
    for service in services:
        task = counts.get(str(service["ID"]))
        node_id = str(task.get("NodeID") or "") if task is not None else ""
        node = nodes[node_id].name if node_id in nodes else ""
        ref = container_id(task) if task is not None else ""
        if ref in by_id and by_id[ref][0].state != "created":  # those are about to be started
            found.append(by_id[ref])
        elif ref and task is not None and task["Status"].get("State") == "running":
            found.append((_from_task(service, task, node), node_id))
        else:
            found.append((_without(service, task, node), node_id))
    return found


def seen_from(manager: str, found: Sequence[tuple[Container, str]]) -> list[tuple[Container, str]]:
    """The same, with one balancer to a stack: that of the node that is spoken to, else the first by its node's name;
    another one stands by. On their nodes all have the same name, since each can be either."""
    balancers: dict[str, list[tuple[Container, str]]] = {}
    for one in found:
        if one[0].labels.get(LABEL_ROLE) == "balancer":
            balancers.setdefault(one[0].labels.get(LABEL_STACK, ""), []).append(one)
    aside: set[str] = set()
    for several in balancers.values():
        several.sort(key=lambda one: (one[1] != manager, one[0].node))
        aside |= {one.id for one, _ in several[1:]}
    return [(stands_by(one), node) if one.id in aside else (one, node) for one, node in found]


def stands_by(balancer: Container) -> Container:
    """A balancer as the standby of another one."""
    name = container_name(balancer.labels.get(LABEL_STACK, ""), "standby")
    return replace(balancer, name=name, labels={**balancer.labels, LABEL_ROLE: "standby"})


def node_error(name: str, task: Mapping[str, Any]) -> EngineError:
    """What to say when a service's task cannot run."""
    said = trouble(task).rstrip(".")
    if "no such image" in said.lower():
        return EngineError(
            f"Could not start {name}: the node that it was given to does not have its image ({said}).",
            "Bring the image to every node: docker save IMAGE | docker -H NODE load",
        )
    return EngineError(f"Could not start {name}: the swarm does not place it ({said}).", "docker node ls; docker ps")
