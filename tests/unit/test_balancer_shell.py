"""The balancer's shell: its real script under this machine's own sh, with folders of a test's own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from dftui.balancer import shell
from dftui.balancer.config import BalancerConfig, Server, render
from dftui.balancer.errors import BalancerError, BalancerGone
from dftui.balancer.marks import parse
from dftui.balancer.shell import STALE, Shell
from dftui.control.errors import ActionError
from dftui.control.lock import held
from dftui.engine.api import Engine, EngineUnreachable

SHELLS = [["sh"], *([["busybox", "sh"]] if shutil.which("busybox") else [])]


class Process:
    """A `ByteStream` to a process on this machine."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def read(self, limit: int = 65536) -> bytes:
        assert self.process.stdout is not None
        return await self.process.stdout.read(limit)

    async def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(data)
            await self.process.stdin.drain()
        except OSError as error:
            raise EngineUnreachable("the stream has ended") from error

    def stderr(self) -> bytes:
        return b""

    async def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()


@dataclass
class Here:
    """As much of an engine as a shell needs: this machine is the container."""

    folder: Path
    sh: list[str]
    opened: list[Process] = field(default_factory=list)
    users: list[str] = field(default_factory=list)

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def file(self) -> Path:
        return self.folder / "haproxy.cfg"

    async def exec_stream(self, ref: str, argv: tuple[str, ...], *, user: str = "") -> Process:
        self.users.append(user)
        found = await asyncio.create_subprocess_exec(
            *self.sh, *argv[1:], stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        self.opened.append(Process(found))
        return self.opened[-1]

    @asynccontextmanager
    async def shell(self) -> AsyncIterator[Shell]:
        made = Shell(cast(Engine, self), "df-lb")
        try:
            yield made
        finally:
            await made.close()

    def silence(self) -> None:
        """As if the holder had given no sign of life for long enough."""
        long_ago = time.time() - STALE - 5
        os.utime(self.lock / "beat", (long_ago, long_ago))


@pytest.fixture(params=SHELLS, ids=lambda words: " ".join(words))
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Here:
    found = Here(tmp_path, request.param)
    monkeypatch.setattr(shell, "LOCK_PATH", str(found.lock))
    monkeypatch.setattr(shell, "CONFIG_PATH", str(found.file))
    return found


def config(count: int) -> str:
    servers = [Server(f"{n:012x}", f"10.9.0.{n}", 80, f"df-web{n}") for n in range(10, 10 + count)]
    return render(BalancerConfig("df", count, tuple(servers)))


async def test_the_file_is_written_whole_and_its_marks_are_read_back(here: Here) -> None:
    async with here.shell() as one:
        assert await one.marks() == ""  # none yet
        for count in (3, 200, 0):
            await one.write(config(count))
            assert here.file.read_text() == config(count)
            marked = parse(await one.marks())
            assert marked is not None
            assert (marked.wanted, len(marked.servers), marked.whole) == (count, count, True)
        assert len(here.opened) == 1
        assert here.users == ["0"]
    assert list(here.folder.glob("haproxy*")) == [here.file]


async def test_a_file_that_cannot_be_written_is_an_error_and_the_old_one_stays(here: Here) -> None:
    here.file.write_text(config(2))
    (here.folder / "haproxy.cfg.new").mkdir()  # even root cannot write there
    async with here.shell() as one:
        with pytest.raises(BalancerError, match="could not be written"):
            await one.write(config(1))
        assert await one.who() == ""  # it goes on answering
    assert here.file.read_text() == config(2)


async def test_a_lock_that_outlasted_a_restart_of_the_container_is_nobodys(here: Here) -> None:
    async with here.shell() as one, here.shell() as two:
        assert await two.who() == ""
        assert await one.take("1.1 ann scale to 4") == (True, "")
        (here.lock / "boot").write_text("another start of process 1")
        assert await two.take("2.2 bob repair") == (True, "1.1 ann scale to 4")
        (here.lock / "boot").write_text("another start of process 1")
        async with here.shell() as three:
            assert await three.who() == ""
        assert not here.lock.exists()


async def test_one_has_the_lock_and_the_other_hears_who(here: Here) -> None:
    async with here.shell() as one, here.shell() as two:
        assert await one.take("1.1 ann scale to 4") == (True, "")
        assert await two.take("2.2 bob repair") == (False, "1.1 ann scale to 4")
        assert await two.who() == "1.1 ann scale to 4"
        assert await one.beat("1.1 ann scale to 4")
        assert not await two.beat("2.2 bob repair")
        await two.drop("2.2 bob repair")  # not its own
        assert await one.take("1.1 ann scale to 4") == (True, "")  # asked again, it is still its own
        await one.drop("1.1 ann scale to 4")
        assert await two.take("2.2 bob repair") == (True, "")


async def test_odd_names_are_kept_as_they_are(here: Here) -> None:
    name = r"1.1 DOM\new$(id)`id` 'x\c\0101 *"
    async with here.shell() as one, here.shell() as two:
        assert await one.take(name) == (True, "")
        assert await two.take("2.2 bob repair") == (False, name)
        assert await one.beat(name)
        await one.drop(name)
        assert await two.who() == ""


async def test_the_lock_ends_with_its_stream_and_not_before(here: Here) -> None:
    async with here.shell() as two:
        async with here.shell() as one:
            await one.take("1.1 ann roll")
            assert await two.take("2.2 bob repair") == (False, "1.1 ann roll")
        assert await two.take("2.2 bob repair") == (True, "")


async def test_a_holder_that_gives_no_sign_of_life_is_named_and_its_lock_taken(here: Here) -> None:
    async with here.shell() as one, here.shell() as two:
        await one.take("1.1 ann roll")
        here.silence()
        assert await two.take("2.2 bob repair") == (True, "1.1 ann roll")
        assert not await one.beat("1.1 ann roll")
        await one.drop("1.1 ann roll")
        assert await two.who() == "2.2 bob repair"
    assert not here.lock.exists()


async def test_of_many_that_find_a_silent_holder_one_gets_the_lock(here: Here) -> None:
    async with here.shell() as gone, contextlib.AsyncExitStack() as stack:
        await gone.take("1.1 ann roll")
        many = [await stack.enter_async_context(here.shell()) for _ in range(6)]
        for one in many:
            await one.who()
        here.silence()
        found = await asyncio.gather(*(one.take(f"2.{n} bob repair") for n, one in enumerate(many)))
        assert [taken for taken, _ in found].count(True) == 1


async def test_a_take_over_that_was_cut_short_is_no_obstacle_for_ever(here: Here) -> None:
    async with here.shell() as one, here.shell() as two:
        await one.take("1.1 ann roll")
        here.silence()
        half = here.folder / "lock.over"
        half.mkdir()
        assert await two.take("2.2 bob repair") == (False, "1.1 ann roll")
        os.utime(half, (0, 0))
        await two.take("2.2 bob repair")
        assert await two.take("2.2 bob repair") == (True, "1.1 ann roll")


async def test_a_stream_that_ended_is_opened_again(here: Here) -> None:
    async with here.shell() as one:
        await one.write(config(2))
        here.opened[0].process.kill()
        assert "df-web10" in await one.marks()
        assert len(here.opened) == 2
    with pytest.raises(BalancerGone):
        await one.who()


async def test_a_question_that_is_cancelled_does_not_cost_the_lock(here: Here) -> None:
    async with here.shell() as one, here.shell() as two:
        await one.take("1.1 ann roll")
        asked = asyncio.create_task(one.write(config(1)))
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert await two.take("2.2 bob repair") == (False, "1.1 ann roll")
        assert await one.beat("1.1 ann roll")
        assert here.file.read_text() == config(1)


async def test_an_action_that_is_cancelled_while_it_takes_the_lock_leaves_none(here: Here) -> None:
    async with here.shell() as one, here.shell() as two:
        await one.who()

        async def act() -> None:
            async with held(one, "df", "repair"):
                await asyncio.Event().wait()

        acting = asyncio.create_task(act())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        acting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await acting
        assert await two.take("2.2 bob repair") == (True, "")


async def test_who_waits_for_the_lock_gets_it_when_the_other_is_done(here: Here) -> None:
    async with here.shell() as one, here.shell() as two:
        order: list[str] = []

        async def second() -> None:
            async with held(two, "df", "repair"):
                order.append("second")

        async with held(one, "df", "roll"):
            waiting = asyncio.create_task(second())
            while await one.who() and len(here.opened) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0)
            await two.who()
            order.append("first")
        await waiting
        assert order == ["first", "second"]


async def test_who_waits_too_long_is_told_who_acts(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dftui.control.lock.PATIENCE", 0.05)
    async with here.shell() as one, here.shell() as two, held(one, "df", "roll"):
        with pytest.raises(ActionError, match=r"\(roll, since \d\d:\d\d:\d\d\) is acting on this stack"):
            async with held(two, "df", "repair"):
                raise AssertionError("two act at once")
    assert not here.lock.exists()


async def test_a_lock_that_went_with_its_stream_is_taken_again(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dftui.control.lock.BEAT", 0.02)
    async with here.shell() as one, here.shell() as two, held(one, "df", "roll"):
        here.opened[0].process.kill()  # as when the balancer is restarted: the folder stays
        await here.opened[0].process.wait()
        shutil.rmtree(here.lock)  # or goes with it
        while not await two.who():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert "roll" in (await two.take("2.2 bob repair"))[1]
