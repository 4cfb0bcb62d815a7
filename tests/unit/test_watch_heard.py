"""Events that are told again after the engine's stream was opened anew."""

from __future__ import annotations

from dftui.engine.api import Event
from dftui.watch.heard import Heard


def event(at: float, action: str = "start", ref: str = "a") -> Event:
    return Event(time=at, kind="container", action=action, id=ref, name="df-web1", labels={})


def test_each_event_is_new_once_and_the_last_ones_are_asked_for_again() -> None:
    heard = Heard(100.0)
    assert heard.since == 100.0
    assert [heard.new(one) for one in (event(101), event(101), event(101, "die"), event(101, "die", "b"))] == [
        True,
        False,
        True,
        True,
    ]
    assert 100.0 < heard.since < 101.0
    # The engine's clock was put back: what it tells now is new all the same, and asked for from there on.
    assert heard.new(event(50, "stop"))
    assert 49.0 < heard.since < 50.0
    assert not heard.new(event(101))


def test_events_are_not_asked_for_from_before_all_time() -> None:
    heard = Heard()
    assert heard.since == 0.0
    assert heard.new(event(0.1))
    assert heard.since == 0.0
