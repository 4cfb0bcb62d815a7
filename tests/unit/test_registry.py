"""Keys and commands are held together: each has its twin, its effect, and no way round the read-only gate."""

from __future__ import annotations

import argparse
import re
import shlex

import pytest
import yaml

from dftui.cli import parser
from dftui.cli.exits import UsageError
from dftui.cli.parser import COMMANDS, CommandParser
from dftui.control.action import Action
from dftui.control.actions import ACTIONS
from dftui.control.effects import Effect
from tests.sources import ROOT

WORDS = {
    "WHO": "2",
    "WHO…": "2",
    "N": "4",
    "T": "10m",
    "RE": "error",
    "TEXT": "error",
    "FILE": "file",
    "IMAGE": "img:1",
    "TOPIC": "keys",
    "NODE": "node2",
}
"""What stands for the words that a twin leaves to the user."""
SCREEN_ONLY = {
    *("zoom", "theme", "palette", "background", "quit", "meter", "redraw"),
    *("next-match", "previous-match", "filter-mark", "wrap", "mark", "copy"),
}
"""Keys that do nothing to the stack and show nothing of it that another key would not: they move, or dress."""
HEADLESS_ONLY = {
    "init": "a file is for an editor",
    "plan": "what an edited file would do is asked where it is edited",
    "schema": "for the editor",
    "status": "what the whole screen shows",
    "watch": "what the screen does by itself",
    "tls": "the screen takes up a renewed certificate by itself",
    "key": "secrets are not for the screen",
    "images": "`u` gets them",
    "doctor": "for when there is no screen",
    "export": "it is for going on without dftui",
    "adopt": "before it there is no stack to show",
    "restore": "a backup is not put over a stack by a key",
    "migrate": "it is another engine's stack afterwards",
    "uninstall": "after it there is nothing to show",
    "serve": "it is the screen",
    "man": "for the pager",
    "completion": "for the shell",
}
LOOKED_OVER = {
    "schema": set(),
    "plan": {"--replicas"},
    "status": {"--watch"},
    "stats": {"--seconds", "--watch"},
    "help": set(),
    "requests": {"--follow", "--last", "--filter"},
    "verify": {"--watch", "--every", "--email", "--password-stdin"},
    "probe": {"--count"},
    "history": {"--number"},
    "doctor": set(),
    "man": set(),
    "completion": set(),
}
"""Options of the commands that look, each read over: it writes no file, changes nothing, hands nothing out. One that
does belongs into its command's `effect(args)`, and the command's effect in COMMANDS is None."""


def twins(action: Action) -> list[str]:
    return [twin for twin in action.twin.split(", ") if twin]


def parsed(twin: str) -> argparse.Namespace:
    words = shlex.split(twin)
    assert words[0] == "dftui"
    return parser.parse([WORDS.get(word, word) for word in words[1:]])


@pytest.mark.parametrize("action", [a for a in ACTIONS if a.id not in SCREEN_ONLY], ids=lambda a: a.id)
def test_each_key_has_a_twin_that_the_command_line_takes(action: Action) -> None:
    assert twins(action), f"{action.id} needs a headless twin (or belongs into SCREEN_ONLY)"
    for twin in twins(action):
        args = parsed(twin)
        assert parser.effect(args) is action.effect, (
            f"{twin} and the key {action.show} do not do the same to the world"
        )
        assert hasattr(args, "json")


def test_each_command_is_the_twin_of_a_key_or_has_a_reason_not_to_be() -> None:
    named = {twin.split()[1] for action in ACTIONS for twin in twins(action)}
    assert set(COMMANDS) - named == set(HEADLESS_ONLY) & set(COMMANDS)


def test_what_only_concerns_the_screen_changes_nothing() -> None:
    for action in ACTIONS:
        if action.id in SCREEN_ONLY:
            assert action.effect is Effect.LOOK, action.id
            assert not action.twin, action.id


def test_what_is_dangerous_does_more_than_look() -> None:
    assert {a.id for a in ACTIONS if a.dangerous} == {"remove", "roll", "down", "drain-node"}
    assert all(a.effect is not Effect.LOOK for a in ACTIONS if a.dangerous)


def _commands() -> dict[str, CommandParser]:
    found = parser.subparsers(parser.build())
    for sub in found.values():
        sub.fill()
    return found


def test_each_option_of_a_command_that_looks_was_looked_over() -> None:
    common = {"--help", "--stack", "--docker", "--engine", "--read-only", "--json", "--verbose", "--no-color"}
    for name, sub in _commands().items():
        if COMMANDS[name][2] is not Effect.LOOK:
            continue
        there = {max(a.option_strings, key=len) for a in sub._actions if a.option_strings} - common
        assert there <= LOOKED_OVER[name], f"dftui {name}: {there - LOOKED_OVER[name]}: see LOOKED_OVER"


REFUSED = [
    "init",
    "up",
    "scale +1",
    "remove 2 --yes",
    "drain 2",
    "undrain 2",
    "roll",
    "roll --hold",
    "repair",
    "watch",
    "migrate swarm --yes",
    "down --yes",
    "down --volumes --yes",
    "key show",
    "key new",
    "key import",
    "images pull",
    "images build",
    "shell 2",
    "shell db --client",
    "shell 2 -- ls",
    "logs --output file",
    "adopt",
    "adopt --undo",
    "adopt --finish --yes",
    "backup",
    "restore file",
    "export compose",
    "export docker --output folder",
    "export swarm",
    "admin create",
    "repair 2",
    "tls renew",
    "serve --write",
    "uninstall --yes",
    "nodes drain node2",
    "nodes activate node2",
]
ALLOWED = [
    "schema",
    "plan",
    "status",
    "stats",
    "logs",
    "logs -f --grep error",
    "requests",
    "probe",
    "verify",
    "history",
    "doctor",
    "tls",
    "serve",
    "key check",
    "images",
    "repair --dry-run",
    "adopt --dry-run",
    "nodes",
    "help",
    "man",
    "completion bash",
]


@pytest.mark.parametrize("words", REFUSED)
@pytest.mark.parametrize("imposed", ["", "DFTUI_READ_ONLY"])
def test_read_only_refuses_all_that_does_more_than_look(words: str, imposed: str) -> None:
    argv = words.split()
    by = imposed or "--read-only"
    with pytest.raises(UsageError, match=rf"read-only \({by}\)"):
        parser.parse(argv if imposed else ["--read-only", *argv], imposed)
    if not imposed and "--" not in argv:
        with pytest.raises(UsageError):
            parser.parse([*argv, "--read-only"])


@pytest.mark.parametrize("words", ALLOWED)
def test_read_only_leaves_what_looks(words: str) -> None:
    assert parser.parse(["--read-only", *words.split()]).read_only == "--read-only"


def test_each_command_is_refused_or_left() -> None:
    told = {words.split()[0] for words in REFUSED + ALLOWED}
    assert told == set(COMMANDS), "a new command: say above what read-only does to it"


@pytest.mark.parametrize("option", [["--stack", "x.yaml"], ["--docker", "tcp://x"], ["--stack=x"], ["--dock", "x"]])
def test_what_comes_behind_read_only_cannot_name_another_stack_or_engine(option: list[str]) -> None:
    assert parser.parse([*option, "--read-only", "status"]).read_only
    assert parser.parse([*option, "status", "--read-only"]).read_only
    for argv in (["--read-only", *option], ["--read-only", "status", *option], ["--read-only", *option, "status"]):
        with pytest.raises(UsageError, match="cannot be given here"):
            parser.parse(argv)
    with pytest.raises(UsageError, match=r"read-only \(DFTUI_READ_ONLY\)"):
        parser.parse([*option, "status"], "DFTUI_READ_ONLY")


def test_help_under_read_only_lists_only_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser.parse(["--read-only", "--help"])
    listed = capsys.readouterr().out
    assert "status" in listed
    assert "not against someone who can reach" in " ".join(listed.split())
    for name in ("shell", "remove", "undrain"):
        assert f"\n    {name} " not in listed


def test_the_keys_that_help_and_readme_show_as_examples_are_free() -> None:
    from dftui.ui.keymap import remap

    for path in ("README.md", "dftui/help/config.md", "dftui/help/stack-file.md"):
        shown = re.findall(r"keys: \{(.*?)\}", (ROOT / path).read_text(encoding="utf-8"))
        assert shown, path
        for example in shown:
            assert remap([(path, yaml.safe_load("{" + example + "}"))])[1] == []
