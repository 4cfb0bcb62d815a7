"""`dftui logs` and `dftui requests` on an engine in memory, and the words of their arguments."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from dftui.__main__ import main
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
        (["web2"], {"df-web2"}),
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


def test_requests_without_a_balancer_say_what_to_do(engine: FakeEngine, capsys: Output) -> None:
    assert main(["requests"]) == 1
    assert "dftui up" in capsys.readouterr().err


APP = "[2026-11-23T12:54:41.439071+00:00] local"


def test_grep_is_plain_inverse_and_without_case_on_request(engine: FakeEngine, capsys: Output) -> None:
    for text in ("An error.", "an ERROR!", "fine (really)"):
        engine.write("df-web1", text.encode())

    def found(*argv: str) -> list[str]:
        return [line.removeprefix("df-web1  | ") for line in printed(capsys, *argv)]

    assert found("--grep", "error") == ["An error."]
    assert found("--grep", "ERROR", "--ignore-case") == ["An error.", "an ERROR!"]
    assert found("--grep", "(really)", "--fixed") == ["fine (really)"]
    assert found("--grep", "e..or", "--invert", "--ignore-case") == ["fine (really)"]
    # A container's name is no part of its lines.
    assert found("--grep", "df-web1") == []


def test_levels_and_folded_traces(engine: FakeEngine, capsys: Output) -> None:
    for text in (f"{APP}.INFO: fine", f"{APP}.ERROR: boom", "[stacktrace]", "#0 x.php(1)", f"{APP}.WARNING: w"):
        engine.write("df-web1", text.encode())
    assert len(printed(capsys, "--level", "warning")) == 4
    assert len(printed(capsys, "--level", "error")) == 3
    assert printed(capsys, "--level", "error", "--fold") == [
        f"df-web1  | {APP}.ERROR: boom",
        "df-web1  | … 2 more lines of this stack trace",
    ]
    found = [json.loads(line) for line in printed(capsys, "--fold", "--json")]
    assert found[2] == {"seq": 2, "who": "df-web1", "kind": "trace", "folded": 2}
    assert [line["seq"] for line in found] == [1, 2, 2, 5]


def test_until_leaves_out_what_was_written_later(engine: FakeEngine, capsys: Output) -> None:
    second = 1_000_000_000
    for number in range(6):
        engine.write("df-web1", f"{number}".encode(), at_ns=(1_700_000_000 + 10 * number) * second)
        engine.write("df-web2", f"{number}".encode(), at_ns=(1_700_000_000 + 10 * number) * second)
    until = ["--until", "2023-11-14T22:13:40+00:00"]
    assert [line[-1] for line in printed(capsys, *until)] == ["0", "0", "1", "1"]
    assert [line[-1] for line in printed(capsys, "--since", "2023-11-14T22:13:30+00:00", *until)] == ["1", "1"]


def test_output_goes_into_a_new_file_and_never_over_one(engine: FakeEngine, capsys: Output, tmp_path: Path) -> None:
    engine.write("df-web1", b"token=abc")
    assert main(["logs", "--output", "x.log"]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert f"1 lines are in {tmp_path}/x.log" in told.err
    assert (tmp_path / "x.log").read_text() == "df-web1  | token=***\n"
    assert (tmp_path / "x.log").stat().st_mode & 0o777 == 0o600
    engine.write("df-web1", b"more")
    assert main(["logs", "--output", "x.log"]) == 1
    assert "already a file" in capsys.readouterr().err
    assert (tmp_path / "x.log").read_text() == "df-web1  | token=***\n"


def test_many_sources_that_come_in_pieces_are_merged_each_once(engine: FakeEngine, capsys: Output) -> None:
    dice = random.Random(7)
    stamp = 1_700_000_000_000_000_000
    for number in range(3000):
        # Standard output and standard error cross by a little.
        engine.write(
            dice.choice(["df-web1", "df-web2", "df-mysql"]),
            f"{number}".encode(),
            dice.choice(["stdout", "stderr"]),
            at_ns=stamp + number * 1000 + dice.randint(-3000, 3000),
        )
    found = [json.loads(line) for line in printed(capsys, "--json")]
    assert sorted(int(line["text"]) for line in found) == list(range(3000))
    assert [line["seq"] for line in found] == list(range(1, 3001))
    places = [int(line["text"]) for line in found]
    assert max(abs(place - number) for number, place in enumerate(places)) < 10
