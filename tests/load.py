"""Open-loop HTTP load: requests leave at their intended times whatever the answers do, over raw sockets.

Latency counts from the intended send time, so that a stall costs every request that it delayed.  Anything but the
expected status, read to its end, is a failure; nothing is retried.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from types import TracebackType
from typing import Any

_HOST = re.compile(rb'"host"\s*:\s*"([0-9A-Za-z._-]+)"')
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:\s*chunked", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:\s*close", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send. `rate` in requests/s; `seconds` None: until stopped. The shares (0 to 1) are spread evenly."""

    port: int
    host: str = "127.0.0.1"
    rate: float = 100.0
    seconds: float | None = None
    connections: int = 32
    fresh: float = 0.1
    """Share sent on a connection of its own."""
    posts: float = 0.1
    slow: float = 0.0
    path: str = "/status"
    post_path: str = "/status"
    slow_path: str = "/status"
    headers: tuple[tuple[str, str], ...] = ()
    host_header: str = ""
    """Response header that names who answered; "" reads `"host"` from a JSON body."""
    expect: tuple[int, ...] = (200,)
    timeout: float = 30.0


@dataclass(slots=True)
class Tally:
    """What came back. `failed` by kind: a status, "connect", "closed", "timeout"; latencies in seconds."""

    sent: int = 0
    ok: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    failed_methods: Counter[str] = field(default_factory=Counter)
    hosts: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failures(self) -> int:
        """How many failed, of any kind."""
        return sum(self.failed.values())

    def percentile(self, share: float) -> float:
        """Latency that `share` (0 to 1) of the answered requests kept under, in seconds; 0 without any."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def to_json(self) -> dict[str, Any]:
        """For the next process."""
        counters = {
            "failed": dict(self.failed),
            "failed_methods": dict(self.failed_methods),
            "hosts": dict(self.hosts),
        }
        return {"sent": self.sent, "ok": self.ok, "latencies": self.latencies, "seconds": self.seconds, **counters}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Tally:
        """The way back."""
        counters = {name: Counter(data[name]) for name in ("failed", "failed_methods", "hosts")}
        return cls(data["sent"], data["ok"], latencies=data["latencies"], seconds=data["seconds"], **counters)


def _every(share: float, index: int) -> bool:
    """Whether request `index` belongs to a share, spread evenly."""
    return int((index + 1) * share) > int(index * share)


class _Worker:
    """One keep-alive connection; requests that want their own get one beside it."""

    def __init__(self, plan: Plan, tally: Tally) -> None:
        self.plan = plan
        self.tally = tally
        self.pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, index: int, intended: float) -> None:
        plan, tally = self.plan, self.tally
        slow, post, fresh = (_every(share, index) for share in (plan.slow, plan.posts, plan.fresh))
        method = "POST" if post else "GET"
        path = plan.slow_path if slow else plan.post_path if post else plan.path
        body = b'{"n":%d}' % index if post else b""
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {plan.host}:{plan.port}",
            *(f"{k}: {v}" for k, v in plan.headers),
        ]
        if post:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        if fresh:
            lines.append("Connection: close")
        data = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        tally.sent += 1
        try:
            problem = await asyncio.wait_for(self._exchange(data, fresh), plan.timeout)
        except TimeoutError:
            problem = "timeout"
            self.drop()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            problem = "closed"
            self.drop()
        if problem:
            tally.failed[problem] += 1
            tally.failed_methods[method] += 1
        else:
            tally.ok += 1
            tally.latencies.append(time.perf_counter() - intended)

    async def _exchange(self, data: bytes, fresh: bool) -> str:
        if self.pair is not None and self.pair[0].at_eof():
            # The balancer closed an idle connection; a client sees that before it sends.
            self.drop()
        pair = None if fresh else self.pair
        if pair is None:
            try:
                pair = await asyncio.open_connection(self.plan.host, self.plan.port)
            except OSError:
                return "connect"
            if not fresh:
                self.pair = pair
        reader, writer = pair
        try:
            writer.write(data)
            head = await reader.readuntil(b"\r\n\r\n")
            body = await _body(reader, head)
        finally:
            if fresh:
                writer.close()
        if not fresh and _CLOSE.search(head):
            self.drop()
        status = int(head[9:12])
        if status not in self.plan.expect:
            return str(status)
        if name := self._host(head, body):
            self.tally.hosts[name] += 1
        return ""

    def _host(self, head: bytes, body: bytes) -> str:
        if self.plan.host_header:
            found = re.search(rb"\r\n" + self.plan.host_header.encode() + rb":\s*([^\r]+)", head, re.IGNORECASE)
        else:
            found = _HOST.search(body)
        return found[1].decode() if found else ""

    def drop(self) -> None:
        if self.pair is not None:
            self.pair[1].close()
            self.pair = None


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if length := _LENGTH.search(head):
        return await reader.readexactly(int(length[1]))
    if not _CHUNKED.search(head):
        return await reader.read() if int(head[9:12]) not in (204, 304) else b""
    parts: list[bytes] = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readline()
    return b"".join(parts)


async def run(plan: Plan, stop: asyncio.Event | None = None) -> Tally:
    """Send until the time is up or `stop` is set; requests under way are waited for."""
    tally = Tally()
    stop = stop or asyncio.Event()
    start = time.perf_counter()
    next_index = 0

    async def work(worker: _Worker) -> None:
        nonlocal next_index
        while not stop.is_set():
            index = next_index
            next_index += 1
            intended = start + index / plan.rate
            if plan.seconds is not None and index / plan.rate >= plan.seconds:
                return
            if (early := intended - time.perf_counter()) > 0:
                await asyncio.sleep(early)
                if stop.is_set():
                    return
            await worker.send(index, intended)

    workers = [_Worker(plan, tally) for _ in range(plan.connections)]
    await asyncio.gather(*(work(worker) for worker in workers))
    for worker in workers:
        worker.drop()
    tally.seconds = time.perf_counter() - start
    return tally


class Load:
    """The same in a process of its own, so that the test's work does not delay it. Use as a context manager."""

    def __init__(self, plan: Plan) -> None:
        text = json.dumps(asdict(plan))
        self._process = subprocess.Popen([sys.executable, "-m", "tests.load", text], stdout=subprocess.PIPE)
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
        self._process.send_signal(signal.SIGTERM)
        return self.wait()


async def _main(argv: Sequence[str]) -> None:
    plan = Plan(**json.loads(argv[0]))
    plan = replace(plan, headers=tuple((k, v) for k, v in plan.headers), expect=tuple(plan.expect))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tally = await run(plan, stop)
    print(json.dumps(tally.to_json()))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1:]))
