"""Rows about the logs: floods, slow links, memory, the filter, and the way through a pipe.

Containers of a few megabytes write numbered lines; the screen runs in a bare pty, whose reader only keeps the bytes.
What is read off the screen is read from them afterwards.  Peers that cannot be had here stand with figures measured
at 200x50 on another day, and named as such.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.keys import Playback, key_to_screen, lags, wait_for
from tests.bench.rows import Row, Sample, at_most
from tests.bench.writers import Writers, tiny_image
from tests.pty_run import PtyRun
from tests.stacks import Stack, docker
from tests.tally import quantile

COLUMNS, ROWS = 120, 40
CONTAINERS, RATE = 50, 10_000
CPU, MEMORY, LAG, KEY = 15.0, 100.0, 250.0, 50.0
WIRE = 30.0
LINKS = ((100_000, 60.0), (20_000, 250.0))
GROWTH = 5.0
FIRST_PAGE, HELD = 50.0, 100_000
PIPE = 1.5
GROUPS = ("pipe", "one", "many", "wire")
"""Rows that are measured together: a million lines, a single flood, fifty containers, bytes and memory."""
PEERS = "`docker logs -f` of the same containers; on another day at 200x50: lazydocker 301, ctop 242 KB/s"


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long: seconds of each flood, minutes of the look at memory, lines through the pipe, runs of that."""

    seconds: float = 20.0
    minutes: float = 10.0
    lines: int = 1_000_000
    runs: int = 3


SHORT = Lengths(5.0, 1.5, 100_000, 1)


@contextmanager
def screen(
    stack: Stack, columns: int = COLUMNS, rows: int = ROWS, rate: float | None = None, watch: bool = False
) -> Iterator[PtyRun]:
    """dftui on the writers, its panes drawn; without `watch` nothing reads its screen meanwhile."""
    with PtyRun(
        stack.argv(), columns=columns, rows=rows, env=stack.env, cwd=str(stack.folder), screen=watch, rate=rate
    ) as run:
        assert run.wait_bytes(re.escape(f"{stack.name}-web1".encode()), 60) is not None, run.output()[-2000:]
        time.sleep(3)
        yield run


def _row(what: str, values: Sequence[float], unit: str, limit: float | None, met: float | None = None) -> Row:
    sample = Sample(tuple(values), unit)
    goal = f"≤ {limit:g} {unit}" if limit is not None else "-"
    reached = None if limit is None else at_most(sample.median if met is None else met, limit)
    return Row(what, "dftui", len(values), sample, None, "", goal, reached)


def _spread(what: str, values: Sequence[float], unit: str, share: float, limit: float) -> Row:
    """A percentile, with the median and the largest as its spread."""
    at = quantile(values, share)
    sample = Sample((quantile(values, 0.5), at, max(values)), unit)
    row = _row(f"{what}: p{share * 100:.0f} (p50, max; {len(values)} samples)", (at,), unit, limit)
    return replace(row, measured=sample, runs=1, met=at_most(at, limit))


def header(run: PtyRun, columns: int = COLUMNS, rows: int = ROWS) -> dict[str, int]:
    """The counts in the title of the logs."""
    playback = Playback(columns, rows)
    playback.feed(run.output())
    found = re.findall(r"([\d,]+) (received|shown|filt|dropped|gap)", playback.text)
    counts = {word: int(count.replace(",", "")) for count, word in found}
    assert "received" in counts, f"no counts in the title of the logs:\n{playback.text}"
    return counts


def settled(run: PtyRun, columns: int = COLUMNS, rows: int = ROWS) -> dict[str, int]:
    """The counts once they no longer change: all that the engine had was read."""
    before: dict[str, int] = {}
    for _ in range(30):
        time.sleep(3)
        if (counts := header(run, columns, rows)) == before:
            break
        before = counts
    return before


def unsaid(counts: dict[str, int], written: int) -> int:
    """Lines that the header does not account for: received but neither shown, filtered nor dropped; or written, and
    neither received nor in a gap that is told. Doubled ones count as well."""
    inside = counts["received"] - sum(counts.get(word, 0) for word in ("shown", "filt", "dropped"))
    outside = written - counts["received"]
    return abs(inside) + (max(0, -outside) if counts.get("gap") else abs(outside))


def many(stack: Stack, image: str, seconds: float) -> list[Row]:
    """50 containers at 10,000 lines a second in all; then the same flood over slow links; then the filter."""
    rows: list[Row] = []
    what = f"{CONTAINERS} containers, {RATE:,} lines/s in all, 120x40"
    with Writers(stack.name, image, stack.folder / "many", CONTAINERS, 1.1 * RATE) as writers, screen(stack) as run:
        writers.go()
        time.sleep(5)
        before, begin = run.usage(), time.perf_counter()
        time.sleep(seconds)
        after, end = run.usage(), time.perf_counter()
        keys = key_to_screen(run, seconds)
        linked = [_slow(stack, rate, limit, seconds) for rate, limit in LINKS]
        written = writers.stop()
        counts = settled(run)
        rows.append(_row(f"{what}: written at", (written / writers.seconds,), "lines/s", None))
        lost = abs(written - counts.get("shown", 0)) + unsaid(counts, written)
        rows.append(_row(f"{what}: lines lost, doubled or not shown of {written:,}", (lost,), "lines", 0))
        rows.append(_row(f"{what}: CPU", (100 * (after.cpu - before.cpu) / (end - begin),), "% of a core", CPU))
        rows.append(_row(f"{what}: memory (RSS)", (run.usage().rss,), "MiB", MEMORY))
        aged = lags(run.chunks, begin, end, COLUMNS, ROWS)
        rows.append(_spread(f"{what}: engine's stamp to painted", aged, "ms", 0.95, LAG))
        rows.append(_spread(f"{what}: key to screen", keys, "ms", 0.95, KEY))
        rows.append(_filter(run))
    return rows + linked


def _slow(stack: Stack, rate: float, limit: float, seconds: float) -> Row:
    with screen(stack, 80, 24, rate) as run:
        time.sleep(2)
        keys = key_to_screen(run, seconds)
    return _spread(f"a link of {rate / 1000:g} kB/s in that flood, 80x24: key to screen", keys, "ms", 0.5, limit)


def _filter(run: PtyRun, runs: int = 10) -> Row:
    """From the last key of a filter, which one line in fifty passes, until a first page of those is shown."""
    found: list[float] = []
    run.send("3")
    time.sleep(1)
    for number in range(runs):
        run.send("/")
        time.sleep(0.5)
        run.send(str(number))
        time.sleep(1)
        seen, at = len(run.chunks), time.perf_counter()
        run.send(str(9 - number))
        # What changes by itself is shorter than a page.
        arrived = wait_for(run, seen, lambda data: len(data) > 300, 10)
        found.append(1000 * ((arrived or at + 10) - at))
        if number == runs - 1:
            counts = settled(run)
        run.send("\x1b")
        time.sleep(1)
    held = counts["shown"] + counts["filt"]
    row = _row(f"a filter over {held:,} buffered lines: key to first page", found, "ms", FIRST_PAGE)
    return replace(row, command="dftui, key /", met=bool(row.met) and held >= HELD)


def one_flooding(stack: Stack, image: str, seconds: float) -> list[Row]:
    """One container that writes as fast as it can: keys, and whether what was dropped is said."""
    what = "one container flooding without limit, 120x40"
    with Writers(stack.name, image, stack.folder / "one", 1, None, silent=1) as writers, screen(stack) as run:
        writers.go()
        time.sleep(5)
        before, begin = run.usage(), time.perf_counter()
        keys = key_to_screen(run, seconds)
        after, end = run.usage(), time.perf_counter()
        written = writers.stop()
        counts = settled(run)
    said = ", ".join(f"{count:,} {word}" for word, count in counts.items())
    return [
        _spread(f"{what}: key to screen", keys, "ms", 0.95, KEY),
        _row(f"{what}: CPU", (100 * (after.cpu - before.cpu) / (end - begin),), "% of a core", None),
        _row(
            f"{what}: lines that the header does not account for, of {written:,} written ({said})",
            (unsaid(counts, written),),
            "lines",
            0,
        ),
    ]


def on_the_wire(stack: Stack, image: str, seconds: float, minutes: float) -> list[Row]:
    """1,000 lines a second at 80x24: bytes to the terminal; and, for long, memory."""
    what = "1,000 lines/s, 80x24"
    with Writers(stack.name, image, stack.folder / "wire", 4, 1000) as writers, screen(stack, 80, 24) as run:
        writers.go()
        time.sleep(5)
        total, begin = run.total, time.perf_counter()
        time.sleep(seconds)
        ours = (run.total - total) / (time.perf_counter() - begin) / 1000
        peer = sum(_peer_bytes(f"{stack.name}-web{n}", seconds / 4) for n in range(1, 5)) / 1000
        time.sleep(max(0.0, 60 - seconds * 2))
        sizes = [run.usage().rss]
        end = time.monotonic() + 60 * minutes - 60
        while time.monotonic() < end:
            time.sleep(5)
            sizes.append(run.usage().rss)
        run.chunks.clear()
        writers.stop()
    wire = _row(f"{what}: bytes to the terminal", (ours,), "KB/s", WIRE)
    wire = replace(wire, baseline=Sample((peer,), "KB/s"), baseline_is=PEERS)
    growth = max(sizes) - sizes[0]
    flat = _row(
        f"{what}, {minutes:g} min: memory gained after the first minute ({sizes[-1]:.0f} MiB)",
        (growth,),
        "MiB",
        GROWTH,
    )
    return [wire, replace(flat, baseline_is="")]


def _peer_bytes(container: str, seconds: float) -> float:
    with PtyRun(["docker", "logs", "-f", "--tail", "1", container], columns=80, rows=24, screen=False) as run:
        time.sleep(1)
        total, begin = run.total, time.perf_counter()
        time.sleep(seconds)
        return (run.total - total) / (time.perf_counter() - begin)


def through_a_pipe(stack: Stack, image: str, lines: int, runs: int) -> Row:
    """CPU seconds of `dftui logs -f` until the last of so many lines is through, against `docker logs -f`."""
    name = f"{stack.name}-web1"
    count = f'n=0; while [ $n -lt {lines} ]; do n=$((n+1)); echo "line $n of many, as long as a usual line is"; done'
    script = f"{count}; sleep 9999"
    labels = ["--label", f"dftui.stack={stack.name}", "--label", "dftui.role=web", "--label", "dftui.number=1"]
    docker(
        "run",
        "-d",
        "--name",
        name,
        "--network",
        "none",
        "--log-opt",
        "max-size=2g",
        *labels,
        image,
        "sh",
        "-c",
        script,
    )
    last = f"line {lines} ".encode()
    try:
        while last.decode() not in docker("logs", "--tail", "1", name):
            time.sleep(0.5)
        ours, theirs = [], []
        for _ in range(runs):
            ours.append(_cpu_until(stack.argv("logs", "-f", "--tail", str(lines)), last, stack))
            theirs.append(_cpu_until(["docker", "logs", "-f", name], last, stack))
    finally:
        docker("rm", "-f", name)
    row = Row(
        f"{lines:,} lines through a pipe: CPU",
        "dftui logs -f",
        runs,
        Sample(tuple(ours), "s"),
        Sample(tuple(theirs), "s"),
        "`docker logs -f`",
        f"≤ {PIPE:g} x",
        None,
    )
    return replace(row, met=at_most(row.ratio, PIPE))


def _cpu_until(argv: Sequence[str], last: bytes, stack: Stack) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(stack.env), cwd=stack.folder
    )
    assert process.stdout is not None
    tail = b""
    while last not in tail:
        data = os.read(process.stdout.fileno(), 1 << 20)
        assert data, f"{argv[0]} ended before its last line"
        tail = tail[-200:] + data[-400:]
    process.terminate()
    process.stdout.close()
    process.wait(20)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(
    folder: Path, lengths: Lengths, keep: Callable[[str, Sequence[Row]], None], groups: Sequence[str] = GROUPS
) -> None:
    """The rows of these groups; each is given to `keep` when it is measured."""
    with tiny_image() as image:
        for group in groups:
            with Stack(folder / group) as stack:
                keep(f"logs-{group}", _rows_of(group, stack, image, lengths))


def _rows_of(group: str, stack: Stack, image: str, lengths: Lengths) -> list[Row]:
    match group:
        case "pipe":
            return [through_a_pipe(stack, image, lengths.lines, lengths.runs)]
        case "one":
            return one_flooding(stack, image, lengths.seconds)
        case "many":
            return many(stack, image, lengths.seconds)
        case _:
            return on_the_wire(stack, image, lengths.seconds, lengths.minutes)
