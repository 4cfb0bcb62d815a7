"""A backend that plays a stack in memory: the tests' stand-in for an engine, a balancer and a watcher."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from dftui.control.entry import Entry
from dftui.control.history import Recording
from dftui.control.receipts import Receipt, ScaleResult
from dftui.engine.nodes import Availability
from dftui.stack.spec import StackSpec
from dftui.ui.app import DftuiApp
from dftui.ui.backend import Backend, Unsubscribe
from dftui.ui.options import Options
from dftui.watch.records import Step
from dftui.watch.snapshot import EngineFacts, Load, Replica, ReplicaState, Service, Snapshot, Traffic

from .fake_streams import NOW, FakeLogs, FakeRequests, FakeShell, host_of

if TYPE_CHECKING:
    from pathlib import Path

    from dftui.control.admin import AdminResult
    from dftui.control.backup import BackupResult
    from dftui.control.known import OtherStack
    from dftui.control.login import Login
    from dftui.control.nodes import NodeReceipt
    from dftui.control.probe import ProbeResult
    from dftui.control.repair import RepairResult
    from dftui.control.roll import RollResult
    from dftui.control.verify import VerifyResult
    from dftui.dreamfactory.admin import NewAdmin
    from dftui.engine.api import Session
    from dftui.engine.nodes import NodeUse

APP = "[2026-11-18T11:06:40.000000+00:00] local"
TRACE = ("[stacktrace]", "#0 /opt/dreamfactory/vendor/db.php(12): connect()", "#1 {main}", '"} ')


def replica(number: int, state: ReplicaState = ReplicaState.SERVING, **more: object) -> Replica:
    serving = state in (ReplicaState.SERVING, ReplicaState.DRAINING)
    made = Replica(
        name=f"df-web{number}",
        id=host_of(number) + "0" * 52,
        host=host_of(number),
        number=number,
        state=state,
        key="9f41c2ab",
        image="dftui/web:1f2e3d4c5b6a",
        address=f"10.231.7.{10 + number}",
        created=NOW - 600,
        load=Load(1.2 * number, (58 + number) << 20) if serving else Load(),
        traffic=Traffic(
            requests=1200 + 7 * number,
            rate=11.4 + number,
            p50_ms=6,
            p95_ms=14.0 + number,
            sessions=number % 3,
            share=0.33,
        )
        if serving
        else Traffic(),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def stack(web: Sequence[Replica] | int = 3, wanted: int | None = None, **more: object) -> Snapshot:
    replicas = tuple(replica(n + 1) for n in range(web)) if isinstance(web, int) else tuple(web)
    made = Snapshot(
        stack="df",
        at=NOW,
        engine=EngineFacts("docker", "unix:///var/run/docker.sock", "20.10.24"),
        wanted=len(replicas) if wanted is None else wanted,
        url="http://127.0.0.1:80",
        db=Service(
            "db", "df-mysql", "d" * 64, "running", "healthy",
            figures={"connections": "12", "queries/s": "48", "threads": "3", "slow": "0", "data": "84M", "up": "2 h"},
            load=Load(2.1, 112 << 20),
        ),
        cache=Service(
            "cache", "df-redis", "c" * 64, "running", "healthy",
            figures={"hits": "98%", "memory": "1.9M", "keys": "214", "ops/s": "63", "clients": "7", "evicted": "0"},
            load=Load(0.4, 9 << 20),
        ),
        balancer=Service(
            "balancer", "df-lb", "b" * 64, "running", "none",
            figures={"req/s": "36", "sessions": "4", "errors": "0", "retries": "0", "queue": "0", "servers": "3 up"},
            load=Load(0.8, 14 << 20),
        ),
        web=replicas,
        images={"web": "dftui/web:1f2e3d4c5b6a"},
        source="bundled",
        traffic=Traffic(requests=3642, rate=40.2, p50_ms=6, p95_ms=17, sessions=4),
        admin="ready",
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def nothing() -> Snapshot:
    return Snapshot(
        stack="df", at=NOW, engine=EngineFacts("docker", "unix:///var/run/docker.sock", "20.10.24"), wanted=3, url="",
        db=Service("db", "df-mysql"), cache=Service("cache", "df-redis"), balancer=Service("balancer", "df-lb"),
    )  # fmt: skip


class Sorry(Exception):
    hint = "Add a replica first."


class FakeBackend:
    """Actions change the snapshot as the real ones would, at once or when `hold` is set free."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.snapshot: Snapshot | None = snapshot if snapshot is not None else stack()
        self.logs = FakeLogs()
        self.requests = FakeRequests()
        self.calls: list[tuple[object, ...]] = []
        self.watched: frozenset[str] = frozenset()
        self.hold: asyncio.Event | None = None
        self.fails: Exception | None = None
        self.closed = False
        self.asks = ""
        """The admin's password, if verify has to be told it."""
        self.verdicts: list[VerifyResult] = []
        """What verify finds, in turn; then that all is well."""
        self._heard: list[Callable[[Snapshot], None]] = []
        self._steps: list[Callable[[Step], None]] = []
        self._entries: list[Callable[[Entry], None]] = []
        self.past: list[Entry] = []
        self.made = ""
        """The file of secrets that an `up` makes."""
        self.others: list[OtherStack] = []
        self.strangers: tuple[str, ...] = ()
        self.machines: list[NodeUse] = []
        self.looks_for_stacks = 0
        self.hold_stacks: asyncio.Event | None = None

    def subscribe(self, callback: Callable[[Snapshot], None]) -> Unsubscribe:
        self._heard.append(callback)
        return lambda: self._heard.remove(callback)

    def on_step(self, callback: Callable[[Step], None]) -> Unsubscribe:
        self._steps.append(callback)
        return lambda: self._steps.remove(callback)

    def on_entry(self, callback: Callable[[Entry], None]) -> Unsubscribe:
        self._entries.append(callback)
        for entry in self.past:
            callback(entry)
        return lambda: self._entries.remove(callback)

    def done_elsewhere(self, entry: Entry) -> None:
        for heard in list(self._entries):
            heard(entry)

    def watch_stats(self, ids: frozenset[str]) -> None:
        self.watched = ids

    def set(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        for heard in self._heard:
            heard(snapshot)

    def step(self, action: str, text: str, state: str = "running", **more: object) -> None:
        made = Step(NOW, action, text, state, **more)  # type: ignore[arg-type]
        for heard in self._steps:
            heard(made)

    async def _act(self, *call: object) -> None:
        self.calls.append(call)
        if self.hold is not None:
            await self.hold.wait()
        if self.fails is not None:
            raise self.fails

    async def up(self) -> str:
        await self._act("up")
        self.set(stack())
        return self.made

    def prepare_scale(self) -> None:
        """Nothing to look up here."""

    async def scale(self, *, to: int | None = None, by: int | None = None, victim: str | None = None) -> ScaleResult:
        assert self.snapshot is not None
        before = len(self.snapshot.web)
        after = to if to is not None else before + (by or 0)
        self.calls.append(("scale", to, by, victim))
        web = self.snapshot.web
        new = tuple(range(before + 1, after + 1))
        gone = tuple(r.name for r in web if r.name == victim) if victim else tuple(r.name for r in web[after:])
        web = tuple(r for r in web if r.name not in gone)
        starting = tuple(replica(n, ReplicaState.STARTING, why="waiting for its first good check") for n in new)
        self.set(replace(self.snapshot, web=web + starting, wanted=after))
        if self.hold is not None:
            await self.hold.wait()
        if self.fails is not None:
            raise self.fails
        self.set(replace(self.snapshot, web=web + tuple(replica(n) for n in new)))
        return ScaleResult(before, after, tuple(f"df-web{n}" for n in new), gone, 1.9, Receipt(requests=1234))

    async def _to(self, who: str, state: ReplicaState) -> None:
        assert self.snapshot is not None
        web = tuple(replica(r.number, state) if r.name == who else r for r in self.snapshot.web)
        self.set(replace(self.snapshot, web=web))

    async def drain(self, who: str) -> None:
        await self._act("drain", who)
        await self._to(who, ReplicaState.DRAINED)

    async def undrain(self, who: str) -> None:
        await self._act("undrain", who)
        await self._to(who, ReplicaState.SERVING)

    async def down(self, *, volumes: bool) -> None:
        await self._act("down", volumes)
        self.set(nothing())

    async def roll(self) -> RollResult:
        from dftui.control.roll import RollResult

        await self._act("roll")
        return RollResult("dftui/web:new", (("df-web1", "df-web4"),), False, 4.2, Receipt(requests=99))

    def pause_roll(self) -> bool:
        self.calls.append(("pause_roll",))
        return True

    async def repair(self, who: Sequence[str] = ()) -> RepairResult:
        from dftui.control.repair import RepairResult

        await self._act("repair", *who)
        assert self.snapshot is not None
        self.set(replace(self.snapshot, drift=()))
        return RepairResult((), 0.5)

    async def create_admin(self, admin: NewAdmin, *, keep: bool) -> AdminResult:
        from dftui.control.admin import AdminResult

        await self._act("create_admin", admin, keep)
        assert self.snapshot is not None
        self.set(replace(self.snapshot, admin="ready"))
        return AdminResult(admin.email, "df-web1", "/home/ada/.config/dftui/df.env" if keep else "")

    async def backup(self, path: Path) -> BackupResult:
        from dftui.control.backup import BackupResult

        await self._act("backup", path)
        return BackupResult(str(path), 3_000_000, 1.2, "9f41c2ab", 100, 2, ("evil (a link)",), {})

    async def probe(self) -> ProbeResult:
        from dftui.control.probe import ProbeResult, ProbeRow

        await self._act("probe")
        assert self.snapshot is not None
        web = self.snapshot.web
        count = 3 * len(web)
        rows = tuple(ProbeRow(web[n % len(web)].host, web[n % len(web)].name, 200, 7.0 + n) for n in range(count))
        return ProbeResult(rows, {r.host: sum(row.host == r.host for row in rows) for r in web})

    async def handmade(self) -> tuple[str, ...]:
        return self.strangers

    async def stacks(self) -> list[OtherStack]:
        self.looks_for_stacks += 1
        if self.hold_stacks is not None:
            await self.hold_stacks.wait()
        return self.others

    async def nodes(self) -> Sequence[NodeUse]:
        if self.fails is not None:
            raise self.fails
        return tuple(self.machines)

    async def drain_node(self, node: str) -> NodeReceipt:
        from dftui.control.nodes import NodeReceipt

        await self._act("drain_node", node)
        moved = next(use.tasks for use in self.machines if use.node.id == node)
        self._make(node, "drain", ())
        return NodeReceipt("node2", "active", "drain", moved=moved, replaced=moved[:1], seconds=3.2)

    async def activate_node(self, node: str) -> NodeReceipt:
        from dftui.control.nodes import NodeReceipt

        await self._act("activate_node", node)
        self._make(node, "active", ())
        return NodeReceipt("node2", "drain", "active")

    def _make(self, node: str, availability: Availability, tasks: tuple[str, ...]) -> None:
        self.machines = [
            replace(use, node=replace(use.node, availability=availability), tasks=tasks)
            if use.node.id == node
            else use
            for use in self.machines
        ]
        assert self.snapshot is not None
        self.set(self.snapshot)

    @asynccontextmanager
    async def recorded(self, action: str) -> AsyncIterator[Recording]:
        now = Recording(action)
        self.calls.append(("recorded", action))
        yield now

    @asynccontextmanager
    async def inside(self, name: str, role: str, *, client: bool, size: tuple[int, int]) -> AsyncIterator[Session]:
        self.calls.append(("inside", name, role, client))
        if self.fails is not None:
            raise self.fails
        yield FakeShell(size)

    async def verify(self, login: Login | None = None) -> VerifyResult:
        from dftui.control.login import PasswordNeeded

        from .fake_verify import verdict

        await self._act("verify", (login.email, login.password) if login else ())
        assert self.snapshot is not None
        if self.asks and (login is None or login.password != self.asks):
            raise PasswordNeeded("DreamFactory (df-web1) refused the login of admin@example.com", "admin@example.com")
        return self.verdicts.pop(0) if self.verdicts else verdict([r.name for r in self.snapshot.web])

    async def close(self) -> None:
        self.closed = True


def _fits(fake: FakeBackend) -> Backend:
    """mypy holds the fake to the Protocol."""
    return fake


def busy(fake: FakeBackend, lines: int = 60) -> FakeBackend:
    """With traffic, as a screenshot would want it."""
    texts: Iterable[tuple[str, str]] = [
        (
            "df-web1",
            f'{APP}.INFO: [REQUEST] {{"API Version":"2.0","Method":"GET","Service":"system","Resource":"x"}} ',
        ),
        ("df-web2", f'{APP}.INFO: [RESPONSE] {{"Status Code":200,"Content-Type":"application/json"}} '),
        ("df-mysql", "[Note] Aborted connection 41 to db: 'dreamfactory' (Got timeout reading packets)"),
        ("df-web3", f"{APP}.WARNING: cache store answered after 210 ms "),
        ("df-lb", 'frontend web/df-web3 0/0/0/11/11 200 812 "GET /api/v2/system/environment HTTP/1.1"'),
        ("df-redis", "1:M Background saving terminated with success"),
        ("df-web1", f"{APP}.ERROR: SQLSTATE[HY000] [2002] Connection refused "),
        *(("df-web1", line) for line in TRACE),
    ]
    pool = list(texts)
    for n in range(lines):
        who, text = pool[n % len(pool)]
        fake.logs.feed(who, text, at=NOW + n * 0.137)
    paths = ["/api/v2/system/environment", "/api/v2/system/admin/session", "/", "/api/v2/db/_table/contact?limit=***"]
    for n in range(lines):
        fake.requests.feed(1 + n % 3, paths[n % 4], 200 if n % 17 else 503, probe=n % 9 == 8)
    return fake


def remember(app: DftuiApp, minutes: float = 60, until: float = NOW) -> None:
    """Fill the curves: two replicas, then two more when the load rises; an engine that was away for a while."""
    seconds = int(minutes * 60)
    for back in range(seconds, 0, -5):
        gone = seconds - back
        few = gone < seconds * 0.6
        load = 22 + 14 * math.sin(gone / 220 + 4) + (16 if gone > seconds * 0.45 else 0) + 4 * math.sin(gone / 9)
        p95 = 18 + load * (2.4 if few else 0.8) + 6 * math.sin(gone / 13)
        web = tuple(
            replica(
                n + 1,
                traffic=Traffic(1200, 0, load / (2 if few else 4) + n, 6, p95 + 2 * n),
                load=Load(load / 4 + n, (58 + n + gone // 600) << 20),
            )
            for n in range(2 if few else 4)
        )
        past = stack(web, traffic=Traffic(3642, 0, load, 6, p95))
        if seconds * 0.2 < gone < seconds * 0.23:
            past = replace(past, engine=replace(past.engine, lost_since=until - back))
        app.trends.take(past, until - back)
    app.wall = lambda: until


def app_of(fake: FakeBackend, options: Options | None = None, spec: StackSpec | None = None) -> DftuiApp:
    async def connect() -> Backend:
        return fake

    return DftuiApp(connect, spec or StackSpec(), options or Options(fence=False, hz=50))


async def settle(pilot: object) -> None:
    """Until the frame clock has drawn what there is."""
    for _ in range(4):
        await pilot.pause(0.03)  # type: ignore[attr-defined]
