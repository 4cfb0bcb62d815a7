"""The row about `+`: from the key to a replica that serves, against `docker run` of the same image and its boot."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import replace

from tests.bench.rows import Row, Sample, at_most
from tests.pty_run import PtyRun
from tests.stacks import LABEL, Stack, docker

RATIO = 1.25


def docker_run(stack: Stack) -> float:
    """Seconds from `docker run` of a replica's image, with its variables, until it answers /status with 200."""
    detail = json.loads(docker("inspect", f"{stack.name}-web1"))[0]
    name = f"{stack.name}-bare"
    config = detail["Config"]
    with tempfile.NamedTemporaryFile("w", suffix=".env") as env:
        env.write("\n".join(config["Env"]) + "\n")
        env.flush()
        argv = ["docker", "run", "-d", "--name", name, "--label", f"{LABEL}={stack.name}", "--env-file", env.name]
        argv += ["--network", f"{stack.name}-back"]
        for mount in detail["Mounts"]:
            argv += ["-v", f"{mount['Name']}:{mount['Destination']}"]
        if config["Entrypoint"]:
            argv += ["--entrypoint", config["Entrypoint"][0]]
        argv += [config["Image"], *(config["Entrypoint"] or [])[1:], *(config["Cmd"] or [])]
        begin = time.perf_counter()
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    address = docker(
        "inspect", name, "--format", f'{{{{(index .NetworkSettings.Networks "{stack.name}-back").IPAddress}}}}'
    )
    try:
        while True:
            try:
                with urllib.request.urlopen(f"http://{address}/status", timeout=1) as answer:
                    if answer.status == 200:
                        return time.perf_counter() - begin
            except (urllib.error.URLError, OSError):
                time.sleep(0.01)
            assert time.perf_counter() - begin < 60, docker("logs", "--tail", "20", name)
    finally:
        docker("rm", "-f", "-v", name)


def rows(text: str) -> list[str]:
    """State of each replica in the table on a screen."""
    return re.findall(r"-web\d+\s+[0-9a-f]{12}\s+\S\s+(\w+)", text)


def all_serving(text: str, count: int) -> bool:
    """Exactly so many replicas, each of them serving."""
    return rows(text) == ["serving"] * count


def _plus(run: PtyRun, count: int) -> float:
    """Seconds from the key `+` until one replica more is on screen as serving."""
    begin = time.perf_counter()
    run.send("+")
    run.wait_until(lambda text: all_serving(text, count + 1), 60, f"{count + 1} serving")
    return time.perf_counter() - begin


def plus(stack: Stack, runs: int) -> Row:
    """Median of `runs`, taking turns with the baseline."""
    ours: list[float] = []
    bare: list[float] = []
    with PtyRun(stack.argv(), columns=120, rows=40, env=stack.env, cwd=str(stack.folder)) as run:
        run.wait_until(lambda text: all_serving(text, 3), 60, "3 serving")
        for _ in range(runs):
            ours.append(_plus(run, 3))
            # The action ends a little later: it writes the balancer's file and reads the receipt.
            run.wait_text("3 to 4 replicas in")
            run.send("-")
            run.wait_until(lambda text: all_serving(text, 3), 60, "web4 gone")
            run.wait_text("4 to 3 replicas in")
            bare.append(docker_run(stack))
    row = Row(
        what="`+` to serving, as the screen shows it",
        command="dftui, key +",
        runs=runs,
        measured=Sample(tuple(ours), "s"),
        baseline=Sample(tuple(bare), "s"),
        baseline_is="`docker run` of the same image plus its boot (/status 200)",
        goal=f"≤ {RATIO} x",
        met=None,
    )
    return replace(row, met=at_most(row.ratio, RATIO))
