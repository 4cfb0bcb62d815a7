"""The acceptance script: a stack's life by commands alone, word for word the same on one engine and on a swarm.

`test_swarm` runs it on its nodes.  `make soak` runs both: each command has tests of its own.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.load import Load, Plan
from tests.stacks import Stack

LINES = "images: {source: bundled}\nweb: {replicas: 2}\n"
TABLE = "CREATE TABLE kept (word TEXT); INSERT INTO kept VALUES ('as it was');"
CLIENT = 'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mariadb -uroot -N -B "$MYSQL_DATABASE" -e'
KINDS = ("up", "scale", "drain", "undrain", "roll", "shell", "repair", "backup", "down", "restore")


@dataclass(frozen=True, slots=True)
class Bare:
    """A stack of which nothing is there yet, and what an engine still has of it."""

    stack: Stack
    left: Callable[[], list[str]]


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Bare]:
    with Stack(tmp_path / "stack", LINES) as stack:
        yield Bare(stack, stack.left)


def states(stack: Stack) -> dict[str, str]:
    """State by replica, where nothing has drifted."""
    found = stack.json("status")
    assert found["drift"] == []
    return {web["name"]: web["state"] for web in found["web"]}


def sql(stack: Stack, statement: str) -> str:
    return stack.ok("shell", "db", "--", "sh", "-c", f'{CLIENT} "{statement}"').strip()


def anew(stack: Stack, who: str) -> None:
    """Kill a replica's first process, and wait for the engine to have started another one."""
    stack.run("shell", who, "--", "bash", "-c", "touch /dev/shm/old; kill 1")
    end = time.monotonic() + 60
    while stack.run("shell", who, "--", "bash", "-c", "[ ! -e /dev/shm/old ]").returncode:
        assert time.monotonic() < end, f"{who} is not started again"


@pytest.mark.long
def test_a_stacks_life_by_commands_alone(bare: Bare, tmp_path: Path) -> None:
    a_stacks_life(bare, tmp_path)


def a_stacks_life(bare: Bare, tmp_path: Path) -> None:
    """The script."""
    stack = bare.stack
    one, two, three = (f"{stack.name}-web{number}" for number in (1, 2, 3))
    assert [web["state"] for web in stack.json("up")["web"]] == ["serving"] * 2
    status = stack.json("status")
    assert (status["url"], status["wanted"], status["drift"]) == (stack.url, 2, [])
    assert {status[role]["state"] for role in ("db", "cache", "balancer")} == {"running"}

    with Load(Plan(stack.port, stack.address, rate=40, connections=8, fresh=0.2, posts=0)) as load:
        up = stack.json("scale", "+1")
        assert (up["to"], up["added"], up["receipt"]["failed"]) == (3, [three], 0)
        stack.ok("drain", "2")
        assert states(stack)[two] in ("draining", "drained")
        stack.ok("undrain", "2")
        assert states(stack) == dict.fromkeys((one, two, three), "serving")
        stack.file.write_text(stack.file.read_text().replace("replicas: 2", "replicas: 2, env: {ROLLED: 'yes'}"))
        rolled = stack.json("roll")
        assert (len(rolled["replaced"]), rolled["rolled_back"], rolled["receipt"]["failed"]) == (3, False, 0)
        anew(stack, stack.serving()[-1])
        stack.ok("repair")
        stack.wait_serving(3)
        down = stack.json("scale", "-1")
        assert (down["to"], len(down["removed"]), down["receipt"]["failed"]) == (2, 1, 0)
        assert set(states(stack).values()) == {"serving"}
        assert stack.json("verify")["ok"]
        tally = load.stop()
    assert tally.failed == Counter()
    assert tally.ok == tally.sent > 0

    logs = stack.ok("logs", "--tail", "3")
    assert all(name in logs for name in (*states(stack), f"{stack.name}-mysql", f"{stack.name}-lb"))
    sql(stack, TABLE)
    made = stack.json("backup", str(tmp_path / "whole.tar"))
    stack.ok("down", "--volumes", "--yes")
    assert bare.left() == []
    assert stack.json("restore", str(tmp_path / "whole.tar"), "--yes")["key"] == made["key"]
    assert set(states(stack).values()) == {"serving"}
    assert stack.json("key", "check")["fingerprint"] == made["key"]
    assert sql(stack, "SELECT word FROM kept;") == "as it was"

    done: list[dict[str, Any]] = [json.loads(line) for line in stack.ok("history", "--json").splitlines()]
    # The shells that found no container yet have failed.
    assert {entry["outcome"] for entry in done if not entry["action"].startswith("shell")} == {"done"}
    assert {entry["action"].split()[0] for entry in done} == set(KINDS)
    stack.ok("down", "--volumes", "--yes")
    assert bare.left() == []
