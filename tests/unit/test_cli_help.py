"""`dftui help` needs no engine, and pages only where the user has a pager."""

from __future__ import annotations

import json
import sys

import pytest

from dftui.__main__ import main
from dftui.help import TOPICS
from tests.pty_run import PtyRun

Output = pytest.CaptureFixture[str]


def test_without_a_topic_all_are_listed(capsys: Output) -> None:
    assert main(["help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {topic} " in out for topic in TOPICS)


def test_a_page_is_plain_text(capsys: Output) -> None:
    assert main(["help", "held"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("A replica is held\n")
    assert "[R] puts right" in out
    assert "<kbd>" not in out
    assert "\x1b" not in out


def test_json_gives_the_topics_and_the_page(capsys: Output) -> None:
    assert main(["help", "--json"]) == 0
    assert [one["topic"] for one in json.loads(capsys.readouterr().out)] == list(TOPICS)
    assert main(["help", "held", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"].startswith("# A replica is held")


def test_an_unknown_topic_is_2(capsys: Output) -> None:
    assert main(["help", "helt"]) == 2
    assert "there is no help topic 'helt'; 'held' is close." in capsys.readouterr().err


@pytest.mark.parametrize("pager", ["", "sed s/^/paged:/"])
def test_only_the_users_own_pager_pages(pager: str) -> None:

    run = PtyRun(
        [sys.executable, "-m", "dftui", "help", "tutorial"],
        columns=80,
        rows=24,
        env={"PAGER": pager, "NO_COLOR": "1"},
    )
    with run:
        assert run.wait_exit() == 0
        shown = run.output().decode()
    assert ("paged:The blog post, in keys" in shown) == bool(pager)
    assert "The blog post, in keys" in shown
