"""Rows about the screen: first paint, idle CPU, bytes to the terminal, memory."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.bench.rows import Row, Sample, at_most, interleaved
from tests.pty_run import PtyRun, usage_of
from tests.stacks import Stack, write_line

COLUMNS, ROWS = 120, 40
FIRST_PAINT_RATIO = 1.3
IDLE_CPU = 3.0
IDLE_BYTES = 500.0
MEMORY = 90.0
LINE_SECONDS = 1.0


def first_paint(argv: Sequence[str], word: bytes, stack: Stack) -> float:
    """Milliseconds from the start of the process until `word`, which the first frame has, is at the terminal."""
    with PtyRun(argv, columns=COLUMNS, rows=ROWS, env=stack.env, cwd=str(stack.folder), screen=False) as run:
        seconds = run.wait_bytes(re.escape(word), 30)
        assert seconds is not None, run.output()[-2000:]
        return seconds * 1000


def start_up(stack: Stack, runs: int) -> list[Row]:
    """First paint of dftui on a running stack against the bare dashboard's, and when the facts are there."""
    bare = [sys.executable, "-m", "tests.bench.bare"]

    def ours() -> float:
        return first_paint(stack.argv(), b"looking for the engine", stack)

    def facts() -> float:
        # Only cells that differ from "looking for the engine" are sent: read the screen, not the bytes.
        with PtyRun(stack.argv(), columns=COLUMNS, rows=ROWS, env=stack.env, cwd=str(stack.folder)) as run:
            return run.wait_text("of 3 serving") * 1000

    def baseline() -> float:
        return first_paint(bare, b"starting", stack)

    # The first start of each reads files that no one has read yet.
    ours(), baseline()
    measured, against, whole = interleaved(runs, ours, baseline, facts)
    row = Row(
        what="start-up to first paint, 120x40",
        command="dftui",
        runs=runs,
        measured=Sample(tuple(measured), "ms"),
        baseline=Sample(tuple(against), "ms"),
        baseline_is="bare Textual dashboard",
        goal=f"≤ {FIRST_PAINT_RATIO} x",
        met=None,
    )
    return [
        replace(row, met=at_most(row.ratio, FIRST_PAINT_RATIO)),
        replace(row, what="start-up to the stack on screen, 120x40", measured=Sample(tuple(whole), "ms"), goal="-"),
    ]


def engine_pids() -> list[int]:
    """The engine's processes: dockerd, containerd and the shims."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                name = (entry / "comm").read_text().strip()
            except OSError:
                continue
            if name in ("dockerd", "containerd") or name.startswith("containerd-shim"):
                found.append(int(entry.name))
    return found


def _cpu(pids: Sequence[int]) -> float:
    total = 0.0
    for pid in pids:
        try:
            total += usage_of(pid).cpu
        except OSError:
            continue
    return total


def _engine_share(seconds: float) -> float:
    pids = engine_pids()
    begin, cpu = time.monotonic(), _cpu(pids)
    time.sleep(seconds)
    return 100 * (_cpu(pids) - cpu) / (time.monotonic() - begin)


def line_to_screen(stack: Stack, runs: int) -> Row:
    """Seconds from a container's write (the `docker exec` that does it included) until the line is on screen."""
    found: list[float] = []
    with PtyRun(stack.argv(), columns=COLUMNS, rows=ROWS, env=stack.env, cwd=str(stack.folder)) as run:
        run.wait_text("of 3 serving")
        for number in range(runs):
            words = f"line-{number}-to-screen"
            begin = time.perf_counter()
            write_line(f"{stack.name}-redis", words)
            run.wait_text(words)
            found.append(time.perf_counter() - begin)
    sample = Sample(tuple(found), "s")
    return Row(
        "a container's line to the screen, 120x40",
        "docker exec … echo >/proc/1/fd/1",
        runs,
        sample,
        None,
        "",
        f"≤ {LINE_SECONDS:g} s",
        at_most(max(found), LINE_SECONDS),
    )


def idle(stack: Stack, runs: int, seconds: float = 30.0, settle: float = 15.0) -> list[Row]:
    """Idle, without client traffic: CPU of dftui and of the engine, bytes/s to the terminal, memory."""
    cpu: list[float] = []
    engine: list[float] = []
    wire: list[float] = []
    memory: list[float] = []
    alone: list[float] = []
    for _ in range(runs):
        alone.append(_engine_share(seconds))
        with PtyRun(
            stack.argv(), columns=COLUMNS, rows=ROWS, env=stack.env, cwd=str(stack.folder), screen=False
        ) as run:
            assert run.wait_bytes(b"serving", 60) is not None, run.output()[-2000:]
            time.sleep(settle)
            pids = engine_pids()
            before, bytes_before, engine_before, begin = run.usage(), run.total, _cpu(pids), time.monotonic()
            time.sleep(seconds)
            span = time.monotonic() - begin
            after = run.usage()
            cpu.append(100 * (after.cpu - before.cpu) / span)
            engine.append(100 * (_cpu(pids) - engine_before) / span)
            wire.append((run.total - bytes_before) / span)
            memory.append(after.rss)
    command = f"dftui, idle {seconds:g} s, 120x40"
    rows = []
    for what, values, unit, limit in (
        ("idle CPU of dftui", cpu, "% of a core", IDLE_CPU),
        ("idle bytes/s to the terminal", wire, "B/s", IDLE_BYTES),
        ("memory (RSS) of dftui", memory, "MiB", MEMORY),
    ):
        sample = Sample(tuple(values), unit)
        rows.append(Row(what, command, runs, sample, None, "", f"≤ {limit:g} {unit}", at_most(sample.median, limit)))
    rows.insert(
        1,
        Row(
            "CPU of the engine while dftui is idle",
            command,
            runs,
            Sample(tuple(engine), "% of a core"),
            Sample(tuple(alone), "% of a core"),
            "the same stack without dftui",
            "-",
            None,
        ),
    )
    return rows
