"""An edited stack file on a real stack: `plan` shows it and changes nothing, `up` rolls it out without loss."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.operate import assert_sound, get
from tests.leases import a_port
from tests.load import Load, Plan
from tests.stacks import Stack, docker
from tests.tinyweb import text, tiny_image


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("rollout"), text(tiny_image(), 2)) as found:
        yield found
        found.ok("down", "--volumes", "--yes")


def plan(stack: Stack, code: int = 4) -> Any:
    """What `plan --json` says; it is the only thing that it does."""
    before = ids(stack)
    found = stack.run("plan", "--json")
    assert found.returncode == code, found.stdout + found.stderr
    assert ids(stack) == before
    return json.loads(found.stdout)


def ids(stack: Stack) -> list[str]:
    wanted = ("--filter", f"label=dftui.stack={stack.name}", "-q", "--no-trunc")
    return sorted(docker("ps", "-a", *wanted).split()) + sorted(docker("volume", "ls", *wanted[:3]).split())


def edit(stack: Stack, old: str, new: str) -> None:
    before = stack.file.read_text()
    assert old in before
    stack.file.write_text(before.replace(old, new, 1))


def test_from_nothing(stack: Stack) -> None:
    found = plan(stack)
    assert stack.left() == []
    assert not (stack.folder / "config").exists() or not list((stack.folder / "config").rglob("*.env"))
    assert found["refused"] == []
    named = [(one["action"], one["name"].removeprefix(stack.name)) for one in found["changes"]]
    assert named == [
        *[("create", f"-{name}") for name in ("front", "back", "db", "cache", "storage", "mysql", "redis", "setup")],
        *[("create", f"-{name}") for name in ("web1", "web2", "lb")],
    ]
    stack.ok("up")
    assert plan(stack, 0)["changes"] == []


def test_what_keys_decided_is_no_edit(stack: Stack) -> None:
    stack.ok("scale", "+1")
    assert plan(stack, 0)["changes"] == []
    stack.ok("up")
    assert len(stack.serving()) == 3
    stack.ok("scale", "-1")


def test_variables_limits_and_number_under_load(stack: Stack) -> None:
    edit(stack, "replicas: 2", "replicas: 3\n  env: {ROLLED: 'yes', PLAIN: a}\n  memory: 200m")
    found = plan(stack)
    assert [(one["action"], one["what"]) for one in found["changes"]] == [("replace", "container")] * 2 + [
        ("scale", "replicas")
    ]
    assert found["changes"][0]["why"] == ["PLAIN: new, a", "ROLLED: new, yes", "memory: no limit → 200M"]
    assert found["changes"][2]["name"] == "2 → 3"
    old = {one["id"] for one in stack.json("status")["web"]}
    with Load(Plan(stack.port, rate=100, post_path="/api")) as load:
        stack.ok("up")
        tally = load.stop()
    assert tally.failures == 0, tally.lost
    web = stack.json("status")["web"]
    assert len(web) == 3
    assert old.isdisjoint(one["id"] for one in web)
    for one in web:
        assert "ROLLED=yes" in docker("inspect", one["name"], "--format", "{{.Config.Env}}")
    assert plan(stack, 0)["changes"] == []
    # One variable goes; its name is told.
    edit(stack, ", PLAIN: a", "")
    assert {tuple(one["why"]) for one in plan(stack)["changes"]} == {("PLAIN: no more",)}
    edit(stack, "'yes'}", "'yes', PLAIN: a}")


def test_another_algorithm_and_health_path_are_a_reload_without_loss(stack: Stack) -> None:
    drained = stack.serving()[0]
    stack.ok("drain", drained)
    edit(stack, "balancer:\n", "balancer:\n  balance: leastconn\n  trusted_proxies: [10.9.8.7]\n")
    edit(stack, "web:\n  replicas", "web:\n  health: /status?x=1\n  replicas")
    found = plan(stack)["changes"]
    assert [(one["action"], one["why"]) for one in found] == [
        ("set", ["trusted_proxies: nobody → 10.9.8.7"]),
        ("reload", ["balance: roundrobin → leastconn", "web.health: /status → /status?x=1"]),
    ]
    assert "no request is lost" in found[1]["cost"]
    with Load(Plan(stack.port, rate=100, post_path="/api")) as load:
        stack.ok("up")
        tally = load.stop()
    assert tally.failures == 0, tally.lost
    assert plan(stack, 0)["changes"] == []
    states = {one["name"]: one["state"] for one in stack.json("status")["web"]}
    assert states.pop(drained) == "drained"
    assert set(states.values()) == {"serving"}
    stack.ok("undrain", drained)


def test_a_health_path_that_no_replica_has_is_refused_before_it_takes_them_out(stack: Stack) -> None:
    kept = stack.file.read_text()
    edit(stack, "health: /status?x=1", "health: /five")
    assert "answers status 500 at /five" in plan(stack)["refused"][0]["what"]
    found = stack.run("up")
    assert found.returncode == 1
    assert "answers status 500 at /five" in found.stderr
    assert "/five" not in docker("exec", f"{stack.name}-lb", "cat", "/usr/local/etc/haproxy/haproxy.cfg")
    assert get(stack) == 200
    stack.file.write_text(kept)
    assert plan(stack, 0)["changes"] == []


def test_what_cannot_be_changed_is_refused_and_changes_nothing(stack: Stack) -> None:
    kept = stack.file.read_text()
    stack.file.write_text(f"{kept}subnet: 10.213.250.0/24\n")
    refused = plan(stack)["refused"]
    assert "subnet is 10.213.250.0/24" in refused[0]["what"]
    before = ids(stack)
    found = stack.run("up")
    assert found.returncode == 1
    assert "nothing was changed" in found.stderr
    assert "dftui down" in found.stderr
    assert ids(stack) == before
    stack.file.write_text(kept)


async def test_another_port_is_another_balancer_and_the_gap_is_told(stack: Stack) -> None:
    with a_port() as port:
        edit(stack, f"127.0.0.1:{stack.port}", f"127.0.0.1:{port}")
        found = plan(stack)["changes"]
        assert [(one["action"], one["what"]) for one in found] == [("replace", "balancer")]
        assert found[0]["why"] == [f"publish: 127.0.0.1:{stack.port} → 127.0.0.1:{port}"]
        assert "without an answer" in found[0]["cost"]
        told = stack.run("up")
        assert told.returncode == 0, told.stderr
        assert re.search(r"answers again; it was away for \d+\.\d\d s", told.stderr)
        stack.port = port
        assert get(stack) == 200
        assert plan(stack, 0)["changes"] == []
        await assert_sound(stack, 3)
