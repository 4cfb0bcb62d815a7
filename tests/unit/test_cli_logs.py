"""`dftui logs` and `dftui requests` on an engine in memory, and the words of their arguments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dftui.__main__ import main
from dftui.cli.exits import UsageError
from dftui.cli.logs import since
from dftui.stack.names import stack_labels
from tests.fakes.engine import FakeEngine

Output = pytest.CaptureFixture[str]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeEngine]:
    monkeypatch.chdir(tmp_path)
    engine = FakeEngine()

    async def connect(host: str | None = None) -> FakeEngine:
        engine.closed = False
        return engine

    monkeypatch.setattr("dftui.engine.connect.connect", connect)
    engine.add("df-web1", labels=stack_labels("df", "web", number="1"))
    engine.add("df-web2", labels=stack_labels("df", "web", number="2"))
    engine.add("df-mysql", labels=stack_labels("df", "db"))
    engine.add("other", labels=stack_labels("other", "web", number="1"))
    yield engine


def printed(capsys: Output, *argv: str) -> list[str]:
    assert main(["logs", *argv]) == 0
    return capsys.readouterr().out.splitlines()


def test_lines_of_all_containers_are_merged_by_time(engine: FakeEngine, capsys: Output) -> None:
    for number, who in enumerate(("df-web1", "df-mysql", "df-web2", "df-web1", "df-web1", "df-mysql")):
        engine.write(who, f"line {number}".encode(), at_ns=1_000_000 * (number + 1))
    engine.write("other", b"not mine", at_ns=1)
    assert printed(capsys) == [
        "df-web1  | line 0",
        "df-mysql | line 1",
        "df-web2  | line 2",
        "df-web1  | line 3",
        "df-web1  | line 4",
        "df-mysql | line 5",
    ]


@pytest.mark.parametrize(
    ("who", "names"),
    [
        (["web"], {"df-web1", "df-web2"}),
        (["2"], {"df-web2"}),
        (["df-mysql", "1"], {"df-mysql", "df-web1"}),
        (["database"], {"df-mysql"}),
        ([], {"df-web1", "df-web2", "df-mysql"}),
    ],
)
def test_who_is_meant(engine: FakeEngine, capsys: Output, who: list[str], names: set[str]) -> None:
    for name in ("df-web1", "df-web2", "df-mysql"):
        engine.write(name, b"hello")
    assert {json.loads(line)["who"] for line in printed(capsys, "--json", *who)} == names


def test_who_is_not_there_is_wrong_use(engine: FakeEngine, capsys: Output) -> None:
    assert main(["logs", "df-web7"]) == 2
    told = capsys.readouterr().err
    assert "no container 'df-web7'" in told
    assert "df-mysql, df-web1, df-web2" in told


def test_secrets_are_masked_and_sequences_taken_out(engine: FakeEngine, capsys: Output) -> None:
    engine.write("df-web1", b"Setting APP_KEY=abcdefghijklmnopqrstuvwxyz012345")
    engine.write("df-web1", b"\x1b]52;c;aGk=\x07\x1b[31mred\x9b0m")
    out = "\n".join(printed(capsys))
    assert "Setting APP_KEY=***" in out
    assert not any(mark in out for mark in ("\x1b", "\x07", "\x9b"))


def test_tail_grep_and_timestamps(engine: FakeEngine, capsys: Output) -> None:
    for number in range(10):
        engine.write("df-web1", f"number {number}".encode(), at_ns=1_700_000_000_000_000_000 + number)
    assert printed(capsys, "--tail", "2") == ["df-web1  | number 8", "df-web1  | number 9"]
    assert printed(capsys, "--grep", "[3-4]$") == ["df-web1  | number 3", "df-web1  | number 4"]
    (line,) = printed(capsys, "--tail", "1", "--timestamps")
    assert line.startswith("df-web1  | 2023-11-1")
    assert printed(capsys, "--since", "2023-11-20") == []


@pytest.mark.parametrize("argv", [["--grep", "("], ["--since", "yesterday"], ["--tail", "-1"]])
def test_what_cannot_be_read_is_wrong_use(engine: FakeEngine, capsys: Output, argv: list[str]) -> None:
    assert main(["logs", *argv]) == 2
    assert argv[0] in capsys.readouterr().err


def test_since_is_a_span_or_a_time() -> None:
    assert since("90s", 1000.0) == 910.0
    assert since("2h", 10_000.0) == 2800.0
    assert since("2026-11-23T12:00:00+00:00", 0.0) == 1795435200.0
    with pytest.raises(UsageError):
        since("10 minutes", 0.0)


def test_requests_without_a_balancer_say_what_to_do(engine: FakeEngine, capsys: Output) -> None:
    assert main(["requests"]) == 1
    assert "dftui up" in capsys.readouterr().err
