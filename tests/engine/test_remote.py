"""An engine on another machine, through ssh (a server on loopback, and `ssh` as a user has it) or TLS."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import select
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dftui.engine.api import EngineUnreachable
from dftui.engine.connect import connect
from dftui.stack.names import stack_labels
from tests.certificates import pair
from tests.pty_run import PtyRun
from tests.sshd import Sshd
from tests.stacks import Stack, docker
from tests.tinyweb import text, tiny_image


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("sshd")) as found:
        yield found


@pytest.fixture
def far(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> str:
    """Its address; `ssh` on PATH knows the server and has a key for it."""
    monkeypatch.setenv("PATH", f"{sshd.client()}:{os.environ['PATH']}")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return f"ssh://{getpass.getuser()}@127.0.0.1:{sshd.port}"


def tunnels(sshd: Sshd) -> list[str]:
    """Process ids of every ssh that forwards to this server."""
    argv = ["pgrep", "-f", f"^[^ ]*ssh .*-nNT .*-p {sshd.port} "]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.split()


def test_a_stack_over_ssh_as_on_this_machine(far: str, sshd: Sshd, tmp_path: Path) -> None:
    with Stack(tmp_path, "web:\n  replicas: 1\n") as stack:
        there = ("--docker", far)
        stack.ok(*there, "up")
        scaled = stack.json(*there, "scale", "+1")
        assert (scaled["to"], scaled["receipt"]["failed"]) == (2, 0)
        status = stack.json(*there, "status")
        assert status["engine"]["host"] == far
        assert [web["state"] for web in status["web"]] == ["serving", "serving"]
        hosts = stack.json(*there, "probe", "-n", "6")["hosts"]
        assert sorted(hosts.values()) == [3, 3]
        word = docker("inspect", f"{stack.name}-web2", "--format", "{{.Id}}")[:12]
        assert word in hosts
        lines = stack.ok(*there, "logs", f"{stack.name}-lb", "--tail", "5")
        assert lines.strip()
        assert "answers in" in stack.run(*there, "doctor").stdout
        assert stack.ok(*there, "shell", "2", "--", "cat", "/etc/hostname").strip() == word
        _the_screen_goes_there_by_its_context_and_on_to_another_stack(stack, far, tmp_path)
        stack.ok(*there, "down", "--volumes", "--yes")
        assert stack.left() == []
    assert tunnels(sshd) == []


def _the_screen_goes_there_by_its_context_and_on_to_another_stack(stack: Stack, far: str, folder: Path) -> None:
    other = f"{stack.name}b"
    labels = [word for name, value in stack_labels(other, "web").items() for word in ("--label", f"{name}={value}")]
    image = docker("inspect", f"{stack.name}-web1", "--format", "{{.Image}}")
    docker("create", "--name", f"{other}-web1", *labels, image)
    try:
        _seen_from_far(stack, far, folder, other)
    finally:
        docker("rm", "-f", f"{other}-web1")


def _seen_from_far(stack: Stack, far: str, folder: Path, other: str) -> None:
    env = {**stack.env, "DOCKER_CONFIG": str(folder / "docker")}
    words = ("docker", "context", "create", "attic", "--docker", f"host={far}")
    subprocess.run(words, env=env, check=True, capture_output=True)
    with PtyRun(stack.argv(), columns=160, rows=40, env=env, cwd=str(folder)) as run:
        run.wait_text("2 of 2 serving", 60)
        assert "ms away" not in run.text()
        run.send(":engine attic")
        run.wait_text("This stack's screen there")
        run.send("\r")
        run.wait_until(lambda text: f"{far}  " in text and "ms away" in text, 60, "the same stack, from far")
        run.wait_text("2 of 2 serving", 60)
        run.send(f":stack {other}")
        run.wait_text("its stack file is not known here")
        run.send("\r")
        run.wait_until(lambda text: f"{other}  read-only" in text and "ms away" in text, 60, "the other stack")
        run.send("q")
        assert run.wait_exit() == 0


@asynccontextmanager
async def behind_tls(folder: Path) -> AsyncIterator[int]:
    """The port of a TLS server in front of this machine's engine that lets in who has the one certificate."""
    cert, key = pair()
    for name, data in (("ca.pem", cert), ("cert.pem", cert), ("key.pem", key)):
        (folder / name).write_bytes(data)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.pem"))
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server.verify_mode = ssl.CERT_REQUIRED

    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection("/var/run/docker.sock")
        await asyncio.gather(copied(reader, far_writer), copied(far_reader, writer))

    async def copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(passed_on, "127.0.0.1", 0, ssl=server) as listening:
        yield listening.sockets[0].getsockname()[1]


@pytest.fixture(scope="module")
def image() -> str:
    return tiny_image()


async def test_a_stack_on_an_engine_behind_tls(image: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with behind_tls(tmp_path) as port:
        host = f"tcp://127.0.0.1:{port}"
        # The authorities of the web are none of the engine's.
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", ssl.get_default_verify_paths().cafile or "/etc/ssl/cert.pem")
        tls = {"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
        with Stack(tmp_path / "stack", text(image, 1, "  kind: plain\n")) as stack:
            stack.env = {**stack.env, **tls}
            await asyncio.to_thread(stack.ok, "up")
            scaled = await asyncio.to_thread(stack.json, "scale", "+1")
            assert (scaled["to"], scaled["receipt"]["failed"]) == (2, 0)
            hosts = (await asyncio.to_thread(stack.json, "probe", "-n", "4"))["hosts"]
            assert sorted(hosts.values()) == [2, 2]
            word = await asyncio.to_thread(stack.ok, "shell", "2", "--", "cat", "/etc/hostname")
            assert word.strip() in hosts
            lines = await asyncio.to_thread(stack.ok, "logs", f"{stack.name}-lb", "--tail", "3")
            assert lines.strip()
            await asyncio.to_thread(stack.ok, "down", "--volumes", "--yes")
            assert stack.left() == []
        # Another authority's certificate is none.
        for name, value in tls.items():
            monkeypatch.setenv(name, value)
        (tmp_path / "ca.pem").write_bytes(pair()[0])
        with pytest.raises(EngineUnreachable, match="certificate"):
            await connect(host)


async def test_a_cut_link_comes_back_by_itself(far: str, sshd: Sshd) -> None:
    engine = await connect(far)
    try:
        before = (await engine.info()).id
        assert sshd.cut() == 1
        async with asyncio.timeout(60):
            while True:
                try:
                    assert (await engine.info()).id == before
                    break
                except EngineUnreachable as error:
                    assert far in str(error) and error.hint
                    await asyncio.sleep(0.05)
    finally:
        await engine.close()
    assert tunnels(sshd) == []


async def test_what_ssh_says_is_what_the_user_reads(far: str, sshd: Sshd) -> None:
    (sshd.folder / "known").write_text("")
    with pytest.raises(EngineUnreachable, match=r"ssh connection to .* failed: .*[Hh]ost key") as told:
        await connect(far)
    assert "BatchMode=yes" in told.value.hint
    sshd.client()
    with pytest.raises(EngineUnreachable, match=r"no container engine answers at /nowhere\.sock"):
        await connect(f"{far}/nowhere.sock")
    assert tunnels(sshd) == []


def test_a_killed_dftui_leaves_no_tunnel(far: str, sshd: Sshd, tmp_path: Path) -> None:
    with Stack(tmp_path) as stack, stack.follow("--docker", far, "status", "--watch", "--json") as watch:
        assert watch.until(lambda line: line["engine"]["version"], lambda: None)["engine"]["host"] == far
        pids = tunnels(sshd)
        assert len(pids) == 1
        tunnel = os.pidfd_open(int(pids[0]))
        watch.kill()
        try:
            assert wait_for_end(tunnel)
        finally:
            os.close(tunnel)


def wait_for_end(pidfd: int, seconds: float = 10.0) -> bool:
    """Whether a process ended within so many seconds."""
    return bool(select.select([pidfd], [], [], seconds)[0])
