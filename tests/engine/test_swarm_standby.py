"""Two balancers on two managers of a real swarm: in step through every change, and one of them lost."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from dftui.control.operator import Operator
from dftui.engine.bundled import bundled_tag
from dftui.engine.connect import connect_for
from dftui.stack.file import load
from dftui.stack.names import LABEL_ROLE
from tests import tinyweb
from tests.engine.swarm_rig import left
from tests.namespaces import until
from tests.stacks import LABEL, Stack
from tests.swarmlab import LabNode, SwarmLab
from tests.twohomes import TwoHomes

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def web() -> str:
    return tinyweb.tiny_image()


@pytest.fixture(scope="module")
def lab(web: str) -> Iterator[SwarmLab]:
    """Three managers, so that the swarm acts without one of them; the first leads it, and has no balancer: nobody has
    to wait for an election."""
    with SwarmLab(3, 3, heartbeat="1s") as found:
        found.load(web, bundled_tag("balancer"))
        yield found


@pytest.fixture(scope="module")
def stack(lab: SwarmLab, web: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    one, two = lab.nodes[1:]
    text = f"  nodes: [{one.name}, {two.name}]\n{lab.stack_lines}"
    text += f"images: {{source: bundled, web: '{web}'}}\nweb: {{replicas: 2, kind: plain, health: /status}}\n"
    with Stack(tmp_path_factory.mktemp("standby"), text, host=one.host, address=one.address) as found:
        found.ok("up")
        yield found
        found.ok("down", "--volumes", "--yes")
        # Not all managers know at once.
        until(lambda: not left(lab, found.name), f"something is left of {found.name}")


def table(stack: Stack, node: LabNode) -> dict[str, tuple[str, str]]:
    """Address and administrative state of every server of a node's balancer, as HAProxy itself says."""
    ask = "echo show servers state web | socat - UNIX:/var/lib/haproxy/admin.sock"
    rows = node.docker("exec", f"{stack.name}-lb", "sh", "-c", ask).splitlines()[2:]
    return {row.split()[3]: (row.split()[4], row.split()[6]) for row in rows if row}


def test_the_standby_serves_the_same_replicas_through_every_change(stack: Stack, lab: SwarmLab) -> None:
    one, two = lab.nodes[1:]
    status = stack.json("status")
    assert (status["balancer"]["node"], status["standby"]["node"]) == (one.name, two.name)
    assert (status["standby"]["state"], status["standby"]["in_step"], status["drift"]) == ("running", True, [])
    assert (status["url"], status["standby"]["url"]) == (stack.url, f"http://{two.address}:{stack.port}")
    with TwoHomes((status["standby"]["url"],)) as clients:
        scaled = stack.json("scale", "3")
        assert table(stack, one) == table(stack, two) and len(table(stack, two)) == 3
        stack.ok("drain", "1")
        assert table(stack, one) == table(stack, two)
        assert len({state for _, state in table(stack, two).values()}) == 2  # one is drained at the standby, too
        back = stack.json("scale", "2")
    assert clients.failed == [] and len(clients.hosts) == 3
    # All of them came to the standby, and were counted.
    assert scaled["receipt"]["requests"] > 0 and scaled["receipt"]["failed"] == back["receipt"]["failed"] == 0
    assert table(stack, one) == table(stack, two) and len(table(stack, two)) == 2


def test_what_is_off_with_the_standby_is_told_and_repaired(stack: Stack, lab: SwarmLab) -> None:
    two = lab.nodes[2]
    name, ask = f"{stack.name}-lb", "socat - UNIX:/var/lib/haproxy/admin.sock"
    server = next(iter(table(stack, two)))
    two.docker("exec", name, "sh", "-c", f"echo set server web/{server} state drain | {ask}")
    status = stack.json("status")
    assert status["standby"]["in_step"] is False
    assert [(one["kind"], server in one["what"]) for one in status["drift"]] == [("standby", True)]
    two.docker("rm", "-f", name)
    assert "standby balancer on node3 is missing" in stack.json("repair")["repaired"][0]["what"]
    status = stack.json("status")
    assert (status["standby"]["in_step"], status["drift"]) == (True, [])
    assert table(stack, lab.nodes[1]) == table(stack, two)


async def test_when_a_manager_is_lost_its_standby_goes_on_and_it_comes_back_in_step(
    stack: Stack, lab: SwarmLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = lab.nodes[1:]
    urls = (stack.url, f"http://{two.address}:{stack.port}")
    for name in ("DFTUI_CONFIG_DIR", "DFTUI_STATE_DIR"):
        monkeypatch.setenv(name, stack.env[name])
    spec = load(stack.file)
    engine = await connect_for(spec, one.host)  # as a screen has it that runs on
    operator = Operator(engine, spec)
    assert (await operator.scale(to=2)).after == 2
    with TwoHomes(urls) as clients:
        clients.until_answered(20)
        lab.cut(one)
        one.kill()  # its containers run on, where nobody reaches them
        clients.until_answered(20, at=1)
        found = stack.run("status", "--json")
        assert "The standby on node3 takes over" in found.stderr
        status = json.loads(found.stdout)
        assert (status["balancer"]["node"], status["url"]) == (two.name, urls[1])
        assert status["standby"]["state"] == "lost"
        assert "balancer-lost" in [drift["kind"] for drift in status["drift"]]
        roles = {one.labels[LABEL_ROLE]: one.node for one in await engine.containers({LABEL: stack.name})}
        assert (await engine.info()).host == two.host and roles["balancer"] == two.name
        scaled = await operator.scale(to=3)
        assert (scaled.after, scaled.receipt.failed) == (3, 0)
        await operator.close()
        await engine.close()
        clients.until_answered(20, at=1)
    # What was under way at the lost one, and nothing else, was sent again to the other.
    assert {at for at, _ in clients.failed} == {0}
    lab.mend(one)
    one.again()
    lab.until_ready()
    stack.ok("repair")  # the one that came back was not told of three replicas
    status = stack.json("status")
    assert (status["balancer"]["node"], status["balancer"]["state"], status["drift"]) == (one.name, "running", [])
    assert status["standby"]["in_step"] and status["wanted"] == 3
    assert table(stack, one) == table(stack, two) and len(table(stack, one)) == 3
