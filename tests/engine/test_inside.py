"""Shells inside containers, read-only over a real SSH, the history of all: one stack, two replicas."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pty_run import PtyRun
from tests.sources import ROOT
from tests.sshd import Sshd
from tests.stacks import Stack, docker

MORE = "web:\n  replicas: 2\n"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("inside"), MORE) as found:
        found.ok("up")
        yield found
        found.ok("down", "--volumes", "--yes")
        assert found.left() == []


def screen(stack: Stack, *argv: str) -> PtyRun:
    run = PtyRun(stack.argv(*argv), columns=110, rows=34, env=stack.env, cwd=str(stack.folder))
    run.wait_text("2 of 2 serving", 60)
    return run


def entries(stack: Stack, count: int = 1) -> list[dict[str, object]]:
    return [json.loads(line) for line in stack.ok("history", "--json", "-n", str(count)).splitlines()]


def processes(container: str) -> str:
    """Every argument list inside."""
    return docker("exec", container, "sh", "-c", "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done")


def wait_gone(container: str, word: str) -> None:
    end = time.monotonic() + 20
    while word in processes(container):
        assert time.monotonic() < end, f"{word} still runs in {container}"


def secrets_of(stack: Stack) -> list[str]:
    text = next(Path(stack.env["DFTUI_CONFIG_DIR"]).rglob("*.env")).read_text()
    return [line.partition("=")[2] for line in text.splitlines() if "KEY" in line or "PASSWORD" in line]


def test_a_shell_on_the_screen_and_back(stack: Stack) -> None:
    web = f"{stack.name}-web1"
    host = docker("inspect", web, "--format", "{{.Config.Hostname}}")
    with screen(stack) as run:
        run.send("s")
        run.wait_text(f"shell in {web}: its end")
        run.wait_text("[#$]$")
        run.send("cat /etc/hostname; stty size\r")
        run.wait_text(f"^{host}")
        run.wait_text("^34 110")
        run.resize(132, 40)
        while "40 132" not in run.text():  # what is typed and the news of the size come by different ways
            run.send("stty size\r")
            run.wait_text(r"\d+ \d+\s+\S*[#$]$")
        run.send("exit 7\r")
        run.wait_text(f"Back from the shell in {web}, which ended with exit code 7")
        for part in ("2 of 2 serving", f"{stack.name}-mysql", f"{stack.name}-web2 .*serving", r"\? help", "p50"):
            run.wait_text(part)
        assert "stty" not in run.text()
        run.send("m")
        run.wait_text(r"^(MariaDB|mysql).*>$")
        argv = processes(f"{stack.name}-mysql")
        assert "-D dreamfactory" in argv
        assert not [value for value in secrets_of(stack) if value and value in argv]
        run.send("select concat('forty', '-two');\r")
        run.wait_text("forty-two")
        run.send("\x04")
        run.wait_text("Back from the client")
        run.send("c")
        run.wait_text("^127.0.0.1:6379>")
        run.send("ping\r")
        run.wait_text("^PONG")
        run.send("\x04")
        run.wait_text(f"Back from the client in {stack.name}-redis")
        run.send("a")
        run.wait_text(f"docker exec -it {stack.name}-redis")
        file = stack.folder / "saved.log"
        run.send("l\x13")
        run.wait_text(f"{stack.name}-logs-")
        run.send("\x15")
        run.wait_until(lambda text: f"{stack.name}-logs-" not in text)
        run.send(f"{file}\r")
        run.wait_text("lines are in")
        assert file.stat().st_mode & 0o777 == 0o600
        run.send("a")
        run.wait_text(rf"docker logs {stack.name}-\w+ >> ")
        run.send("q")
        assert run.wait_exit() == 0
        assert termios.tcgetattr(run.fd)[3] & termios.ECHO
    shell, client, cache, saved = entries(stack, 4)
    assert (shell["action"], shell["outcome"], shell["receipt"]) == (f"shell in {web}", "done", {"exit_code": 7})
    assert client["action"] == f"client in {stack.name}-mysql"
    assert cache["action"] == f"client in {stack.name}-redis"
    assert (saved["action"], saved["outcome"]) == (f"logs --output {file}", "done")


def test_a_cut_link_leaves_no_shell_inside(stack: Stack) -> None:
    web = f"{stack.name}-web1"
    with screen(stack) as run:
        run.send("s")
        run.wait_text("its end")
        run.wait_text("[#$]$")
        run.send("exec -a my-mark bash\r")
        end = time.monotonic() + 20
        while "my-mark" not in processes(web):
            assert time.monotonic() < end
        run.hang_up()
        run.wait_exit()
    wait_gone(web, "my-mark")


def test_a_shell_without_the_screen(stack: Stack) -> None:
    with PtyRun(stack.argv("shell", "1"), columns=90, rows=20, env=stack.env, cwd=str(stack.folder)) as run:
        run.wait_text("[#$]$")
        run.send("stty size\r")
        run.wait_text("^20 90")
        run.send("exit 4\r")
        assert run.wait_exit() == 4
        assert termios.tcgetattr(run.fd)[3] & termios.ECHO


def test_commands_inside_have_pipes_and_their_own_exit_code(stack: Stack) -> None:
    found = stack.run("shell", "2", "--", "sh", "-c", "echo out; echo err >&2; exit 5")
    assert (found.stdout, found.stderr, found.returncode) == ("out\n", "err\n", 5)
    big = "".join(f"line {n}\n" for n in range(60_000))
    assert stack.run("shell", f"{stack.name}-web2", "--", "cat", stdin=big).stdout == big
    document = json.loads(stack.ok("shell", "cache", "--json", "--", "sh", "-c", "echo a; echo b >&2"))
    assert document == {"who": f"{stack.name}-redis", "exit_code": 0, "stdout": "a\n", "stderr": "b\n"}
    assert stack.run("shell", "db", "--client", "--", "-N", stdin="select 40+2;").stdout == "42\n"
    assert stack.ok("shell", "redis", "--client", "--", "ping") == "PONG\n"
    refused = stack.run("shell", "balancer", "--client")
    assert (refused.returncode, "only the database and the cache" in refused.stderr) == (1, True)
    missing = stack.run("shell", "lb", "--", "no-such-command")
    assert missing.returncode in (126, 127)
    (entry,) = entries(stack)
    assert entry["commands"] == [f"docker exec -i {stack.name}-lb no-such-command"]


def test_remove_takes_the_one_that_is_named(stack: Stack) -> None:
    stack.ok("scale", "3")
    try:
        assert stack.run("remove", "1").returncode == 2  # nobody is there to say yes
        gone = stack.json("remove", "1", "--yes")
        assert gone["removed"] == [f"{stack.name}-web1"]
        assert sorted(stack.serving()) == [f"{stack.name}-web2", f"{stack.name}-web3"]
    finally:
        stack.run("scale", "2")
    entry = entries(stack, 2)[0]
    assert (entry["action"], entry["receipt"]) == ("remove 1", gone)


def test_a_roll_is_held_and_let_go_from_outside(stack: Stack) -> None:
    none = stack.run("roll", "--hold")
    assert (none.returncode, "no roll is running" in none.stderr) == (1, True)
    text = stack.file.read_text()
    stack.file.write_text(text + "  env: {ROLLED: 'yes'}\n")
    try:
        rolling = subprocess.Popen(
            stack.argv("roll", "--json"), env=stack.env, cwd=stack.folder, stdout=subprocess.PIPE, text=True
        )
        try:
            end = time.monotonic() + 60
            while stack.run("roll", "--hold").returncode:
                assert rolling.poll() is None
                assert time.monotonic() < end
            assert json.loads(stack.ok("roll", "--hold", "--json"))["held"] is True
            stack.ok("roll", "--go-on")
            out, _ = rolling.communicate(timeout=120)
        finally:
            rolling.kill()
            rolling.wait()
        assert len(json.loads(out)["replaced"]) == 2
    finally:
        stack.file.write_text(text)
    assert entries(stack, 20)[-1]["action"] in ("roll --json", "roll")


def test_what_a_command_does_is_on_a_screen_that_is_open(stack: Stack) -> None:
    with screen(stack) as run:
        run.send("a")
        run.wait_text("by ")
        env = {**stack.env, "SSH_CONNECTION": "203.0.113.9 50000 192.0.2.1 22"}
        subprocess.run(stack.argv("drain", "2" if "web2" in str(stack.serving()) else "3"), env=env, check=True)
        run.wait_text(r"drain \d  by \w+@203\.0\.113\.9")
        run.send("q")
        run.wait_exit()
    for name in sorted({"2", "3"}):
        stack.run("undrain", name)
    stack.wait_serving(2)


def test_a_forced_command_lets_nothing_through_but_looks(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = [f"{name}={value}" for name, value in stack.env.items() if name.startswith("DFTUI_")]
    program = ["env", *own, f"PYTHONPATH={ROOT}", "TERM=xterm-256color", sys.executable, "-m", "dftui"]
    forced = shlex.join([*program, "--stack", str(stack.file), "--read-only"])
    before = docker("ps", "-q", "--filter", f"label=dftui.stack={stack.name}")
    with Sshd(tmp_path_factory.mktemp("sshd"), forced) as sshd:
        asked = stack.argv("down", "--volumes", "--yes")
        with PtyRun(sshd.argv(asked, stack.env, stack.folder), columns=110, rows=34) as run:
            run.wait_text("read-only   2 of 2 serving", 60)
            for key in "+-xrsmcD":
                run.send(key)
                run.wait_text(r"This dftui is read-only \(--read-only\)")
                run.send("f")
            run.send("t")
            run.wait_text("method +path")
            run.send("q")
            assert run.wait_exit() == 0
    assert docker("ps", "-q", "--filter", f"label=dftui.stack={stack.name}") == before
