"""Decisions of actions that need no engine: who goes, which subnet, what is said, when to scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dftui.balancer.config import Held, Marked, Server
from dftui.balancer.holder import Holder
from dftui.balancer.stat import ServerState
from dftui.control.autoscale import COOL_DOWN, HIGH_FOR, LOW_SHARE, REST_UP, Autoscaler
from dftui.control.entry import Entry
from dftui.control.errors import ActionError
from dftui.control.ground import free_subnet, port_holder
from dftui.control.history import append, history_path, read
from dftui.control.pool import Pool
from dftui.control.receipts import Drained, Receipt, ScaleResult
from dftui.control.repair import find
from dftui.control.rotation import idle
from dftui.control.specs import Plan, publish, setup, spec_hash, web
from dftui.control.steps import docker_run
from dftui.dreamfactory.api import parse_status
from dftui.engine.api import Container, Network, Port
from dftui.stack import names
from dftui.stack.secrets import new_secrets
from dftui.stack.spec import BalancerSpec, StackSpec, WebSpec
from dftui.watch.derive import Facts, derive
from dftui.watch.snapshot import EngineFacts


def a_plan(**web_values: Any) -> Plan:
    images = {"web": "img/web", "db": "img/db", "cache": "img/cache", "balancer": "img/lb"}
    spec = StackSpec(web=WebSpec(**web_values))
    return Plan(spec, new_secrets(), images, {"web": "sha256:1"}, "bundled", "172.20.3.0/24")


def a_web(number: int, created: float = 0.0, **more: Any) -> Container:
    values: dict[str, Any] = {
        "id": f"{number:064x}"[::-1],
        "name": f"df-web{number}",
        "image": "img/web",
        "image_id": "sha256:1",
        "state": "running",
        "health": "none",
        "created": created,
        "labels": names.stack_labels("df", "web", number=str(number)),
        "addresses": {"df-front": f"172.20.3.{10 + number}", "df-back": "172.21.0.9"},
    }
    return Container(**(values | more))


def up(container: Container, **more: Any) -> ServerState:
    address = f"{container.addresses.get('df-front', 'x')}:80"
    values: dict[str, Any] = {"name": container.short, "address": address, "status": "UP", "admin": "ready"}
    return ServerState(**({**values, "weight": 1} | more))


def test_those_that_do_not_serve_go_first_then_the_youngest() -> None:
    one, two, three = a_web(1, 10), a_web(2, 30), a_web(3, 20)
    states = {c.short: up(c) for c in (two, three)} | {one.short: up(one, status="DOWN")}
    pool = Pool([one, two, three], states)
    assert [c.name for c in pool.victims(3, None)] == ["df-web1", "df-web2", "df-web3"]
    assert [c.name for c in pool.victims(1, "df-web3")] == ["df-web3"]


def test_only_the_setup_container_ever_holds_the_admins_variables() -> None:
    plan = a_plan()
    assert [name for name in web(plan, 1).env if name.startswith("ADMIN_")] == []
    assert setup(plan).env["ADMIN_PASSWORD"] == plan.secrets.admin_password
    assert setup(plan).restart == "no"


def test_the_docker_command_that_is_shown_holds_no_secret() -> None:
    plan = a_plan(env={"APP_LOG_LEVEL": "debug"})
    line = docker_run(web(plan, 3))
    assert "--name df-web3" in line
    assert "--ip 172.20.3.13" in line
    assert "APP_LOG_LEVEL=debug" in line
    assert not [value for value in plan.secrets.values() if value in line]


def test_a_replica_made_differently_has_another_hash() -> None:
    plan = a_plan()
    same = Plan(plan.spec, plan.secrets, plan.images, plan.image_ids, plan.source, plan.subnet)
    assert spec_hash(plan) == spec_hash(same)
    assert spec_hash(plan) != spec_hash(a_plan(memory=2**28))


def test_bundled_images_are_published_on_loopback_alone_unless_told_otherwise() -> None:
    assert publish(StackSpec(), "bundled") == Port(80, "127.0.0.1", 80)
    assert publish(StackSpec(), "pull") == Port(80, "", 80)
    assert publish(StackSpec(balancer=BalancerSpec(publish="[::1]:8080")), "bundled") == Port(80, "::1", 8080)


def test_a_free_subnet_overlaps_nothing_and_is_the_same_each_time() -> None:
    first = free_subnet("df", [])
    assert free_subnet("df", []) == first
    network = Network("1", "other", {}, (first,), False)
    assert free_subnet("df", [network]) != first
    with pytest.raises(ActionError, match="no free /24"):
        free_subnet("df", [], ["172.16.0.0/12"])


def test_the_holder_of_a_port_is_named_and_the_own_balancer_is_not_in_the_way() -> None:
    wanted = Port(80, "127.0.0.1", 8080)
    other = a_web(1, name="shop", labels={}, ports=(Port(80, "0.0.0.0", 8080),))
    own = a_web(2, name="df-lb", labels=names.stack_labels("df", "balancer"), ports=(wanted,))
    assert port_holder([other], wanted, "df") == "shop"
    assert port_holder([own], wanted, "df") == ""
    assert port_holder([a_web(3, ports=(Port(80, "10.0.0.1", 8080),))], wanted, "df") == ""


def test_repair_finds_each_kind_of_difference() -> None:
    plan = a_plan()
    one, two, three = a_web(1), a_web(2, state="exited", status="Exited (137)"), a_web(3)
    pool = Pool([one, two, three], {one.short: up(one, weight=0), "feedfeedfeed": up(one, name="feedfeedfeed")})
    services = [
        a_web(10 + i, name=f"df-{role}", labels=names.stack_labels("df", role), state=state)
        for i, (role, state) in enumerate((("db", "paused"), ("cache", "running"), ("balancer", "running")))
    ]
    servers = tuple(Server(c.short, "172.20.3.11", 80, c.name) for c in (one, two, three))
    found = [f.what for f in find([*services, one, two, three], pool, plan, Marked(4, servers))]
    assert found == [
        "the database (df-db) is paused",
        "server feedfeedfeed in the balancer has no container",
        "df-web1 has weight 0 in the balancer: it serves nothing",
        "df-web2 does not run (Exited (137))",
        "the balancer does not know df-web3",
        "4 replicas are wanted, 3 exist",
    ]


def test_a_replica_that_gets_nothing_because_others_weigh_more_says_so_and_the_weights_are_put_back() -> None:
    webs = [a_web(1), a_web(2), a_web(3)]

    def pool(weight: int, answered: int) -> Pool:
        """The first has this weight, and was asked so often."""
        states = [up(webs[0], weight=weight, attempts=answered), up(webs[1]), up(webs[2])]
        return Pool(webs, {state.name: state for state in states})

    why = idle(pool(256, 0), pool(256, 81))
    assert {ref: one.cause for ref, one in why.items()} == {webs[1].id: "weight", webs[2].id: "weight"}
    assert why[webs[1].id].words.startswith("has weight 1 in the balancer, where others have 256")
    found = [(f.kind, f.what) for f in find(webs, pool(256, 0), None, None) if f.who.startswith("df-web")]
    assert found == [("weight", "df-web1 has weight 256 in the balancer, not 1")]
    assert {one.cause for one in idle(pool(1, 0), pool(1, 81)).values()} == {"idle"}


def test_repair_names_a_replica_on_another_key_image_or_network() -> None:
    plan = a_plan()
    odd = [
        a_web(1, labels=names.stack_labels("df", "web", number="1", key="0badbad0")),
        a_web(2, image_id="sha256:2"),
        a_web(3, addresses={"df-front": "172.20.3.13"}),
    ]
    found = find(odd, Pool(odd, {c.short: up(c) for c in odd}), plan, None)
    words = [f.what for f in found if f.kind == "replace"]
    assert words == [
        f"df-web1 runs with another APP_KEY (0badbad0, not {plan.key})",
        "df-web2 runs another image",
        "df-web3 is not on the back network",
    ]


def test_what_is_held_out_is_nothing_to_repair_and_counts_as_nothing() -> None:
    plan = a_plan()
    one, two = a_web(1), a_web(2, labels=names.stack_labels("df", "web", number="2", key="0badbad0"))
    pool = Pool([one, two], {one.short: up(one)})
    services = [
        a_web(10 + i, name=f"df-{role}", labels=names.stack_labels("df", role))
        for i, role in enumerate(("db", "cache", "balancer"))
    ]
    server = Server(one.short, "172.20.3.11", 80, one.name)
    noted = Marked(1, (server,), held=(Held(two.short, "runs with another APP_KEY"),))
    assert find([*services, one, two], pool, plan, noted) == []
    assert pool.counted() == [one]
    assert pool.victims(1, None) == [one]
    found = [f.kind for f in find([*services, one, two], pool, plan, Marked(1, (server,)))]
    assert found == ["replace", "count"]


def test_a_replica_left_in_its_gate_is_not_taken_for_one_drained_on_purpose() -> None:
    one, two = a_web(1), a_web(2)
    pool = Pool([one, two], {one.short: up(one, admin="drain"), two.short: up(two, admin="drain")})
    marked = Marked(2, (Server(one.short, "172.20.3.11", 80, one.name),))
    found = [f.who for f in find([one, two], pool, None, marked) if f.kind == "unknown"]
    assert found == ["df-web2"]


def services() -> list[Container]:
    return [
        a_web(20 + i, name=names.container_name("df", role), labels=names.stack_labels("df", role), addresses={})
        for i, role in enumerate(("db", "cache", "balancer"))
    ]


Breakage = Callable[[dict[str, Container], dict[str, ServerState]], object]


def gone(containers: dict[str, Container], states: dict[str, ServerState]) -> None:
    del containers["df-web2"]


def changed(who: str, **more: Any) -> Breakage:
    def do(containers: dict[str, Container], states: dict[str, ServerState]) -> None:
        containers[who] = replace(containers[who], **more)

    return do


def entry(**more: Any) -> Breakage:
    def do(containers: dict[str, Container], states: dict[str, ServerState]) -> None:
        states["df-web2"] = replace(states["df-web2"], **more)

    return do


OTHER_KEY = names.stack_labels("df", "web", number="2", key="0badbad0")
BREAKAGES: dict[str, Breakage] = {
    "a container removed behind its back": gone,
    "a server left in the table": lambda _, states: states.update(x=replace(states["df-web1"], name="feedfeedfeed")),
    "a server that the table lacks": lambda _, states: states.pop("df-web2"),
    "an empty table": lambda _, states: states.clear(),
    "a server at another address": entry(address="172.20.3.99:80"),
    "a weight of nothing": entry(weight=0),
    "a weight that others do not have": entry(weight=256),
    "another key": changed("df-web2", labels=OTHER_KEY),
    "another image": changed("df-web2", image_id="sha256:2"),
    "not on the front network": changed("df-web2", addresses={"df-back": "172.21.0.9"}),
    "not on the back network": changed("df-web2", addresses={"df-front": "172.20.3.12"}),
    "a stopped replica": changed("df-web2", state="exited", exit_code=0),
    "a killed replica": changed("df-web2", state="exited", exit_code=137),
    "a paused replica": changed("df-web2", state="paused"),
    "a paused database": changed("df-mysql", state="paused"),
    "a stopped cache": changed("df-redis", state="exited"),
    "a stopped balancer": changed("df-lb", state="exited"),
    "no balancer": lambda containers, _: containers.pop("df-lb"),
    "one too many": lambda containers, _: containers.update(more=a_web(4)),
}


@pytest.mark.parametrize("what", BREAKAGES)
def test_what_is_shown_as_drift_is_what_repair_puts_right(what: str) -> None:
    plan = a_plan()
    webs = [a_web(n, labels=names.stack_labels("df", "web", number=str(n), key=plan.key)) for n in (1, 2, 3)]
    sound = {c.name: c for c in [*services(), *webs]}
    servers = {c.name: up(c) for c in webs}
    marked = Marked(3, tuple(Server(c.short, "172.20.3.11", 80, c.name) for c in webs))

    def both(containers: dict[str, Container], states: dict[str, ServerState]) -> tuple[bool, bool]:
        everyone = tuple(containers.values())
        facts = Facts(EngineFacts(), at=1e9, containers=everyone, servers=tuple(states.values()), wanted=3)
        pool = Pool([c for c in everyone if "-web" in c.name], {s.name: s for s in states.values()})
        return bool(derive(StackSpec(), facts).drift), bool(find(everyone, pool, plan, marked))

    assert both(sound, servers) == (False, False)
    containers, states = dict(sound), dict(servers)
    BREAKAGES[what](containers, states)
    assert both(containers, states) == (True, True)


def test_autoscale_adds_only_after_a_while_and_then_rests() -> None:
    scaler = Autoscaler(10, "requests/s", 1, 8)
    assert scaler.look(0.0, 2, 2, 60) is None
    assert scaler.look(HIGH_FOR - 1, 2, 2, 60) is None
    advice = scaler.look(HIGH_FOR, 2, 2, 60)
    assert advice is not None
    assert advice.to == 6
    assert "above the target 10" in advice.why
    assert scaler.look(HIGH_FOR + 1, 6, 6, 600) is None
    assert scaler.look(HIGH_FOR + REST_UP - 1, 6, 6, 600) is None
    later = scaler.look(HIGH_FOR + REST_UP, 6, 6, 600)
    assert later is not None
    assert later.to == 8


def test_autoscale_removes_one_when_the_others_carry_it_and_never_below_the_least() -> None:
    scaler = Autoscaler(10, "requests/s", 2, 8)
    assert scaler.look(0.0, 3, 3, 5) is None
    advice = scaler.look(LOW_SHARE * COOL_DOWN, 3, 3, 5)
    assert advice is not None
    assert advice.to == 2
    quiet = Autoscaler(10, "requests/s", 2, 8)
    assert [quiet.look(float(t), 2, 2, 0) for t in range(0, 200, 10)] == [None] * 20


def test_autoscale_holds_still_between_its_thresholds_and_while_a_change_is_under_way() -> None:
    scaler = Autoscaler(10, "requests/s", 1, 8)
    assert [scaler.look(float(t), 3, 3, 28) for t in range(100)] == [None] * 100
    assert [scaler.look(100.0 + t, 3, 5, 500) for t in range(100)] == [None] * 100


def test_a_scales_json_is_the_documented_one() -> None:
    result = ScaleResult(3, 2, (), ("df-web3",), 1.23456, Receipt(10, 0, 0, 0, (Drained("df-web3", 0, 0.4),)))
    assert result.to_json() == {
        "from": 3,
        "to": 2,
        "added": [],
        "removed": ["df-web3"],
        "seconds": 1.235,
        "receipt": {
            "requests": 10,
            "failed": 0,
            "retries": 0,
            "redispatches": 0,
            "drained": [{"name": "df-web3", "sessions_left": 0, "seconds": 0.4}],
            "served": [],
        },
    }


def test_history_is_appended_read_back_and_survives_a_broken_line(own_folders: Path) -> None:
    one = Entry(1.0, "root", "scale", "done", 0.5, ("3 → 4",), ("docker run",), {"requests": 3})
    append("E:1", "df", one)
    with history_path("E:1", "df").open("a") as stream:
        stream.write('{"time": 2\n')
    append("E:1", "df", one)
    assert list(read("E:1", "df")) == [one, one]
    assert list(read("E:1", "other")) == []


@pytest.mark.parametrize("text", ["", "x", "123.4", "99999999999.1 a\x1b[2J b c"])
def test_a_lock_that_says_nonsense_is_still_told(text: str) -> None:
    assert Holder.parse(text).words()


def test_status_tells_not_migrated_no_admin_and_ready_apart() -> None:
    assert not parse_status(500, b"{}").ready
    assert not parse_status(0, b"").listening
    none = parse_status(200, b'{"resources": {"admin": 0}}')
    assert (none.ready, none.admins) == (True, 0)
    assert parse_status(200, b'{"resources": {"admin": 1}, "version": "7"}').admins == 1
    assert parse_status(200, b"<html>").ready
