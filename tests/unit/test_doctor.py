"""`dftui doctor`: each thing is told as good, wrong or unseen, and the exit code follows."""

from __future__ import annotations

import gzip
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dftui.__main__ import main
from dftui.cli import doctor, swarmcheck
from dftui.engine.api import EngineInfo, EnginePermission, ExecResult
from dftui.stack.names import LABEL_ROLE, LABEL_STACK
from dftui.stack.secrets import new_secrets, save_secrets, secrets_path
from tests.fakes.engine import FakeEngine
from tests.leases import a_port

Output = pytest.CaptureFixture[str]
INFO = EngineInfo("docker", "unix:///fake.sock", "20.10.24", "1.41", "ID", "n", "Debian", 2, 1 << 33, "/")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeEngine:
    fake = FakeEngine()
    monkeypatch.chdir(tmp_path)

    async def connect(host: str | None = None) -> FakeEngine:
        fake.closed = False
        return fake

    monkeypatch.setattr("dftui.engine.connect.connect", connect)
    monkeypatch.setattr(doctor, "_is_local", lambda info: True)
    return fake


@pytest.fixture
def port(engine: FakeEngine) -> Iterator[int]:
    with a_port() as found:
        Path("dftui.yaml").write_text(f"balancer: {{publish: '127.0.0.1:{found}'}}\n")
        yield found


def checks(capsys: Output) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}


def test_a_free_port_and_no_stack_yet(engine: FakeEngine, port: int, capsys: Output) -> None:
    main(["--json", "doctor"])
    found = checks(capsys)
    assert found["engine"]["ok"] is True
    assert "20.10.24" in found["engine"]["what"]
    assert found["port"] == {"name": "port", "ok": True, "what": f"127.0.0.1:{port} is free", "do": ""}
    assert found["socat"]["ok"] is None
    assert found["secrets"]["ok"] is True


def test_a_port_in_use_names_who_holds_it(engine: FakeEngine, port: int, capsys: Output) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        assert main(["--json", "doctor"]) == 4
    found = checks(capsys)["port"]
    assert found["ok"] is False
    assert f"pid {os.getpid()}" in found["what"]
    assert "publish" in found["do"]


def test_no_engine_is_3_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Output) -> None:
    monkeypatch.chdir(tmp_path)

    async def connect(host: str | None = None) -> FakeEngine:
        raise EnginePermission("The socket may not be opened.", "Join the group docker.")

    monkeypatch.setattr("dftui.engine.connect.connect", connect)
    assert main(["doctor"]) == 3
    told = capsys.readouterr().out
    assert "✗ wrong  engine  The socket may not be opened." in told
    assert "Join the group docker." in told


def test_a_balancer_without_socat_is_told(engine: FakeEngine, port: int, capsys: Output) -> None:
    engine.add("df-lb", labels={LABEL_STACK: "df", LABEL_ROLE: "balancer"})
    assert main(["--json", "doctor"]) == 4
    assert checks(capsys)["socat"]["ok"] is False
    engine.on_exec(("socat", "-V"), ExecResult(0, b"socat", b""))
    main(["--json", "doctor"])
    assert checks(capsys)["socat"]["ok"] is True


def test_secrets_that_others_can_read_are_told_with_their_path(engine: FakeEngine, port: int, capsys: Output) -> None:
    secrets = new_secrets()
    path = save_secrets(engine.engine_id, "df", secrets)
    main(["--json", "doctor"])
    found = checks(capsys)["secrets"]
    assert found["ok"] is True
    assert secrets.fingerprint in found["what"]
    path.chmod(0o640)
    assert main(["--json", "doctor"]) == 4
    found = checks(capsys)["secrets"]
    assert found["ok"] is False
    assert str(secrets_path(engine.engine_id, "df")) in found["what"]
    assert "chmod 600" in found["do"]


def test_the_clock_is_compared_without_the_time_the_question_took() -> None:
    now = time.time()
    assert doctor.clock(replace(INFO, time=now + 0.4), now, now + 0.5).ok is True
    assert doctor.clock(replace(INFO, time=now + 2.0), now, now + 0.5).ok is True
    late = doctor.clock(replace(INFO, time=now - 9.0), now, now + 0.5)
    assert late.ok is False
    assert "9.0 s" in late.what
    assert doctor.clock(INFO, now, now).ok is None


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.what.split(" (")[0].split(" on ")[1] for finding in doctor.disk(INFO, True)] == ["/"]
    monkeypatch.setattr(doctor, "MIN_FREE", 1 << 62)
    found = doctor.disk(INFO, True)
    assert found[0].ok is False
    assert found[0].do
    assert doctor.disk(INFO, False)[0].ok is None


def test_the_kernel_bits(tmp_path: Path) -> None:
    (tmp_path / "filesystems").write_text("nodev\tproc\n\text4\n")
    (tmp_path / "sys/net/ipv4").mkdir(parents=True)
    (tmp_path / "sys/net/ipv4/ip_forward").write_text("0\n")
    wrong = doctor.kernel(True, tmp_path)
    assert [finding.ok for finding in wrong] == [False, False]
    assert all(finding.do for finding in wrong)
    assert doctor.kernel(False) == []


def test_what_a_swarm_has_of_the_kernel(tmp_path: Path) -> None:
    def answers() -> list[bool | None]:
        return [swarmcheck.has(one, tmp_path, "6.1") for one in (swarmcheck.VIRTUAL_IPS, swarmcheck.ENCRYPTION)]

    assert answers() == [None, None], "a kernel that does not tell was taken for one that lacks it"
    assert [finding.ok for finding in swarmcheck.kernel(True, tmp_path, "6.1")] == [None, None, None]
    (tmp_path / "boot").mkdir()
    config = "# CONFIG_IP_VS is not set\nCONFIG_INET_ESP=m\nCONFIG_CRYPTO_GCM=y\n"
    (tmp_path / "boot/config-6.1").write_text(config)
    assert answers() == [False, False]
    modules = tmp_path / "lib/modules/6.1"
    modules.mkdir(parents=True)
    (modules / "modules.dep").write_text("kernel/net/ipv4/esp4.ko.xz: kernel/net/xfrm/xfrm_algo.ko.xz\n")
    assert answers() == [False, True]
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/config.gz").write_bytes(gzip.compress(b"CONFIG_IP_VS=y\n"))
    assert answers() == [True, False], "the running kernel's own word counts before a file's"
    said = swarmcheck.kernel(True, tmp_path, "6.1")
    assert [": yes" in one.what for one in said] == [False, True, False] and said[0].do and said[2].do
    assert [one.ok for one in said] == [False, True, True], "only what a stack needs is wrong where it lacks"
    assert swarmcheck.kernel(False) == []


def test_a_bad_stack_file_is_2(engine: FakeEngine, capsys: Output) -> None:
    Path("dftui.yaml").write_text("nme: x\n")
    assert main(["doctor"]) == 2
    assert "dftui.yaml:1:1" in capsys.readouterr().err
