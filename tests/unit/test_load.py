"""The load generator counts what a client would notice, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.load import Plan, run
from tests.tally import Tally, added

Answer = Callable[[int, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[tuple[int, list[str]]]:
    """A server that calls `answer` with the number of each request; its port, and the request lines it got."""
    got: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                for line in head.decode().split("\r\n"):
                    if line.startswith("Content-Length: "):
                        await reader.readexactly(int(line.rpartition(" ")[2]))
                got.append(head.decode().splitlines()[0])
                await answer(len(got), writer)
                if b"Connection: close" in head:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], got


def reply(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


async def test_what_is_answered_is_counted_by_host_and_share() -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(200, b'{"host":"%s"}' % (b"a", b"b")[number % 2].hex().encode()))

    async with serving(answer) as (port, got):
        tally = await run(Plan(port, rate=1000, seconds=0.2, connections=4, fresh=0.25, posts=0.1))
    assert tally.sent == tally.ok == len(got) == 200
    assert 17 <= sum(line.startswith("POST") for line in got) <= 23
    assert tally.hosts == Counter({"61": 100, "62": 100})
    assert tally.failures == 0
    assert len(tally.latencies) == 200


async def test_each_kind_of_failure_is_told_apart() -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        match number:
            case 1:
                writer.write(reply(503, b""))
            case 2:
                writer.close()
            case 3:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
                writer.close()
            case 4:
                pass
            case _:
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")

    async with serving(answer) as (port, _):
        tally = await run(Plan(port, rate=100, seconds=0.08, connections=1, most=1, fresh=0, posts=0, timeout=0.3))
    assert tally.sent == 8
    assert tally.failed == Counter({"503": 1, "closed": 1, "cut": 1, "timeout": 1})
    assert [line.partition(" s ")[2] for line in tally.lost] == [
        f"GET /status {kind}" for kind in ("503", "closed", "cut", "timeout")
    ]
    assert tally.failed_methods == Counter({"GET": 4})
    assert tally.ok == 4


async def test_connections_that_the_server_closes_while_they_are_idle_cost_nothing() -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(200, b""))
        if number % 3 == 0:
            asyncio.get_running_loop().call_later(0.002, writer.close)

    async with serving(answer) as (port, _):
        tally = await run(Plan(port, rate=300, seconds=0.5, connections=6, fresh=0.3, posts=0))
    assert tally.ok + tally.failures == tally.sent == 150
    # One may be closed in the moment in which it is used.
    assert tally.failures <= 3


async def test_nobody_there_is_a_failed_connection() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    tally = await run(Plan(port, rate=100, seconds=0.03, connections=1))
    assert tally.failed == Counter({"connect": 3})


async def test_latency_counts_from_the_intended_time() -> None:
    """One stall on the one connection there may be delays all behind it, and each of them says so."""

    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        if number == 1:
            await asyncio.sleep(0.3)
        writer.write(reply(200, b""))

    async with serving(answer) as (port, _):
        tally = await run(Plan(port, rate=100, seconds=0.1, connections=1, most=1, fresh=0, posts=0))
    assert tally.ok == 10
    assert sum(latency > 0.15 for latency in tally.latencies) == 10


async def test_a_slow_answer_holds_nobody_up_and_is_counted_apart() -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        if "/b" in got[-1]:
            await asyncio.sleep(0.5)
        writer.write(reply(200, b""))

    async with serving(answer) as (port, got):
        tally = await run(
            Plan(port, rate=100, seconds=0.2, connections=1, fresh=0, posts=0, slow=0.1, slow_path="/b")
        )
    assert [line.split()[1] for line in got].count("/b") == len(tally.slow) == 2
    assert len(tally.latencies) == 18
    assert max(tally.latencies) < max(tally.slow)


async def test_without_a_rate_each_connection_sends_again_as_soon_as_it_is_answered() -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        writer.write(reply(200, b""))

    async with serving(answer) as (port, got):
        tally = await run(Plan(port, rate=0, seconds=0.3, connections=4, fresh=0, posts=0))
    assert tally.sent == tally.ok == len(got)
    assert 4 < tally.ok <= 4 * 31


async def test_it_stops_when_told_and_finishes_what_is_under_way() -> None:
    stop = asyncio.Event()

    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        if number == 5:
            stop.set()
        await asyncio.sleep(0.01)
        writer.write(reply(200, b""))

    async with serving(answer) as (port, got):
        tally = await run(Plan(port, rate=200, connections=2, posts=0), stop)
    assert tally.sent == tally.ok == len(got)
    assert 5 <= tally.sent < 20


def test_a_tally_survives_its_way_between_processes() -> None:
    counters = (Counter({"503": 1}), Counter({"GET": 1}), Counter({"GET": 1}), Counter({"a": 2}))
    tally = Tally(3, 2, *counters, latencies=[0.1, 0.2], lost=["0.1 s GET / 503"], seconds=1.5)
    assert Tally.from_json(json.loads(json.dumps(tally.to_json()))) == tally
    assert tally.percentile(0.99) == pytest.approx(0.2)
    both = added([tally, tally])
    assert (both.sent, both.hosts, both.latencies, both.seconds) == (6, Counter({"a": 4}), [0.1, 0.2] * 2, 3.0)


async def test_the_answer_to_a_head_has_no_body() -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")

    async with serving(answer) as (port, got):
        tally = await run(Plan(port, rate=100, seconds=0.05, connections=1, fresh=0, posts=0, heads=1))
    assert tally.ok == 5
    assert {line.split()[0] for line in got} == {"HEAD"}
