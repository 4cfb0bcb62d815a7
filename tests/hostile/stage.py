"""A hostile stack in a pty: texts go in, and every byte that comes out is read strictly."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.hostile.grammar import Reader, Stranger
from tests.pty_run import PtyRun

FIELDS = (
    *("log", "name", "label", "image", "path", "agent", "host", "method", "id", "client", "error", "check", "event"),
)
"""Where foreign text comes in."""
TABS = "45123"
"""Keys of the panes that are looked at for each set of texts, the logs last."""


class Stage:
    """Use as a context manager. The program lives as long as it does: one start for any number of sets of texts."""

    def __init__(self, folder: Path, columns: int = 120, rows: int = 40, *options: str) -> None:
        self._fifo = folder / "texts"
        os.mkfifo(self._fifo)
        argv = [sys.executable, "-m", "tests.hostile.play", str(self._fifo), *options]
        self.run = PtyRun(argv, columns=columns, rows=rows, cwd=str(Path(__file__).parents[2]))
        self.reader = Reader(columns, rows, ascii="--ascii" in options)
        self._read = 0
        self._played = 0

    def __enter__(self) -> Stage:
        self.run.wait_text("serving")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.run.close()

    def check(self) -> None:
        """Read what came since. Raises Stranger."""
        with self.run._lock:
            fresh = self.run.chunks[self._read :]
            self._read += len(fresh)
        self.reader.feed(b"".join(data for _, data in fresh))
        told = Path(f"{self._fifo}.told")
        if told.exists():
            raise Stranger(f"not sanitised, only stopped at the last door: {told.read_text()[:2000]}")

    def play(self, texts: Mapping[str, bytes], keys: str = TABS) -> None:
        """Let these come in, look at every pane, read all that was sent."""
        self._played += 1
        sentinel = f"sentinel-{self._played}-ends"
        told = {key: base64.b64encode(value).decode() for key, value in texts.items()}
        with self._fifo.open("a") as file:
            file.write(json.dumps({"texts": told, "sentinel": sentinel}) + "\n")
        self.run.send(keys)
        try:
            self.run.wait_until(lambda text: sentinel in text, 60, sentinel)
        finally:
            self.check()

    def look(self, keys: str, seen: str) -> None:
        """Open a dialogue or a view, read all that was sent for it, and go back to the logs of all."""
        compiled = re.compile(seen)
        self.run.send(keys)
        self.run.wait_text(seen)
        self.check()
        # Alone: with a key right behind it, it would be Alt with that key.
        self.run.send("\x1b")
        self.run.wait_until(lambda text: not compiled.search(text), 30, f"without {seen}")
        self.check()

    def leave(self) -> None:
        """End it; the terminal is given back, and nothing is left open."""
        self.run.send("q")
        code = self.run.wait_exit(30)
        if code:
            raise AssertionError(f"it ended with {code}: {self.run.output()[-2000:]!r}")
        self.check()
        self.reader.end()
