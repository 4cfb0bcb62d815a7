"""A program in a pty of a given size: its bytes counted, its screen read, its keys pressed, its link throttled."""

from __future__ import annotations

import contextlib
import copy
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pyte

SYNC_QUERY = b"\x1b[?2026$p"
SYNC_ANSWER = b"\x1b[?2026;2$y"
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds used so far, resident memory now and at its peak in MiB."""

    cpu: float
    rss: float
    peak: float


def usage_of(pid: int) -> Usage:
    """From /proc; raises FileNotFoundError when the process is gone."""
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        fields = file.read().rsplit(")", 1)[1].split()
    sizes = {"VmRSS": 0.0, "VmHWM": 0.0}
    with open(f"/proc/{pid}/status") as file:  # noqa: PTH123
        for line in file:
            name, _, rest = line.partition(":")
            if name in sizes:
                sizes[name] = int(rest.split()[0]) / 1024
    return Usage((int(fields[11]) + int(fields[12])) / _TICK, sizes["VmRSS"], sizes["VmHWM"])


class Screen(pyte.Screen):
    """pyte's, with the alternate screen (modes 1047 and 1049) that it lacks: what was there before comes back. As in
    xterm and tmux the end of 1049 also puts the cursor back to where its beginning found it, in whichever screen."""

    def __init__(self, columns: int, lines: int) -> None:
        super().__init__(columns, lines)
        self._under: Any = None
        self._place: Any = None

    def set_mode(self, *modes: int, **how: Any) -> None:
        super().set_mode(*modes, **how)
        if not how.get("private") or not {1047, 1049} & set(modes):
            return
        if 1049 in modes:
            self._place = copy.deepcopy(self.cursor)
        if self._under is None:
            self._under = copy.deepcopy(self.buffer)
            self.erase_in_display(2)

    def reset_mode(self, *modes: int, **how: Any) -> None:
        super().reset_mode(*modes, **how)
        if not how.get("private") or not {1047, 1049} & set(modes):
            return
        if self._under is not None:
            self.buffer, self._under = self._under, None
            self.dirty.update(range(self.lines))
        if 1049 in modes and self._place is not None:
            self.cursor = copy.deepcopy(self._place)


class PtyRun:
    """Runs `argv` in a pty; a thread drains it. Use as a context manager: it ends the program.

    `rate` is how many bytes/s the terminal takes (None: as fast as they come).  `answer_sync` answers the
    synchronised-output query as a modern terminal does.  `screen` keeps a pyte screen: what a person sees.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        columns: int = 120,
        rows: int = 40,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        rate: float | None = None,
        answer_sync: bool = True,
        screen: bool = True,
    ) -> None:
        self._rate = rate
        self._answer_sync = answer_sync
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._screen = Screen(columns, rows) if screen else None
        self._stream = pyte.ByteStream(self._screen) if self._screen else None
        self.chunks: list[tuple[float, bytes]] = []
        self.total = 0
        self.alive = True
        self._stop = False
        self._status: int | None = None
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("TEXTUAL", "SSH_")) and k != "NO_COLOR"}
        environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", "PYTHONUTF8": "1"}
        environ |= env or {}
        for size in ("COLUMNS", "LINES"):
            # A pty has a size of its own; readline, which test runners import, puts another one into the environment.
            environ.pop(size, None)
        self.started = time.perf_counter()
        self.pid, self.fd = _spawn(argv, environ, cwd, columns, rows)
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def __enter__(self) -> PtyRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def _drain(self) -> None:
        free_at = time.perf_counter()
        held = b""
        while not self._stop:
            ready, _, _ = select.select([self.fd], [], [], 0.05)
            if not ready:
                continue
            try:
                data = os.read(self.fd, 65536 if self._rate is None else max(256, int(self._rate / 50)))
            except OSError:  # Linux says EIO once the last holder of the other side is gone.
                data = b""
            now = time.perf_counter()
            with self._news:
                if not data:
                    self.alive = False
                    self._news.notify_all()
                    return
                self.total += len(data)
                self.chunks.append((now, data))
                # A sequence may be cut by the read.
                whole, held = _whole(held + data)
                if self._stream is not None:
                    # pyte knows neither private-mode queries nor the kitty keyboard sequences.
                    self._stream.feed(re.sub(rb"\x1b\[[?>=<][0-9;]*(?:\$p|u)", b"", whole))
                self._news.notify_all()
            if self._answer_sync:
                for _ in range(whole.count(SYNC_QUERY)):
                    self.send(SYNC_ANSWER)
            if self._rate is not None:
                free_at = max(free_at, now - 0.05) + len(data) / self._rate
                time.sleep(max(0.0, free_at - time.perf_counter()))

    def send(self, keys: str | bytes) -> None:
        """Type."""
        os.write(self.fd, keys if isinstance(keys, bytes) else keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Change the terminal's size; the program gets SIGWINCH."""
        with self._lock:
            if self._screen is not None:
                self._screen.resize(rows, columns)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def lines(self) -> list[str]:
        """The screen as a person sees it."""
        assert self._screen is not None
        with self._lock:
            return [line.rstrip() for line in self._screen.display]

    def text(self) -> str:
        """The screen as one string."""
        return "\n".join(self.lines())

    def output(self) -> bytes:
        """Every byte so far."""
        with self._lock:
            return b"".join(data for _, data in self.chunks)

    def wait_until(self, check: Callable[[str], object], timeout: float = 30.0, what: str = "") -> float:
        """Wait until the screen's text passes `check`; seconds since the start when it did.

        Raises AssertionError with the screen when the time is up or the program has ended.
        """
        end = time.perf_counter() + timeout
        while True:
            if check(self.text()):
                return time.perf_counter() - self.started
            with self._news:
                left = end - time.perf_counter()
                if left <= 0 or not self.alive:
                    break
                self._news.wait(min(left, 0.5))
        if check(self.text()):
            return time.perf_counter() - self.started
        ended = "" if self.alive else " (the program has ended)"
        raise AssertionError(f"not on screen within {timeout:g} s{ended}: {what or check}\n{self.text()}")

    def wait_text(self, pattern: str, timeout: float = 30.0) -> float:
        """Wait until a regular expression matches the screen."""
        compiled = re.compile(pattern, re.MULTILINE)
        return self.wait_until(compiled.search, timeout, pattern)

    def wait_bytes(self, pattern: bytes, timeout: float = 30.0) -> float | None:
        """Seconds from the start until the raw output matched; None when it never did. Exact to the read."""
        compiled = re.compile(pattern)
        end = time.perf_counter() + timeout
        buffer = b""
        seen = 0
        with self._news:
            while True:
                for at, data in self.chunks[seen:]:
                    buffer = buffer[-256:] + data
                    seen += 1
                    if compiled.search(buffer):
                        return at - self.started
                left = end - time.perf_counter()
                if left <= 0 or not self.alive:
                    return None
                self._news.wait(left)

    def usage(self) -> Usage:
        """What the program has used so far."""
        return usage_of(self.pid)

    def wait_exit(self, timeout: float = 30.0) -> int:
        """The exit code (negative: the signal); raises AssertionError when it does not end."""
        end = time.monotonic() + timeout
        while self._status is None and time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
                break
            time.sleep(0.01)
        if self._status is None:
            raise AssertionError(f"still running after {timeout:g} s\n{self.text() if self._screen else ''}")
        self._thread.join(1)
        return self._status

    def close(self, timeout: float = 5.0) -> None:
        """End the program (SIGTERM, then SIGKILL) and reap it."""
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            try:
                self.wait_exit(timeout)
            except AssertionError:
                os.kill(self.pid, signal.SIGKILL)
                self.wait_exit(timeout)
        self._stop = True
        self._thread.join(1)
        with contextlib.suppress(OSError):
            os.close(self.fd)

    def hang_up(self) -> None:
        """Cut the link: the program's terminal goes away, as when a connection drops."""
        self._stop = True
        self._thread.join(1)
        with contextlib.suppress(OSError):
            os.close(self.fd)


def _whole(data: bytes) -> tuple[bytes, bytes]:
    """What holds only whole control sequences, and the beginning of one at its end."""
    found = re.search(rb"\x1b(?:\[[0-?]*[ -/]*)?\Z", data)
    return (data[: found.start()], data[found.start() :]) if found else (data, b"")


def _spawn(argv: Sequence[str], env: Mapping[str, str], cwd: str | None, columns: int, rows: int) -> tuple[int, int]:
    master, slave = pty.openpty()
    # The size is there before the program asks for it.
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    pid = os.fork()
    if pid == 0:
        try:
            os.close(master)
            os.login_tty(slave)
            if cwd is not None:
                os.chdir(cwd)
            os.execvpe(argv[0], list(argv), dict(env))
        finally:
            os._exit(127)
    os.close(slave)
    return pid, master
