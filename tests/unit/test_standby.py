"""Two balancers on two managers of a swarm: who is which, what is off, what is counted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from dftui.balancer.errors import BalancerGone
from dftui.balancer.link import BalancerLink
from dftui.balancer.pair import PairedLink
from dftui.balancer.stat import FrontendState, Standing
from dftui.control.changes import same_place
from dftui.control.counters import receipt
from dftui.control.ground import port_holder
from dftui.engine.api import Container, Engine, Port
from dftui.engine.swarm_shape import seen_from
from dftui.stack import names
from dftui.stack.file import StackFileError, parse
from dftui.stack.spec import BalancerSpec, StackSpec
from dftui.watch.alarms import Alarm, raised
from dftui.watch.derive import Facts, derive
from dftui.watch.snapshot import EngineFacts, Snapshot

SPEC = StackSpec(engine="swarm", balancer=BalancerSpec(publish="10.0.0.1:80", nodes=("one", "two")))


def balancer(node: str, address: str = "10.0.0.1", **changes: Any) -> Container:
    labels = names.stack_labels("df", "balancer")
    ports = (Port(80, address, 80),)
    found = Container(f"{node}-lb", "df-lb", "lb:1", "sha256:1", "running", "none", 1.0, labels, {}, ports, node=node)
    return replace(found, **changes)


def seen(manager: str, *found: Container) -> list[tuple[str, str, str]]:
    """Node, name and role, as one sees them who speaks to that node."""
    told = seen_from(manager, [(one, one.node) for one in found])
    return [(one.node, one.name, one.labels[names.LABEL_ROLE]) for one, _ in told]


def test_the_balancer_is_that_of_the_manager_one_speaks_to() -> None:
    one, two = ("one", "df-lb", "balancer"), ("two", "df-lb", "balancer")
    assert seen("one", balancer("one"), balancer("two")) == [one, ("two", "df-standby", "standby")]
    assert seen("two", balancer("one"), balancer("two")) == [("one", "df-standby", "standby"), two]
    # The only one is the balancer wherever it is; another stack's is no one's standby.
    assert seen("one", balancer("two")) == [two]
    other = balancer("two", labels=names.stack_labels("x", "balancer"))
    assert seen("one", balancer("one"), other) == [one, two]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{nodes: [one, one]}", "two different nodes"),
        ("{nodes: [one]}", "two different nodes"),
        ("{nodes: [one, three]}", "names three, and nodes does not say"),
    ],
)
def test_the_file_names_two_nodes_that_can_be_reached_alone(text: str, told: str) -> None:
    file = f"nodes: {{one: 'ssh://a', two: 'ssh://b'}}\nbalancer: {text}\n"
    with pytest.raises(StackFileError, match=told):
        parse(file.encode(), "s.yaml")
    assert parse(file.replace(text, "{nodes: [one, two]}").encode(), "s.yaml").balancer.nodes == ("one", "two")


def looked(*containers: Container, **changes: Any) -> Snapshot:
    facts = Facts(engine=EngineFacts(), at=2.0, containers=containers, servers=(), wanted=0)
    return derive(SPEC, replace(facts, **changes))


def of_standby(found: Snapshot) -> list[tuple[Alarm, str]]:
    return [(one.kind, one.what) for one in found.drift if one.kind in (Alarm.STANDBY, Alarm.BALANCER_LOST)]


def test_how_the_standby_stands_is_shown_and_what_is_off_is_drift() -> None:
    active = balancer("two")
    standby = balancer("one", name="df-standby", labels=names.stack_labels("df", "standby"))
    sound = looked(active, standby, standing=Standing(7, 1, "", False))
    assert of_standby(sound) == [] and sound.standby is not None and sound.standby.in_step
    assert (sound.standby.url, sound.balancer.figures["standby"]) == ("http://10.0.0.1:80", "in step")
    behind = looked(active, standby, standing=Standing(7, 1, "it lacks the server a", False))
    assert of_standby(behind) == [
        (Alarm.STANDBY, "the standby balancer on one is out of step: it lacks the server a")
    ]
    assert of_standby(looked(active, replace(standby, state="exited")))[0][0] is Alarm.STANDBY
    assert of_standby(looked(active)) == [(Alarm.STANDBY, "the standby balancer on one is missing")]
    lost = looked(active, away=frozenset({"one"}))
    assert of_standby(lost) == [(Alarm.BALANCER_LOST, "the balancer on one is lost: its node does not answer")]
    assert Alarm.BALANCER_LOST in raised(lost) and lost.to_json()["standby"]["state"] == "lost"
    # What cannot be asked just now is not called out of step.
    assert of_standby(looked(active, standby)) == []


def test_a_receipt_counts_both_balancers_and_nobody_twice() -> None:
    def front(requests: int) -> FrontendState:
        return FrontendState(requests=requests)

    def counted(before: dict[str, int], after: dict[str, int]) -> int:
        first, last = ({run: front(n) for run, n in end.items()} for end in (before, after))
        return receipt(first, last, ()).requests

    assert counted({"a": 10, "b": 5}, {"a": 30, "b": 6}) == 21
    assert counted({"a": 10, "b": 5}, {"b": 50}) == 45  # the other one was lost, and this one is active now
    assert counted({"a": 10}, {"a": 30, "b": 1000}) == 20  # it was not asked at the beginning
    assert counted({"a": 10}, {"new": 3}) == 3  # restarted


def test_each_of_two_hosts_publishes_at_its_own_address() -> None:
    here, there = Port(80, "10.0.0.1", 80), Port(80, "10.0.0.2", 80)
    assert same_place(here, there, paired=True) and not same_place(here, there)
    for other in (Port(80, "0.0.0.0", 80), Port(80, "127.0.0.1", 80), Port(80, "10.0.0.2", 81)):
        assert not same_place(here, other, paired=True)


def test_the_standby_holds_no_port_against_its_own_stack() -> None:
    standby = balancer("one", name="df-standby", labels=names.stack_labels("df", "standby"))
    assert port_holder([standby], Port(80, "10.0.0.1", 80), "df") == ""
    assert port_holder([standby], Port(80, "10.0.0.1", 80), "another") == "df-standby"


async def test_a_standby_that_does_not_answer_keeps_nobody_waiting_twice() -> None:
    asked: list[str] = []

    async def gone(other: BalancerLink) -> str:
        asked.append("gone")
        raise BalancerGone("the balancer does not answer")

    async def slow(other: BalancerLink) -> str:
        await asyncio.sleep(60)
        return "too late"

    async def well(other: BalancerLink) -> str:
        return "done"

    link = PairedLink(cast(Engine, object()), "df-lb", "df-standby")
    assert [await link.also(gone), await link.also(gone), asked] == [None, None, ["gone"]]
    assert [await link.also(well, now=True), await link.also(well)] == ["done", "done"]
    assert [await link.also(slow, 0.01), await link.also(well)] == [None, None]
