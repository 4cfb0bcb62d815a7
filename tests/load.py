"""Open-loop HTTP load: requests leave at their intended times whatever the answers do, over raw sockets.

A request that finds no idle connection gets a new one, so that slow answers hold nobody up.  Latency counts from the
intended send time, so that a stall costs every request that it delayed.  Anything but the expected status, read to
its end, is a failure; nothing is retried.  One thread and one epoll: about 25 µs of CPU for a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType

from tests.tally import Tally

_HOST = re.compile(rb'"host"\s*:\s*"([0-9A-Za-z._-]+)"')
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:\s*chunked", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:\s*close", re.IGNORECASE)
_LOOK = 0.1
"""Seconds between two looks for requests whose time is up, and for the order to stop."""
_ENDS = (signal.SIGTERM, signal.SIGINT)
_KEPT = 50
"""Failures of which each is told."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send. `rate` in requests/s (0: each connection sends its next as soon as it has its answer, to measure
    what can be had at most); `seconds` None: until stopped. The shares (0 to 1) are spread evenly."""

    port: int
    host: str = "127.0.0.1"
    rate: float = 100.0
    seconds: float | None = None
    connections: int = 32
    """Kept open between requests; more are opened when all are busy, up to `most`, and closed again."""
    most: int = 800
    fresh: float = 0.1
    """Share sent on a connection of its own."""
    posts: float = 0.1
    heads: float = 0.0
    slow: float = 0.0
    path: str = "/status"
    post_path: str = "/status"
    slow_path: str = "/status"
    headers: tuple[tuple[str, str], ...] = ()
    host_header: str = ""
    """Response header that names who answered; "" reads `"host"` from a JSON body."""
    expect: int = 200
    """The one status that is no failure."""
    timeout: float = 30.0


_STEPS = {"fresh": 0.6180339887, "posts": 0.7548776662, "heads": 0.5698402910, "slow": 0.8191725134}
"""Steps of low-discrepancy sequences (powers of generalised golden ratios), one for each share."""


def _every(share: float, index: int, of: str) -> bool:
    """Whether request `index` belongs to a share: spread evenly, and each share independent of the others."""
    return (index * _STEPS[of]) % 1.0 >= 1.0 - share


class _Connection:
    """A socket, and the request on it if it is busy."""

    __slots__ = ("begun", "busy", "data", "fd", "fresh", "intended", "method", "need", "path", "sock", "up")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.up = self.busy = self.fresh = False
        self.intended = self.begun = 0.0
        self.method = self.path = ""
        self.data = b""
        """What is to be sent while it is not up, then what has come of the answer."""
        self.need = 0


class _Driver:
    """The loop: sends what is due, reads what comes."""

    def __init__(self, plan: Plan, stop: threading.Event) -> None:
        self.plan = plan
        self.tally = Tally()
        self._stop = stop
        self._poll = select.epoll()
        self._by_fd: dict[int, _Connection] = {}
        self._idle: deque[_Connection] = deque()
        self._busy = 0
        self._index = 0
        self._held: deque[tuple[int, float]] = deque()
        """Requests that found `most` connections busy: each waits for its turn, and its latency grows."""
        self._start = time.perf_counter()
        head = f"Host: {plan.host}:{plan.port}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in plan.headers)
        self._rest = head.encode()

    # -- the loop

    def run(self) -> Tally:
        now = looked = self._start
        if not self.plan.rate:
            for _ in range(self.plan.connections):
                self._next(now)
        while True:
            now = time.perf_counter()
            due = self._send_due(now)
            if now - looked >= _LOOK:
                looked = now
                self._give_up_late(now)
            if due is None and not self._busy and not self._held:
                break
            wait = _LOOK if due is None else min(_LOOK, max(0.0, due - now))
            # epoll alone waits whole milliseconds; select counts in microseconds.
            if not wait or select.select((self._poll,), (), (), wait)[0]:
                for fd, _ in self._poll.poll(0):
                    if (connection := self._by_fd.get(fd)) is not None:
                        self._ready(connection)
        for connection in list(self._by_fd.values()):
            self._drop(connection)
        self._poll.close()
        self.tally.seconds = time.perf_counter() - self._start
        return self.tally

    def _send_due(self, now: float) -> float | None:
        """Send what is due; when the next one is, None when there is none any more."""
        plan = self.plan
        ended = self._stop.is_set() or (plan.seconds is not None and now - self._start >= plan.seconds)
        if not plan.rate:
            return None if ended else now + _LOOK
        while not self._stop.is_set():
            offset = self._index / plan.rate
            if plan.seconds is not None and offset >= plan.seconds:
                return None
            intended = self._start + offset
            if intended > now:
                return intended
            self._dispatch(self._index, intended)
            self._index += 1
        return None

    def _next(self, now: float) -> None:
        """Without a rate: the next one, at once."""
        if self._stop.is_set() or (self.plan.seconds is not None and now - self._start >= self.plan.seconds):
            return
        self._dispatch(self._index, now)
        self._index += 1

    def _give_up_late(self, now: float) -> None:
        for connection in [c for c in self._by_fd.values() if c.busy and now - c.begun > self.plan.timeout]:
            self._fail(connection, "timeout")

    # -- one request

    def _dispatch(self, index: int, intended: float) -> None:
        if self._busy >= self.plan.most:
            self._held.append((index, intended))
            return
        plan = self.plan
        fresh = _every(plan.fresh, index, "fresh")
        connection = None
        while not fresh and self._idle and len(self._by_fd) >= plan.connections:
            connection = self._idle.popleft()
            if self._by_fd.get(connection.fd) is connection:  # not closed meanwhile, its number given to another
                break
            connection = None
        if connection is None:
            connection = self._open()
        connection.fresh = fresh
        slow = _every(plan.slow, index, "slow")
        connection.method = self._method(index)
        connection.path = plan.slow_path if slow else plan.post_path if connection.method == "POST" else plan.path
        text = b"%s %s HTTP/1.1\r\n%s" % (connection.method.encode(), connection.path.encode(), self._rest)
        if fresh:
            text += b"Connection: close\r\n"
        if connection.method == "POST":
            body = b'{"n":%d}' % index
            text += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        else:
            text += b"\r\n"
        connection.busy = True
        connection.intended = intended
        connection.begun = time.perf_counter()
        connection.need = -1
        connection.data = text
        self._busy += 1
        self.tally.sent += 1
        self.tally.lags.append(connection.begun - intended)
        if connection.up:
            self._send(connection)

    def _method(self, index: int) -> str:
        if _every(self.plan.posts, index, "posts"):
            return "POST"
        return "HEAD" if _every(self.plan.heads, index, "heads") else "GET"

    def _open(self) -> _Connection:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(sock)
        self._by_fd[connection.fd] = connection
        # Refused at once or later: both are seen when it becomes ready.
        sock.connect_ex((self.plan.host, self.plan.port))
        self._poll.register(connection.fd, select.EPOLLOUT | select.EPOLLIN)
        return connection

    def _send(self, connection: _Connection) -> None:
        data, connection.data = connection.data, b""
        try:
            sent = connection.sock.send(data)
        except OSError:
            self._fail(connection, "closed")
            return
        assert sent == len(data), "a request of some hundred bytes fits into a socket's buffer"

    def _ready(self, connection: _Connection) -> None:
        if not connection.up:
            problem = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if problem == errno.EINPROGRESS:
                return
            if problem:
                self._fail(connection, "connect")
                return
            connection.up = True
            self._poll.modify(connection.fd, select.EPOLLIN)
            self._send(connection)
            return
        try:
            piece = connection.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not connection.busy:
            # The balancer closed an idle connection; a client sees that before it sends.
            self._drop(connection)
        elif piece:
            connection.data = connection.data + piece if connection.data else piece
            self._read(connection)
        elif connection.need == -2:
            self._end(connection, connection.data)
        else:
            self._fail(connection, "cut" if connection.data else "closed")

    def _read(self, connection: _Connection) -> None:
        """Is the answer whole? `need`: -1 the head is not there yet, -2 it ends with the connection, -3 chunked."""
        data = connection.data
        if connection.need == -1:
            at = data.find(b"\r\n\r\n")
            if at < 0:
                return
            head = data[:at]
            if connection.method == "HEAD" or head[9:12] in (b"204", b"304"):
                connection.need = at + 4
            elif length := _LENGTH.search(head):
                connection.need = at + 4 + int(length[1])
            else:
                connection.need = -3 if _CHUNKED.search(head) else -2
        if connection.need >= 0:
            if len(data) >= connection.need:
                self._end(connection, data)
        elif connection.need == -3 and (whole := _unchunked(data)) is not None:
            self._end(connection, whole)

    def _end(self, connection: _Connection, data: bytes) -> None:
        """An answer, whole."""
        plan, tally = self.plan, self.tally
        now = time.perf_counter()
        at = data.find(b"\r\n\r\n")
        status = int(data[9:12])
        if status != plan.expect:
            self._told(connection, str(status))
        else:
            tally.ok += 1
            slow = plan.slow and connection.path == plan.slow_path != plan.path
            (tally.slow if slow else tally.latencies).append(now - connection.intended)
            if name := self._who(data, at):
                tally.hosts[name] += 1
        connection.busy = False
        connection.data = b""
        self._busy -= 1
        keep = not connection.fresh and connection.need != -2 and len(self._idle) < plan.connections
        if keep and not _CLOSE.search(data, 0, at + 2):
            self._idle.append(connection)
        else:
            self._drop(connection)
        self._after(now)

    def _who(self, data: bytes, at: int) -> str:
        if self.plan.host_header:
            name = self.plan.host_header.encode()
            found = re.search(rb"\r\n" + name + rb":\s*([^\r]+)", data[: at + 2], re.IGNORECASE)
        else:
            found = _HOST.search(data, at)
        return found[1].decode() if found else ""

    def _fail(self, connection: _Connection, kind: str) -> None:
        """No answer, or half of one."""
        busy = connection.busy
        self._drop(connection)
        if busy:
            self._told(connection, kind)
            self._busy -= 1
            self._after(time.perf_counter())

    def _told(self, connection: _Connection, kind: str) -> None:
        self.tally.failed[kind] += 1
        self.tally.failed_methods[connection.method] += 1
        if kind != "cut":
            self.tally.unanswered[connection.method] += 1
        if len(self.tally.lost) < _KEPT:
            at = time.perf_counter() - self._start
            self.tally.lost.append(f"{at:.3f} s {connection.method} {connection.path} {kind}")

    def _after(self, now: float) -> None:
        """One connection fewer is busy."""
        if self._held:
            self._dispatch(*self._held.popleft())
        elif not self.plan.rate:
            self._next(now)

    def _drop(self, connection: _Connection) -> None:
        if self._by_fd.get(connection.fd) is connection:
            del self._by_fd[connection.fd]
            self._poll.unregister(connection.fd)
            connection.sock.close()


def _unchunked(data: bytes) -> bytes | None:
    """Head and body of a chunked answer, None while it is not whole."""
    at = data.find(b"\r\n\r\n") + 4
    found = [data[:at]]
    while (line := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:line].split(b";")[0], 16)
        at = line + 2 + size + 2
        if len(data) < at:
            return None
        if not size:
            return b"".join(found)
        found.append(data[line + 2 : at - 2])
    return None


def drive(plan: Plan, stop: threading.Event) -> Tally:
    """Send until the time is up or `stop` is set; requests under way are waited for."""
    return _Driver(plan, stop).run()


async def run(plan: Plan, stop: asyncio.Event | None = None) -> Tally:
    """The same in a thread beside an event loop."""
    flag = threading.Event()
    watching = asyncio.create_task(stop.wait()) if stop is not None else None
    if watching is not None:
        watching.add_done_callback(lambda _: flag.set())
    try:
        return await asyncio.to_thread(drive, plan, flag)
    finally:
        flag.set()
        if watching is not None:
            watching.cancel()


class Load:
    """The same in a process of its own, so that the test's work does not delay it. Use as a context manager."""

    def __init__(self, plan: Plan) -> None:
        text = json.dumps(asdict(plan))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.load", text],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            # An order to stop that comes before it listens for one waits.
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS),
        )
        self._tally: Tally | None = None

    def __enter__(self) -> Load:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._tally is None:
            self._process.kill()
            self._process.communicate()

    def wait(self) -> Tally:
        """Wait for its end (a plan with `seconds`)."""
        if self._tally is None:
            out, _ = self._process.communicate()
            self._tally = Tally.from_json(json.loads(out))
        return self._tally

    def stop(self) -> Tally:
        """End it: nothing new is sent, what is under way is answered."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        return self.wait()


def main(argv: Sequence[str]) -> None:
    """A plan as JSON in, a tally as JSON out; SIGTERM or SIGINT ends it."""
    with contextlib.suppress(OSError):  # Clients have machines of their own: what is measured is not to delay them.
        os.nice(-15)
    plan = Plan(**json.loads(argv[0]))
    plan = replace(plan, headers=tuple((k, v) for k, v in plan.headers))
    stop = threading.Event()
    for number in _ENDS:
        signal.signal(number, lambda *_: stop.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
    print(json.dumps(drive(plan, stop).to_json()))


if __name__ == "__main__":
    main(sys.argv[1:])
