"""README.md says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

from dftui.cli.man import page
from dftui.cli.parser import COMMANDS
from dftui.stack.fields import places
from dftui.stack.file import parse
from dftui.stack.spec import AdminSpec, StackSpec
from tests.readme import MAN, README, filled
from tests.sources import ROOT

TEXT = README.read_text(encoding="utf-8")


def test_its_tables_are_those_of_the_program() -> None:
    assert filled(TEXT) == TEXT, "run: python -m tests.readme"


def test_the_manual_page_is_that_of_the_program() -> None:
    assert MAN.read_text(encoding="ascii") == page(), "run: python -m tests.readme"


def test_it_names_every_command_and_no_other() -> None:
    named = set(re.findall(r"^\| `dftui ([a-z]+)[^`|]*(?:\\\|[^`|]*)*`", TEXT, re.MULTILINE))
    assert named == set(COMMANDS), "README.md's table of commands"


def _stack_file() -> str:
    found = re.search(r"```yaml\n(name: df .*?)```", TEXT, re.DOTALL)
    assert found
    return found[1]


def test_its_stack_file_is_good_and_holds_the_defaults() -> None:
    spec = parse(_stack_file().encode(), "README.md")
    default = StackSpec()
    assert (spec.name, spec.images.source, spec.repair) == (default.name, default.images.source, default.repair)
    for name in ("replicas", "min", "max", "health", "port", "drain_timeout", "start_timeout"):
        assert getattr(spec.web, name) == getattr(default.web, name), name
    assert spec.logs == default.logs
    assert spec.balancer.balance == default.balancer.balance
    assert spec.admin == AdminSpec()


def test_its_stack_file_shows_every_key() -> None:
    # Some stand behind a #, because they have no default or exclude each other.
    shown = set(re.findall(r"(?:^|[{,]) *#? *([a-z_]+):", _stack_file(), re.MULTILINE))
    assert {place.path[-1] for place in places()} - {"name", "first_name", "last_name"} <= shown


def test_its_pictures_are_there() -> None:
    named = set(re.findall(r"(?:\]\(|src=\"|srcset=\")(screenshots/[^)\"]+)", TEXT))
    for name in named:
        assert (ROOT / Path(name)).is_file(), name
    # And none is there that nobody sees.
    assert {Path(name).stem for name in named} == {path.stem for path in (ROOT / "screenshots").iterdir()}
