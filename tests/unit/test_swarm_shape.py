"""What a swarm's manager and its nodes tell, put together: which containers count, under which names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dftui.control.pool import Pool
from dftui.control.repair import find
from dftui.control.steps import service_create
from dftui.engine.api import Attachment, Container, ContainerSpec
from dftui.engine.nodes import Node
from dftui.engine.swarm_links import address_of
from dftui.engine.swarm_secrets import Hidden, behind, into, told
from dftui.engine.swarm_shape import LABEL_IMAGE, SERVICE_ID, SERVICE_NAME, current, merge, service_body
from dftui.stack.names import stack_labels
from dftui.stack.spec import StackSpec
from dftui.watch.derive import Facts, derive
from dftui.watch.snapshot import EngineFacts, ReplicaState

NODES = {
    one: Node(one, f"node-{one}", "worker", False, "active", "ready", "10.0.0.1", 2, 1 << 30, "20.10") for one in "ab"
}
LABELS = {**stack_labels("df", "web", number="1"), LABEL_IMAGE: "team/web:1"}


def service(name: str = "df-web1", replicas: int = 1) -> dict[str, Any]:
    spec = {
        "Name": name,
        "Mode": {"Replicated": {"Replicas": replicas}},
        "TaskTemplate": {"ContainerSpec": {"Image": "sha256:1", "Labels": LABELS}},
    }
    return {"ID": f"service-of-{name}", "CreatedAt": "2026-01-01T00:00:00Z", "Spec": spec}


def task(
    ref: str, node: str = "a", *, state: str = "running", desired: str = "running", at: int = 1
) -> dict[str, Any]:
    network = {"Spec": {"Name": "df-front"}}
    return {
        "ServiceID": "service-of-df-web1",
        "NodeID": node,
        "CreatedAt": f"2026-01-01T00:00:0{at}Z",
        "DesiredState": desired,
        "Status": {"State": state, "Err": "", "Message": state, "ContainerStatus": {"ContainerID": ref}},
        "Spec": {"ContainerSpec": {"Image": "sha256:1", "Labels": LABELS}},
        "NetworksAttachments": [{"Network": network, "Addresses": ["172.20.0.7/24"]}],
    }


def container(ref: str, name: str = "df-web1.1.xyz", **labels: str) -> Container:
    more = {SERVICE_ID: "service-of-df-web1", SERVICE_NAME: "df-web1", **LABELS, **labels}
    return Container(ref, name, "sha256:1", "sha256:1", "running", "none", 1.0, more, {"df-front": "172.20.0.7"})


def test_a_service_is_its_container_under_its_name_with_its_node() -> None:
    plain = Container("lb", "df-lb", "lb:1", "sha256:2", "running", "none", 1.0, {}, {})
    found = merge([service()], [task("c1")], NODES, {"a": [container("c1"), plain], "b": []})
    assert [(one.name, one.id, one.image, one.node, node) for one, node in found] == [
        ("df-lb", "lb", "lb:1", "node-a", "a"),
        ("df-web1", "c1", "team/web:1", "node-a", "a"),
    ]


def test_of_several_tasks_the_newest_that_is_meant_to_run_counts() -> None:
    tasks = [
        task("old", at=1, state="shutdown", desired="shutdown"),
        task("new", "b", at=3),
        task("failed", at=4, state="failed", desired="shutdown"),
    ]
    assert current(tasks)["service-of-df-web1"]["NodeID"] == "b"
    listed = {"a": [container("old"), container("failed")], "b": [container("new")]}
    ((one, node),) = merge([service()], tasks, NODES, listed)
    assert (one.id, one.node, node) == ("new", "node-b", "b")


def test_a_node_whose_engine_does_not_answer_is_told_for_by_the_swarm() -> None:
    ((one, node),) = merge([service()], [task("c1", "b")], NODES, {"a": [], "b": None})
    assert (one.id, one.name, one.state, one.node, node) == ("c1", "df-web1", "running", "node-b", "b")
    assert one.addresses == {"df-front": "172.20.0.7"} and one.image == "team/web:1"


def test_a_service_that_is_being_placed_is_starting_and_waited_for() -> None:
    waiting = task("", "b", state="pending")
    waiting["Status"]["Err"] = "no suitable node"
    ((one, _),) = merge([service()], [waiting], NODES, {"a": [], "b": []})
    assert (one.state, one.pending) == ("restarting", "no suitable node")
    (replica,) = derive(StackSpec(), Facts(EngineFacts(), 1.0, containers=(one,), servers=())).web
    assert replica.state is ReplicaState.STARTING and "no suitable node" in replica.why
    (finding,) = find([one], Pool([one], {}), None, None, services=())
    assert finding.kind == "stopped" and "no suitable node" in finding.what


def test_one_that_the_swarm_is_about_to_start_is_waited_for_too() -> None:
    made = replace(container("c2"), state="created")
    ((one, _),) = merge([service()], [task("c2", state="ready", desired="ready")], NODES, {"a": [made], "b": []})
    assert (one.state, one.pending) == ("restarting", "ready")
    (finding,) = find([one], Pool([one], {}), None, None, services=())
    assert finding.kind == "stopped" and "wait until the swarm has placed it" in finding.repair


def test_a_service_that_was_scaled_to_nothing_is_stopped() -> None:
    ((one, _),) = merge([service(replicas=0)], [], NODES, {"a": [], "b": []})
    assert (one.state, one.pending, one.exit_code) == ("exited", "", 0)


def test_a_service_names_its_image_by_id_and_is_pinned_to_the_data() -> None:
    labels = stack_labels("df", "db")
    env = {"SECRET": "x"}
    networks = (Attachment("df-back", aliases=("db",)),)
    spec = ContainerSpec(
        "df-mysql", "mysql:8", labels, env, networks=networks, volumes={"/var": "df-db"}, place="data"
    )
    body = service_body(spec, "sha256:7", {"df-back": "net1"})
    template = body["TaskTemplate"]
    assert template["ContainerSpec"]["Image"] == "sha256:7"
    assert template["Networks"] == [{"Target": "net1", "Aliases": ["db"]}]
    assert template["Placement"] == {"Constraints": ["node.labels.dftui.data.df == true"]}
    assert body["EndpointSpec"] == {"Mode": "dnsrr"} and body["Mode"] == {"Replicated": {"Replicas": 1}}
    (mount,) = template["ContainerSpec"]["Mounts"]
    assert mount["VolumeOptions"]["Labels"] == labels


def test_a_service_with_secrets_names_them_alone() -> None:
    labels = stack_labels("df", "cache")
    env = {"REDIS_PASSWORD": "hunter2hunter2", "TZ": "UTC"}
    spec = ContainerSpec("df-redis", "redis:7", labels, env, secrets={"REDIS_PASSWORD": "0123456789ab"}, place="data")
    body = service_body(spec, "sha256:7", {})
    ref = "id", "df.REDIS_PASSWORD.0123456789ab"
    into(body, spec, Hidden({"REDIS_PASSWORD": ref}, ("entry.sh",), ("redis-server",)))
    made = body["TaskTemplate"]["ContainerSpec"]
    assert made["Env"] == ["TZ=UTC"] and "hunter2" not in str(body) + service_create(spec)
    assert f"--secret source={ref[1]},target=REDIS_PASSWORD" in service_create(spec)
    assert (made["Command"][0], made["Command"][-1], made["Args"]) == ("sh", "entry.sh", ["redis-server"])
    assert told(made["Labels"]) == {"REDIS_PASSWORD": ref[1]}
    (mounted,) = made["Secrets"]
    assert (mounted["SecretID"], mounted["SecretName"], mounted["File"]["Name"]) == (*ref, "REDIS_PASSWORD")
    assert behind((), ("ls",)) == ("ls",)


@pytest.mark.parametrize(
    ("manager", "expected"),
    [
        ("unix:///var/run/docker.sock", "ssh://10.0.0.1"),
        ("ssh://me@manager", "ssh://me@10.0.0.1"),
        ("ssh://me@manager:2222", "ssh://me@10.0.0.1:2222"),
        ("tcp://manager:2376", "tcp://10.0.0.1:2376"),
    ],
)
def test_a_node_is_reached_as_the_manager_is(manager: str, expected: str) -> None:
    assert address_of(NODES["a"], manager, {}) == expected
    assert address_of(NODES["a"], manager, {"node-a": "ssh://other"}) == "ssh://other"
