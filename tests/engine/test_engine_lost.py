"""No engine, a wrong one, and one that goes away in the middle of things."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from dftui.engine.api import ContainerSpec, Engine, EngineError, EngineUnreachable
from dftui.engine.connect import connect
from tests.engine.second import SecondEngine
from tests.tiny import pieces, root_tar


async def test_no_socket_and_a_stale_one(tmp_path: Path) -> None:
    with pytest.raises(EngineUnreachable, match="there is no such socket") as told:
        await connect(f"unix://{tmp_path}/none.sock")
    assert "DOCKER_HOST" in told.value.hint
    stale = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(stale))
    with pytest.raises(EngineUnreachable, match="nothing listens on it"):
        await connect(f"unix://{stale}")


async def test_something_else_that_answers(tmp_path: Path) -> None:
    for answer in (
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n<html>",
        b"HTTP/1.0 404 None\r\n\r\n",
        b"",
    ):

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes = answer) -> None:
            writer.write(said)
            writer.close()

        path = tmp_path / secrets.token_hex(2)
        server = await asyncio.start_unix_server(serve, path)
        async with server:
            with pytest.raises(EngineUnreachable):
                await connect(f"unix://{path}")


def test_no_permission(tmp_path: Path) -> None:
    """As a user who may not open the socket; the test itself runs as root."""
    script = (
        "import asyncio, os, sys\n"
        "from dftui.engine.connect import connect\n"
        "from dftui.engine.api import EnginePermission\n"
        "os.setuid(65534)\n"
        "try:\n    asyncio.run(connect())\n"
        "except EnginePermission as error:\n    print(error, error.hint)\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "may not open" in told.stdout and "usermod -aG docker" in told.stdout


async def answering(second: SecondEngine) -> Engine:
    end = time.monotonic() + 60
    while True:
        try:
            return await connect(second.host)
        except EngineUnreachable:
            assert second.process is not None and second.process.poll() is None, second.words()
            assert time.monotonic() < end, second.words()
            await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
def second() -> Iterator[SecondEngine]:
    # A short path: a socket's may have 107 bytes.
    own = SecondEngine(Path(tempfile.mkdtemp(prefix="dftui-engine-")))
    own.start()
    yield own
    own.stop()


@pytest.fixture
async def writer(second: SecondEngine) -> AsyncIterator[tuple[Engine, str]]:
    """A container on the second engine that writes a line each 0.2 s."""
    engine = await answering(second)
    tag = "tiny:1"
    if await engine.image(tag) is None:
        async for _ in engine.import_image(tag, pieces(root_tar()), labels={}):
            pass
    name = f"w{secrets.token_hex(3)}"
    ref = await engine.create(
        ContainerSpec(
            name, tag, command=("sh", "-c", "trap exit TERM; while true; do echo tick; sleep 0.2; done"), restart="no"
        )
    )
    await engine.start(ref)
    yield engine, ref
    await engine.close()


async def drain(stream: Any, opened: asyncio.Event) -> None:
    async for _ in stream:
        opened.set()


async def ticks(engine: Engine, ref: str, opened: asyncio.Event) -> None:
    stream = await engine.exec_stream(ref, ("sh", "-c", "while true; do echo tick; sleep 0.2; done"))
    while await stream.read():
        opened.set()
    await stream.write(b"x")


def bridges() -> set[str]:
    return {entry.name for entry in Path("/sys/class/net").iterdir() if entry.name.startswith("docker")}


@pytest.fixture(scope="module", autouse=True)
def first_engine_untouched() -> Iterator[None]:
    """The machine's own engine keeps its bridge."""
    before = bridges()
    yield
    assert bridges() == before


async def test_a_killed_engine_breaks_every_stream_and_comes_back(
    second: SecondEngine, writer: tuple[Engine, str]
) -> None:
    engine, ref = writer
    jobs: list[tuple[Coroutine[Any, Any, None], asyncio.Event]] = []
    for stream in (engine.logs(ref, follow=True), engine.stats(ref), engine.events(since=1.0)):
        opened = asyncio.Event()
        jobs.append((drain(stream, opened), opened))
    opened = asyncio.Event()
    jobs.append((ticks(engine, ref, opened), opened))
    tasks = [asyncio.create_task(job) for job, _ in jobs]
    async with asyncio.timeout(30):
        for _, opened in jobs:
            await opened.wait()
        long = asyncio.create_task(engine.exec(ref, ("sleep", "60"), timeout=60))
        await asyncio.sleep(0.2)
        second.send(signal.SIGKILL)
        outcomes = await asyncio.gather(*tasks, long, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [EngineUnreachable] * 5, outcomes
    for call in (engine.containers(), engine.info(), engine.stop(ref)):
        with pytest.raises(EngineUnreachable):
            await call
    assert second.process is not None
    second.process.wait()
    second.start()
    again = await answering(second)
    await again.close()
    # The old object works again too, and knows the engine by its id.
    assert (await engine.info()).id
    assert [one.id for one in await engine.containers()] == [ref]


async def test_cancelling_and_closing_end_the_connection_at_once(
    second: SecondEngine, writer: tuple[Engine, str]
) -> None:
    engine, ref = writer

    def connections() -> int:
        """Their far ends, which the kernel lists where the caller lives."""
        sockets = Path("/proc/net/unix").read_text()
        return sum(str(second.socket) in line for line in sockets.splitlines())

    await asyncio.sleep(0.2)
    before = connections()
    opened = asyncio.Event()
    task = asyncio.create_task(drain(engine.logs(ref, follow=True), opened))
    async with asyncio.timeout(10):
        await opened.wait()
        assert connections() == before + 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        while True:
            if connections() == before:
                break
            await asyncio.sleep(0.01)
    opened.clear()
    follower = asyncio.create_task(drain(engine.logs(ref, follow=True), opened))
    async with asyncio.timeout(10):
        await opened.wait()
        await engine.close()
        with pytest.raises(EngineUnreachable):
            await follower
    with pytest.raises(EngineError, match="closed"):
        await engine.containers()


def test_a_hung_engine_does_not_keep_the_program_from_ending(second: SecondEngine) -> None:
    script = (
        "import asyncio, sys\n"
        "from dftui.engine.connect import connect\n"
        "async def main():\n"
        "    engine = await connect(sys.argv[1])\n"
        "    await engine.containers()\n"
        "    print('frozen?', flush=True)\n"
        "    await asyncio.to_thread(sys.stdin.readline)\n"
        "    task = asyncio.create_task(engine.containers())\n"
        "    await asyncio.sleep(0.3)\n"
        "    assert not task.done()\n"
        "    await engine.close()\n"
        "asyncio.run(main())\n"
    )
    asyncio.run(_close(second))
    program = subprocess.Popen(
        [sys.executable, "-c", script, second.host],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "frozen?\n"
    second.send(signal.SIGSTOP)
    try:
        _, said = program.communicate("go\n", timeout=30)
    finally:
        second.send(signal.SIGCONT)
        program.kill()
    assert program.returncode == 0, said


async def _close(second: SecondEngine) -> None:
    await (await answering(second)).close()
