"""The machines of a swarm on the screen: seen, drained after one key, activated at once; absent elsewhere."""

from __future__ import annotations

from dataclasses import replace

from dftui.engine.nodes import Availability, Node, NodeRole, NodeState, NodeUse
from dftui.ui.options import Options
from dftui.watch.snapshot import EngineFacts

from .conftest import words
from .fake_backend import FakeBackend, Sorry, busy, stack
from .seat import seat


def node(
    number: int,
    role: NodeRole = "worker",
    state: NodeState = "ready",
    availability: Availability = "active",
    message: str = "",
) -> Node:
    return Node(
        id=f"id{number}" + "x" * 21,
        name=f"node{number}",
        role=role,
        leader=role == "manager",
        availability=availability,
        state=state,
        address=f"10.214.7.1{number}",
        cpus=2.0,
        memory=24 << 30,
        version="20.10.24",
        message=message,
    )


def a_swarm() -> FakeBackend:
    """Three machines: the first has database and cache, the third is lost."""
    made = stack()
    fake = busy(FakeBackend(replace(made, engine=EngineFacts("swarm", "unix:///swarm.sock", "20.10.24"))))
    web = made.web
    fake.machines = [
        NodeUse(node(1, "manager"), ("df-mysql", "df-redis"), (made.db.id, made.cache.id)),
        NodeUse(node(2), ("df-web1", "df-web2"), (web[0].id, web[1].id)),
        NodeUse(node(3, state="down", message="heartbeat failure")),
    ]
    return fake


async def test_each_machine_is_shown_with_its_load_and_what_runs_on_it() -> None:
    for size in ((80, 24), (120, 40), (200, 50)):
        async with seat(a_swarm(), size=size) as s:
            await s.press("M")
            await s.see("node1")
            lines = words(s.app).splitlines()
            first, second, third = (next(line for line in lines if f"node{n} " in line) for n in (1, 2, 3))
            assert "leader" in first and "121M" in first, "the load is not that of what runs there"
            assert "● ready" in second and "df-web1" in second
            assert "✗ down" in third and "heartbeat"[:4] in third
            assert "2 of 3 ready" in words(s.app)


async def test_one_is_drained_after_a_key_and_activated_at_once() -> None:
    async with seat(a_swarm()) as s:
        await s.press("9")
        await s.see("node2")
        await s.press("down", "X")
        await s.see("Drain the machine node2?")
        await s.press("n")
        assert s.fake.calls == []
        await s.press("X", "y")
        await s.see("node2 is drained: 2 tasks moved in 3.2 s, 1 of them replicas, drained in the balancer first.")
        await s.see("◌ drained")
        await s.press("X")
        await s.see("node2 takes tasks again")
        assert [call[0] for call in s.fake.calls] == ["drain_node", "activate_node"]


async def test_where_there_is_no_swarm_there_are_no_machines() -> None:
    async with seat() as s:
        assert "machines" not in words(s.app).splitlines()[-1]
        for key in ("M", "9"):
            await s.press(key)
            await s.see("This engine is no swarm: there is one machine.")
            s.app.main.conductor.say("")
        await s.press("X")
        await s.see("Select a machine of a swarm first.")


async def test_read_only_shows_them_and_leaves_them() -> None:
    fake = a_swarm()
    async with seat(fake, options=Options(fence=False, hz=50, read_only="--read-only", sealed=True)) as s:
        await s.press("M")
        await s.see("node2")
        await s.press("X")
        await s.see("This dftui is read-only (--read-only)")
        assert fake.calls == []


async def test_what_keeps_them_from_being_told_is_told() -> None:
    fake = a_swarm()
    fake.fails = Sorry("The swarm has no leader.")
    async with seat(fake) as s:
        await s.press("M")
        await s.see("The swarm has no leader.")
