"""An hour of tailing: 20 replicas that write numbered lines while they come, go, restart and are removed.

Ends when what `dftui logs -f` printed and what the screen's header counts agree with the engine's own log files, line
for line.  The files are held open from each container's start on, so that those of removed containers can be read to
their end.  The engine must be on this machine, and only root can read its files.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import pyte

from dftui.watch.lines import CUT, LENGTH_SHIFT, MAX_LINE, Record
from dftui.watch.mask import Masker
from dftui.watch.paint import Painter
from tests.pty_run import PtyRun
from tests.stacks import LABEL, Stack, docker

REPLICAS = 20
LEAST = 12
TEXT = f"web:\n  replicas: {REPLICAS}\n  min: {LEAST}\n  max: {REPLICAS + 4}\nadmin: none\n"
# Ten lines a second of each: an hour of them is half of the size at which the engine begins another file.
WRITER = (
    'n=0; while :; do i=0; while [ $i -lt 10 ]; do n=$((n+1)); i=$((i+1)); echo "line $n of $HOSTNAME"; done; '
    "sleep 1; done >/proc/1/fd/1"
)
Lines = Counter[tuple[str, str]]


class EngineFiles:
    """The engine's own log files of a stack's containers, held open from their start on; numbered lines are written
    in each replica from then on. A context manager."""

    def __init__(self, stack: Stack) -> None:
        self._root = Path(docker("info", "--format", "{{.DockerRootDir}}")) / "containers"
        self._files: dict[str, tuple[str, int]] = {}
        self.starts = 0
        self._lock = threading.Lock()
        form = '{{.ID}} {{.Actor.Attributes.name}} {{index .Actor.Attributes "dftui.role"}}'
        argv = ["docker", "events", "--filter", f"label={LABEL}={stack.name}", "--filter", "event=start"]
        self._events = subprocess.Popen([*argv, "--format", form], stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        found = docker("ps", "-a", "--no-trunc", "--filter", f"label={LABEL}={stack.name}", "--format", "{{.ID}}")
        for ref in found.split():
            shape = '{{.Name}} {{index .Config.Labels "dftui.role"}}'
            name, role = docker("inspect", ref, "--format", shape).split()
            self._started(ref, name.lstrip("/"), role)

    def _listen(self) -> None:
        assert self._events.stdout is not None
        for line in self._events.stdout:
            ref, name, role = line.split()
            self._started(ref, name, role)

    def _started(self, ref: str, name: str, role: str) -> None:
        with self._lock:
            self.starts += 1
            if ref not in self._files:
                self._files[ref] = (name, os.open(self._root / ref / f"{ref}-json.log", os.O_RDONLY))
        if role == "web":
            docker("exec", "-d", ref, "sh", "-c", WRITER, check=False)

    def lines(self) -> Iterator[tuple[str, Record]]:
        """Each container's name with each line that is in its file."""
        for _, _, name, record in self.stamped():
            yield name, record

    def stamped(self) -> Iterator[tuple[str, str, str, Record]]:
        """The same, behind the engine's stamp and the container's short id."""
        painted = 0
        with self._lock:
            known = list(self._files.items())
        for ref, (name, handle) in known:
            assert not (self._root / ref / f"{ref}-json.log.1").exists(), f"the engine rotated the log of {name}"
            held = b""
            os.lseek(handle, 0, os.SEEK_SET)
            with os.fdopen(os.dup(handle), "rb") as file:
                for raw in file:
                    entry = json.loads(raw)
                    held += entry["log"].encode("utf-8", "surrogatepass")
                    if not held.endswith(b"\n"):
                        continue
                    data, held = held[:-1], b""
                    painted += 1
                    flags = CUT | len(data) << LENGTH_SHIFT if len(data) > MAX_LINE else 0
                    yield entry["time"], ref[:12], name, Record(painted, 0, name, flags, data[:MAX_LINE])

    def __enter__(self) -> EngineFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._events.terminate()
        self._events.wait(10)
        self._thread.join(5)
        for _, handle in self._files.values():
            os.close(handle)


def churn(stack: Stack, chance: random.Random, seconds: float) -> Counter[str]:
    """Scale, restart, kill, remove, pause, at random; what was broken is repaired."""
    done: Counter[str] = Counter()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        webs = docker(
            "ps",
            "--filter",
            f"label={LABEL}={stack.name}",
            "--filter",
            "label=dftui.role=web",
            "--format",
            "{{.Names}}",
        ).split()
        what = chance.choice(("down", "up", "restart", "restart", "kill", "remove", "pause"))
        one = chance.choice(webs) if webs else ""
        match what:
            case "down":
                stack.run("scale", "-3")
            case "up":
                stack.run("scale", "+3")
            case "restart":
                docker("restart", "-t", "0", one, check=False)
            case "kill":
                docker("kill", one, check=False)
            case "remove" if len(webs) > LEAST:
                docker("rm", "-f", one, check=False)
            case "pause":
                docker("pause", one, check=False)
                time.sleep(2)
                docker("unpause", one, check=False)
        done[what] += 1
        if what in ("kill", "remove") or len(webs) < LEAST:
            stack.run("repair")
        time.sleep(chance.uniform(0.5, 3.0))
    return done


@dataclass(slots=True)
class Outcome:
    """What was compared, and in what it differs; no sentence means agreement."""

    lines: int
    containers: int
    differences: list[str] = field(default_factory=list)


def read_printed(path: Path) -> Lines:
    """What `dftui logs -f --json` printed: container and text of each line."""
    found: Lines = Counter()
    with path.open() as file:
        for raw in file:
            line = json.loads(raw)
            if line["kind"] not in ("event", "gap"):
                found[line["who"], line["text"]] += 1
            elif line["kind"] == "gap":
                found["a gap", line["text"]] += 1
    return found


def story(files: EngineFiles, printed: Path, missing: Lines) -> list[str]:
    """What became of the first container of which lines are missing, with the stamps of those lines."""
    who = next(iter(missing))[0]
    painter = Painter(Masker())
    found = [
        f"{stamp[11:23]} lost of {ref}: {text[:60]}"
        for stamp, ref, name, record in files.stamped()
        if name == who and (name, text := painter.text(record)) in missing
    ]
    with printed.open() as file:
        for raw in file:
            line = json.loads(raw)
            if line["who"] == who and line["kind"] in ("event", "gap"):
                at = time.strftime("%H:%M:%S", time.gmtime(line["time"])) + f"{line['time'] % 1:.3f}"[1:]
                found.append(f"{at} {line['text']}")
    return sorted(found)[:60]


def header(run: PtyRun) -> Mapping[str, int]:
    """The figures in the title of the logs, from a screen that was drawn anew."""
    before = run.total
    run.send("\x1b[15~")
    time.sleep(2)
    screen = pyte.Screen(120, 40)
    output = run.output()[before:]
    pyte.ByteStream(screen).feed(re.sub(rb"\x1b\[[?>=<][0-9;]*(?:\$p|u)", b"", output))
    text = "\n".join(screen.display)
    return {
        word: int(count.replace(",", ""))
        for count, word in re.findall(r"([\d,]+) (received|shown|filtered|dropped)", text)
    }


def tail(stack: Stack, seconds: float, seed: int) -> tuple[Outcome, Counter[str]]:
    """Everything at once for so long, then quiet, then the comparison."""
    printed = stack.folder / "printed"
    with (
        printed.open("w") as out,
        PtyRun(stack.argv(), columns=120, rows=40, env=stack.env, cwd=str(stack.folder), screen=False) as run,
        subprocess.Popen(
            stack.argv("logs", "-f", "--json"), stdout=out, env=dict(stack.env), cwd=stack.folder
        ) as follower,
    ):
        assert run.wait_bytes(b"follow", 60) is not None
        with EngineFiles(stack) as files:
            done = churn(stack, random.Random(seed), seconds)
            stack.run("repair")
            # Frozen, nobody writes any more; what is on its way arrives.
            for name in docker("ps", "--filter", f"label={LABEL}={stack.name}", "--format", "{{.Names}}").split():
                docker("pause", name, check=False)
            outcome = compare(files, printed, run)
            follower.terminate()
            follower.wait(20)
        for name in docker(
            "ps", "-q", "--filter", f"label={LABEL}={stack.name}", "--filter", "status=paused"
        ).split():
            docker("unpause", name, check=False)
    return outcome, done


def compare(files: EngineFiles, printed: Path, run: PtyRun, patience: float = 60.0) -> Outcome:
    """Until both agree with the engine's files, or what they differ in when the time is up."""
    painter = Painter(Masker())
    end = time.monotonic() + patience
    while True:
        truth: Lines = Counter((name, painter.text(record)) for name, record in files.lines())
        outcome = Outcome(truth.total(), len(files._files))
        ours = read_printed(printed)
        for word, missing in (("lost", truth - ours), ("too many", ours - truth)):
            if missing:
                some = ", ".join(f"{who}: {text[:80]}" for who, text in list(missing)[:5])
                outcome.differences.append(f"dftui logs -f: {missing.total()} lines {word} ({some})")
                outcome.differences += [f"  {line}" for line in story(files, printed, missing)]
        seen = header(run)
        if seen.get("received") != truth.total() or seen.get("shown") != truth.total() or seen.get("dropped"):
            outcome.differences.append(f"the screen's header says {dict(seen)}, the files hold {truth.total()}")
        if not outcome.differences or time.monotonic() > end:
            return outcome
        time.sleep(2)


def soak(folder: Path, minutes: float, seed: int) -> bool:
    """Run it, print one line of figures and each difference; whether all agreed."""
    with Stack(folder, TEXT) as stack:
        print(f"soak of the logs: up with {REPLICAS} replicas …", file=sys.stderr)
        stack.ok("up", "-n", str(LEAST))
        outcome, done = tail(stack, 60 * minutes, seed)
        stack.ok("down", "--volumes", "--yes")
    words = ", ".join(f"{count} x {what}" for what, count in sorted(done.items()))
    verdict = "all agree" if not outcome.differences else "they differ"
    print(
        f"soak of the logs, {minutes:g} min, seed {seed}: {outcome.lines:,} lines in {outcome.containers} log files "
        f"of the engine ({words}); {verdict}"
    )
    for sentence in outcome.differences:
        print(f"  {sentence}")
    return not outcome.differences
