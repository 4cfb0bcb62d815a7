"""`+` and `-` pressed at random on a real screen under load, while containers are killed and removed behind its back.

The screen repairs by itself (`repair: auto`).  At the end no GET has failed and nothing has drifted.  The killer
never takes the last serving replica: `web.min` is two, and it leaves one.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from tests.engine.operate import assert_sound
from tests.load import Load, Plan
from tests.pty_run import PtyRun
from tests.stacks import Stack, docker
from tests.tally import Tally

LEAST, MOST = 2, 8
TEXT = f"repair: auto\nweb:\n  replicas: 3\n  min: {LEAST}\n  max: {MOST}\n"
KEYS = ("+", "+", "++", "-", "-", "--", "+-")
PRESS = (0.5, 4.0)
KILL = (6.0, 15.0)
"""Seconds between two presses, and between two kills: at random in these."""
QUIET = 120.0
"""Seconds in which everything must be put right once nobody does anything any more."""


def press_keys(run: PtyRun, chance: random.Random, end: float, done: Counter[str]) -> None:
    """As an impatient person does."""
    while time.monotonic() < end:
        time.sleep(chance.uniform(*PRESS))
        keys = chance.choice(KEYS)
        run.send(keys)
        done["keys"] += len(keys)


def kill_some(stack: Stack, chance: random.Random, end: float, done: Counter[str]) -> None:
    """Kill or remove a serving replica now and then, as long as another one serves."""
    while time.monotonic() < end:
        time.sleep(chance.uniform(*KILL))
        serving = stack.serving()
        if len(serving) < 2:
            done["spared"] += 1
            continue
        victim = chance.choice(serving)
        argv = chance.choice((("kill",), ("rm", "-f")))
        if docker(*argv, victim, check=False):
            done[argv[0]] += 1
            print(
                f"  {time.strftime('%H:%M:%S')} docker {' '.join(argv)} {victim} of {len(serving)}", file=sys.stderr
            )


def all_serve(text: str) -> bool:
    """The header says that all wanted replicas serve."""
    found = re.search(r"(\d+) of (\d+) serving", text)
    return found is not None and found[1] == found[2]


def soak(stack: Stack, seconds: float, rate: float, seed: int) -> tuple[Tally, Counter[str]]:
    """Everything at once for so long, then quiet until all is put right."""
    done: Counter[str] = Counter()
    plan = Plan(
        stack.port,
        rate=rate,
        connections=16,
        fresh=0.2,
        posts=0.1,
        heads=0.1,
        path="/up",
        post_path="/up",
    )
    with (
        Load(plan) as load,
        PtyRun(stack.argv(), columns=120, rows=40, env=stack.env, cwd=str(stack.folder)) as run,
    ):
        run.wait_text("of 3 serving")
        end = time.monotonic() + seconds
        killer = threading.Thread(target=kill_some, args=(stack, random.Random(seed + 1), end, done))
        killer.start()
        try:
            press_keys(run, random.Random(seed), end, done)
        finally:
            killer.join()
        run.wait_until(all_serve, QUIET, "all wanted replicas serving")
        quiet = time.monotonic() + QUIET
        while stack.json("status")["drift"]:
            assert time.monotonic() < quiet, f"drift is left: {stack.json('status')['drift']}\n{run.text()}"
        tally = load.stop()
        run.send("q")
        assert run.wait_exit() == 0
    asyncio.run(assert_sound(stack))
    return tally, done


def run(folder: Path, minutes: float, rate: float, seed: int) -> bool:
    """Run it and print one line of figures, and each lost request; whether no GET or HEAD failed."""
    with Stack(folder, TEXT) as stack:
        stack.ok("up")
        tally, done = soak(stack, 60 * minutes, rate, seed)
        receipts = len(stack.ok("history", "--json", "-n", "100000").splitlines())
        stack.ok("down", "--volumes", "--yes")
    lost = sum(tally.failed_methods[method] for method in ("GET", "HEAD"))
    posts = tally.failed_methods["POST"]
    print(
        f"soak of the scaling, {minutes:g} min, seed {seed}: {tally.sent:,} requests sent, {lost} GETs and HEADs and "
        f"{posts} POSTs failed, p99 {1000 * tally.percentile(0.99):.0f} ms; {done['keys']} keys pressed, "
        f"{done['kill']} killed and {done['rm']} removed behind its back, {receipts} actions; no drift at the end"
    )
    for line in tally.lost:
        print(f"  lost: {line}")
    return not lost
