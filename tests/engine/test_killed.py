"""Killed at any moment: a real signal to a real process before each change that an action makes, or its link to the
engine dropped there, on the real engine (`make soak` kills before each call of any kind).

"No orphan" means after the next start, which finishes what was begun or takes it back.
"""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator

import pytest

from tests.engine.jobs import EVERY_CALL, LINK, Jobs
from tests.engine.operate import assert_sound, start_again
from tests.stacks import Stack

ENDS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, LINK)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("killed"), "web:\n  replicas: 1\n") as found:
        yield found


@pytest.fixture(scope="module")
def jobs(stack: Stack) -> Iterator[Jobs]:
    found = Jobs(stack)
    yield found
    found.close()


async def each_step(jobs: Jobs, stack: Stack, actions: tuple[str, ...], numbers: tuple[int, ...]) -> set[str]:
    """Kill each of the actions, in turn, before its first call, its second, …, until it ends by itself; what calls
    they were killed before."""
    step = 0
    at: set[str] = set()
    ended: set[str] = set()
    while len(ended) < len(actions):
        step += 1
        for action in actions:
            if action in ended:
                jobs.run(action)
                continue
            answer = jobs.run(action, step, numbers[step % len(numbers)])
            if "calls" in answer:
                ended.add(action)
                continue
            assert "at" in answer, f"{action} failed at step {step} before it was killed: {answer}"
            at.add(answer["at"])
            await start_again(stack)
            await assert_sound(stack)
    assert step > 10
    return at


def again_and_again(jobs: Jobs, stack: Stack, action: str) -> int:
    """Kill an action a little further on each time, each one on top of what the last has left; how often."""
    kills, step = 0, 2
    there = stack.left()
    while "calls" not in (answer := jobs.run(action, step, ENDS[kills % 4])):
        assert "at" in answer, f"{action} failed before it was killed the {kills}th time: {answer}"
        kills += 1
        # What was made stays made, so the next one gets further by itself; else it is given one change more.
        before, there = there, stack.left()
        step = step + 1 if before == there else 2
    return kills


async def test_up_killed_before_each_change_is_picked_up_by_the_next(jobs: Jobs, stack: Stack) -> None:
    assert again_and_again(jobs, stack, "up") > 10
    await assert_sound(stack, 1)


async def test_scale_killed_before_each_change_is_finished_or_taken_back(jobs: Jobs, stack: Stack) -> None:
    jobs.run("up")
    at = await each_step(jobs, stack, ("scale 2", "scale 1"), ENDS)
    # Before it has the lock and before it lets go; between create, start and network; before the file is written.
    assert at >= {"shell.take", "engine.create", "engine.start", "engine.connect", "shell.write", "shell.drop"}


async def test_roll_killed_before_each_change_is_finished_or_taken_back(jobs: Jobs, stack: Stack) -> None:
    jobs.run("up")
    text = stack.file.read_text()
    step = 0
    while True:
        step += 1
        stack.file.write_text(f"{text}  env: {{STEP: '{step}'}}\n")
        answer = jobs.run("roll", step, ENDS[step % 4])
        if "calls" in answer:
            break
        assert "at" in answer, f"roll failed at step {step} before it was killed: {answer}"
        await start_again(stack)
        await assert_sound(stack, 1)
    stack.file.write_text(text)
    assert step > 10


async def test_repair_killed_on_its_way_is_finished_by_the_next(jobs: Jobs, stack: Stack) -> None:
    jobs.run("up")
    for step in itertools.count(1) if EVERY_CALL else range(2, 14, 3):
        (name,) = stack.serving()
        stack.docker("rm", "-f", name)
        answer = jobs.run("repair", step, ENDS[step % 4])
        await start_again(stack)
        await assert_sound(stack, 1)
        if "calls" in answer:
            break
        assert "at" in answer, f"repair failed at step {step} before it was killed: {answer}"
    assert step > 4


async def test_down_killed_before_each_change_is_finished_by_the_next(jobs: Jobs, stack: Stack) -> None:
    jobs.run("up")
    assert again_and_again(jobs, stack, "down") > 4
    assert [line for line in stack.left() if not line.startswith("volume")] == []
