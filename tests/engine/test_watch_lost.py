"""A watcher whose engine is killed and comes back: the last facts stay, no line is lost or doubled."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dftui.engine.api import ContainerSpec, Engine, EngineUnreachable
from dftui.engine.connect import connect
from dftui.stack import names
from dftui.stack.spec import StackSpec
from dftui.watch.snapshot import ReplicaState, Snapshot
from dftui.watch.watcher import Watcher
from tests.engine.second import SecondEngine
from tests.tiny import pieces, root_tar

COUNT = (
    "sh",
    "-c",
    'n=$(cat /tmp/n 2>/dev/null || echo 0); while :; do n=$((n+1)); echo $n >/tmp/n; echo "line $n"; sleep .02; done',
)


@pytest.fixture
def second() -> Iterator[SecondEngine]:
    own = SecondEngine(Path(tempfile.mkdtemp(prefix="dftui-engine-")))
    own.start()
    yield own
    own.stop()


async def answering(second: SecondEngine) -> Engine:
    end = time.monotonic() + 60
    while True:
        try:
            return await connect(second.host)
        except EngineUnreachable:
            assert second.process is not None and second.process.poll() is None, second.words()
            assert time.monotonic() < end, second.words()
            await asyncio.sleep(0.1)


async def until(watcher: Watcher, true: Callable[[Snapshot], bool]) -> Snapshot:
    async with asyncio.timeout(60):
        while not true(watcher.snapshot):
            changed = asyncio.Event()
            end = watcher.subscribe(lambda _, changed=changed: changed.set())  # type: ignore[misc]
            await changed.wait()
            end()
    return watcher.snapshot


async def lines(watcher: Watcher, count: int) -> list[bytes]:
    """At least so many lines, all that are held."""
    async with asyncio.timeout(60):
        while True:
            found = [record.data for record in watcher.logs.lines_since(0).records if record.is_line]
            if len(found) >= count:
                return found
            await watcher.logs.wait(watcher.logs.last_seq)


async def test_a_killed_engine_is_told_and_what_was_missed_is_read_once(second: SecondEngine) -> None:
    engine = await answering(second)
    async for _ in engine.import_image("tiny:1", pieces(root_tar()), labels={}):
        pass
    labels = names.stack_labels("df", "web", number="1")
    ref = await engine.create(ContainerSpec("df-web1", "tiny:1", labels, command=COUNT, restart="no"))
    await engine.start(ref)
    watcher = Watcher(engine, StackSpec())
    task = asyncio.create_task(watcher.run())
    try:
        await lines(watcher, 30)
        second.send(signal.SIGKILL)
        lost = await until(watcher, lambda s: s.engine.lost_since is not None)
        assert lost.engine.error
        assert [replica.name for replica in lost.web] == ["df-web1"]
        assert second.process is not None
        second.process.wait()
        second.start()
        await (await answering(second)).close()
        # A killed engine finds its containers ended when it returns.
        back = await until(watcher, lambda s: s.engine.lost_since is None)
        back = await until(watcher, lambda s: s.web[0].state in (ReplicaState.FAILED, ReplicaState.STOPPED))
        assert back.engine.error == ""
        before = len(await lines(watcher, 30))
        await engine.start(ref)
        await lines(watcher, before + 30)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    seen = [record.data for record in watcher.logs.lines_since(0).records if record.is_line]
    written = [line.data async for batch in engine.logs(ref) for line in batch]
    assert seen == written[: len(seen)]
    assert watcher.logs.counts.total.gaps == 0
    await engine.close()


async def test_a_frozen_engine_is_told_and_its_return_seen(
    second: SecondEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dftui.watch.watcher._PATIENCE", 1.0)
    monkeypatch.setattr("dftui.watch.watcher.RESYNC", 1.0)
    engine = await answering(second)
    watcher = Watcher(engine, StackSpec())
    task = asyncio.create_task(watcher.run())
    try:
        await watcher.first()
        second.send(signal.SIGSTOP)
        lost = await until(watcher, lambda s: s.engine.lost_since is not None)
        assert lost.engine.error == "it does not answer"
        second.send(signal.SIGCONT)
        await until(watcher, lambda s: s.engine.lost_since is None)
    finally:
        second.send(signal.SIGCONT)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await engine.close()
