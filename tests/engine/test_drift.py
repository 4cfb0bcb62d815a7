"""What happens behind dftui's back is shown, and repair says first what it will do and puts it right; and what dftui
does by itself where the stack file asks: repair and autoscale."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from dftui.watch.alarms import Alarm
from dftui.watch.records import Step
from dftui.watch.snapshot import Snapshot
from tests.engine.drifting import BREAKAGES, ground_of, killed, seen, watching
from tests.engine.operate import assert_sound, operating
from tests.load import Load, Plan
from tests.stacks import Stack, docker
from tests.tinyweb import text, tiny_image

REPLICAS = 3


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("drift"), text(tiny_image(), REPLICAS)) as found:
        found.ok("up")
        yield found
        found.ok("down", "--volumes", "--yes")
        docker("rmi", "-f", f"dftui-test/odd:{found.name}", check=False)


TOGETHER = (
    (Alarm.TOO_FEW, Alarm.SERVICE_PAUSED),
    (Alarm.FAILED, Alarm.SERVICE_STOPPED, Alarm.WEIGHT),
    (Alarm.SERVER_ADDRESS, Alarm.NOT_IN_BALANCER, Alarm.ANOTHER_KEY),
    (Alarm.ANOTHER_IMAGE, Alarm.OFF_NETWORK, Alarm.SERVER_WITHOUT_CONTAINER),
    (Alarm.SERVICE_MISSING,),
    (Alarm.TABLE_EMPTY,),
)
"""What happens at once, each to a replica of its own."""


def test_no_kind_is_forgotten() -> None:
    assert {kind for kinds in TOGETHER for kind in kinds} == BREAKAGES.keys()


@pytest.mark.parametrize("kinds", TOGETHER)
async def test_each_kind_is_shown_told_before_and_put_right(stack: Stack, kinds: tuple[Alarm, ...]) -> None:
    heard: list[Step] = []
    async with watching(stack) as watcher, operating(stack, heard) as (operator, engine):
        grounds = [await ground_of(stack, operator, engine, index) for index in range(len(kinds))]
        for kind, ground in zip(kinds, grounds, strict=True):
            await BREAKAGES[kind](ground)
        found = await seen(watcher, lambda snapshot: set(kinds) <= {drift.kind for drift in snapshot.drift})
        assert all(drift.what and drift.repair for drift in found.drift)
        told = await operator.findings()
        assert len(told) >= len(kinds)
        heard.clear()
        done = await operator.repair()
        # The first thing that is said is what there is to do.
        said = [step.text for step in heard if step.action == "repair"][: len(told)]
        assert said == [f"{one.what}: {one.repair}" for one in done.findings[: len(told)]]
        await seen(watcher, lambda snapshot: well(snapshot) and snapshot.serving == REPLICAS)
    await assert_sound(stack, REPLICAS)


def well(snapshot: Snapshot) -> bool:
    """Nothing has drifted; the engine itself may still call a database unhealthy that it has just let go on."""
    return {drift.kind for drift in snapshot.drift} <= {Alarm.SERVICE_UNHEALTHY}


async def test_a_killed_replica_is_restored_without_being_asked_where_the_stack_file_says_so(stack: Stack) -> None:
    plain = stack.file.read_text()
    stack.file.write_text(f"repair: auto\n{plain}")
    try:
        with (
            Load(Plan(stack.port, rate=100, posts=0.0)) as load,
            stack.follow("watch", "--json") as follower,
        ):
            async with watching(stack) as watcher, operating(stack) as (operator, engine):
                ground = await ground_of(stack, operator, engine)
                await killed(ground)
                await seen(watcher, lambda snapshot: snapshot.serving < REPLICAS)
                await seen(watcher, lambda snapshot: well(snapshot) and snapshot.serving == REPLICAS)
                await asyncio.to_thread(
                    follower.until,
                    lambda line: line.get("action") == "repair" and line["state"] == "ok",
                    lambda: None,
                )
            tally = load.stop()
        assert tally.failures == 0, tally.lost
    finally:
        stack.file.write_text(plain)
    await assert_sound(stack, REPLICAS)


async def test_autoscale_follows_the_load_up_and_down_and_says_why(stack: Stack) -> None:
    plain = stack.file.read_text()
    stack.ok("scale", "1")
    stack.file.write_text(f"{plain}  min: 1\n  max: {REPLICAS}\n  target_rps: 40\n  cool_down: 3s\n")
    try:
        with stack.follow("watch", "--json") as follower:
            with Load(Plan(stack.port, rate=110, posts=0.0)) as load:
                steps = [await asyncio.to_thread(follower.until, autoscaled, lambda: None, 60)]
                while "→ 3:" not in steps[-1]["text"]:  # in one step, unless the machine is slow to see the load
                    steps.append(await asyncio.to_thread(follower.until, autoscaled, lambda: None, 60))
                await asyncio.to_thread(stack.wait_serving, REPLICAS)
                tally = load.stop()
            steps += [await asyncio.to_thread(follower.until, autoscaled, lambda: None, 60) for _ in range(2)]
            await asyncio.to_thread(stack.wait_serving, 1)
        assert tally.failures == 0, tally.lost
        told = [step["text"] for step in steps]
        assert told[0].endswith(" requests/s a replica, above the target 40")
        assert [text[:6] for text in told[-2:]] == ["3 → 2:", "2 → 1:"]
        # Each step is in the history with its reason, as any action is.
        kept = [json.loads(line) for line in stack.ok("history", "--json", "-n", str(len(told))).splitlines()]
        assert [one["steps"][0] for one in kept] == told
        assert {one["outcome"] for one in kept} == {"done"}
    finally:
        stack.file.write_text(plain)
        stack.ok("scale", str(REPLICAS))


def autoscaled(line: dict[str, str]) -> bool:
    """A step that autoscale took."""
    return line.get("action") == "autoscale"
