from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from dftui.balancer.config import CONFIG_PATH, BalancerConfig, Marked, render
from dftui.balancer.errors import BalancerGone
from dftui.balancer.holder import Holder
from dftui.balancer.link import read_config
from dftui.balancer.records import RawRequest, RingReader
from dftui.balancer.stat import BackendState, FrontendState, Latency, ServerState, Table
from dftui.balancer.tls import Certificate
from dftui.engine.api import EngineError, File
from dftui.stack import names
from dftui.stack.spec import StackSpec
from dftui.watch.datatier import MYSQL, REDIS
from dftui.watch.mask import Masker
from dftui.watch.observe import observe
from dftui.watch.snapshot import ReplicaState, Snapshot
from dftui.watch.watcher import Watcher
from tests.fakes.engine import FakeEngine
from tests.unit.test_watch_ledger import RAW


async def soon(true: Callable[[], bool]) -> None:
    """Wait until this is true of something that has no event of its own."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Database:
    """The database's client: counts the questions it is asked, as the server does."""

    def __init__(self) -> None:
        self.questions = 1000
        self.admins = 1

    def __call__(self, asked: bytes) -> bytes:
        self.questions += asked.count(b";") + asked.count(b"\\G")
        size = b"dftui_size\t2097152\n" if b"dftui_size" in asked else b""
        facts = f"Threads_connected\t5\nQuestions\t{self.questions}\nSlow_queries\t2\nUptime\t7200\n"
        admin = b"dftui_tables\t1\ndftui_admins\t%d\n" % self.admins if b"dftui_admins" in asked else b""
        return facts.encode() + size + admin + b"dftui-end\n"


class Cache:
    """The cache's client, likewise."""

    def __init__(self) -> None:
        self.commands = 500

    def __call__(self, asked: bytes) -> bytes:
        self.commands += asked.count(b"\n")
        facts = (
            "# Server\r\nuptime_in_seconds:7200\r\nconnected_clients:4\r\nused_memory:2097152\r\n"
            f"total_commands_processed:{self.commands}\r\nkeyspace_hits:1234\r\nkeyspace_misses:5\r\nevicted_keys:0\r\n"
        )
        return facts.encode() + b"\r\ndftui-end\r\n"


class Link:
    """A balancer that a test tells what to say."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.ring = RingReader()
        self.found = Table(FrontendState(), BackendState(), ())
        self.away = False
        self.gone: dict[str, ServerState] = {}
        self.closed = True
        self.held_by: Holder | None = None
        self.asked = 0
        self.fresh: asyncio.Queue[list[RawRequest]] = asyncio.Queue()

    async def table(self) -> Table:
        self.asked += 1
        if self.away:
            raise BalancerGone("the balancer's runtime connection ended")
        return self.found

    async def holder(self) -> Holder | None:
        return self.held_by

    async def certificate(self) -> Certificate | None:
        return None

    async def setup_closed(self) -> bool:
        return self.closed

    async def latencies(self) -> Mapping[str, Latency]:
        return {server.name: Latency(4.04, 21.7, 10) for server in self.found.servers if server.requests}

    async def marked(self) -> Marked | None:
        return await read_config(self.engine, "df-lb")

    async def requests(self) -> AsyncIterator[list[RawRequest]]:
        while True:
            yield await self.fresh.get()

    async def close(self) -> None:
        pass


class Stack:
    """A stack of three replicas in a fake engine, and a watcher on it."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.link = Link(self.engine)
        self.ids: dict[str, str] = {}
        for role in ("db", "cache", "balancer"):
            self.add(role, health="healthy" if role != "balancer" else "none")
        for number in (1, 2, 3):
            self.add("web", number)
        self.want(3)
        self.engine.on_stream(MYSQL, Database())
        self.engine.on_stream(REDIS, Cache())
        any_link: Any = self.link
        self.watcher = Watcher(self.engine, StackSpec(), any_link, masker=Masker(["hidden-secret"]))
        self.seen: list[Snapshot] = []

    def add(self, role: str, number: int = 0, **options: Any) -> str:
        name = names.container_name("df", role, number)
        labels = names.stack_labels("df", role, source="bundled")
        networks = {}
        if role == "web":
            labels |= {"dftui.number": str(number), "dftui.key": "aaaa1111"}
            networks = {"df-front": f"10.0.0.{10 + number}", "df-back": f"10.0.1.{10 + number}"}
        ref = self.engine.add(name, labels=labels, networks=networks, **options)
        self.engine.by_id[ref].created -= 3600
        self.ids[name] = ref
        if role == "web":
            entry = ServerState(ref[:12], f"{networks['df-front']}:80", "UP", "ready", weight=1)
            self.link.found = replace(self.link.found, servers=(*self.link.found.servers, entry))
        return ref

    def want(self, number: int) -> None:
        text = render(BalancerConfig("df", number, ()))
        balancer = self.engine.by_id[self.ids["df-lb"]]
        balancer.files[CONFIG_PATH] = File(CONFIG_PATH, text.encode())

    def entry(self, number: int, **changes: Any) -> None:
        servers = list(self.link.found.servers)
        servers[number - 1] = replace(servers[number - 1], **changes)
        self.link.found = replace(self.link.found, servers=tuple(servers))

    async def until(self, true: Callable[[Snapshot], bool]) -> Snapshot:
        """Wait for a snapshot of which this is true."""
        async with asyncio.timeout(20):
            while not true(self.watcher.snapshot):
                changed = asyncio.Event()
                end = self.watcher.subscribe(lambda _, changed=changed: changed.set())  # type: ignore[misc]
                await changed.wait()
                end()
        return self.watcher.snapshot


@asynccontextmanager
async def watching() -> AsyncIterator[Stack]:
    stack = Stack()
    stack.watcher.subscribe(stack.seen.append)
    task = asyncio.create_task(stack.watcher.run())
    try:
        await stack.until(lambda s: s.serving == 3)
        yield stack
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_sound_stack_is_seen_with_its_figures() -> None:
    async with watching() as stack:
        found = await stack.until(lambda s: bool(s.db.figures and s.cache.figures and s.balancer.figures))
        assert found.drift == ()
        assert (found.wanted, found.engine.version, found.engine.lost_since) == (3, "20.10.24", None)
        db, cache = dict(found.db.figures), dict(found.cache.figures)
        assert (db["connections"], db["slow"], db["size"], db["up"]) == ("4", "2", "2.0 MiB", "2 h")
        assert (cache["hits"], cache["memory"], cache["clients"]) == ("1.2k", "2.0 MiB", "3")
        assert found.balancer.figures["servers"] == "3/3 up"


async def test_a_quiet_stack_publishes_nothing() -> None:
    async with watching() as stack:
        await stack.until(lambda s: bool(s.db.figures and s.cache.figures and s.balancer.figures.get("req/s") == "0"))
        # Rates become numbers with the second answer of each client.
        await stack.until(lambda s: s.db.figures["queries/s"] != "…" and s.cache.figures["ops/s"] != "…")
        asked, seen = stack.link.asked, len(stack.seen)
        await soon(lambda: stack.link.asked >= asked + 3)
        assert len(stack.seen) == seen


async def test_a_container_that_dies_is_told_by_its_event_and_is_drift() -> None:
    async with watching() as stack:
        listed = [call for call in stack.engine.calls if call[0] == "containers"]
        stack.engine.die(stack.ids["df-web2"], 137)
        stack.entry(2, status="DOWN", check_why="Connection refused")
        found = await stack.until(lambda s: s.web[1].state is ReplicaState.FAILED)
        assert "137" in found.web[1].why
        found = await stack.until(lambda s: bool(s.drift))
        assert "df-web2 failed" in found.drift[0].what
        assert len([call for call in stack.engine.calls if call[0] == "containers"]) == len(listed) + 1


async def test_while_an_action_runs_nothing_is_drift() -> None:
    async with watching() as stack:
        with stack.watcher.acting():
            await stack.engine.remove(stack.ids["df-web3"], force=True)
            found = await stack.until(lambda s: len(s.web) == 2)
            asked = stack.link.asked
            await soon(lambda: stack.link.asked >= asked + 2)
            assert stack.watcher.snapshot.drift == found.drift == ()
        found = await stack.until(lambda s: len(s.drift) == 2)
        assert any("no container stands for" in drift.what for drift in found.drift)


async def test_what_a_step_has_changed_is_told_without_waiting_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watching() as stack:
        stack.add("web", 4)
        stack.entry(4, status="DOWN")
        stack.engine._tell(stack.engine.by_id[stack.ids["df-web4"]], "start")
        await stack.until(lambda s: len(s.web) == 4)
        for period in ("TABLE_PERIOD", "_COALESCE"):
            monkeypatch.setattr(f"dftui.watch.watcher.{period}", 3600.0)
        asked = stack.link.asked
        await soon(lambda: stack.link.asked > asked)  # the last reading of the old period
        stack.entry(4, status="UP")
        stack.watcher.hurry()
        await stack.until(lambda s: s.serving == 4)


async def test_what_another_operator_is_at_is_no_drift_and_who_it_is_is_told() -> None:
    async with watching() as stack:
        stack.link.held_by = Holder("ann@10.0.0.7", 0.0, "scale to 2")
        await stack.engine.remove(stack.ids["df-web3"], force=True)
        found = await stack.until(lambda s: len(s.web) == 2 and s.acting != "")
        assert "ann@10.0.0.7 (scale to 2" in found.acting
        asked = stack.link.asked
        await soon(lambda: stack.link.asked >= asked + 2)
        assert stack.watcher.snapshot.drift == ()
        stack.link.held_by = None
        found = await stack.until(lambda s: bool(s.drift))
        assert found.acting == ""


async def test_a_server_that_was_up_and_fails_is_unreachable() -> None:
    async with watching() as stack:
        stack.entry(1, status="DOWN", check_why="L4TOUT hidden-secret")
        found = await stack.until(lambda s: s.web[0].state is ReplicaState.UNREACHABLE)
        assert "***" in found.web[0].why


async def test_the_wanted_number_follows_the_balancers_file() -> None:
    async with watching() as stack:
        stack.want(4)
        stack.add("web", 4)
        stack.engine._tell(stack.engine.by_id[stack.ids["df-web4"]], "start")
        found = await stack.until(lambda s: s.wanted == 4)
        assert [r.number for r in found.web] == [1, 2, 3, 4]


async def test_a_lost_engine_keeps_the_last_facts_and_comes_back_by_itself() -> None:
    async with watching() as stack:
        before = await stack.until(lambda s: bool(s.db.figures and s.cache.figures and s.balancer.figures))
        stack.link.away = True
        stack.engine.go_away()
        lost = await stack.until(lambda s: s.engine.lost_since is not None)
        assert "No container engine answers" in lost.engine.error
        assert [r.name for r in lost.web] == [r.name for r in before.web]
        assert lost.db.figures
        stack.engine.write(stack.ids["df-web1"], b"while you were away")
        stack.engine.die(stack.ids["df-web3"], 1)
        stack.link.away = False
        stack.engine.come_back()
        back = await stack.until(lambda s: s.engine.lost_since is None and s.web[2].state is ReplicaState.FAILED)
        assert back.engine.error == ""
        async with asyncio.timeout(20):
            logs, seq, found = stack.watcher.logs, 0, ""
            while "while you were away" not in found:
                await logs.wait(seq)
                batch = logs.lines_since(seq)
                seq = batch.last
                found += " ".join(logs.line(record).text for record in batch.records)


async def test_a_silent_balancer_is_said_and_its_return_seen() -> None:
    async with watching() as stack:
        stack.link.away = True
        found = await stack.until(lambda s: s.serving == 0)
        assert "the balancer's runtime connection ended" in found.web[0].why
        assert "cannot be read" in found.balancer.why
        stack.link.away = False
        await stack.until(lambda s: s.serving == 3 and not s.balancer.why)


async def test_stats_are_streamed_only_for_those_asked_and_rounded() -> None:
    async with watching() as stack:
        one = stack.ids["df-web1"]
        stack.watcher.watch_stats([one])
        await soon(lambda: ("stats", one) in stack.engine.calls)
        assert [subject for method, subject in stack.engine.calls if method == "stats"] == [one]
        stack.engine.sample(one, 12.4, 70 << 20)
        found = await stack.until(lambda s: s.web[0].load.cpu is not None)
        assert (found.web[0].load.cpu, found.web[0].load.memory) == (12.0, 70 << 20)
        assert found.web[1].load.cpu is None
        stack.watcher.watch_stats([])
        await stack.until(lambda s: s.web[0].load.cpu is None)


async def test_requests_come_into_the_ledger_with_their_replica() -> None:
    async with watching() as stack:
        host = stack.ids["df-web2"][:12]
        stack.link.fresh.put_nowait([replace(RAW, server=host)])
        await soon(lambda: stack.watcher.ledger.total > 0)
        (request,), _ = stack.watcher.ledger.since(0)
        assert (request.replica, request.host) == ("df-web2", host)


async def test_traffic_is_counted_exactly_and_rates_are_rounded() -> None:
    async with watching() as stack:
        stack.entry(1, requests=1234, failed=3, sessions=2)
        stack.link.found = replace(stack.link.found, frontend=FrontendState(requests=1300, failed=4))
        found = await stack.until(lambda s: s.web[0].traffic.p95_ms is not None)
        traffic = found.web[0].traffic
        assert (traffic.requests, traffic.errors, traffic.sessions) == (1234, 3, 2)
        assert (traffic.p50_ms, traffic.p95_ms) == (4.0, 22.0)
        assert (found.traffic.requests, found.traffic.errors) == (1300, 4)


async def test_one_look_needs_no_stream() -> None:
    stack = Stack()
    any_link: Any = stack.link
    found = await observe(stack.engine, StackSpec(), any_link)
    assert (found.serving, found.wanted, found.url) == (3, 3, "")
    assert found.to_json()["web"][0]["state"] == "serving"


async def test_one_look_at_no_stack_and_at_no_engine() -> None:
    engine = FakeEngine()
    assert not (await observe(engine, StackSpec())).exists
    engine.go_away()
    with pytest.raises(EngineError):
        await observe(engine, StackSpec())
