"""Progress on stderr: a changing line on a terminal, lines of news elsewhere."""

from __future__ import annotations

import io

from dftui.cli.progress import Progress
from dftui.watch.records import Step


def step(text: str, state: str = "running", done: int = 0, total: int = 0, command: str = "") -> Step:
    return Step(0.0, "up", text, state, command, done, total)  # type: ignore[arg-type]


def shown(*steps: Step, single: bool, verbose: bool = False) -> str:
    out = io.StringIO()
    with Progress(stream=out, single=single, verbose=verbose) as progress:
        for one in steps:
            progress.report(one)
    return out.getvalue()


def test_without_a_terminal_only_news_is_a_line() -> None:
    pulls = [step(f"pull web: {n} of 100 MB") for n in range(100)]
    assert shown(*pulls, step("pull web", "ok", 1, 4), single=False).splitlines() == [
        "pull web: 0 of 100 MB …",
        "1/4 pull web",
    ]


def test_on_a_terminal_the_running_step_is_one_line_that_is_taken_away() -> None:
    out = shown(step("start df-mysql", done=1, total=9), single=True)
    assert out == "\r\x1b[K1/9 start df-mysql …\r\x1b[K"
    out = shown(step("start df-mysql"), step("start df-mysql", "ok", 2, 9), single=True)
    assert out.endswith("\r\x1b[K2/9 start df-mysql\n")


def test_failure_is_a_word() -> None:
    assert "df-web1: FAILED" in shown(step("start df-web1", "failed", 2, 9), single=False)


def test_commands_are_shown_when_asked_for() -> None:
    one = step("start df-web1", "ok", command="docker start df-web1")
    assert "docker start" not in shown(one, single=False)
    assert shown(one, one, single=False, verbose=True).count("  $ docker start df-web1\n") == 1


def test_steps_cannot_steer_the_terminal() -> None:
    assert "\x1b]" not in shown(step("pull \x1b]0;title\x07"), single=True)
