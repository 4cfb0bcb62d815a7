"""The history: every action is in it, whoever did it and however it ended; nothing secret is, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import pytest

from dftui.__main__ import main
from dftui.cli.parser import COMMANDS, effect, parse
from dftui.control.effects import Effect
from dftui.control.entry import Entry
from dftui.control.errors import ActionError
from dftui.control.history import Reader, append, history_path, note_receipt, read, recorded, recording
from dftui.engine.api import Engine
from dftui.stack.secrets import new_secrets, save_secrets
from dftui.watch.records import Step
from tests.fakes.cli import FakeEngine, World, stood_in

ENGINE = cast(Engine, FakeEngine())


def entries() -> list[Entry]:
    return list(read("FAKE", "df"))


async def test_an_action_has_who_what_how_it_ended_and_its_receipt(
    own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.9 50000 192.0.2.1 22")
    monkeypatch.setenv("LOGNAME", "ada")
    async with recorded(ENGINE, "df", "scale +1") as now:
        now.told(Step(1.0, "scale", "start df-web4", "running", "docker run df-web4"))
        now.told(Step(2.0, "scale", "start df-web4", "ok", "docker run df-web4"))
        note_receipt({"receipt": {"requests": 1234, "failed": 0}})
    (entry,) = entries()
    assert (entry.who, entry.action, entry.outcome) == ("ada@203.0.113.9", "scale +1", "done")
    assert entry.steps == ("start df-web4",)
    assert entry.commands == ("docker run df-web4",)
    assert entry.receipt_words() == "1,234 requests, 0 failed"
    assert history_path("FAKE", "df").stat().st_mode & 0o777 == 0o600


async def test_what_fails_or_is_interrupted_is_there_too(own_folders: Path) -> None:
    with pytest.raises(ActionError):
        async with recorded(ENGINE, "df", "roll"):
            raise ActionError("the disk is full")
    with pytest.raises(asyncio.CancelledError):
        async with recorded(ENGINE, "df", "down"):
            raise asyncio.CancelledError
    assert [(e.action, e.outcome, e.failed) for e in entries()] == [
        ("roll", "failed: the disk is full", True),
        ("down", "interrupted", True),
    ]


async def test_a_part_of_an_action_is_in_its_entry_and_what_was_declined_has_none(own_folders: Path) -> None:
    async with recorded(ENGINE, "df", "up"), recorded(ENGINE, "df", "repair") as inner:
        inner.told(Step(1.0, "repair", "put right", "ok"))
    async with recorded(ENGINE, "df", "down"):
        now = recording()
        assert now is not None
        now.dropped = True
    assert [(e.action, e.steps) for e in entries()] == [("up", ("put right",))]


async def test_no_secret_of_the_stack_gets_into_it(own_folders: Path) -> None:
    secrets = new_secrets()
    save_secrets("FAKE", "df", secrets)
    with pytest.raises(ActionError):
        async with recorded(ENGINE, "df", f"shell 1 -- echo {secrets.app_key}") as now:
            now.told(Step(1.0, "shell", f"said {secrets.db_password}", "ok", f"docker exec {secrets.cache_password}"))
            raise ActionError(f"it printed {secrets.admin_password} \x1b[2J")
    text = history_path("FAKE", "df").read_text()
    assert not [value for value in secrets.values() if value in text]
    assert "\\u001b" not in text


def test_a_reader_gives_each_entry_once_and_waits_for_whole_lines(own_folders: Path) -> None:
    reader = Reader("FAKE", "df")
    assert reader.new() == []
    one = Entry(1.0, "ada", "up", "done", 0.5)
    append("FAKE", "df", one)
    assert reader.new() == [one]
    assert reader.new() == []
    path = history_path("FAKE", "df")
    line = path.read_bytes()
    with path.open("ab") as stream:
        stream.write(line[:20])
        stream.flush()
        assert reader.new() == []
        stream.write(line[20:])
    assert reader.new() == [one]


def test_a_long_history_is_read_from_near_its_end(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        append("FAKE", "df", Entry(float(number), "ada", f"scale to {number}", "done", 0.5))
    monkeypatch.setattr("dftui.control.history._TAIL", 1000)
    found = [entry.action for entry in Reader("FAKE", "df").new()]
    assert 1 <= len(found) < 10
    assert found[-1] == "scale to 49"
    assert len(entries()) == 50


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_folders: Path) -> Any:
    monkeypatch.chdir(tmp_path)
    with stood_in(monkeypatch) as found:
        yield found


LEAVES = {
    "up -n 4": "up -n 4",
    "--json scale +1": "scale +1",
    "remove 2 --yes": "remove 2",
    "drain 2 --json": "drain 2",
    "undrain 2": "undrain 2",
    "roll --hold": "roll --hold",
    "down --yes --volumes": "down --volumes",
    "repair": "repair",
    "shell 2 -- ls": "shell 2 -- ls",
    "key new": "key new",
    "images build": "images build",
    "backup": "backup",
    "restore --yes --replace file": "restore --replace file",
    "adopt --yes": "adopt",
    "admin create": "admin create",
    "tls renew": "tls renew",
    "logs --output new.log": "logs --output new.log",
    "export compose --output new": "export compose --output new",
    "nodes drain node2 --yes": "nodes drain node2",
    "migrate swarm --yes": "migrate swarm",
}
"""A command line for each command that does more than look, and what the history calls it."""


def test_each_command_that_does_more_than_look_is_listed_here() -> None:
    several = {
        "watch": "each action of its own is an entry",
        "init": "it writes a file of yours before there is a stack, on no engine",
        "serve": "so is each of the screen's",
        "uninstall": "the history goes, too",
    }
    mutating = {name for name, (_, _, told) in COMMANDS.items() if told is not Effect.LOOK}
    assert mutating == {parse(line.split()).command for line in LEAVES} | set(several)


@pytest.mark.parametrize("line", LEAVES)
def test_each_command_leaves_an_entry_even_if_it_fails(
    world: World, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert effect(parse(line.split())) is not Effect.LOOK
    main(line.split())
    assert [entry.action for entry in entries()] == [LEAVES[line]]


def test_commands_that_look_leave_none_and_history_shows_the_rest(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["scale", "+1"])
    main(["status"])
    main(["history"])
    main(["history", "--json"])
    out = capsys.readouterr().out
    assert "scale +1  done" in out
    assert json.loads(out.splitlines()[-1])["action"] == "scale +1"
    main(["history", "--verbose"])
    assert "  $ docker scale" in capsys.readouterr().out
    assert len(entries()) == 1
