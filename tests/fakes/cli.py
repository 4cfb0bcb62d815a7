"""Stand-ins for the engine, the operator and the facts, so that commands can be run without an engine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dftui.control.admin import AdminResult
from dftui.control.archive import Manifest
from dftui.control.backup import BackupResult
from dftui.control.planning import Preview
from dftui.control.probe import ProbeResult, ProbeRow
from dftui.control.receipts import Drained, Receipt, ScaleResult
from dftui.control.restore import Intent, RestoreResult
from dftui.dreamfactory.admin import NewAdmin
from dftui.engine.api import Container, EngineInfo
from dftui.watch.records import Step
from dftui.watch.snapshot import EngineFacts, Replica, ReplicaState, Service, Snapshot, Traffic


def snapshot(webs: int = 2, **more: Any) -> Snapshot:
    """A sound stack."""
    web = tuple(
        Replica(
            f"df-web{n}",
            f"{n:012x}" + "0" * 52,
            f"{n:012x}",
            n,
            ReplicaState.SERVING,
            key="0badcafe",
            traffic=Traffic(requests=n),
        )
        for n in range(1, webs + 1)
    )
    facts: dict[str, Any] = {
        "stack": "df",
        "at": 1.0,
        "engine": EngineFacts(host="unix:///fake.sock", version="20.10.24"),
        "wanted": webs,
        "url": "http://127.0.0.1:80",
        "db": Service("db", "df-mysql", "d" * 64, "running", "healthy"),
        "cache": Service("cache", "df-redis", "c" * 64, "running", "healthy"),
        "balancer": Service("balancer", "df-lb", "b" * 64, "running"),
        "web": web,
        "images": {
            "web": "dftui/web:1",
            "db": "dftui/db:1",
            "cache": "dftui/cache:1",
            "balancer": "dftui/balancer:1",
        },
        "source": "bundled",
    }
    return Snapshot(**{**facts, **more})


class FakeEngine:
    """Only what the commands themselves call."""

    closed = False

    async def info(self) -> EngineInfo:
        return EngineInfo("docker", "unix:///fake.sock", "20.10.24", "1.41", "FAKE", "fake", "Fake", 2, 1 << 33, "/d")

    async def containers(self, labels: object = None) -> tuple[Container, ...]:
        return ()

    async def close(self) -> None:
        self.closed = True


@dataclass
class World:
    """What the commands meet, and what they did to it."""

    engine: FakeEngine = field(default_factory=FakeEngine)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    closed: int = 0
    error: BaseException | None = None
    connect_error: BaseException | None = None
    snapshot: Snapshot = field(default_factory=snapshot)
    preview: Preview = field(default_factory=lambda: Preview("df", ()))
    data: bool = False
    """There is a database's volume."""


def operator_class(world: World) -> type:
    """A class that stands in for Operator and tells `world` what was asked."""

    class FakeOperator:
        def __init__(self, engine: Any, spec: Any, *, link: Any = None, report: Callable[[Step], None]) -> None:
            self.report = report

        def _did(self, name: str, asked: Any) -> None:
            world.calls.append((name, asked))
            self.report(Step(1.0, name, f"{name} begins", command=f"docker {name}", done=1, total=2))
            if world.error is not None:
                raise world.error
            self.report(Step(2.0, name, f"{name} ends", "ok", done=2, total=2))

        async def up(self, replicas: int | None = None, *, edits: bool = False) -> Snapshot:
            assert edits, "the command rolls out what was edited"
            self._did("up", replicas)
            return world.snapshot

        async def plan(self, replicas: int | None = None) -> Preview:
            self._did("plan", replicas)
            return world.preview

        async def scale(
            self, *, to: int | None = None, by: int | None = None, victim: str | None = None, below_min: bool = False
        ) -> ScaleResult:
            self._did("scale", (to, by, below_min) if victim is None else (to, by, below_min, victim))
            after = to if to is not None else 3 + (by or 0)
            receipt = Receipt(requests=12, drained=(Drained("df-web3", 0, 0.4),))
            return ScaleResult(3, after, ("df-web4",), ("df-web3",), 1.25, receipt)

        async def name_of(self, who: str) -> str:
            return f"df-web{who}"

        async def drain(self, who: str) -> None:
            self._did("drain", who)

        async def undrain(self, who: str) -> None:
            self._did("undrain", who)

        async def down(self, *, volumes: bool = False) -> None:
            self._did("down", volumes)

        async def close(self) -> None:
            world.closed += 1

        async def create_admin(self, admin: NewAdmin, *, keep: bool) -> AdminResult:
            self._did("create_admin", (admin, keep))
            return AdminResult(admin.email, "df-web1", "/c/df.env" if keep else "")

        async def backup(self, path: Path) -> BackupResult:
            self._did("backup", path)
            return BackupResult(str(path), 3_000_000, 1.25, "0badcafe", 100, 2, ("evil (a link)",), {"x": "ab"})

        async def look_at_backup(self, path: Path) -> Intent:
            made = Manifest("df", 1.0, "0badcafe", "mariadb", "10.11", 3, files=2)
            return Intent(made, 100, "c0ffee00" if world.data else "", world.data, running=True, half=False)

        async def restore(self, path: Path, *, replace: bool, first: bool) -> RestoreResult:
            self._did("restore", (path, replace, first))
            kept = "/s/before.tar" if world.data and first else ""
            return RestoreResult(str(path), "df", "0badcafe", 100, 2, world.data, kept, 4.5)

        async def probe(self, count: int | None = None) -> ProbeResult:
            self._did("probe", count)
            count = count or 9
            rows = tuple(ProbeRow(f"host{i % 3}", f"df-web{i % 3 + 1}", 200, 3.5) for i in range(count))
            return ProbeResult(rows, {f"host{i}": count // 3 for i in range(3)})

    return FakeOperator


@contextlib.contextmanager
def stood_in(patch: pytest.MonkeyPatch) -> Iterator[World]:
    """Put the stand-ins in place."""
    world = World()

    async def connect(host: str | None = None) -> FakeEngine:
        world.calls.append(("connect", host))
        if world.connect_error is not None:
            raise world.connect_error
        return world.engine

    async def observe(engine: Any, spec: Any, link: Any = None, **_: Any) -> Snapshot:
        return world.snapshot

    patch.setattr("dftui.engine.connect.connect", connect)
    patch.setattr("dftui.control.operator.Operator", operator_class(world))
    patch.setattr("dftui.watch.observe.observe", observe)
    yield world
