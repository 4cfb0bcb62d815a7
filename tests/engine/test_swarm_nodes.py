"""A real swarm of three nodes: what is told of them, images brought to them, one drained and activated again."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from dftui.cli import swarmcheck
from dftui.engine.api import Engine, EngineError, ImageProgress, NotFound
from dftui.engine.carry import carry
from dftui.engine.cluster import cluster_of
from dftui.engine.connect import connect
from dftui.engine.nodes import NoCluster, find
from tests.namespaces import LabError
from tests.swarmlab import SwarmLab
from tests.tiny import pieces, root_tar

TINY = "dftui-test/tiny:nodes"
WEB = "mkdir /w; hostname >/w/index.html; exec httpd -f -p 80 -h /w"


@pytest.fixture(scope="module")
def lab() -> Iterator[SwarmLab]:
    """Three nodes, one of them a manager; the manager holds the image, the others do not."""
    with SwarmLab(heartbeat="1s") as made:

        async def fill() -> None:
            engine = await connect(made.manager.host)
            async for _ in engine.import_image(TINY, pieces(root_tar()), labels={"dftui.test": "tiny"}):
                pass
            await engine.close()

        asyncio.run(fill())
        yield made


@pytest.fixture
async def engines(lab: SwarmLab) -> AsyncIterator[dict[str, Engine]]:
    """Each node's engine, by the node's name."""
    async with AsyncExitStack() as stack:
        found = {node.name: await connect(node.host) for node in lab.nodes}
        for engine in found.values():
            stack.push_async_callback(engine.close)
        yield found


def dftui(lab: SwarmLab, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "DOCKER_HOST": lab.manager.host, "HOME": str(home)}
    for name in ("CONFIG", "STATE", "CACHE", "DATA"):
        env[f"XDG_{name}_HOME"] = str(home / name)
    return subprocess.run(
        [sys.executable, "-m", "dftui", *words], capture_output=True, text=True, check=False, env=env, cwd=home
    )


def serve(lab: SwarmLab, name: str, *more: str) -> None:
    """A service of one replica, in the way that dftui makes them."""
    words = (
        "--detach",
        "--no-resolve-image",
        "--endpoint-mode",
        "dnsrr",
        "--restart-delay",
        "0s",
        "--stop-grace-period",
        "1s",
    )
    lab.manager.docker("service", "create", *words, "--name", name, *more, TINY, "sh", "-c", WEB)


def settled(lab: SwarmLab, *names: str) -> dict[str, str]:
    """By service, the name of the node that runs it; once all of them run."""
    end = time.monotonic() + 60
    while True:
        found: dict[str, str] = {}
        for name in names:
            words = ("--filter", "desired-state=running", "--format", "{{.Node}} {{.CurrentState}}")
            for line in lab.manager.docker("service", "ps", name, *words).splitlines():
                node, state, *_ = line.split()
                if state == "Running":
                    found[name] = node
        if len(found) == len(names):
            return found
        assert time.monotonic() < end, lab.manager.docker("service", "ps", *names)
        time.sleep(0.1)


async def until(true: Callable[[], Any], what: str) -> None:
    async with asyncio.timeout(90):
        while not await true():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_each_node_is_told_with_what_it_has(lab: SwarmLab, engines: dict[str, Engine]) -> None:
    nodes = await cluster_of(engines["node1"]).nodes()
    assert [node.name for node in nodes] == [node.name for node in lab.nodes]
    assert [node.role for node in nodes] == ["manager", "worker", "worker"]
    assert [node.leader for node in nodes] == [True, False, False]
    assert [node.address for node in nodes] == [node.address for node in lab.nodes]
    assert {(node.state, node.availability) for node in nodes} == {("ready", "active")}
    info = await engines["node2"].info()
    assert (nodes[1].cpus, nodes[1].memory, nodes[1].version) == (info.cpus, info.memory, info.version)
    assert find(nodes, "node3").id == nodes[2].id == find(nodes, nodes[2].id[:6]).id
    with pytest.raises(EngineError, match="There is no node node9"):
        find(nodes, "node9")


async def test_who_is_no_manager_says_so(lab: SwarmLab, engines: dict[str, Engine], engine: Engine) -> None:
    with pytest.raises(NoCluster, match="worker of its swarm") as worker:
        await cluster_of(engines["node2"]).nodes()
    assert f"{lab.manager.address}:2377" in worker.value.hint
    if (await engine.info()).kind == "docker":
        with pytest.raises(NoCluster, match="in no swarm"):
            await cluster_of(engine).nodes()


async def test_an_image_comes_to_the_nodes_that_lack_it(lab: SwarmLab, engines: dict[str, Engine]) -> None:
    image = await engines["node1"].image(TINY)
    assert image is not None
    assert [await one.image(TINY) for name, one in engines.items() if name != "node1"] == [None, None]
    told: list[ImageProgress] = [one async for one in carry(engines["node1"], TINY, engines)]
    for one in engines.values():
        held = await one.image(TINY)
        assert held is not None and held.id == image.id and held.labels == image.labels
    assert sorted(p.layer for p in told if p.stage == "done") == sorted(engines)
    again = [one async for one in carry(engines["node1"], TINY, engines)]
    assert {p.stage for p in again} == {"done"}, "an image that was there was sent again"
    with pytest.raises(NotFound, match="no image dftui-test/none:1"):
        async for _ in carry(engines["node1"], "dftui-test/none:1", engines):
            pass


@pytest.mark.long
def test_a_drained_nodes_tasks_run_elsewhere_and_it_comes_back(lab: SwarmLab, tmp_path: Path) -> None:
    serve(lab, "one", "--constraint", "node.hostname!=node1")
    serve(lab, "two", "--publish", "mode=host,published=8080,target=80", "--constraint", "node.hostname==node1")
    serve(lab, "everywhere", "--mode", "global")
    where = settled(lab, "one", "two")
    assert where["two"] == "node1"
    with urllib.request.urlopen(f"http://{lab.address}:8080/", timeout=10) as page:
        assert page.read().strip(), "what the manager publishes is not reached from the machine"
    full = where["one"]
    listed = json.loads(dftui(lab, tmp_path, "nodes", "--json").stdout)["nodes"]
    assert {node["name"]: sorted(node["tasks"]) for node in listed}[full] == ["everywhere", "one"]
    refused = dftui(lab, tmp_path, "--read-only", "nodes", "drain", full)
    assert refused.returncode == 2 and "read-only" in refused.stderr
    done = dftui(lab, tmp_path, "nodes", "drain", full, "--json")
    assert done.returncode == 0, done.stderr
    receipt = json.loads(done.stdout)
    assert (receipt["node"], receipt["before"], receipt["availability"]) == (full, "active", "drain")
    assert (receipt["moved"], receipt["ended"], receipt["waiting"]) == (["one"], ["everywhere"], {})
    assert settled(lab, "one")["one"] not in (full, "node1")
    shown = dftui(lab, tmp_path, "nodes").stdout.splitlines()
    assert [line.split()[0] for line in shown] == ["node1", "node2", "node3"]
    assert "drain" in next(line for line in shown if line.startswith(full))
    assert f"{full} takes tasks again" in dftui(lab, tmp_path, "nodes", "activate", full).stdout
    entries = [json.loads(line) for line in dftui(lab, tmp_path, "history", "--json").stdout.splitlines()]
    assert [(e["action"], e["outcome"]) for e in entries] == [
        (f"nodes drain {full}", "done"),
        (f"nodes activate {full}", "done"),
    ]
    assert f"docker node update --availability drain {full}" in entries[0]["commands"]


@pytest.mark.long
def test_a_node_with_a_database_is_not_drained_by_mistake(lab: SwarmLab, tmp_path: Path) -> None:
    serve(
        lab,
        "df-mysql",
        "--container-label",
        "dftui.stack=df",
        "--container-label",
        "dftui.role=db",
        "--constraint",
        "node.hostname==node3",
    )
    settled(lab, "df-mysql")
    refused = dftui(lab, tmp_path, "nodes", "drain", "node3")
    assert refused.returncode == 1 and "df-mysql" in refused.stderr and "nothing was done" in refused.stderr
    assert json.loads(dftui(lab, tmp_path, "nodes", "--json").stdout)["nodes"][2]["availability"] == "active"
    done = dftui(lab, tmp_path, "nodes", "drain", "node3", "--yes")
    assert done.returncode == 0 and "no place for df-mysql" in done.stdout, done.stderr
    assert dftui(lab, tmp_path, "nodes", "activate", "node3").returncode == 0
    settled(lab, "df-mysql")


async def test_doctor_says_whether_it_is_a_manager(lab: SwarmLab, engines: dict[str, Engine]) -> None:
    first = (await swarmcheck.look(engines["node1"], local=False))[0]
    assert "a manager of a swarm of 3 nodes, 1 of them" in first.what and first.ok
    (worker,) = await swarmcheck.look(engines["node2"], local=False)
    assert "a worker of its swarm" in worker.what and worker.ok is None and "--docker" in worker.do


@pytest.mark.long
async def test_a_killed_daemons_containers_run_on(lab: SwarmLab, engines: dict[str, Engine]) -> None:
    node = lab.nodes[1]
    cluster = cluster_of(engines["node1"])

    async def sees(state: str) -> bool:
        return find(await cluster.nodes(), node.name).state == state

    serve(lab, "stays", "--publish", "mode=host,published=8081,target=80", "--constraint", "node.hostname==node2")
    settled(lab, "stays")
    await asyncio.to_thread(node.kill)
    try:
        with urllib.request.urlopen(f"http://{node.address}:8081/", timeout=10) as page:  # noqa: ASYNC210
            assert page.read().strip()
        await until(lambda: sees("down"), "a killed node is not seen")
    finally:
        await asyncio.to_thread(node.again)
    await until(lambda: sees("ready"), "it is not seen to be back")


def test_a_lab_cannot_be_used_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="No swarm was made"):
        SwarmLab.at(tmp_path)
