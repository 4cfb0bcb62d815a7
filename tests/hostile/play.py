"""dftui's screen on a stack of which nothing can be trusted: `python -m tests.hostile.play FIFO [options]`.

The engine is the fake one; all that is between it and the terminal is real.  Each line of the FIFO is a JSON object
of hostile texts by the field they are for (base64 of bytes); when all are taken, the sentinel is written as a log
line.  What the terminal's last door had to stop, which the sanitiser must have stopped before, is told in FIFO.told,
and so is what goes wrong in here.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dftui.balancer import link as balancer_link
from dftui.control.errors import ActionError
from dftui.control.receipts import ScaleResult
from dftui.engine.api import EngineError
from dftui.stack import names
from dftui.stack.spec import StackSpec
from dftui.ui.app import DftuiApp
from dftui.ui.backend import Backend
from dftui.ui.live import LiveBackend
from dftui.ui.options import Options
from dftui.ui.page import Page
from dftui.watch.records import Step
from tests.unit.test_watch_watcher import Stack

RECORD = {
    "t": "1795000000000", "a": "3", "c": "127.0.0.1", "m": "GET", "u": "/", "s": "200", "q": "0", "k": "0", "r": "3",
    "n": "", "i": "1", "e": "0", "rt": "1", "lc": "1", "z": "boot", "b": "100", "x": "--", "g": "agent", "p": "0",
    "w": "1",
}  # fmt: skip


def _decoded(data: bytes) -> str:
    """As the engine's and the balancer's JSON gives text: lone surrogates are possible, broken bytes are not."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


class HostileStack(Stack):
    """A sound stack and, for each set of texts, one replica more that is theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.error = "nothing was said yet"
        self.backend: LiveBackend | None = None
        self._extra = ""
        self._records = 0

    def play(self, texts: dict[str, bytes], sentinel: str) -> None:
        """Let all of it come in."""

        def text(field: str, otherwise: str) -> str:
            return _decoded(texts.get(field, otherwise.encode()))

        self.engine.by_id.pop(self._extra, None)
        image = text("image", "tiny:1")
        labels = names.stack_labels("df", "web", source=text("label", "bundled"))
        labels |= {"dftui.number": "4", "dftui.key": text("label", "aaaa1111"), "x": text("label", "")}
        self._extra = self.engine.add(
            text("name", "df-web4"), image=image, labels=labels, networks={"df-front": "10.0.0.99"}
        )
        servers = self.link.found.servers[:3]
        check = text("check", "L7STS/503")
        more = replace(servers[0], name=self._extra[:12], address="10.0.0.99:80", status="DOWN", check_why=check)
        self.link.found = replace(self.link.found, servers=(*servers, more))
        self.engine._tell(self.engine.by_id[self._extra], "start")
        self.engine._tell(self.engine.by_id[self._extra], text("event", "health_status: healthy"))
        for line in texts.get("log", b"").split(b"\n"):
            self.engine.write(self._extra, line)
            self.engine.write(self.ids["df-redis"], line, "stderr")
        self._request(text, servers[0].name)
        self.error = text("error", "refused")
        if self.backend is not None:
            self.backend._report(Step(1795000000.0, "scale", self.error, "failed", f"docker run {self.error}"))
        self.engine.write(self.ids["df-redis"], sentinel.encode())

    def _request(self, text: Any, server: str) -> None:
        self._records += 1
        record = {**RECORD, "lc": str(self._records), "rt": str(self._records), "n": text("host", server)}
        record |= {"u": text("path", "/"), "g": text("agent", "curl"), "m": text("method", "GET")}
        record |= {"i": text("id", "1"), "c": text("client", "127.0.0.1")}
        # HAProxy writes JSON in ASCII.
        self.link.fresh.put_nowait(self.link.ring.feed(json.dumps(record).encode() + b"\n"))


def watch_the_door(report: Path) -> None:
    """Note what came as far as the page although nothing but clean text may."""
    cells = Page._cells

    def noted(self: Page, text: str) -> list[str]:
        if not text.isprintable():
            with report.open("a") as file:
                file.write(ascii(text) + "\n")
        return cells(self, text)

    Page._cells = noted  # type: ignore[method-assign]


async def listen(path: str, stack: HostileStack, tell: Callable[[str], object]) -> None:
    """One set of texts after the other."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 24)
    # Opened for writing, too, so that it does not end with the first writer.
    pipe = os.fdopen(os.open(path, os.O_RDWR | os.O_NONBLOCK), "rb", buffering=0)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        while line := await reader.readline():
            told = json.loads(line)
            stack.play({key: base64.b64decode(value) for key, value in told["texts"].items()}, told["sentinel"])
    except Exception:
        tell(traceback.format_exc())
        raise


def main() -> int:
    """Until q."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fifo")
    parser.add_argument("--ascii", action="store_true")
    parser.add_argument("--no-mouse", action="store_true")
    args = parser.parse_args()
    told = Path(f"{args.fifo}.told")
    watch_the_door(told)
    tasks = []

    async def connect() -> Backend:
        stack = HostileStack()
        balancer_link.BalancerLink = lambda engine, name: stack.link  # type: ignore[misc, assignment, return-value]
        backend = LiveBackend(stack.engine, StackSpec(), "FAKE")

        async def scale(**_: object) -> ScaleResult:
            raise ActionError(stack.error, stack.error)

        async def probe() -> None:
            raise EngineError(stack.error, stack.error)

        backend.scale = scale  # type: ignore[method-assign]
        backend.probe = probe  # type: ignore[method-assign, assignment]
        backend.start()
        stack.backend = backend
        tasks.append(asyncio.create_task(listen(args.fifo, stack, told.write_text)))
        return backend

    options = Options.from_environment(ascii=args.ascii, mouse=not args.no_mouse)
    app = DftuiApp(connect, StackSpec(), options)
    app.run(mouse=options.mouse)
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main())
