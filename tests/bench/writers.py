"""Containers that write numbered lines at a stated rate: what the rows about logs are measured on."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from dftui.engine.connect import connect
from dftui.stack.names import LABEL_NUMBER, LABEL_ROLE, LABEL_STACK
from tests.stacks import docker
from tests.tiny import pieces, root_tar

STEP = 0.2
"""Seconds between two bursts of a writer."""
WORDS = "of those that a usual container writes, neither long nor short"
# Waits to be let go, writes until told to stop, then leaves its own count where the host can read it.
SCRIPT = """
while [ ! -e /w/go ]; do sleep .1; done
n=0
while [ ! -e /w/stop ]; do
  i=0
  while [ $i -lt {burst} ]; do n=$((n+1)); i=$((i+1)); echo "line $n {words}"; done
  {pause}
done
echo $n >/w/total-$HOSTNAME
while :; do sleep 5; done
"""


@contextmanager
def tiny_image() -> Iterator[str]:
    """The tag of an image with a shell; gone afterwards."""
    tag = f"dftui-bench/tiny:{secrets.token_hex(4)}"

    async def make() -> None:
        engine = await connect()
        try:
            async for _ in engine.import_image(tag, pieces(root_tar()), labels={"dftui.bench": "tiny"}):
                pass
        finally:
            await engine.close()

    asyncio.run(make())
    try:
        yield tag
    finally:
        docker("rmi", tag, check=False)


SILENT = "while :; do sleep 5; done"


class Writers:
    """`count` containers of a stack, `rate` lines a second in all (None: as fast as they can), and so many `silent`
    ones beside them. A context manager: they are removed at its end."""

    def __init__(self, stack: str, image: str, folder: Path, count: int, rate: float | None, silent: int = 0) -> None:
        self.stack = stack
        self.count = count
        self._folder = folder
        self._began = 0.0
        self.seconds = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        burst = 1000 if rate is None else max(1, round(rate * STEP / count))
        script = SCRIPT.format(burst=burst, words=WORDS, pause="" if rate is None else f"sleep {STEP}")
        for number in range(1, count + silent + 1):
            labels = {LABEL_STACK: stack, LABEL_ROLE: "web", LABEL_NUMBER: str(number)}
            pairs = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
            name = ["--name", f"{stack}-web{number}", "--network", "none", "--log-opt", "max-size=1g"]
            docker(
                "run",
                "-d",
                *name,
                *pairs,
                "-v",
                f"{folder}:/w",
                image,
                "sh",
                "-c",
                script if number <= count else SILENT,
            )

    def go(self) -> None:
        """Let them write."""
        self._began = time.monotonic()
        (self._folder / "go").touch()

    def stop(self) -> int:
        """Let them end; how many lines they wrote in all. `seconds` is how long they did."""
        (self._folder / "stop").touch()
        self.seconds = time.monotonic() - self._began
        end = time.monotonic() + 60
        while len(found := list(self._folder.glob("total-*"))) < self.count or not all(f.read_text() for f in found):
            assert time.monotonic() < end, "the writers do not end"
            time.sleep(0.1)
        return sum(int(one.read_text()) for one in found)

    def __enter__(self) -> Writers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        names = docker("ps", "-aq", "--filter", f"label={LABEL_STACK}={self.stack}").split()
        if names:
            subprocess.run(["docker", "rm", "-f", "-v", *names], check=False, capture_output=True)
