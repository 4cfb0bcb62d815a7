"""Every command that looks at a stack, or acts on one, says plainly that there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from dftui.__main__ import main
from dftui.control.entry import Entry
from dftui.control.history import append
from dftui.stack.names import stack_labels
from tests.fakes.engine import FakeEngine

Output = pytest.CaptureFixture[str]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_folders: Path) -> FakeEngine:
    monkeypatch.chdir(tmp_path)
    fake = FakeEngine()
    fake.add("other-web1", labels=stack_labels("other", "web", number="1"))

    async def connect(host: str | None = None) -> FakeEngine:
        fake.closed = False
        return fake

    monkeypatch.setattr("dftui.engine.connect.connect", connect)
    return fake


@pytest.mark.parametrize(
    "line",
    [
        "logs",
        "logs -f",
        "logs 2 --json",
        "requests",
        "requests -f",
        "repair",
        "repair --dry-run",
        "repair --dry-run --json",
        "history",
        "history --json",
        "probe",
        "verify",
        "shell 2",
        "roll",
        "scale 3",
    ],
)
def test_it_is_one_sentence_what_to_do_and_1(engine: FakeEngine, capsys: Output, line: str) -> None:
    assert main(line.split()) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "dftui: stack df is not up\n" in told.err
    assert "bring it up first: dftui up" in told.err


def test_a_stack_that_was_taken_down_keeps_its_history(engine: FakeEngine, capsys: Output) -> None:
    append(engine.engine_id, "df", Entry(1.0, "ada", "down", "done", 0.5))
    assert main(["history"]) == 0
    assert "ada  down  done" in capsys.readouterr().out


def test_nothing_done_yet_is_said(engine: FakeEngine, capsys: Output) -> None:
    engine.add("df-web1", labels=stack_labels("df", "web", number="1"))
    assert main(["history"]) == 0
    assert capsys.readouterr() == ("", "Nothing was done to the stack df from here yet.\n")
    assert main(["history", "-n", "-1"]) == 2
