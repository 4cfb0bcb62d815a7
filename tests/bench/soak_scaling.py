"""`+` and `-` at random under load, while containers are killed and removed behind dftui's back.

Ends with 0 failed GETs and no drift, or exit code 1.  `dftui watch` repairs by itself (`repair: auto`) in a process
of its own; the scaling is that of the keys.  The killer never takes the last serving replica.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from contextlib import suppress
from pathlib import Path

from dftui.control.errors import ActionError
from dftui.control.operator import Operator
from dftui.control.scale import look
from dftui.engine.api import EngineError
from tests.engine.operate import assert_sound, operating, until
from tests.load import Load, Plan, Tally
from tests.stacks import Stack, docker

LEAST, MOST = 1, 8
TEXT = f"repair: auto\nweb:\n  replicas: 3\n  min: {LEAST}\n  max: {MOST}\n"


async def press_keys(operator: Operator, chance: random.Random, end: float, done: dict[str, int]) -> None:
    """`+` and `-` at random moments."""
    while time.monotonic() < end:
        await asyncio.sleep(chance.uniform(0.5, 4.0))
        by = chance.choice((1, 1, 2, -1, -1, -2))
        try:
            await operator.scale(by=by)
            done["scaled"] += 1
        except ActionError as error:
            # Refused for web.min or web.max, or somebody (the repair) is acting: both are right.
            done["refused"] += 1
            print(f"  refused: {error}", file=sys.stderr)


async def kill_some(operator: Operator, chance: random.Random, end: float, done: dict[str, int]) -> None:
    """Kill or remove a replica now and then, as long as another one serves."""
    while time.monotonic() < end:
        await asyncio.sleep(chance.uniform(6.0, 15.0))
        with suppress(EngineError):
            pool = await look(operator._world)
            serving = pool.healthy()
            if len(serving) < 2:
                continue
            victim = chance.choice(serving)
            word = chance.choice(("kill", "rm"))
            await asyncio.to_thread(docker, word, *(["-f"] if word == "rm" else []), victim.name, check=False)
            done[word] += 1


async def soak(stack: Stack, seconds: float, rate: float, seed: int) -> tuple[Tally, dict[str, int]]:
    """Everything at once for so long, then quiet until all is repaired."""
    done = {"scaled": 0, "refused": 0, "kill": 0, "rm": 0}
    chance = random.Random(seed)
    with (
        Load(Plan(port=stack.port, rate=rate, connections=16, posts=0.0)) as load,
        stack.follow("watch", "--json"),
    ):
        async with operating(stack) as (operator, _):
            end = time.monotonic() + seconds
            await asyncio.gather(press_keys(operator, chance, end, done), kill_some(operator, chance, end, done))

            async def no_drift() -> bool:
                return not await operator.findings()

            await until(no_drift, "free of drift")
        tally = load.stop()
    await assert_sound(stack)
    return tally, done


def run(folder: Path, minutes: float, rate: float, seed: int) -> bool:
    """Run it and print one line of figures; whether no request failed."""
    with Stack(folder, TEXT) as stack:
        stack.ok("up")
        tally, done = asyncio.run(soak(stack, 60 * minutes, rate, seed))
        stack.ok("down", "--volumes", "--yes")
    print(
        f"soak of the scaling, {minutes:g} min, seed {seed}: {tally.sent} GETs sent, {tally.failures} failed "
        f"{dict(tally.failed) or ''}; {done['scaled']} scalings ({done['refused']} refused), {done['kill']} killed, "
        f"{done['rm']} removed behind its back; no drift at the end"
    )
    return not tally.failures
