"""Evidence into verdicts: each cause told apart, each check with what breaks and what puts it right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dftui.control.actions import ACTIONS
from dftui.control.tried import Tried, likeliest
from dftui.dreamfactory.api import Status
from dftui.dreamfactory.causes import CACHE, OK, REFUSED, SIGNATURE, UNCHECKED
from dftui.dreamfactory.checks import NAMES, Check, checks
from dftui.dreamfactory.clock import Bounds
from dftui.dreamfactory.evidence import ALL_PAIRS_UP_TO, Evidence, Silence, pairs
from dftui.dreamfactory.http import Line
from dftui.dreamfactory.oddities import first_of_each, oddities
from tests.fakes.engine import FakeEngine
from tests.ui.fake_verify import COUNTS, GOOD, broken, evidence, seen
from tests.unit.test_watch_derive import WEBS

THREE = ("df-web1", "df-web2", "df-web3")


def of(found: Evidence, name: str) -> Check:
    return next(check for check in checks(found) if check.name == name)


def failed(found: Evidence) -> dict[str, str]:
    return {check.name: check.cause for check in checks(found) if not check.ok}


def odd(found: Evidence) -> dict[str, str]:
    return {name: one.cause for name, one in first_of_each(oddities(found)).items()}


def three(**third: object) -> Evidence:
    return evidence(seen("df-web1"), seen("df-web2"), seen("df-web3", **third))


def test_all_checks_hold_on_equal_replicas_and_are_in_the_documented_order() -> None:
    made = checks(three())
    assert tuple(check.name for check in made) == NAMES
    assert all(check.ok and not check.cause for check in made)
    assert odd(three()) == {}
    for check in made:
        assert set(check.to_json()) == {"name", "ok", "cause", "detail"}


def test_every_check_that_fails_says_what_breaks_and_what_to_do() -> None:
    for check in broken().checks:
        if not check.ok:
            assert check.says and check.breaks and check.repairs, check.name
            told = check.to_json()["detail"]
            assert told["breaks"] and all(r["command"] for r in told["repairs"])
    assert odd(broken().evidence) == {
        "df-web2": "key",
        "df-web3": "file-cache",
        "df-web4": "clock",
        "df-web5": "drained",
    }


def test_the_key_that_dftui_holds_is_the_right_one_even_if_most_have_another() -> None:
    other = replace(GOOD, key="77ab01cd")
    found = evidence(
        seen("df-web1", variables=other, file=other), seen("df-web2", variables=other, file=other), seen("df-web3")
    )
    assert odd(found) == {"df-web1": "key", "df-web2": "key"}
    assert odd(replace(found, expected=None)) == {"df-web3": "key"}


def test_who_is_as_most_are_is_asked_first_where_nothing_else_is_known() -> None:
    """Otherwise the one with a database of its own refuses a password that is good, and that ends it."""
    own = replace(GOOD, database="sqlite, a file of its own")
    ones = [
        Tried(WEBS[0], Line(FakeEngine(), "lb", "10.0.0.1", 80), one)
        for one in (seen("df-web1", file=own), seen("df-web2", told=NOBODY), seen("df-web3"), seen("df-web4"))
    ]
    assert [one.seen.name[-1] for one in likeliest(ones, None)] == ["3", "4", "1", "2"]
    assert [one.seen.name[-1] for one in likeliest(ones, own)] == ["1", "3", "4", "2"]


def test_variables_that_the_application_does_not_read_are_told() -> None:
    found = three(file=replace(GOOD, key="0badbad0"))
    check = of(found, "app-key")
    assert check.says == "df-web3 holds APP_KEY 9f41c2ab in its variables, but its application reads 0badbad0"
    assert check.repairs[0].command == "dftui repair df-web3"
    cells = dict.fromkeys(pairs(THREE), OK) | {("df-web1", "df-web3"): SIGNATURE}
    assert failed(replace(found, uses=cells)) == {"app-key": "key", "jwt-portability": "signature"}


def test_a_cache_that_only_logouts_tell_from_the_others() -> None:
    """The same words in all files, and yet another server behind the name."""
    cells = dict.fromkeys(pairs(THREE), OK)
    for a, b in cells:
        if a != b and "df-web3" in (a, b):
            cells[a, b] = CACHE
    found = replace(three(), logouts=cells)
    assert failed(found) == {"logout": "cache", "backends": "cache"}
    assert odd(found) == {"df-web3": "cache"}


def test_what_could_not_be_tried_is_not_called_good() -> None:
    nobody = Status(True, admins=0, counts={**COUNTS, "admin": 0})
    replicas = [seen(name, told=nobody, login=UNCHECKED, same_database=None, setup=0) for name in THREE]
    cells = dict.fromkeys(pairs(THREE), UNCHECKED)
    found = evidence(*replicas, uses=cells, logouts=cells, asked=0, hosts={}, answers={}, sequence=())
    assert failed(found) == {
        "host-rotation": "unchecked",
        "jwt-portability": "unchecked",
        "logout": "unchecked",
        "first-admin": "no-admin",
    }
    assert of(found, "logout").says == "not tried, since there is no admin to log in as"
    assert of(found, "setup-closed").says == "open until there is an admin"
    down = [seen(name, told=Status(False), status=500, same_database=None) for name in THREE]
    assert of(evidence(*down), "first-admin").cause == "not-migrated"


def test_a_replica_that_cannot_be_reached_is_that_first() -> None:
    found = three(problem="cannot be reached: no answer", clock=Bounds(), told=Status(False, listening=False))
    assert odd(found) == {"df-web3": "unreachable"}
    assert of(found, "clock").ok


def test_each_way_of_serving_nothing_has_its_repair() -> None:
    for cause, key, command in (
        ("weight", "R", "dftui repair"),
        ("table", "R", "dftui repair"),
        ("drained", "d", "dftui undrain df-web3"),
        ("check", "R", "dftui repair df-web3"),
        ("idle", "R", "dftui repair df-web3"),
        ("held", "x", "dftui undrain df-web3"),
    ):
        check = of(three(silence=Silence(cause, "serves nothing")), "host-rotation")
        assert check.cause == cause
        assert [(r.key, r.command) for r in check.repairs] == [(key, command)], cause
        out = replace(evidence(seen("df-web1")), absent={"df-web3": Silence(cause, "serves nothing")})
        assert of(out, "host-rotation").repairs, f"{cause}, and stopped"
    gone = replace(evidence(seen("df-web1")), absent={"df-web2": Silence("stopped", "ended with exit code 1")})
    assert of(gone, "host-rotation").says == "df-web2 ended with exit code 1"
    assert of(gone, "host-rotation").repairs[0].command == "dftui repair"


def nothing_tried(told: Status, **more: object) -> Evidence:
    """Three replicas on none of which anybody could log in."""
    cells = dict.fromkeys(pairs(THREE), UNCHECKED)
    replicas = [seen(name, told=told, login=UNCHECKED, same_database=None, **more) for name in THREE]
    return evidence(*replicas, uses=cells, logouts=cells, asked=0, hosts={}, answers={}, sequence=())


NOBODY = Status(True, admins=0, counts={**COUNTS, "admin": 0})


NO_CACHE = replace(
    nothing_tried(Status(False), status=500, silence=Silence("check", "serves nothing: its health check fails")),
    down=("the cache (df-redis) is paused",),
)


@pytest.mark.parametrize(
    ("found", "check", "keys"),
    [
        (NO_CACHE, "host-rotation", ["R"]),
        (NO_CACHE, "first-admin", ["R"]),
        (NO_CACHE, "logout", ["R"]),
        (nothing_tried(NOBODY), "logout", ["A"]),
        (nothing_tried(Status(False), status=500), "jwt-portability", ["u"]),
        (nothing_tried(Status(True, admins=1, counts=COUNTS)), "host-rotation", ["l"]),
        (nothing_tried(Status(False, listening=False), problem="cannot be reached: no answer"), "logout", ["R"]),
        (replace(three(), answers={200: 8, 502: 1}), "host-rotation", ["l"]),
        (three(silence=Silence("idle", "is up, but the balancer gives it nothing")), "host-rotation", ["R"]),
        (replace(three(), uses={("df-web1", "df-web2"): REFUSED}), "jwt-portability", ["l"]),
        (evidence(*(seen(name, clock=Bounds(9.0, 9.5)) for name in THREE)), "clock", ["r"]),
        (replace(three(), open_paths=("/setup",)), "setup-closed", ["R"]),
        (three(cache_driver="file"), "cache-driver", ["R"]),
        (three(image="sha256:other"), "image-digest", ["R"]),
    ],
)
def test_whatever_does_not_hold_has_a_repair_that_a_key_applies(found: Evidence, check: str, keys: list[str]) -> None:
    assert [repair.key for repair in of(found, check).repairs] == keys
    there = {action.show for action in ACTIONS}
    for one in checks(found):
        assert one.ok or (one.says and one.breaks and one.repairs), one.name
        assert all(r.key in there and r.words and r.command for r in one.repairs), one.name


def test_where_nobody_serves_no_other_is_said_to_carry_the_load() -> None:
    check = of(NO_CACHE, "host-rotation")
    assert check.breaks == "no replica serves: every request is answered with an error"
    assert check.says.startswith("the cache (df-redis) is paused; df-web1 serves nothing")
    assert [repair.command for repair in check.repairs] == ["dftui repair"]
    assert of(NO_CACHE, "first-admin").says == "no replica tells of an admin: the cache (df-redis) is paused"


def test_the_rotation_is_counted_and_told_in_its_order() -> None:
    found = three()
    assert of(found, "host-rotation").says == "9 requests, 3 by each of 3 hosts"
    assert found.in_turn() == "df-web1 df-web2 df-web3 " * 2 + "df-web1 df-web2 df-web3"
    first, second, _ = (one.host for one in found.replicas)
    uneven = replace(found, hosts={first: 6, second: 3}, sequence=(first, second, first) * 3)
    assert of(uneven, "host-rotation").says == "9 requests: 6 by df-web1, 3 by df-web2"
    assert replace(found, sequence=("",)).in_turn() == "no answer"
    assert replace(found, sequence=(first,) * 60).in_turn().endswith("df-web1 … (60 in all)")


def test_an_open_setup_page_fails_only_when_there_is_an_admin() -> None:
    assert of(replace(three(), open_paths=("/setup",)), "setup-closed").cause == "open"
    stale = of(three(setup=200), "setup-closed")
    assert (stale.cause, stale.repairs[0].replaces) == ("stale-setup", ("df-web3",))


def test_a_clock_that_may_be_right_is_right() -> None:
    assert of(three(clock=Bounds(-3.0, 9.0)), "clock").ok
    assert of(three(clock=Bounds(0.9, 2.0)), "clock").ok
    assert not of(three(clock=Bounds(-9.0, -1.1)), "clock").ok


def test_evidence_of_those_that_left_does_not_count() -> None:
    other = replace(GOOD, key="77ab01cd")
    found = three(variables=other, file=other, problem="cannot be reached: gone")
    cells = dict.fromkeys(pairs(THREE), OK) | {("df-web1", "df-web3"): SIGNATURE}
    assert failed(replace(found, uses=cells).among(frozenset(THREE[:2]))) == {}


def test_up_to_eight_are_tried_pair_by_pair_and_more_in_a_ring() -> None:
    eight = [f"w{n}" for n in range(ALL_PAIRS_UP_TO)]
    assert len(pairs(eight)) == 64
    ring = pairs([*eight, "w8", "w9"])
    assert len(ring) == len(set(ring)) == 30
    assert {b for a, b in ring if a == "w0"} == {"w0", "w1", "w9"}
