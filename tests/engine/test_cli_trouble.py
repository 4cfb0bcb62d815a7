"""Bad input and trouble: each a sentence, an exit code, and nothing changed."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pty_run import PtyRun
from tests.stacks import Stack, docker


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path / "stack") as found:
        yield found


def everything() -> set[str]:
    """Names of all that the engine holds; other tests work beside this one, so only own names are compared."""
    return {
        *docker("ps", "-a", "--format", "container {{.Names}}").splitlines(),
        *docker("network", "ls", "--format", "network {{.Name}}").splitlines(),
        *docker("volume", "ls", "--format", "volume {{.Name}}").splitlines(),
    }


def refused(stack: Stack, *argv: str, code: int, says: tuple[str, ...]) -> str:
    """Runs it and checks the exit code, the words, and that nothing of the stack's name was made."""
    before = {line for line in everything() if f" {stack.name}-" in line}
    found = stack.run(*argv)
    assert found.returncode == code, found.stderr
    for words in says:
        assert words in found.stderr
    assert "Traceback" not in found.stderr
    assert {line for line in everything() if f" {stack.name}-" in line} == before
    assert not (stack.folder / "config").exists() or not list((stack.folder / "config").rglob("*.env"))
    return found.stderr


def test_a_port_in_use_names_the_process(stack: Stack) -> None:
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", stack.port))
        held.listen()
        refused(stack, "up", code=1, says=(f"port {stack.port}", f"(pid {os.getpid()})", "publish"))


def test_a_port_in_use_names_the_container(stack: Stack, tiny_image: str) -> None:
    name = f"{stack.name}x"
    port = f"127.0.0.1:{stack.port}:80"
    docker("run", "-d", "--name", name, "--label", f"dftui.stack={name}", "-p", port, tiny_image, "sleep", "600")
    try:
        refused(stack, "up", code=1, says=(f"port {stack.port}", f"held by the container {name}"))
    finally:
        docker("rm", "-f", name)


def test_a_name_clash_with_a_foreign_container(stack: Stack, tiny_image: str) -> None:
    name = f"{stack.name}-mysql"
    docker("create", "--name", name, "--label", f"dftui.test={stack.name}", tiny_image, "true")
    try:
        refused(stack, "up", code=1, says=(f"{name} exists and is not dftui's", "docker rename"))
        assert docker("inspect", name, "--format", "{{.State.Status}}") == "created"
    finally:
        docker("rm", "-f", name)


def test_a_stack_that_is_not_there(stack: Stack) -> None:
    for command in ("logs", "repair --dry-run", "history"):
        refused(stack, *command.split(), code=1, says=(f"stack {stack.name} is not up", "dftui up"))


def test_no_engine(stack: Stack) -> None:
    refused(stack, "up", "--docker", "unix:///nowhere/docker.sock", code=3, says=("/nowhere/docker.sock",))
    refused(stack, "status", "--docker", "tcp://127.0.0.1:1", code=3, says=("127.0.0.1:1",))
    refused(stack, "status", "--docker", "nonsense://", code=3, says=("nonsense",))


def test_no_permission_on_the_socket(stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(str(path))
        held.listen()
        path.chmod(0o000)
        argv = stack.argv("status", "--docker", f"unix://{path}")
        if os.geteuid() == 0:
            # Root may open everything, unless this one capability is gone and the file is another's.
            os.chown(path, 65534, 65534)
            argv = ["setpriv", "--bounding-set", "-dac_override", *argv]
        found = subprocess.run(argv, capture_output=True, text=True, env=stack.env, check=False)
    assert found.returncode == 3, found.stderr
    assert str(path) in found.stderr
    assert "permission" in found.stderr.lower()
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: [\n", ("dftui.yaml:",)),
        ("name: Mine!\n", ("dftui.yaml:1:7", "Mine!")),
        ("name: x\nweb: {replicas: lots}\n", ("dftui.yaml:2:17", "lots")),
        ("name: x\nwebb: {}\n", ("dftui.yaml:2:1", "webb", "web")),
        ("name: x\nimages: {source: magic}\n", ("auto", "pull", "bundled", "magic")),
    ],
)
def test_a_bad_stack_file(stack: Stack, text: str, says: tuple[str, ...]) -> None:
    stack.file.write_text(text)
    refused(stack, "up", code=2, says=says)
    assert not (stack.folder / "config").exists()


def test_an_image_that_exits_at_once_shows_its_last_words(stack: Stack) -> None:
    stack.ok("images", "build")
    web = next(
        row["image"]
        for row in stack.json("images", "list")["images"]
        if row["role"] == "web" and row["source"] == "bundled"
    )
    tag = f"dftui-test/{stack.name}:broken"
    script = "printf '#!/bin/sh\\necho first words\\necho the disk is made of cheese >&2\\nexit 7\\n'"
    docker(
        "build",
        "-q",
        "-t",
        tag,
        "-",
        stdin=f"FROM {web}\nRUN {script} > /docker-entrypoint.sh && chmod 755 /docker-entrypoint.sh\n",
    )
    try:
        stack.file.write_text(f"{stack.file.read_text()}images:\n  web: {tag}\n  source: bundled\n")
        found = stack.run("up")
        assert found.returncode == 1, found.stderr
        assert "the disk is made of cheese" in found.stderr
        assert "7" in found.stderr
        assert "Traceback" not in found.stderr
        stack.ok("down", "--volumes", "--yes")
        assert stack.left() == []
    finally:
        stack.remove()
        docker("rmi", "-f", tag)


@pytest.mark.parametrize(
    ("columns", "rows", "term", "says"),
    [(120, 40, "dumb", "TERM=dumb"), (40, 10, "xterm-256color", "40x10")],
)
def test_a_terminal_that_cannot_carry_the_screen(stack: Stack, columns: int, rows: int, term: str, says: str) -> None:
    with PtyRun(stack.argv(), columns=columns, rows=rows, env={**stack.env, "TERM": term}) as run:
        assert run.wait_exit() == 2
        out = run.output().decode()
    assert says in out
    assert "dftui status" in out
    assert "\x1b" not in out


def test_no_terminal_at_all(stack: Stack) -> None:
    refused(stack, code=2, says=("needs a terminal", "dftui status"))
