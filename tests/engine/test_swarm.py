"""A swarm of three real nodes on this machine: what an engine promises, and a stack on it, end to end."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from dftui.dreamfactory.variables import STORAGE_PATH
from dftui.engine.api import Conflict, Engine, NotFound
from dftui.engine.bundled import bundled_tag
from dftui.engine.carry import carry
from dftui.engine.connect import connect, connect_for
from dftui.engine.nodes import NoCluster
from dftui.stack import appkey
from dftui.stack.names import LABEL_STACK
from dftui.stack.spec import StackSpec
from tests import tinyweb
from tests.engine.conftest import everything_of, remove_stack
from tests.engine.swarm_rig import left, swarm_stack
from tests.engine.test_both_engines import LINES, Bare, a_stacks_life
from tests.engine.test_engine_contract import (  # noqa: F401  (they run here)
    Rig,
    test_a_creation_that_fails_part_way_leaves_nothing,
    test_a_name_that_is_taken_is_a_conflict,
    test_a_stream_goes_both_ways_and_ends_with_the_container,
    test_a_subnet_or_name_that_is_taken_is_a_conflict,
    test_environment_and_volumes_come_back_and_no_repr_shows_them,
    test_events_of_ones_own_containers_and_networks,
    test_exec_feeds_stdin_to_its_end,
    test_the_log_of_an_ended_container,
    test_what_is_missing_is_not_found,
    until,
)
from tests.load import Load, Plan
from tests.stacks import Stack
from tests.swarmlab import LabNode, SwarmLab


@pytest.fixture(scope="module")
def web() -> str:
    return tinyweb.tiny_image()


@pytest.fixture(scope="module")
def lab(tiny_image: str, web: str) -> Iterator[SwarmLab]:
    with SwarmLab(heartbeat="1s") as found:
        images = (tiny_image, web, *(bundled_tag(role) for role in ("web", "db", "cache", "balancer")))

        async def fill() -> None:
            here, there = await connect(), await connect(found.manager.host)
            for image in images:
                async with aclosing(carry(here, image, {"manager": there})) as told:  # type: ignore[type-var]
                    async for _ in told:
                        pass
            await here.close()
            await there.close()

        asyncio.run(fill())  # the manager alone has them: dftui brings them to the others
        yield found


@pytest.fixture
async def engine(lab: SwarmLab) -> AsyncIterator[Engine]:
    spec = StackSpec(engine="swarm", nodes={node.name: node.host for node in lab.nodes})
    found = await connect_for(spec, lab.manager.host)
    yield found
    await found.close()


@pytest.fixture
async def stack_name(engine: Engine) -> AsyncIterator[str]:
    name = f"t{secrets.token_hex(4)}"
    yield name
    await remove_stack(engine, name)
    assert not await everything_of(engine, name)


@pytest.fixture
def rig(engine: Engine, stack_name: str, labels: dict[str, str], tiny_image: str) -> Rig:
    return Rig(engine, tiny_image, stack_name, labels, "10.213.9.0/24", 0, "10.213.10.0/24", "any")


# -- the engine -----------------------------------------------------------------------------------------------------


async def test_a_service_lives_and_goes(rig: Rig) -> None:
    ref = await rig.sleeper()
    made = await rig.one(ref)
    assert (made.name, made.state, made.image) == (f"{rig.stack}-sleeper", "running", rig.image)
    assert len(made.id) == 64 and made.node.startswith("node")
    told = await rig.engine.exec(ref, ("cat", "/etc/hostname"))
    assert told.stdout.decode().strip() == made.short
    with pytest.raises(Conflict):
        await rig.engine.remove(ref)
    # One that ends is made anew, and is another container; the stopped one stays what it was.
    await rig.engine.kill(ref)

    async def anew() -> bool:
        (now,) = await rig.engine.containers(rig.labels)
        return now.state == "running" and now.id != ref

    await until(anew)
    (second,) = await rig.engine.containers(rig.labels)
    await rig.engine.stop(second.id, 1)
    (stopped,) = await rig.engine.containers(rig.labels)
    assert (stopped.name, stopped.state) == (made.name, "exited")
    await rig.engine.start(stopped.id)
    (third,) = await rig.engine.containers(rig.labels)
    assert third.state == "running"
    await rig.engine.remove(third.id, force=True)
    await rig.engine.remove(third.id)
    assert await rig.engine.containers(rig.labels) == ()
    with pytest.raises(NotFound):
        await rig.engine.inspect(third.id)


async def test_a_secret_stands_in_no_specification(rig: Rig, lab: SwarmLab) -> None:
    word = "it's `a` $HOME \\ word"

    async def serve(name: str) -> str:
        said = ("sh", "-c", 'printf "%s\\n" "$APP_KEY"; exec sleep 600')
        env = {"APP_KEY": word, "ROLE": "seen"}
        return await rig.run(name, *said, env=env, secrets={"APP_KEY": "version"})

    def kept() -> list[str]:
        wanted = ("--filter", f"label={LABEL_STACK}={rig.stack}", "--format", "{{.Name}}")
        return lab.manager.docker("secret", "ls", *wanted).split()

    refs = [await serve("one"), await serve("two")]
    assert kept() == [f"{rig.stack}.APP_KEY.version"]
    asked = ("sh", "-c", 'printf %s "$APP_KEY"')
    # Also to a dftui that has not made it.
    spec = StackSpec(engine="swarm", nodes={node.name: node.host for node in lab.nodes})
    another = await connect_for(spec, lab.manager.host)
    for engine in (rig.engine, another):
        detail = await engine.inspect(refs[0])
        assert (detail.env["APP_KEY"], detail.env["ROLE"], word in repr(detail)) == (word, "seen", False)
        assert (await engine.exec(refs[1], asked)).stdout.decode() == word
    await another.close()
    assert (await rig.engine.exec(refs[0], asked, env={"APP_KEY": "mine"})).stdout == b"mine"
    assert [line.data.decode() async for lines in rig.engine.logs(refs[0]) for line in lines] == [word]
    told = lab.manager.docker("service", "inspect", f"{rig.stack}-one", f"{rig.stack}-two")
    told += "".join(node.docker("inspect", *ids) for node in lab.nodes if (ids := node.docker("ps", "-aq").split()))
    assert "ROLE=seen" in told and "it's" not in told
    await rig.engine.remove(refs[0], force=True)
    assert len(kept()) == 1
    await rig.engine.remove(refs[1], force=True)
    assert kept() == []


async def test_an_engine_that_manages_no_swarm_says_what_to_do(lab: SwarmLab) -> None:
    with pytest.raises(NoCluster, match="is a worker of its swarm") as told:
        await connect_for(StackSpec(engine="swarm"), lab.nodes[1].host)
    assert "--docker" in told.value.hint
    with pytest.raises(NoCluster, match="is in no swarm") as told:
        await connect_for(StackSpec(engine="swarm"))
    assert "docker swarm init" in told.value.hint


# -- a stack --------------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(lab: SwarmLab, tmp_path: Path) -> Iterator[Bare]:
    """For the acceptance script."""
    with swarm_stack(tmp_path / "stack", lab, LINES) as made:
        yield Bare(made, lambda: left(lab, made.name))


@pytest.mark.long
def test_a_stacks_life_by_commands_alone(bare: Bare, tmp_path: Path) -> None:
    a_stacks_life(bare, tmp_path)


@pytest.fixture(scope="module")
def stack(lab: SwarmLab, web: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with swarm_stack(tmp_path_factory.mktemp("swarm"), lab, tinyweb.text(web, 3)) as found:
        found.ok("up")
        yield found
        found.ok("down", "--volumes", "--yes")
        assert left(lab, found.name) == []


def traffic(stack: Stack, posts: float = 0.1) -> Load:
    return Load(Plan(stack.port, stack.address, rate=150, connections=16, fresh=0.2, posts=posts))


def nodes_of(stack: Stack) -> Counter[str]:
    """How many serving replicas each node has."""
    return Counter(web["node"] for web in stack.json("status")["web"] if web["state"] == "serving")


def test_it_is_up_on_several_nodes_and_replaces_under_load(stack: Stack) -> None:
    status = stack.json("status")
    assert status["engine"]["kind"] == "swarm"
    assert (status["db"]["state"], status["cache"]["state"]) == ("running", "running")
    assert sum(nodes_of(stack).values()) == 3 and len(nodes_of(stack)) >= 2
    with traffic(stack) as load:
        replaced = stack.json("repair", "2")
        assert [one["who"] for one in replaced["repaired"]] == [f"{stack.name}-web2"]
        tally = load.stop()
    assert tally.failed == Counter() and tally.ok == tally.sent > 0
    status = stack.json("status")
    assert set(tally.hosts) >= {web["host"] for web in status["web"]}
    assert status["drift"] == []


def test_its_key_and_passwords_stand_in_no_specification_and_a_roll_changes_the_key(
    stack: Stack, lab: SwarmLab
) -> None:
    mine = ("--filter", f"label={LABEL_STACK}={stack.name}")

    def told() -> str:
        asked = [(lab.manager, kind, lab.manager.docker(kind, "ls", *mine, "-q")) for kind in ("service", "secret")]
        asked += [(node, "container", node.docker("ps", "-aq", *mine)) for node in lab.nodes]
        return "".join(node.docker(kind, "inspect", *ids.split()) for node, kind, ids in asked if ids)

    def kept() -> set[str]:
        return set(lab.manager.docker("secret", "ls", *mine, "--format", "{{.Name}}").split())

    def keys() -> set[str]:
        return {web["key"] for web in stack.json("status")["web"]}

    values = stack.secret_values()
    assert "MYSQL_DATABASE=dreamfactory" in told() and not any(value in told() for value in values)
    # The file lost, it is read from where a container has it.
    text, file = stack.secrets_file.read_text(), stack.secrets_file
    file.unlink()
    assert stack.json("key", "show")["app_key"] in values
    other = appkey.new_key()
    file.touch(mode=0o600)
    file.write_text(re.sub("APP_KEY=.*", f"APP_KEY={other}", text))
    before = kept()
    with traffic(stack) as load:
        rolled = stack.json("roll", "--new-key")
        assert (len(rolled["replaced"]), rolled["rolled_back"], rolled["receipt"]["failed"]) == (3, False, 0)
        tally = load.stop()
    assert tally.failed == Counter() and tally.ok == tally.sent > 0
    assert keys() == {appkey.fingerprint(other)} and not any(value in told() for value in stack.secret_values())
    gone = {name.split(".")[1] for name in before - kept()}
    assert gone == {"APP_KEY", "DB_PASSWORD", "CACHE_PASSWORD"}, "those that only the old replicas had"
    assert stack.json("status")["drift"] == []


def test_a_node_is_drained_by_way_of_the_balancer(stack: Stack, lab: SwarmLab) -> None:
    full = next(node for node in lab.nodes[1:] if nodes_of(stack)[node.name])
    count = sum(nodes_of(stack).values())
    there = {web["name"] for web in stack.json("status")["web"] if web["node"] == full.name}
    with traffic(stack) as load:
        receipt = stack.json("nodes", "drain", full.name)
        assert set(receipt["replaced"]) == set(receipt["moved"]) == there
        assert (receipt["availability"], receipt["waiting"]) == ("drain", {})
        assert full.name not in nodes_of(stack) and sum(nodes_of(stack).values()) == count
        tally = load.stop()
    assert tally.failed == Counter() and tally.ok == tally.sent > 0
    assert stack.json("status")["drift"] == []
    refused = stack.run("nodes", "drain", lab.manager.name)
    assert refused.returncode == 1 and "cannot leave its data" in refused.stderr
    assert stack.json("nodes", "activate", full.name)["availability"] == "active"
    looked = {check["name"]: check for check in stack.json("doctor")["checks"]}
    assert looked["secrets"]["ok"] and "a manager of a swarm of 3 nodes" in looked["swarm"]["what"]


def lost(stack: Stack, lab: SwarmLab) -> tuple[LabNode, dict[str, str]]:
    """A worker that has some of the replicas, not all, and their Hosts by name."""
    there = nodes_of(stack)
    node = next(node for node in lab.nodes[1:] if 0 < there[node.name] < there.total())
    return node, {web["name"]: web["host"] for web in stack.json("status")["web"] if web["node"] == node.name}


def let_in_elsewhere(stack: Stack, node: LabNode, before: dict[str, str]) -> None:
    """Wait for the swarm to have made them anew on other nodes, and have them let in."""
    end = time.monotonic() + 60
    while True:
        now = {web["name"]: web for web in stack.json("status")["web"]}
        if all(now[name]["host"] != host and now[name]["node"] for name, host in before.items()):
            break
        assert time.monotonic() < end, now
    stack.ok("repair")
    assert {web["state"] for web in stack.json("status")["web"]} == {"serving"}
    assert node.name not in nodes_of(stack)
    assert stack.json("status")["drift"] == []


def test_a_node_whose_engine_is_killed_costs_no_get_and_its_replicas_are_drained(stack: Stack, lab: SwarmLab) -> None:
    stack.ok("scale", "5")  # two to the node that was drained: with the only one that has any, all would be lost
    node, before = lost(stack, lab)
    # A POST that was on its way to the node when that was lost is not repeated.
    with traffic(stack, posts=0) as load:
        node.kill()  # its containers run on, until it comes back and ends them
        let_in_elsewhere(stack, node, before)
        node.again()
        lab.until_ready()
        tally = load.stop()
    assert tally.failed == Counter()


@pytest.mark.long
def test_a_node_whose_link_is_cut_costs_no_more_than_was_on_its_way_there(stack: Stack, lab: SwarmLab) -> None:
    node, before = lost(stack, lab)
    with traffic(stack, posts=0) as load:
        lab.cut(node)
        try:
            let_in_elsewhere(stack, node, before)
        finally:
            lab.mend(node)
        lab.until_ready()
        tally = load.stop()
    assert tally.failures <= len(before) * 16, tally.lost  # connections that were open to each of them
    stack.wait_serving(sum(nodes_of(stack).values()))


@pytest.mark.long
def test_a_manager_that_restarts_leaves_the_replicas_serving(stack: Stack, lab: SwarmLab) -> None:
    before = {web["name"]: web["host"] for web in stack.json("status")["web"] if web["node"] != lab.manager.name}
    with traffic(stack, posts=0) as load:
        served = sum(web["requests"] for web in stack.json("status")["web"])
        while sum(web["requests"] for web in stack.json("status")["web"]) <= served:
            pass
        lab.manager.kill()  # its containers run on, the balancer among them, until it comes back and ends them
        away = stack.run("status")
        tally = load.stop()
    assert tally.failed == Counter() and tally.ok == tally.sent > 0
    assert away.returncode == 3
    lab.manager.again()
    lab.until_ready()
    stack.ok("repair")
    status = stack.json("status")
    assert {web["state"] for web in status["web"]} == {"serving"} and status["drift"] == []
    assert before.items() <= {web["name"]: web["host"] for web in status["web"]}.items()
    with traffic(stack) as load:
        tally = load.stop()
    assert tally.failed == Counter()


@pytest.mark.long
def test_a_restore_brings_the_files_to_every_node(stack: Stack, tmp_path: Path) -> None:
    file, archive = f"{STORAGE_PATH}/mine", str(tmp_path / "one.tar")
    stack.ok("shell", stack.json("status")["web"][0]["name"], "--", "sh", "-c", f"echo kept >{file}")
    stack.ok("backup", archive)
    stack.ok("restore", archive, "--replace", "--no-backup", "--yes")
    webs = stack.json("status")["web"]
    assert len({web["node"] for web in webs}) >= 2
    assert {stack.ok("shell", web["name"], "--", "cat", file) for web in webs[:3]} == {"kept\n"}


def test_a_stack_of_one_engine_goes_on_as_services(lab: SwarmLab, web: str, tmp_path: Path) -> None:
    text = f"{lab.nodes_line}images: {{source: bundled, web: '{web}'}}\n"
    text += "web: {replicas: 2, kind: plain, health: /status}\n"
    with Stack(tmp_path, text, host=lab.manager.host, address=lab.address) as stack:
        stack.ok("up")
        assert stack.json("status")["engine"]["kind"] == "docker"
        assert sum(stack.json("migrate", "swarm", "--yes")["nodes"].values()) == 2
        status = stack.json("--engine", "swarm", "status")
        assert (status["engine"]["kind"], [one["state"] for one in status["web"]]) == ("swarm", ["serving"] * 2)
        assert status["url"] == stack.url
        stack.ok("--engine", "swarm", "down", "--volumes", "--yes")
        assert left(lab, stack.name) == []
