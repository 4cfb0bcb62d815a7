"""The rows about many replicas: time for each against bare `docker run`, and what the screen costs with them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.bench.rows import Row, Sample, at_most
from tests.bench.scaling import docker_run
from tests.pty_run import PtyRun
from tests.stacks import Stack
from tests.tinyweb import text, tiny_image

MANY = 50
BARE = 10
"""Bare containers for one figure."""
RATIO = 1.0
SCREEN_CPU = 5.0
COMMAND = "python -m tests.bench fifty"


def fifty(runs: int, many: int = MANY, seconds: float = 30.0) -> list[Row]:
    """1 → `many` → 1, in turns with the baseline; the screen idle with all of them there."""
    up: list[float] = []
    down: list[float] = []
    bare: list[float] = []
    cpu: list[float] = []
    memory: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="dftui-bench-") as folder,
        Stack(Path(folder), text(tiny_image(), 1)) as stack,
    ):
        stack.ok("up")
        for _ in range(runs):
            bare.append(sum(docker_run(stack) for _ in range(BARE)) / BARE)
            up.append(stack.json("scale", str(many))["seconds"] / (many - 1))
            used, held = idle(stack, many, seconds)
            cpu.append(used)
            memory.append(held)
            down.append(stack.json("scale", "1")["seconds"] / (many - 1))
        stack.ok("down", "--volumes", "--yes")
    sample = Sample(tuple(bare), "s")
    is_ = f"`docker run` of the same image plus its boot, {BARE} one after the other"
    row = Row(f"scale 1 → {many}, for each replica", COMMAND, runs, Sample(tuple(up), "s"), sample, is_, "", None)
    return [
        replace(row, goal=f"≤ {RATIO:g} x", met=at_most(row.ratio, RATIO)),
        replace(row, what=f"scale {many} → 1, for each replica", measured=Sample(tuple(down), "s"), goal="-"),
        _screen(f"CPU of the screen, idle, {many} replicas", runs, cpu, "% of a core", SCREEN_CPU),
        _screen(f"memory (RSS) of the screen, {many} replicas", runs, memory, "MiB", None),
    ]


def _screen(what: str, runs: int, values: Sequence[float], unit: str, limit: float | None) -> Row:
    sample = Sample(tuple(values), unit)
    goal, met = ("-", None) if limit is None else (f"≤ {limit:g} {unit}", at_most(sample.median, limit))
    return Row(what, "dftui, 120x40", runs, sample, None, "", goal, met)


def idle(stack: Stack, many: int, seconds: float, settle: float = 10.0) -> tuple[float, float]:
    """CPU in percent of a core and memory in MiB of a screen that shows them all and that nobody touches."""
    with PtyRun(stack.argv(), columns=120, rows=40, env=stack.env, cwd=str(stack.folder)) as run:
        run.wait_text(f"{many} of {many} serving", 60)
        time.sleep(settle)
        before, begin = run.usage(), time.monotonic()
        time.sleep(seconds)
        after = run.usage()
        return 100 * (after.cpu - before.cpu) / (time.monotonic() - begin), after.rss
