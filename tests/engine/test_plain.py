"""Any stateless web image stands in for DreamFactory: scaled, rolled and repaired without a loss, the rest aside."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from dftui.stack.spec import NOT_FOR_PLAIN
from tests.load import Load, Plan
from tests.stacks import Stack, docker
from tests.tinyweb import text, tiny_image

MORE = "  kind: plain\n  env: {GREETING: hello}\n  start_timeout: 60\n"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("plain"), text(tiny_image(), 2, MORE)) as found:
        found.ok("up")
        yield found


def load(stack: Stack) -> Load:
    return Load(Plan(port=stack.port, rate=80, connections=8, path="/", post_path="/"))


def env_of(name: str) -> list[str]:
    found: list[str] = json.loads(docker("inspect", name, "--format", "{{json .Config.Env}}"))
    return found


def test_it_runs_as_it_is_with_a_balancer_and_nothing_else(stack: Stack) -> None:
    names = docker("ps", "-a", "--filter", f"label=dftui.stack={stack.name}", "--format", "{{.Names}}").split()
    assert sorted(names) == [f"{stack.name}-lb", f"{stack.name}-web1", f"{stack.name}-web2"]
    env = env_of(f"{stack.name}-web1")
    assert "GREETING=hello" in env
    assert not [one for one in env if one.startswith(("APP_KEY", "DB_", "REDIS_", "ADMIN_"))]
    assert docker("volume", "ls", "-q", "--filter", f"label=dftui.stack={stack.name}") == ""


def test_status_and_verify_say_what_has_stepped_aside(stack: Stack) -> None:
    said = stack.ok("status")
    assert NOT_FOR_PLAIN in said
    status = stack.json("status")
    assert (status["kind"], status["db"]["state"], status["cache"]["state"]) == ("plain", "unused", "unused")
    assert (status["admin"], status["drift"]) == ("", [])
    checks = {check["name"]: check for check in stack.json("verify")["checks"]}
    aside = {name for name, check in checks.items() if check["cause"] == "not-for-plain"}
    # The tiny web says in no answer what time it is.
    assert {name for name in checks if name not in aside} == {"host-rotation", "image-digest"}
    assert {checks[name]["detail"]["says"] for name in aside - {"clock"}} == {NOT_FOR_PLAIN}
    assert set(checks["host-rotation"]["detail"]["hosts"]) == {web["host"] for web in status["web"]}


def test_the_probe_names_who_served_and_no_client_is_told(stack: Stack) -> None:
    hosts = {web["host"] for web in stack.json("status")["web"]}
    assert set(stack.json("probe", "-n", "6")["hosts"]) == hosts
    with urllib.request.urlopen(f"{stack.url}/", timeout=10) as answer:
        assert "X-Dftui-Host" not in answer.headers


@pytest.mark.parametrize("command", ["admin create", "key show", "backup", "shell db --client"])
def test_what_is_about_dreamfactory_is_a_sentence_and_no_error(stack: Stack, command: str) -> None:
    found = stack.run(*command.split())
    assert (found.returncode, found.stdout) == (0, ""), found.stderr
    assert NOT_FOR_PLAIN in found.stderr
    if "shell" not in command:
        assert NOT_FOR_PLAIN in stack.json(*command.split())["stepped_aside"]


def test_no_path_of_it_is_a_setup_form(stack: Stack) -> None:
    with urllib.request.urlopen(f"{stack.url}/setup", timeout=10) as answer:
        assert answer.status == 200


def test_scale_roll_and_repair_under_load_lose_nothing(stack: Stack) -> None:
    with load(stack) as driven:
        up = stack.json("scale", "3")
        stack.file.write_text(stack.file.read_text().replace("hello", "good day"))
        roll = stack.json("roll")
        down = stack.json("scale", "2")
        tally = driven.stop()
    assert (len(up["added"]), len(down["removed"])) == (1, 1)
    assert len(roll["replaced"]) == 3
    assert roll["backup"] == ""
    assert "GREETING=good day" in env_of(stack.serving()[0])
    assert [result["receipt"]["failed"] for result in (up, roll, down)] == [0, 0, 0]
    assert tally.failures == 0, tally.failed
    assert tally.ok == tally.sent > 0


def test_repair_brings_back_what_was_killed_and_down_leaves_nothing(stack: Stack, tmp_path: Path) -> None:
    gone = stack.serving()[0]
    docker("rm", "-f", gone)
    docker("stop", f"{stack.name}-lb")
    assert stack.json("repair")["repaired"]
    stack.wait_serving(2)
    assert stack.json("status")["drift"] == []
    stack.ok("down", "--volumes", "--yes")
    assert stack.left() == []
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(stack.url, timeout=5)
