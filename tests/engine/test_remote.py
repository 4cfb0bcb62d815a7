"""An engine on another machine, through ssh: a server on loopback, and `ssh` as a user has it."""

from __future__ import annotations

import asyncio
import getpass
import os
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dftui.engine.api import EngineUnreachable
from dftui.engine.connect import connect
from tests.sshd import Sshd
from tests.stacks import Stack, docker


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
        stack.ok(*there, "down", "--volumes", "--yes")
        assert stack.left() == []
    assert tunnels(sshd) == []


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
