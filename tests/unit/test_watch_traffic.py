"""What is made of the balancer's counters: totals that never fall, shares and the last minute."""

from __future__ import annotations

from dftui.balancer.stat import BackendState, FrontendState, Latency, ServerState, Table
from dftui.watch.traffic import BUCKET, BUCKETS, Traffics


def server(name: str, requests: int, failed: int = 0) -> ServerState:
    return ServerState(name, "10.0.0.1:80", "UP", "ready", weight=1, requests=requests, failed=failed)


def table(*servers: ServerState, requests: int | None = None) -> Table:
    total = sum(s.requests for s in servers) if requests is None else requests
    return Table(FrontendState(requests=total), BackendState(), servers)


def test_totals_are_the_balancers_and_survive_its_restart() -> None:
    seen = Traffics()
    seen.update(table(server("a", 100, 3), server("b", 50)), 0.0)
    assert (seen.by_server["a"].requests, seen.by_server["a"].errors, seen.total.requests) == (100, 3, 150)
    seen.update(table(server("a", 7, 1), server("b", 2)), 1.0)
    assert (seen.by_server["a"].requests, seen.by_server["a"].errors, seen.total.requests) == (107, 4, 159)


def test_a_server_that_comes_back_keeps_what_it_served_to_the_last() -> None:
    seen = Traffics()
    seen.update(table(server("a", 100), server("b", 50)), 0.0)
    # Ten more were served before it was deleted; who deleted it knows.
    seen.update(table(server("b", 60), requests=170), 1.0, gone={"a": server("a", 110)})
    assert seen.total.requests == 170
    seen.update(table(server("a", 5), server("b", 60), requests=175), 2.0)
    assert seen.by_server["a"].requests == 115


def test_shares_are_those_of_the_last_minute() -> None:
    seen = Traffics()
    seen.update(table(server("a", 1_000_000), server("b", 0)), 0.0)
    assert seen.by_server["a"].share is None
    seen.update(table(server("a", 1_000_010), server("b", 30)), 1.0)
    assert [seen.by_server[name].share for name in "ab"] == [0.25, 0.75]
    seen.update(table(server("a", 1_000_010), server("b", 30)), 2 * BUCKET * BUCKETS)
    assert seen.by_server["a"].share is None


def test_for_one_look_shares_are_those_since_the_start() -> None:
    seen = Traffics(whole=True)
    seen.update(table(server("a", 60), server("b", 20)), 0.0)
    assert (seen.by_server["a"].share, seen.by_server["b"].share) == (0.75, 0.25)


def test_a_quiet_stack_changes_nothing_to_show() -> None:
    seen = Traffics()
    quiet = table(server("a", 5), server("b", 5))
    assert seen.update(quiet, 0.0)
    for second in range(1, 100):
        assert not seen.update(quiet, float(second))


def test_a_latency_goes_when_nothing_was_asked_for_a_while() -> None:
    seen = Traffics()
    seen.update(table(server("a", 5)), 0.0, {"a": Latency(4.0, 9.0, 5)})
    assert seen.by_server["a"].p95_ms == 9.0
    seen.update(table(server("a", 5)), 20.0)
    assert seen.by_server["a"].p95_ms is None
