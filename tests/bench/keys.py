"""How long a key takes from the hand to the screen, and how old log lines are when they are painted."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

import pyte

from tests.pty_run import PtyRun

CURSOR = "▸".encode()
"""The sign of the selected row: it moves when a key moves the selection."""
_LINE = re.compile(r"^.(\d\d):(\d\d):(\d\d\.\d{3}) ")
_PRIVATE = re.compile(rb"\x1b\[[?>=<][0-9;]*(?:\$p|u)")


def key_to_screen(run: PtyRun, seconds: float, every: float = 0.25) -> list[float]:
    """Milliseconds of each of many presses that move the selection, until its sign is at the terminal."""
    found: list[float] = []
    end = time.perf_counter() + seconds
    key = "j"
    while time.perf_counter() < end:
        seen = len(run.chunks)
        at = time.perf_counter()
        run.send(key)
        arrived = wait_for(run, seen, lambda data: CURSOR in data, 10.0)
        found.append(1000 * ((arrived or at + 10.0) - at))
        key = "k" if key == "j" else "j"
        time.sleep(every)
    return found


def wait_for(run: PtyRun, seen: int, true: Callable[[bytes], bool], timeout: float) -> float | None:
    """When what came after the first `seen` chunks first was like this; None when it never was."""
    end = time.perf_counter() + timeout
    data = b""
    with run._news:
        while True:
            for at, chunk in run.chunks[seen:]:
                seen += 1
                data += chunk
                if true(data):
                    return at
            left = end - time.perf_counter()
            if left <= 0 or not run.alive:
                return None
            run._news.wait(left)


class Playback:
    """The screen that the bytes of a run gave, read afterwards: while they came, nothing was to disturb it."""

    def __init__(self, columns: int, rows: int) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        self._stream.feed(_PRIVATE.sub(b"", data))

    @property
    def text(self) -> str:
        """What is on it."""
        return "\n".join(line.rstrip() for line in self.screen.display)


def lags(chunks: Sequence[tuple[float, bytes]], begin: float, end: float, columns: int, rows: int) -> list[float]:
    """Milliseconds from the engine's stamp to the terminal, of each line that was painted between these moments (of
    `time.perf_counter`). All `chunks` since the start are needed to know the screen."""
    playback = Playback(columns, rows)
    wall = time.time() - time.perf_counter()
    offset = time.localtime().tm_gmtoff
    shown: set[str] = set()
    found: list[float] = []
    for at, data in chunks:
        playback.feed(data)
        if not begin <= at <= end:
            continue
        now = {line for line in playback.screen.display if _LINE.match(line)}
        for line in now - shown:
            hours, minutes, seconds = _LINE.match(line).groups()  # type: ignore[union-attr]
            stamp = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
            lag = (at + wall + offset - stamp) % 86_400
            found.append(1000 * (lag if lag < 43_200 else lag - 86_400))
        shown = now
    return found
