"""What dftui does by itself: a renewed certificate is taken up, once, while the stack is watched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dftui.balancer.tls import Certificate
from dftui.control import autopilot
from dftui.control.autopilot import Autopilot
from dftui.control.repair import RepairResult
from dftui.control.tls import TlsResult
from dftui.stack.spec import BalancerSpec, StackSpec, TlsSpec
from dftui.watch.alarms import Alarm
from dftui.watch.snapshot import Drift, Snapshot
from tests.certificates import pair, write
from tests.fakes.cli import snapshot


class Operator:
    """Counts what it is asked to renew; serves what it was last given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.served = ""
        self.renewed: asyncio.Queue[str] = asyncio.Queue()
        self.looks = 0

    def _holds(self) -> str:
        return (self.folder / "site.pem").read_text()

    async def certificate(self) -> TlsResult:
        self.looks += 1
        return TlsResult((), 0.0, "", "same" if self._holds() == self.served else "newer")

    async def renew_certificate(self) -> TlsResult:
        self.served = self._holds()
        self.renewed.put_nowait(self.served)
        return await self.certificate()


async def test_a_certificate_whose_files_have_changed_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autopilot, "PERIOD", 0.001)
    monkeypatch.setattr(autopilot, "FILES_PERIOD", 0.0)
    write(tmp_path, pair())
    tls = TlsSpec("site.pem", "site.key")
    spec = StackSpec(balancer=BalancerSpec(tls=tls), path=str(tmp_path / "dftui.yaml"))
    operator = Operator(tmp_path)
    now = snapshot(certificate=Certificate("AB", 2e9))
    looking: asyncio.Queue[None] = asyncio.Queue()

    def look() -> Snapshot:
        looking.put_nowait(None)
        return now

    pilot = Autopilot(operator, spec, look, lambda step: None)  # type: ignore[arg-type]
    assert pilot.on
    running = asyncio.create_task(pilot.run())
    first = await asyncio.wait_for(operator.renewed.get(), 20)
    write(tmp_path, pair())
    second = await asyncio.wait_for(operator.renewed.get(), 20)
    looked = operator.looks
    while not looking.empty():
        looking.get_nowait()
    for _ in range(5):
        await asyncio.wait_for(looking.get(), 20)
    running.cancel()
    assert first != second == operator.served
    # Files that stay as they are need no question to the balancer.
    assert operator.looks <= looked + 1
    assert operator.renewed.empty()


class Repairer:
    """Counts repairs, each of which finds nothing to do."""

    def __init__(self) -> None:
        self.repairs: asyncio.Queue[None] = asyncio.Queue()

    async def repair(self) -> RepairResult:
        self.repairs.put_nowait(None)
        return RepairResult((), 0.0)


async def test_a_repair_in_vain_delays_no_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look that asks for the first repair may be older than what has put it right."""
    monkeypatch.setattr(autopilot, "PERIOD", 0.001)
    operator = Repairer()
    gone = Drift("2 replicas wanted, 1 there", "create 1 replica", Alarm.TOO_FEW)
    paused = Drift("the database df-mysql is paused", "let df-mysql go on", Alarm.SERVICE_PAUSED)
    now = [snapshot(drift=(gone,))]
    looking: asyncio.Queue[None] = asyncio.Queue()

    def look() -> Snapshot:
        looking.put_nowait(None)
        return now[0]

    pilot = Autopilot(operator, StackSpec(repair="auto"), look, lambda step: None)  # type: ignore[arg-type]
    running = asyncio.create_task(pilot.run())
    try:
        async with asyncio.timeout(20):
            await operator.repairs.get()
            for _ in range(20):
                await looking.get()
            assert operator.repairs.empty()  # the same again is left alone for a while
            now[0] = snapshot(drift=(paused,))
            await operator.repairs.get()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
