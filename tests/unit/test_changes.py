"""What `up` decides and `plan` shows, from how a stack is and what its file says: nothing here asks an engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from dftui.__main__ import main
from dftui.balancer.config import Filed, Held, Marked
from dftui.balancer.running import Running
from dftui.control import changes, specs
from dftui.control.changes import Look, Refusal
from dftui.control.planning import Change, Preview
from dftui.control.specs import Plan
from dftui.engine.api import Container, ContainerDetail, Network, Port
from dftui.stack import names
from dftui.stack.file import parse
from dftui.stack.secrets import Secrets, new_secrets
from dftui.stack.spec import StackSpec
from tests.fakes.cli import stood_in

SECRETS: Secrets = new_secrets()
FILED = Filed(3, None)
RUNNING = Running("roundrobin", "/status", (), {"web1".rjust(12, "0"): "10.0.0.11:80"})


def file(text: str) -> StackSpec:
    return parse(text.encode(), "dftui.yaml")


def plan(spec: StackSpec, image: str = "sha256:old") -> Plan:
    return Plan(spec, SECRETS, {"web": "web:1"}, {"web": image}, "bundled", "10.0.0.0/24")


def container(role: str, number: int = 0, **more: Any) -> Container:
    name = names.container_name("df", role, number)
    labels = names.stack_labels("df", role, **({"number": str(number)} if number else {}))
    given: dict[str, Any] = {
        "id": f"{role}{number or ''}".rjust(12, "0"),
        "image": f"{role}:1",
        "image_id": "sha256:old",
        "state": "running",
        "health": "none",
        "created": 1.0,
        "addresses": {},
        **more,
    }
    return Container(name=name, labels={**labels, **given.pop("labels", {})}, **given)


def made(spec: StackSpec, number: int = 1, image_env: Mapping[str, str] | None = None) -> tuple[Container, Any]:
    """A replica made from this file, and what inspecting it tells."""
    wanted = specs.web(plan(spec), number)
    one = container("web", number, image="web:1", labels=wanted.labels)
    env = {**(image_env or {}), **wanted.env}
    command = wanted.command or ()
    return one, ContainerDetail(one, env, command=command, cpus=wanted.cpus, memory=wanted.memory)


def marked(**more: Any) -> Marked:
    return Marked(**{"wanted": 3, "servers": (), "filed": FILED, **more})


def test_nothing_is_there() -> None:
    assert changes.missing_networks("df", ()) == ["front", "back"]
    assert changes.missing_volumes(StackSpec(), ()) == ["db", "cache", "storage"]
    assert changes.service_step(None) == "create"
    assert changes.web_steps((), (), 3) == ([], [1, 2, 3])
    assert changes.setup_due(StackSpec(), fresh=True, left_over=None)
    assert not changes.setup_due(file("admin: none"), fresh=True, left_over=None)


def test_what_is_half_there() -> None:
    everyone = [container("web", 1), container("web", 3, state="exited"), container("web", 4, state="paused")]
    steps, numbers = changes.web_steps(everyone, (), 4)
    assert [(c.name, step) for c, step in steps] == [("df-web3", "start"), ("df-web4", "unpause")]
    assert numbers == [2]
    # One that is held out does not count, but holds its number.
    assert changes.web_steps(everyone, [Held("web1".rjust(12, "0"), "why")], 3)[1] == [2]
    assert changes.web_steps(everyone, (), 2) == ([], [])


@pytest.mark.parametrize(
    ("text", "noted", "wanted"),
    [
        ("web: {replicas: 5}", marked(wanted=4), 5),  # edited
        ("web: {replicas: 3}", marked(wanted=4), 4),  # + decided
        ("web: {replicas: 5}", marked(wanted=4, filed=None), 4),  # an older dftui noted nothing
        ("web: {replicas: 5}", None, 5),
    ],
)
def test_the_number_is_the_files_where_it_was_edited(text: str, noted: Marked | None, wanted: int) -> None:
    assert changes.wanted_number(file(text), noted) == wanted


def test_without_a_file_nothing_was_edited() -> None:
    edited = replace(file("{web: {replicas: 5}, subnet: 10.1.0.0/24, balancer: {balance: random}}"), path="")
    one, detail = made(file("web: {env: {A: b}}"))
    look = Look([one, container("balancer")], running=RUNNING, details={one.id: detail})
    assert changes.wanted_number(edited, marked(wanted=4)) == 4
    assert not changes.image_edited(edited, marked())
    assert changes.to_replace(look, plan(edited)) == {}
    assert changes.balancer_edit(look, edited, "bundled") == changes.BalancerEdit()
    assert changes.refused(look, edited) == []


def test_a_roll_to_another_image_is_not_taken_back() -> None:
    assert not changes.image_edited(file(""), marked())
    assert changes.image_edited(file("images: {web: 'x:2'}"), marked())
    assert not changes.image_edited(file("images: {web: 'x:2'}"), marked(filed=Filed(3, "x:2")))
    assert changes.image_edited(file(""), marked(filed=Filed(3, "x:2")))


def test_a_replica_that_is_as_wanted_is_left() -> None:
    spec = file("web: {env: {A: b}, cpus: 1.5, memory: 200m}")
    one, detail = made(spec, image_env={"PATH": "/bin"})
    look = Look([one], details={one.id: detail}, image_env={"sha256:old": {"PATH": "/bin"}})
    assert changes.outdated([one], plan(spec)) == []
    assert changes.to_replace(look, plan(spec)) == {}
    # Made by an older dftui with another hash of the same.
    other = replace(one, labels={**one.labels, names.LABEL_SPEC: "other"})
    assert changes.outdated([other], plan(spec)) == [other]
    assert changes.to_replace(replace(look, containers=[other]), plan(spec)) == {}


def test_why_a_replica_is_replaced() -> None:
    one, detail = made(file("web: {env: {A: b, GONE: x}, cpus: 1.5}"), image_env={"PATH": "/bin"})
    spec = file("web: {env: {A: c, NEW: d}, memory: 200m, port: 8080}")
    look = Look(
        [one],
        running=replace(RUNNING, servers={one.short: "10.0.0.11:80"}),
        details={one.id: detail},
        image_env={"sha256:old": {"PATH": "/bin"}},
    )
    assert changes.to_replace(look, plan(spec, "sha256:new")) == {
        "df-web1": (
            "image: web:1, built anew",
            "A: b → c",
            "NEW: new, d",
            "GONE: no more",
            "cpus: 1.5 → no limit",
            "memory: no limit → 200M",
            "web.port: 80 → 8080",
        )
    }


def test_secrets_are_named_and_not_told() -> None:
    _, detail = made(file(""))
    other = Plan(file(""), new_secrets(), {"web": "web:1"}, {"web": "sha256:old"}, "bundled", "10.0.0.0/24")
    told = " ".join(changes.unlike(detail, specs.web(other, 1), "sha256:old"))
    assert "APP_KEY: changed" in told
    assert "DB_PASSWORD: changed" in told
    for value in (*SECRETS.values(), *other.secrets.values()):
        assert value not in told


def test_what_a_container_says_is_cleaned() -> None:
    _, detail = made(file("web: {env: {A: b}}"))
    hostile = replace(detail, env={**detail.env, "A": "\x1b[31m" + "x" * 500})
    told = changes.unlike(hostile, specs.web(plan(file("web: {env: {A: b}}")), 1), "")
    assert len(told) == 1
    assert told[0].isprintable()
    assert len(told[0]) < 150


@pytest.mark.parametrize(
    ("text", "live", "reload", "swap"),
    [
        ("", (), (), ()),
        ("balancer: {balance: leastconn}", (), ("balance: roundrobin → leastconn",), ()),
        ("web: {health: /up}", (), ("web.health: /status → /up",), ()),
        ("balancer: {trusted_proxies: [10.0.0.1]}", ("trusted_proxies: nobody → 10.0.0.1",), (), ()),
        ("balancer: {publish: '81'}", (), (), ("publish: 127.0.0.1:80 → 81 on every interface",)),
        ("balancer: {publish: '[::1]:80'}", (), (), ("publish: 127.0.0.1:80 → [::1]:80",)),
        ("images: {balancer: 'ha:2'}", (), (), ("image: balancer:1 → ha:2",)),
    ],
)
def test_what_it_takes_to_change_the_balancer(
    text: str, live: tuple[str, ...], reload: tuple[str, ...], swap: tuple[str, ...]
) -> None:
    look = Look(
        [container("balancer", ports=(Port(80, "127.0.0.1", 80),))],
        running=RUNNING,
        images={"balancer": "sha256:new"} if "images" in text else {},
    )
    found = changes.balancer_edit(look, file(text), "bundled")
    assert (found.live, found.reload, found.replace) == (live, reload, swap)
    assert found.moved is ("publish" in text)


def test_a_port_on_every_interface_is_the_same_in_each_of_its_spellings() -> None:
    for ports in (
        (Port(80, "0.0.0.0", 8080), Port(80, "::", 8080)),
        (Port(80, "", 8080),),
    ):
        look = Look([container("balancer", ports=ports)], running=RUNNING)
        assert changes.balancer_edit(look, file("balancer: {publish: 8080}"), "bundled").replace == ()


def test_what_cannot_be_changed_while_it_runs_is_refused_with_what_to_do() -> None:
    front = Network("1", "df-front", {}, ("10.0.0.0/24",), False)
    look = Look([container("db"), container("cache")], networks=[front], images={"db": "sha256:new"})
    found = changes.refused(look, file("{subnet: 10.1.0.0/24, images: {db: 'mysql:9'}}"))
    assert ["subnet is 10.1.0.0/24" in found[0].what, "images.db is mysql:9" in found[1].what] == [True, True]
    assert all("dftui down" in one.hint for one in found)
    assert changes.refused(replace(look, images={}), file("subnet: 10.0.0.0/24")) == []


def test_plan_on_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with stood_in(monkeypatch) as world:
        assert main(["plan"]) == 0
        assert "Nothing to do" in capsys.readouterr().out
        world.preview = Preview(
            "df",
            (
                Change("replace", "container", "df-web1", ("A: b → c", "B: new")),
                Change("reload", "balancer", "df-lb"),
            ),
            (Refusal("subnet is x", "put it back"),),
        )
        assert main(["plan", "-n", "4"]) == 4
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "refused: subnet is x"
        assert "replace  container  df-web1  A: b → c; B: new" in lines[-2]
        assert main(["--read-only", "plan", "--json"]) == 4
        assert json.loads(capsys.readouterr().out) == {
            "stack": "df",
            "changes": [
                {
                    "action": "replace",
                    "what": "container",
                    "name": "df-web1",
                    "why": ["A: b → c", "B: new"],
                    "cost": "",
                },
                {"action": "reload", "what": "balancer", "name": "df-lb", "why": [], "cost": ""},
            ],
            "refused": [{"what": "subnet is x", "hint": "put it back"}],
        }
        assert [call for call in world.calls if call[0] == "plan"] == [("plan", None), ("plan", 4), ("plan", None)]
