"""Scale, drain, repair, roll and the lock on a real stack: what their users notice."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from dftui.balancer.shell import LOCK_PATH, STALE
from dftui.control.errors import ActionError
from dftui.control.history import history_path, read
from dftui.control.lock import BEAT
from dftui.control.world import webs
from dftui.stack.file import load
from dftui.stack.names import LABEL_STACK
from dftui.watch.records import Step
from dftui.watch.watcher import Watcher
from tests.engine.operate import assert_sound, get, operating, start_again, until, until_all_serve
from tests.load import Load, Plan
from tests.stacks import Stack, docker

TEXT = "web:\n  replicas: 2\n  start_timeout: 8\n  drain_timeout: 30\n  env: {STANDIN_ALLOW_DELAY: '1'}\n"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("operate"), TEXT) as found:
        found.ok("up")
        yield found
        found.ok("down", "--volumes", "--yes")


async def test_scaling_up_and_down_under_load_loses_nothing_and_the_receipt_says_so(stack: Stack) -> None:
    with Load(Plan(port=stack.port, rate=120, connections=16, posts=0.0)) as load:
        async with operating(stack) as (operator, _):
            up = await operator.scale(to=4)
            down = await operator.scale(to=1)
            await operator.scale(to=2)
        tally = load.stop()
    assert up.added
    assert len(up.added) == 2
    assert {served.name for served in up.receipt.served} == set(up.added)
    assert all(served.seconds and served.seconds < up.seconds + 1 for served in up.receipt.served)
    assert len(down.removed) == 3
    assert up.receipt.failed == down.receipt.failed == 0
    assert down.receipt.requests > 0
    assert [d.sessions_left for d in down.receipt.drained] == [0, 0, 0]
    assert tally.failures == 0, tally.failed
    assert tally.ok == tally.sent > 100
    await assert_sound(stack, 2)


async def test_the_lock_and_the_file_cost_the_engine_no_exec_and_no_archive_once_the_link_is_up(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with operating(stack) as (operator, engine):
        await operator.findings()  # as at the start of the screen
        for name in ("exec", "exec_stream", "put_file", "get_file"):
            monkeypatch.setattr(engine, name, None)
        await operator.scale(by=1)
        assert (await operator.scale(by=-1)).removed
    await assert_sound(stack, 2)


async def test_presses_while_scaling_add_up(stack: Stack) -> None:
    async with operating(stack) as (operator, _):
        results = await asyncio.gather(operator.scale(by=1), operator.scale(by=1), operator.scale(by=-1))
        assert {r.after for r in results} == {3}
        assert (await operator.scale(by=1)).after == 4  # counted from where that plan ended
        await operator.scale(to=2)
    await assert_sound(stack, 2)


async def test_fewer_than_the_minimum_is_refused_and_nothing_changes(stack: Stack) -> None:
    async with operating(stack) as (operator, _):
        with pytest.raises(ActionError, match=r"fewer than web\.min \(1\); nothing was done"):
            await operator.scale(by=-2)
    await assert_sound(stack, 2)


async def test_a_replica_that_never_becomes_healthy_gets_no_request_and_is_kept_out(stack: Stack) -> None:
    text = stack.file.read_text()
    stack.file.write_text(text.replace("STANDIN_ALLOW_DELAY: '1'", "STANDIN_START_DELAY: '60'"))
    try:
        async with operating(stack) as (operator, engine):
            with pytest.raises(ActionError, match="did not become healthy within 8 s"):
                await operator.scale(by=1)
            pool = webs(await engine.containers({LABEL_STACK: stack.name}))
            assert len(pool) == 3
            assert [web["state"] for web in stack.json("status")["web"]].count("serving") == 2
            assert {s.name for s in await operator.link.servers()} == {c.short for c in pool[:2]}
            assert {get(stack) for _ in range(6)} == {200}
            result = await operator.scale(by=-1)
            assert result.removed == (pool[2].name,)
    finally:
        stack.file.write_text(text)
    await assert_sound(stack, 2)


async def test_a_drain_can_be_undone_while_a_request_is_still_running(stack: Stack) -> None:
    answers: list[int] = []

    def slow() -> None:
        with urllib.request.urlopen(f"{stack.url}/status?delay_ms=4000", timeout=30) as answer:
            answers.append(answer.status)

    threads = [threading.Thread(target=slow) for _ in range(4)]
    for thread in threads:
        thread.start()
    draining = asyncio.Event()

    def heard(step: Step) -> None:
        if step.text.startswith("drain ") and step.state == "running":
            draining.set()

    async with operating(stack) as (operator, engine):

        async def all_begun() -> bool:
            return sum(s.sessions for s in await operator.link.servers()) >= 4

        await until(all_begun, "four requests under way")
        victim = webs(await engine.containers({LABEL_STACK: stack.name}))[1]
        operator._report = heard
        leaving = asyncio.create_task(operator.scale(by=-1, victim=victim.name))
        await draining.wait()
        async with operating(stack) as (other, _):  # another operator, over another session

            async def drains() -> bool:
                return (await other.link.server(victim.short)).admin == "drain"

            await until(drains, "draining")
            await other.undrain(victim.name)
        result = await leaving
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert result.removed == ()
    assert answers == [200] * 4
    await assert_sound(stack, 2)


async def test_a_drain_and_its_end_stand_in_the_stream_of_the_logs(stack: Stack) -> None:
    async with operating(stack) as (operator, engine):
        watcher = Watcher(engine, load(stack.file))
        task = asyncio.create_task(watcher.run())
        seq = 0

        async def told(words: str) -> None:
            nonlocal seq
            async with asyncio.timeout(60):
                while True:
                    batch = watcher.logs.lines_since(seq)
                    seq = batch.last
                    if any(words in watcher.logs.line(r).text for r in batch.records if not r.is_line):
                        return
                    await watcher.logs.wait(seq)

        try:
            await ready(watcher)
            name = webs(await engine.containers({LABEL_STACK: stack.name}))[0].name
            await operator.drain(name)
            await told(f"{name} is drained")
            await operator.undrain(name)
            await told(f"{name} serves again")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def ready(watcher: Watcher) -> None:
    """Until it has seen every replica serve."""
    async with asyncio.timeout(60):
        while watcher.snapshot.serving < 2:
            changed = asyncio.Event()
            end = watcher.subscribe(lambda _, changed=changed: changed.set())  # type: ignore[misc]
            await changed.wait()
            end()


async def test_what_outlasts_the_drain_is_cut_and_the_receipt_counts_it(stack: Stack) -> None:
    text = stack.file.read_text()
    stack.file.write_text(text.replace("drain_timeout: 30", "drain_timeout: 1"))
    plan = Plan(stack.port, rate=40, seconds=0.1, fresh=1, posts=1, post_path="/up?delay_ms=8000")
    try:
        with Load(plan) as load:  # four POSTs, two on each: a GET would be tried again on the other
            async with operating(stack) as (operator, _):

                async def all_begun() -> bool:
                    return sum(s.sessions for s in await operator.link.servers()) >= 4

                await until(all_begun, "four requests under way")
                down = await operator.scale(by=-1)
            tally = load.wait()
        (drained,) = down.receipt.drained
        assert drained.sessions_left == down.receipt.failed == tally.failures == 2
        assert tally.ok == 2
        stack.ok("scale", "2")
    finally:
        stack.file.write_text(text)
    await assert_sound(stack, 2)


async def test_two_operators_one_acts_and_the_other_is_told_who(stack: Stack) -> None:
    async with operating(stack) as (one, _), operating(stack) as (two, _):
        async with one._locked("trying things"):
            with pytest.raises(ActionError, match=r"trying things, since \d\d:\d\d:\d\d\) is acting on this stack"):
                await two.repair()
        assert (await two.repair()).findings == ()


async def test_two_operators_add_at_once_and_both_count(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dftui.control.lock.PATIENCE", 120.0)  # however slow the machine: one waits for the other
    async with operating(stack) as (one, _), operating(stack) as (two, _):
        results = await asyncio.gather(one.scale(by=1), two.scale(by=1))
        assert sorted((r.before, r.after) for r in results) == [(2, 3), (3, 4)]
        await one.scale(to=2)
    await assert_sound(stack, 2)


async def test_the_lock_of_one_who_froze_is_taken_and_when_it_wakes_it_stops(stack: Stack) -> None:
    lock = f"{stack.name}-lb"
    frozen = subprocess.Popen(  # noqa: ASYNC220
        stack.argv("scale", "5"),
        env=stack.env,
        cwd=stack.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    heard: list[Step] = []
    try:
        while not docker("exec", lock, "sh", "-c", f"cat {LOCK_PATH}/who 2>/dev/null || true"):
            assert frozen.poll() is None, frozen.communicate()
        frozen.send_signal(signal.SIGSTOP)
        # As if it had been so for longer than a holder may be silent.
        docker("exec", "-u", "0", lock, "touch", "-d", f"{STALE + 1} seconds ago", f"{LOCK_PATH}/beat")
        async with operating(stack, heard) as (operator, _), operator._locked("looking after it"):
            assert any("took over from " in step.text and "scale to 5" in step.text for step in heard)
            await asyncio.sleep(BEAT)  # it sleeps through a sign of life, so that is the first thing it does
            frozen.send_signal(signal.SIGCONT)
            _, said = await asyncio.to_thread(frozen.communicate)
        assert frozen.returncode == 1
        assert "looking after it" in said
        assert "took over: this dftui gave no sign of life" in said
    finally:
        frozen.kill()
        frozen.communicate()
    await start_again(stack)
    stack.ok("scale", "2")
    await assert_sound(stack, 2)


async def test_a_key_pressed_while_a_repair_runs_is_done_after_it(stack: Stack) -> None:
    repairing = asyncio.Event()

    class Heard(list[Step]):
        def append(self, step: Step) -> None:
            if step.action == "repair":
                repairing.set()

    async with operating(stack, Heard()) as (operator, engine):
        pool = webs(await engine.containers({LABEL_STACK: stack.name}))
        docker("rm", "-f", pool[1].name)
        repair = asyncio.create_task(operator.repair())
        await repairing.wait()
        result, _ = await asyncio.gather(operator.scale(by=1), repair)
        assert result.after == 3
        await operator.scale(to=2)
    await assert_sound(stack, 2)


async def test_a_restarted_balancer_finds_every_server_on_its_own_container(stack: Stack) -> None:
    docker("restart", f"{stack.name}-lb")
    async with operating(stack) as (operator, _):
        await until_all_serve(operator)
        found = await operator.probe(6)
        assert sorted(found.hosts.values()) == [3, 3]
        assert all(row.replica for row in found.rows)
    await assert_sound(stack, 2)


async def test_a_roll_whose_new_replica_fails_goes_back_by_itself(stack: Stack) -> None:
    text = stack.file.read_text()
    stack.file.write_text(text.replace("STANDIN_ALLOW_DELAY: '1'", "STANDIN_START_DELAY: '60'"))
    try:
        async with operating(stack) as (operator, _):
            result = await operator.roll()
        assert result.rolled_back
        assert result.why
    finally:
        stack.file.write_text(text)
    await assert_sound(stack, 2)


def secrets_of(stack: Stack) -> list[str]:
    """The values of its secrets file."""
    text = next(Path(stack.env["DFTUI_CONFIG_DIR"]).rglob("*.env")).read_text()
    return [line.partition("=")[2] for line in text.splitlines() if "KEY" in line or "PASSWORD" in line]


async def test_what_was_done_is_kept_and_holds_no_secret(stack: Stack) -> None:
    async with operating(stack) as (operator, engine):
        await operator.scale(by=1)
        await operator.scale(by=-1)
        info = await engine.info()
    path = history_path(info.id, stack.name)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    last = list(read(info.id, stack.name))[-2:]
    assert [e.outcome for e in last] == ["done", "done"]
    assert any("3 replicas" in step for step in last[0].steps)
    assert any(command.startswith("docker run") and "APP_KEY=***" in command for command in last[0].commands)
    values = secrets_of(stack)
    text = path.read_text()
    assert not [value for value in values if value and value in text]
    assert json.loads(stack.ok("history", "--json", "-n", "1"))["action"].startswith("scale")
