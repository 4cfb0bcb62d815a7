"""The row about images: all bundled ones built from nothing, against the same packages installed in one container."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from dftui.engine import bundled
from dftui.engine.connect import connect
from dftui.engine.sources import apt_options, debian_sources
from tests.bench.rows import Row, Sample, at_most, interleaved
from tests.stacks import docker

RATIO = 1.5
_TAG = f"dftui-bench/bare:{os.getpid()}"


def _build() -> float:
    """Seconds for all four images and their base, under tags of their own that are removed again."""

    async def build() -> float:
        engine = await connect()
        tags: list[str] = []
        try:
            begin = time.perf_counter()
            tags = list((await bundled.ensure_all_bundled(engine, lambda _: None)).values())
            return time.perf_counter() - begin
        finally:
            for tag in [*tags, bundled.bundled_tag(bundled.BASE)]:
                await engine.remove_image(tag)
            await engine.close()

    kept = bundled.RECIPE
    # Another recipe, another hash: nothing that is cached, and no image of a live stack, is touched.
    bundled.RECIPE = f"bench {os.getpid()} {time.monotonic_ns()}"
    try:
        return asyncio.run(build())
    finally:
        bundled.RECIPE = kept


def _bare_image() -> None:
    """Debian as it is installed, with this machine's sources: what the container of the baseline starts from."""
    codename, sources = debian_sources()
    with tempfile.TemporaryDirectory(prefix="dftui-bench-") as folder:
        options = Path(folder, "apt.conf")
        options.write_text(apt_options())
        made = subprocess.Popen(
            ["mmdebstrap", "--quiet", "--variant=minbase", f"--aptopt={options}", codename, "-", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert made.stdin is not None
        made.stdin.write(sources.encode())
        made.stdin.close()
        subprocess.run(["docker", "import", "-", _TAG], stdin=made.stdout, check=True, stdout=subprocess.DEVNULL)
        assert made.wait() == 0, "mmdebstrap failed"


def _install() -> float:
    """Seconds for the same packages in one container; its image is there already."""
    install = "apt-get install -qq -y --no-install-recommends " + " ".join(bundled.packages())
    command = f"apt-get update -qq && {install}"
    begin = time.perf_counter()
    docker("run", "--rm", "-e", "DEBIAN_FRONTEND=noninteractive", _TAG, "sh", "-c", command)
    return time.perf_counter() - begin


def building(runs: int) -> Row:
    """Images built, base included, against the installs alone."""
    _bare_image()
    try:
        ours, theirs = interleaved(runs, _build, _install)
    finally:
        docker("rmi", "-f", _TAG, check=False)
    row = Row(
        what="bundled images built, from nothing",
        command="python -m tests.bench images",
        runs=runs,
        measured=Sample(tuple(ours), "s"),
        baseline=Sample(tuple(theirs), "s"),
        baseline_is="the same packages, apt-get install in one container",
        goal=f"at most {RATIO} x",
        met=None,
    )
    return replace(row, met=at_most(row.ratio, RATIO))
