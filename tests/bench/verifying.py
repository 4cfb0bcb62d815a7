"""The rows about `verify`: all its checks, on three replicas and on eight."""

from __future__ import annotations

import asyncio
import time

from tests.bench.rows import Row, Sample
from tests.engine.operate import false_alarms, operating
from tests.stacks import Stack, docker

SOUND_RUNS = 100


def _exec_in_each(stack: Stack, count: int) -> float:
    """Seconds for the least that looking into each replica costs: one `docker exec` each."""
    names = [web["name"] for web in stack.json("status")["web"]]
    assert len(names) == count
    begin = time.perf_counter()
    for name in names:
        docker("exec", name, "true")
    return time.perf_counter() - begin


async def _verify(stack: Stack, runs: int) -> list[float]:
    async with operating(stack) as (operator, _):
        found = [await operator.verify() for _ in range(runs)]
    assert all(result.ok for result in found)
    return [result.seconds for result in found]


def verifying(stack: Stack, runs: int) -> list[Row]:
    """With three replicas, then with eight, then three again."""
    rows: list[Row] = []
    for count in (3, 8):
        stack.ok("scale", str(count))
        rows.append(
            Row(
                what=f"`verify`, all checks, {count} replicas",
                command="dftui verify",
                runs=runs,
                measured=Sample(tuple(asyncio.run(_verify(stack, runs))), "s"),
                baseline=Sample(tuple(_exec_in_each(stack, count) for _ in range(runs)), "s"),
                baseline_is="one `docker exec` in each replica",
                goal="-",
                met=None,
            )
        )
    stack.ok("scale", "3")
    return rows


def sound(stack: Stack, runs: int = SOUND_RUNS) -> Row:
    """What `verify` finds wrong on a sound stack while another operator scales it up and down without a pause."""
    found = asyncio.run(false_alarms(stack, runs))
    return Row(
        what=f"false alarms of {runs} runs of `verify` while the stack is scaled"
        + "".join(f"; {one}" for one in found),
        command="dftui verify",
        runs=1,
        measured=Sample((float(len(found)),), "alarms"),
        baseline=None,
        baseline_is="",
        goal="0",
        met=not found,
    )
