"""The secrets of a real stack: kept closed, recovered, and found nowhere else."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stacks import Stack, docker


def command_lines() -> Iterator[bytes]:
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                yield (process / "cmdline").read_bytes()


class Watch:
    """Gathers the command lines of this machine while something runs: containers' processes are among them."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._end.wait(0.1):
            self.seen |= set(command_lines())

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()


@dataclass
class Up:
    """A stack that has just come up, what was said meanwhile, and what ran."""

    stack: Stack
    said: str
    ran: set[bytes]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with Stack(tmp_path_factory.mktemp("secrets"), "web: {replicas: 2}\n") as stack:
        with Watch() as watch:
            done = stack.run("up", "--verbose")
        assert done.returncode == 0, done.stderr
        yield Up(stack, done.stdout + done.stderr, watch.seen)
        stack.ok("down", "--volumes", "--yes")
        assert stack.left() == []


def assert_none_in(values: list[str], text: str | bytes, where: str) -> None:
    data = text.encode() if isinstance(text, str) else text
    assert not any(value.encode() in data for value in values), f"a secret stands in {where}"


def test_the_file_is_the_owners_alone(up: Up) -> None:
    assert stat.S_IMODE(up.stack.secrets_file.stat().st_mode) == 0o600
    assert len(set(up.stack.secret_values())) == 5
    assert all(re.fullmatch(r"[A-Za-z0-9]{24,}", value) for value in up.stack.secret_values())


def test_nothing_says_a_secret(up: Up) -> None:
    values = up.stack.secret_values()
    assert_none_in(values, up.said, "what `up --verbose` said")
    for argv in (
        ["status"],
        ["status", "--json"],
        ["logs"],
        ["logs", "--json"],
        ["requests", "--json"],
        ["key", "check"],
    ):
        done = up.stack.run(*argv)
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        assert_none_in(values, done.stdout + done.stderr, f"`dftui {' '.join(argv)}`")
    done = up.stack.run("doctor", "--json")
    assert_none_in(values, done.stdout + done.stderr, "doctor")
    state = Path(up.stack.env["DFTUI_STATE_DIR"])
    for file in state.rglob("*"):
        if file.is_file():
            assert_none_in(values, file.read_bytes(), f"the state file {file.name}")


def test_the_web_does_leak_its_key_and_dftui_masks_it(up: Up) -> None:
    """Else the test above would prove nothing."""
    name = f"{up.stack.name}-web1"
    raw = subprocess.run(["docker", "logs", name], capture_output=True, check=True)
    assert up.stack.json("key", "show")["app_key"].encode() in raw.stdout + raw.stderr
    assert "Setting APP_KEY=" in up.stack.ok("logs", name)


def test_no_command_line_holds_a_secret(up: Up) -> None:
    assert len(up.ran) > 20
    for line in up.ran:
        assert_none_in(up.stack.secret_values(), line, f"the command line of {line[:40]!r}")


def test_no_container_that_stays_holds_the_admins_password(up: Up) -> None:
    ids = docker("ps", "-aq", "--filter", f"label=dftui.stack={up.stack.name}").split()
    assert len(ids) == 5
    password = re.search(r"ADMIN_PASSWORD=(.*)", up.stack.secrets_file.read_text())
    assert password
    facts = docker("inspect", *ids)
    assert password[1] not in facts
    assert "ADMIN_" not in facts
    for container in json.loads(facts):
        container["Config"].pop("Env")
        assert_none_in(
            up.stack.secret_values(), json.dumps(container), f"{container['Name']} outside of its variables"
        )


def test_no_image_holds_a_secret(up: Up) -> None:
    images = [ref for role, ref in up.stack.json("status")["images"].items() if role != "source"]
    assert len(images) == 4
    values = [value.encode() for value in up.stack.secret_values()]
    for image in images:
        told = docker("history", "--no-trunc", image) + docker("inspect", image)
        assert_none_in(up.stack.secret_values(), told, f"the history of {image}")
        assert not re.search(r"(APP_KEY|PASSWORD|TOKEN|SECRET)=\w", told), f"{image} is born with a secret"
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:
            assert saving.stdout is not None
            tail = b""
            while chunk := saving.stdout.read(1 << 20):
                block = tail + chunk
                assert not any(value in block for value in values), f"a secret stands in a layer of {image}"
                tail = block[-64:]


def test_doctor_finds_a_live_stack_sound(up: Up) -> None:
    found = {check["name"]: check for check in json.loads(up.stack.run("doctor", "--json").stdout)["checks"]}
    assert found["engine"]["ok"] and found["socat"]["ok"] and found["secrets"]["ok"] and found["clock"]["ok"]
    assert found["port"]["ok"]
    assert f"{up.stack.name}-lb" in found["port"]["what"]


def test_a_lost_file_is_recovered_from_the_replicas(up: Up) -> None:
    before = up.stack.json("key", "show")
    old = up.stack.secrets_file.read_text()
    up.stack.secrets_file.unlink()
    assert up.stack.run("key", "check").returncode == 4
    assert up.stack.json("key", "show") == before
    done = up.stack.run("up")
    assert done.returncode == 0, done.stderr
    assert "recovered from the running containers: APP_KEY" in done.stdout + done.stderr
    now = up.stack.secrets_file.read_text()
    for name in ("APP_KEY", "DB_ROOT_PASSWORD", "DB_PASSWORD", "CACHE_PASSWORD"):
        line = re.compile(rf"^{name}=.*$", re.MULTILINE)
        assert line.findall(now) == line.findall(old)
    assert up.stack.run("key", "check").returncode == 0


def test_data_without_its_secrets_is_never_given_new_ones(up: Up) -> None:
    up.stack.ok("down", "--yes")
    kept = up.stack.secrets_file.read_text()
    where = up.stack.secrets_file
    where.unlink()
    before = up.stack.left()
    done = up.stack.run("up")
    assert done.returncode == 1
    assert "database root password" in done.stderr
    assert "down --volumes" in done.stderr
    assert up.stack.left() == before
    assert not where.exists()
    descriptor = os.open(where, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(descriptor, kept.encode())
    os.close(descriptor)
