from __future__ import annotations

import asyncio

import pytest

from dftui.watch.datatier import MYSQL, REDIS, Database, Reading, replication_state
from dftui.watch.figures import Rate, Shown, about, rounded, size, span
from tests.fakes.engine import FakeEngine


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "…"), (0.01, "0"), (0.44, "0.4"), (9.6, "10"), (57, "57"), (1234, "1,200"), (98765, "99,000")],
)
def test_rates_have_two_figures(value: float | None, text: str) -> None:
    assert rounded(value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1234, "1.2k"), (45_678, "46k"), (345_678, "346k"), (5_600_000, "5.6M")],
)
def test_counts_have_few_figures(count: float, text: str) -> None:
    assert about(count) == text


@pytest.mark.parametrize(
    ("count", "text"), [(12, "12 B"), (2048, "2.0 KiB"), (50 << 20, "50 MiB"), (3 << 30, "3.0 GiB")]
)
def test_sizes(count: float, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(5, "<1 min"), (125, "2 min"), (7300, "2 h"), (3 * 86400, "3 d")])
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_a_burst_between_two_quick_readings_is_no_rate_of_its_own() -> None:
    rate = Rate(0.5)
    for second in range(10):
        rate.update(10 * second, second)
    assert rate.value == pytest.approx(10)
    rate.update(100, 9.1)  # ten requests in a tenth of a second
    assert rate.value is not None
    assert rate.value < 18
    rate.update(100, 10)
    assert rate.value == pytest.approx(10, rel=0.3)


def test_a_rate_survives_a_counter_that_starts_anew() -> None:
    rate = Rate(1.0)
    assert rate.update(100, 0.0) is None
    assert rate.update(110, 1.0) == 10
    assert rate.update(5, 2.0) is None
    assert rate.update(8, 3.0) == 3


def test_flutter_is_not_shown_and_a_change_is() -> None:
    shown = Shown()
    assert [shown.text(value) for value in (4.2, 4.7, 3.9, 4.9, 40, 43, 38, 0)] == [
        "4",
        "4",
        "4",
        "4",
        "40",
        "40",
        "40",
        "0",
    ]


@pytest.mark.parametrize("argv", [MYSQL, REDIS])
def test_no_secret_stands_in_an_argv(argv: tuple[str, ...]) -> None:
    # Only the name of the container's own variable, which its shell fills in.
    assert all("$" in word for word in argv[-1].split() if "PASSWORD" in word)


async def test_a_client_that_ends_is_opened_again_over_one_exec_at_a_time() -> None:
    engine = FakeEngine()
    ref = engine.add("df-mysql")
    answers = [None, b"Questions\t10\nThreads_connected\t3\ndftui-end\n"]
    engine.on_stream(MYSQL, lambda _: answers.pop(0) if len(answers) > 1 else answers[0])
    told: list[Reading] = []
    came = asyncio.Event()

    def changed(reading: Reading) -> None:
        told.append(reading)
        if reading.figures:
            came.set()

    task = asyncio.create_task(Database(engine, ref, changed).run())
    async with asyncio.timeout(20):
        await came.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert told[0] == Reading()
    assert told[1].figures["connections"] == "2"
    assert len([call for call in engine.calls if call[0] == "exec_stream"]) == 2


ROW = """*************************** 1. row ***************************
                Replica_IO_State: Waiting for source to send event
              Replica_IO_Running: {io}
             Replica_SQL_Running: Yes
           Seconds_Behind_Source: 7
                   Last_IO_Error: {error}
"""


@pytest.mark.parametrize(
    ("io", "error", "figure", "trouble"),
    [
        ("Yes", "", "7 s behind", ""),
        ("No", "", "stopped", ""),
        ("Connecting", "error connecting\x1b[31m to source", "error", "replication: error connecting to source"),
    ],
)
def test_replication_that_fails_is_said(io: str, error: str, figure: str, trouble: str) -> None:
    database = Database(FakeEngine(), "any")
    database.question()
    reading = database.read("Questions\t10\n" + ROW.format(io=io, error=error), 1.0)
    assert (reading.figures["replication"], reading.trouble) == (figure, trouble)


def test_where_nothing_is_replicated_nothing_is_said() -> None:
    assert replication_state({}) == ("", "")
    database = Database(FakeEngine(), "any")
    database.question()
    assert "replication" not in database.read("Questions\t10\n", 1.0).figures


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("", ""),
        ("dftui_tables\t0\n", "not migrated"),
        ("dftui_tables\t1\n", ""),
        ("dftui_tables\t1\ndftui_admins\t0\n", "no admin"),
        ("dftui_tables\t1\ndftui_admins\t2\n", "ready"),
    ],
)
def test_the_first_admins_state_is_read_from_the_database(answer: str, state: str) -> None:
    database = Database(FakeEngine(), "any")
    database.question()
    reading = database.read("Questions\t10\n" + answer, 1.0)
    assert reading.admin == reading.figures.get("first admin", "") == state
