"""What happened, in words for the stream of the logs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dftui.watch.changes import Story, changes
from dftui.watch.snapshot import EngineFacts, Replica, ReplicaState, Snapshot
from tests.ui.fake_backend import replica, stack


def after(*states: ReplicaState, **more: object) -> Snapshot:
    return replace(stack([replica(n + 1, state) for n, state in enumerate(states)]), **more)  # type: ignore[arg-type]


def told(before: Snapshot, now: Snapshot) -> list[str]:
    return [f"{name} {words}" for name, words in changes(before, now)]


S, D, N = ReplicaState.SERVING, ReplicaState.DRAINING, ReplicaState.STARTING
OUT = ReplicaState.DRAINED


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (S, D, ["df-web1 is draining, 1 session left"]),
        (D, OUT, ["df-web1 is drained"]),
        (S, OUT, ["df-web1 is drained"]),
        (OUT, S, ["df-web1 serves again"]),
        (D, S, ["df-web1 serves again"]),
        (N, S, ["df-web1 serves"]),
        (S, S, []),
        (S, ReplicaState.STOPPED, []),
        (S, ReplicaState.UNREACHABLE, ["df-web1 does not answer the balancer"]),
    ],
)
def test_what_the_balancer_knows_of_a_replica(before: ReplicaState, now: ReplicaState, words: list[str]) -> None:
    assert told(after(before), after(now)) == words


def test_a_new_replica_is_told_when_it_serves() -> None:
    assert told(after(S), after(S, N)) == []
    assert told(after(S, N), after(S, S)) == ["df-web2 serves"]
    assert told(after(S), after(S, S)) == ["df-web2 serves"]


def test_the_first_look_and_a_lost_engine_tell_nothing() -> None:
    assert told(replace(after(D), at=0.0), after(S)) == []
    lost = EngineFacts("docker", "x", "1", lost_since=1.0)
    assert told(after(D, engine=lost), after(S)) == []
    assert told(after(D), after(S, engine=lost)) == []


def test_why_one_is_held_is_said() -> None:
    held: Replica = replica(1, ReplicaState.HELD, why="another APP_KEY (77ab01cd)")
    assert told(after(S), stack([held])) == ["df-web1 gets no requests: another APP_KEY (77ab01cd)"]


def in_table(now: Snapshot) -> list[str]:
    return [replica.host for replica in now.web if replica.state is not ReplicaState.STARTING]


def test_one_that_leaves_between_two_looks_is_told_to_be_out_of_the_balancer() -> None:
    story = Story()
    both, one = after(S, S), after(S)
    assert story.news(both, in_table(both)) == []
    # The container is gone before the table was read anew.
    assert story.news(one, in_table(both)) == []
    assert story.news(one, in_table(one)) == [("df-web2", "is no longer in the balancer")]
    assert story.news(one, in_table(one)) == []


def test_one_that_is_on_its_way_out_is_not_told_as_if_something_held_it() -> None:
    story = Story()
    held = replica(2, ReplicaState.HELD, why="runs, but the balancer does not know it")
    story.news(after(S, S), in_table(after(S, S)))
    assert story.news(after(S, OUT), in_table(after(S, S))) == [("df-web2", "is drained")]
    now = replace(after(S), web=(*after(S).web, held))
    assert story.news(now, in_table(after(S))) == [("df-web2", "is no longer in the balancer")]
    assert story.news(after(S), in_table(after(S))) == []


def test_one_that_was_killed_is_out_of_the_balancer_once_it_is() -> None:
    story = Story()
    alive, dead = after(S, S), after(S, ReplicaState.FAILED)
    story.news(alive, in_table(alive))
    assert story.news(dead, in_table(dead)) == []
    assert story.news(dead, in_table(after(S))) == [("df-web2", "is no longer in the balancer")]
