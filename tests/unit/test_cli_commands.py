"""What a person or a script notices of the commands: arguments, exit codes, JSON, sentences."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dftui import __version__
from dftui.__main__ import main
from dftui.control.errors import ActionError
from dftui.engine.api import EnginePermission, EngineUnreachable, NoSpace
from dftui.watch.alarms import Alarm
from dftui.watch.snapshot import Drift
from tests.fakes.cli import World, snapshot, stood_in

Output = pytest.CaptureFixture[str]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    monkeypatch.chdir(tmp_path)
    with stood_in(monkeypatch) as found:
        yield found


def acted(world: World) -> list[tuple[str, object]]:
    return [call for call in world.calls if call[0] != "connect"]


@pytest.mark.parametrize(
    ("argv", "asked"),
    [
        (["scale", "5"], ("scale", (5, None, False))),
        (["scale", "+2"], ("scale", (None, 2, False))),
        (["scale", "-1"], ("scale", (None, -1, False))),
        (["scale", "0", "--yes"], ("scale", (0, None, True))),
        (["up"], ("up", None)),
        (["up", "-n", "4"], ("up", 4)),
        (["drain", "df-web2"], ("drain", "df-web2")),
        (["undrain", "2"], ("undrain", "2")),
        (["down", "--yes"], ("down", False)),
        (["down", "--volumes", "--yes"], ("down", True)),
        (["probe"], ("probe", None)),
        (["probe", "-n", "30"], ("probe", 30)),
    ],
)
def test_arguments_reach_the_action(world: World, argv: list[str], asked: tuple[str, object]) -> None:
    assert main(argv) == 0
    assert acted(world) == [asked]
    assert world.closed == 1
    assert world.engine.closed


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["scale"], "N|+K|-K"),
        (["scale", "many"], "'many' is neither a number nor +K nor -K"),
        (["scale", "+0"], "changes nothing"),
        (["explode"], "invalid choice: 'explode'"),
        (["status", "--loudly"], "--loudly"),
    ],
)
def test_wrong_use_is_2_with_the_usage(world: World, capsys: Output, argv: list[str], says: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert says in told.err
    assert "usage:" in told.err
    assert told.out == ""
    assert world.calls == []


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["scale", "0"], "--yes"),
        (["up", "-n", "0"], "dftui down"),
        (["plan", "-n", "0"], "dftui down"),
        (["probe", "-n", "0"], "1 to 10000"),
        (["stats", "--seconds", "0"], "1 to 3600"),
    ],
)
def test_what_cannot_be_meant_is_2_and_touches_nothing(
    world: World, capsys: Output, argv: list[str], says: str
) -> None:
    assert main(argv) == 2
    assert says in capsys.readouterr().err
    assert world.calls == []


def test_options_hold_before_and_after_the_command(world: World, capsys: Output) -> None:
    assert main(["--json", "--docker", "unix:///a", "status"]) == 0
    assert main(["status", "--json", "--docker", "unix:///a"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert json.loads(first) == json.loads(second)
    assert world.calls == [("connect", "unix:///a")] * 2


def test_status_json_is_the_contract(world: World, capsys: Output) -> None:
    assert main(["status", "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    found = json.loads(out)
    assert {"stack", "engine", "wanted", "url", "images", "db", "cache", "balancer", "web", "drift"} <= found.keys()
    assert found["engine"] == {"kind": "docker", "host": "unix:///fake.sock", "version": "20.10.24"}
    assert found["images"]["source"] == "bundled"
    assert {"name", "id", "state", "health"} <= found["db"].keys()
    assert {"name", "id", "host", "state", "why", "key", "requests", "sessions"} <= found["web"][0].keys()


def test_status_tells_a_person_what_there_is(world: World, capsys: Output) -> None:
    world.snapshot = snapshot(
        exposed=True, drift=(Drift("df-web9 is in the table.", "dftui repair", Alarm.SERVER_WITHOUT_CONTAINER),)
    )
    assert main(["status"]) == 0
    out = capsys.readouterr().out
    assert "2 of 2 replicas serving at http://127.0.0.1:80" in out
    assert "● serving" in out
    assert "stand-in" in out
    assert "open to every host" in out
    assert "drift: df-web9 is in the table. Repair: dftui repair" in out
    assert "\x1b" not in out


def test_status_of_nothing_says_how_to_begin(world: World, capsys: Output) -> None:
    world.snapshot = snapshot(0, db=snapshot().db.__class__("db", "df-mysql"))
    nothing = {name: type(world.snapshot.db)(name, name) for name in ("db", "cache", "balancer")}
    world.snapshot = snapshot(0, **nothing)
    assert main(["status"]) == 0
    assert "`dftui up` makes it" in capsys.readouterr().out


def test_scale_json_is_the_contract(world: World, capsys: Output) -> None:
    assert main(["scale", "+1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "from": 3,
        "to": 4,
        "added": ["df-web4"],
        "removed": ["df-web3"],
        "seconds": 1.25,
        "receipt": {
            "requests": 12,
            "failed": 0,
            "retries": 0,
            "redispatches": 0,
            "drained": [{"name": "df-web3", "sessions_left": 0, "seconds": 0.4}],
            "served": [],
        },
    }


def test_scale_prints_the_receipt(world: World, capsys: Output) -> None:
    assert main(["scale", "4"]) == 0
    out = capsys.readouterr().out
    assert "3 → 4 replicas in 1.2 s" in out
    assert "12 requests, 0 failed, 0 retries, 0 redispatches" in out
    assert "df-web3, drained in 0.40 s" in out


def test_probe_shows_the_rotation(world: World, capsys: Output) -> None:
    assert main(["probe"]) == 0
    out = capsys.readouterr().out
    assert out.count("host0") == 4
    assert "3 hosts answered: host0 3, host1 3, host2 3" in out
    assert main(["probe", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["rows"]) == 9
    assert found["hosts"] == {"host0": 3, "host1": 3, "host2": 3}


def test_progress_is_plain_lines_on_stderr_with_the_docker_commands(world: World, capsys: Output) -> None:
    assert main(["--verbose", "up", "--json"]) == 0
    told = capsys.readouterr()
    assert told.err.splitlines() == ["  $ docker up", "1/2 up begins …", "2/2 up ends"]
    assert json.loads(told.out)["stack"] == "df"


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (EngineUnreachable("no engine answers at unix:///x.", "start it"), 3, "no engine answers at unix:///x."),
        (EnginePermission("you may not open the socket.", "join the docker group"), 3, "join the docker group"),
    ],
)
def test_no_engine_is_3(world: World, capsys: Output, error: BaseException, code: int, says: str) -> None:
    world.connect_error = error
    assert main(["status", "--json"]) == code
    told = capsys.readouterr()
    assert says in told.err
    assert told.out == ""
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    "error", [ActionError("port 80 is held by nginx", "free it"), NoSpace("the disk is full", "free it")]
)
def test_a_failed_action_is_1_with_what_to_do(world: World, capsys: Output, error: BaseException) -> None:
    world.error = error
    assert main(["up", "--json"]) == 1
    told = capsys.readouterr()
    assert f"dftui: {error}" in told.err
    assert "  free it" in told.err
    assert told.out == ""
    assert world.engine.closed


def test_errors_cannot_steer_the_terminal(world: World, capsys: Output) -> None:
    world.error = ActionError("image \x1b]52;c;aGk=\x07 said \x9b31m no", "\x1b[2J")
    assert main(["up"]) == 1
    told = capsys.readouterr().err
    assert not any(mark in told for mark in ("\x1b", "\x07", "\x9b"))


def test_what_nobody_foresaw_is_a_sentence(world: World, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DFTUI_DEBUG", raising=False)
    world.error = ZeroDivisionError("oops")
    assert main(["up"]) == 1
    told = capsys.readouterr().err
    assert "an error of its own (ZeroDivisionError: oops)" in told
    assert "Traceback" not in told


def test_ctrl_c_is_130(world: World, capsys: Output) -> None:
    world.error = KeyboardInterrupt()
    assert main(["up"]) == 130
    assert "Interrupted." in capsys.readouterr().err


def test_a_bad_stack_file_is_2_before_the_engine_is_asked(world: World, capsys: Output, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: x\nweb:\n  replicsa: 3\n")
    assert main(["up", "--stack", str(file)]) == 2
    told = capsys.readouterr().err
    assert f"{file}:3:3:" in told
    assert "replicsa" in told
    assert world.calls == []


def test_a_missing_stack_file_is_2(world: World, capsys: Output) -> None:
    assert main(["--stack", "nowhere.yaml", "status"]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("argv", "typed", "code", "done"),
    [
        (["down"], "y\n", 0, [("down", False)]),
        (["down"], "\n", 1, []),
        (["down", "--volumes"], "df\n", 0, [("down", True)]),
        (["down", "--volumes"], "y\n", 1, []),
    ],
)
def test_down_asks_in_proportion(
    world: World,
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    typed: str,
    code: int,
    done: list[tuple[str, object]],
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    assert main(argv) == code
    assert acted(world) == done
    if code:
        assert "Nothing was changed." in capsys.readouterr().err


def test_down_without_anyone_to_ask_is_2(world: World, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert main(["down"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert acted(world) == []


def run(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *argv],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", **env},
        check=False,
    )


def test_version_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom dftui.__main__ import main\n"
        "try: main(['--version'])\nexcept SystemExit: pass\n"
        "print(sorted({'textual', 'docker', 'yaml', 'cryptography', 'asyncio'} & set(sys.modules)))"
    )
    assert run("-c", code).stdout.splitlines() == [f"dftui {__version__}", "[]"]


def test_the_screen_without_a_terminal_points_to_the_commands() -> None:
    found = run("-m", "dftui", TERM="xterm")
    assert found.returncode == 2
    assert "terminal" in found.stderr
    assert "dftui status" in found.stderr
    assert found.stdout == ""


def test_a_reader_that_leaves_is_no_error() -> None:
    found = subprocess.run(
        f"{sys.executable} -m dftui --help | true", shell=True, capture_output=True, text=True, check=False
    )
    assert found.stderr == ""
