"""The last hour: buckets that stay bounded, gaps that stay gaps, and marks for what was done."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dftui.watch.records import Step
from dftui.watch.snapshot import EngineFacts, Load, Replica, ReplicaState, Service, Snapshot, Traffic
from dftui.watch.trends import BUCKETS, SPAN, Series, Trends, total_load

AT = 1_000_000.0


def look(webs: int = 2, wanted: int | None = None, rate: float = 10.0, **more: object) -> Snapshot:
    def service(role: str) -> Service:
        return Service(role, role, role[0] * 12, "running", "healthy", load=Load(1.0, 10))

    made = Snapshot(
        "df",
        AT,
        EngineFacts(),
        webs if wanted is None else wanted,
        "",
        service("db"),
        service("cache"),
        service("balancer"),
        web=tuple(
            Replica(
                f"df-web{n}", f"{n}" * 12, "", n, ReplicaState.SERVING, load=Load(2.0, 100), traffic=Traffic(rate=5)
            )
            for n in range(1, webs + 1)
        ),
        traffic=Traffic(rate=rate, p95_ms=20),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def test_a_bucket_is_the_mean_of_what_was_seen_in_it_and_a_gap_is_no_zero() -> None:
    series = Series()
    for bucket, value in ((7, 1.0), (7, 3.0), (7, None), (8, None), (10, 5.0)):
        series.put(bucket, value)
    assert series.until(11, 5) == [None, 2.0, None, None, 5.0]
    assert Series().until(11, 3) == [None] * 3


@given(st.lists(st.tuples(st.integers(0, 3 * BUCKETS), st.integers(0, 9)), max_size=60))
def test_only_the_last_hour_is_kept_and_nothing_old_shows_up_again(seen: list[tuple[int, int]]) -> None:
    series = Series()
    known: dict[int, list[int]] = {}
    for bucket, value in sorted(seen):
        series.put(bucket, float(value))
        known.setdefault(bucket, []).append(value)
    now = max(known, default=0) + 1
    found = series.until(now, BUCKETS)
    assert len(found) == BUCKETS
    for bucket, got in zip(range(now - BUCKETS, now), found, strict=True):
        if bucket in known:
            assert got == pytest.approx(sum(known[bucket]) / len(known[bucket]), rel=1e-4)
        else:
            assert got is None


def test_a_clock_that_is_set_back_begins_anew() -> None:
    series = Series()
    series.put(5000, 1.0)
    series.put(4999, 9.0)  # a step within the noise of a clock is left out
    assert series.until(5001, 2) == [None, 1.0]
    series.put(1000, 2.0)
    assert series.until(1001, 2) == [None, 2.0]


def test_replicas_and_the_stack_have_their_curves_and_those_who_went_have_none() -> None:
    trends = Trends()
    for second in range(20):
        trends.take(look(), AT + second)
    last = trends.of("1" * 12)
    assert last.rate.until(trends.bucket, 2) == [5.0, 5.0]
    assert trends.stack.rate.until(trends.bucket, 2) == [10.0, 10.0]
    assert trends.stack.cpu.until(trends.bucket, 1) == [7.0]
    trends.take(look(webs=1), AT + 21)
    assert trends.of("2" * 12).rate.until(trends.bucket, 2) == [None, None]


def test_nothing_is_known_while_the_engine_is_lost_or_a_container_is_not_sampled() -> None:
    trends = Trends()
    trends.take(look(engine=EngineFacts(lost_since=AT)), AT)
    trends.take(look(), AT + SPAN)
    assert trends.stack.rate.until(trends.bucket, 1) == [None]
    one = look()
    assert total_load(one) == Load(7.0, 230)
    assert total_load(replace(one, web=(replace(one.web[0], load=Load()), one.web[1]))) == Load()
    stopped = replace(one.web[0], load=Load(), state=ReplicaState.STOPPED)
    assert total_load(replace(one, web=(stopped, one.web[1]))) == Load(5.0, 130)


def test_marks_say_what_was_done_and_what_went_wrong() -> None:
    trends = Trends()
    base = look()
    trends.take(base, AT)
    trends.take(replace(base, wanted=3), AT + 1)
    trends.take(replace(base, wanted=4), AT + 2)
    trends.take(replace(base, wanted=3), AT + 100)
    failed = replace(base.web[0], state=ReplicaState.FAILED)
    trends.take(replace(base, wanted=3, web=(failed, base.web[1])), AT + 101)
    lost = replace(base, wanted=3, web=(failed, base.web[1]), engine=EngineFacts(lost_since=AT))
    trends.take(lost, AT + 102)
    trends.take(replace(lost, engine=EngineFacts()), AT + 103)
    assert [(mark.at - AT, mark.text) for mark in trends.marks] == [
        (1, "+2 replicas"),
        (100, "-1 replica"),
        (101, "df-web1 failed"),
        (102, "engine lost"),
        (103, "engine back"),
    ]


def test_an_action_is_marked_once_and_changes_that_cancel_out_are_not() -> None:
    trends = Trends()
    for at, action in ((0, "roll"), (20, "roll"), (40, "roll"), (41, "scale"), (41, "probe"), (200, "roll")):
        trends.step(Step(AT + at, action, "a step"))
    assert [(mark.at - AT, mark.text) for mark in trends.marks] == [(0, "roll"), (200, "roll")]
    trends.step(Step(AT + 300, "drain", "that would leave none serving", "failed"))
    assert len(trends.marks) == 2
    trends = Trends()
    for second, wanted in enumerate((2, 3, 2)):
        trends.take(look(wanted=wanted), AT + second)
    assert not trends.marks


def test_memory_stays_bounded_however_long_it_runs() -> None:
    trends = Trends()
    for hour in range(100):
        trends.take(look(webs=1 + hour % 3, wanted=1 + hour % 3), AT + hour * 3600)
    assert len(trends.marks) <= 200
    assert len(trends._tracks) <= 6
    assert len(trends.stack.rate.until(trends.bucket, 10 * BUCKETS)) == BUCKETS
