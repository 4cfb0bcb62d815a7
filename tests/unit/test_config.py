"""The config files: the user's own and the machine's, checked as the stack file is, and read-only imposed by them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dftui.__main__ import main
from dftui.cli import gate
from dftui.stack import paths
from dftui.stack.config import Config, load
from dftui.stack.file import StackFileError
from dftui.ui.options import Options
from tests.fakes.cli import World, stood_in

Output = pytest.CaptureFixture[str]


@pytest.fixture
def files(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The machine's config file and the user's, neither there yet."""
    system = own_folders / "etc" / "config.yaml"
    system.parent.mkdir()
    monkeypatch.setattr(paths, "SYSTEM_CONFIG_FILE", system)
    paths.config_dir().mkdir()
    return system, paths.user_config_file()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: object) -> Iterator[World]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(gate.VARIABLE, raising=False)
    with stood_in(monkeypatch) as found:
        yield found


def test_without_files_nothing_is_said(files: tuple[Path, Path]) -> None:
    assert load() == Config()
    assert gate.load_config() is None
    assert gate.imposed(None) == ""


def test_the_users_file_goes_before_the_machines(files: tuple[Path, Path]) -> None:
    system, user = files
    system.write_text("theme: day\nmouse: false\nkeys: {drain: y}\n")
    user.write_text("theme: ember\nkeys: {drain: o, zoom: Z}\n")
    found = load()
    assert (found.theme, found.mouse, found.ascii) == ("ember", False, None)
    assert found.keys == ((str(system), {"drain": "y"}), (str(user), {"drain": "o", "zoom": "Z"}))
    options = Options.from_environment(config=found)
    assert (options.theme, options.mouse, options.keys) == ("ember", False, found.keys)
    assert Options.from_environment(config=found, theme="night").theme == "night"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("them: day\n", ":1:1: unknown key 'them' in the config file (did you mean theme?); allowed: theme,"),
        ("mouse: perhaps\n", ":1:8: mouse is 'perhaps'; allowed: true or false"),
        ("keys: [a]\n", ":1:7: keys must be a mapping"),
        ("a: b: c\n", "is not YAML"),
    ],
)
def test_a_mistake_is_told_with_its_place(files: tuple[Path, Path], text: str, says: str) -> None:
    files[1].write_text(text)
    with pytest.raises(StackFileError) as told:
        load()
    assert str(told.value).startswith(f"{files[1]}:")
    assert says in str(told.value)


def test_mistakes_come_in_the_order_of_the_lines(files: tuple[Path, Path]) -> None:
    files[1].write_text("keys: {drain: [a]}\nmouse: perhaps\nthem: day\n")
    with pytest.raises(StackFileError) as told:
        load()
    assert [error.line for error in told.value.errors] == [1, 2, 3]


def test_a_bad_config_is_2_and_touches_nothing_but_help_still_helps(
    world: World, capsys: Output, files: tuple[Path, Path]
) -> None:
    files[1].write_text("them: day\n")
    assert main(["up"]) == 2
    assert f"{files[1]}:1:1" in capsys.readouterr().err
    assert world.calls == []
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "usage:" in capsys.readouterr().out


@pytest.mark.parametrize("which", [0, 1])
def test_either_file_imposes_read_only_and_nothing_lifts_it(
    world: World, capsys: Output, files: tuple[Path, Path], which: int
) -> None:
    files[which].write_text("read_only: true\n")
    if which == 0:
        files[1].write_text("read_only: false\n")
    assert main(["scale", "+1"]) == 2
    assert f"read-only ({files[which]})" in capsys.readouterr().err
    assert main(["status", "--docker", "unix:///other"]) == 2
    assert world.calls == []
    assert main(["status"]) == 0


@pytest.mark.parametrize(("value", "refused"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_the_variable_imposes_it(world: World, monkeypatch: pytest.MonkeyPatch, value: str, refused: bool) -> None:
    monkeypatch.setenv(gate.VARIABLE, value)
    assert (main(["scale", "+1"]) == 2) is refused
    assert (world.calls == []) is refused


def test_what_the_ssh_client_asks_for_is_not_read(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", "dftui down --volumes --yes")
    assert main(["--read-only", "status"]) == 0
    assert [call[0] for call in world.calls] == ["connect"]
    assert "2 of 2 replicas serving" in capsys.readouterr().out


def test_a_stack_file_that_is_not_there_is_told_before_read_only_is_asked_for(world: World, capsys: Output) -> None:
    assert main(["--stack", "nowhere.yaml", "--read-only", "status"]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err
