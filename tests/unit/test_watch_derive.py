from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from dftui.balancer.stat import ServerState
from dftui.balancer.tls import Certificate
from dftui.engine.api import Container, Port
from dftui.stack import names
from dftui.stack.appkey import fingerprint
from dftui.stack.spec import NOT_FOR_PLAIN, BalancerSpec, StackSpec, WebSpec
from dftui.watch.alarms import Alarm, raised
from dftui.watch.datatier import Reading
from dftui.watch.derive import Facts, derive
from dftui.watch.mask import Masker
from dftui.watch.snapshot import EngineFacts, ReplicaState, Snapshot

NOW = 1_800_000_000.0


def container(role: str, number: int = 0, **changes: object) -> Container:
    name = names.container_name("df", role, number)
    one = Container(
        id=hashlib.sha256(name.encode()).hexdigest(),
        name=name,
        image=f"dftui/{role}:1",
        image_id=f"sha256:{role}",
        state="running",
        health="healthy" if role in ("db", "cache") else "none",
        created=NOW - 3600,
        labels=names.stack_labels("df", role, source="bundled")
        | ({"dftui.number": str(number), "dftui.key": "aaaa1111"} if role == "web" else {}),
        addresses={"df-front": f"10.0.0.{10 + number}", "df-back": f"10.1.0.{10 + number}"} if role == "web" else {},
        ports=(Port(80, "127.0.0.1", 8080),) if role == "balancer" else (),
    )
    return replace(one, **changes)  # type: ignore[arg-type]


def server(web: Container, **changes: object) -> ServerState:
    address = f"{web.addresses['df-front']}:80"
    return replace(ServerState(web.short, address, "UP", "ready", weight=1), **changes)  # type: ignore[arg-type]


WEBS = [container("web", n) for n in (1, 2, 3)]
OTHERS = [container("db"), container("cache"), container("balancer")]
SERVERS = [server(web) for web in WEBS]


def facts(**changes: object) -> Facts:
    sound = Facts(
        engine=EngineFacts(),
        at=NOW,
        containers=tuple(WEBS + OTHERS),
        servers=tuple(SERVERS),
        wanted=3,
        been_up=frozenset(web.short for web in WEBS),
    )
    return replace(sound, **changes)  # type: ignore[arg-type]


def look(**changes: object) -> Snapshot:
    return derive(StackSpec(), facts(**changes))


def with_first(web: Container | None = None, entry: ServerState | None = None, **changes: object) -> Snapshot:
    """The snapshot with another first replica, or another entry of it."""
    first = web or WEBS[0]
    return look(containers=(first, *WEBS[1:], *OTHERS), servers=(entry or SERVERS[0], *SERVERS[1:]), **changes)


def test_a_sound_stack() -> None:
    found = look()
    assert [(r.name, r.state, r.host, r.key) for r in found.web] == [
        (f"df-web{n}", ReplicaState.SERVING, WEBS[n - 1].id[:12], "aaaa1111") for n in (1, 2, 3)
    ]
    assert found.drift == ()
    assert (found.serving, found.wanted, found.url, found.exposed) == (3, 3, "http://127.0.0.1:8080", False)
    assert found.images == {
        "web": "dftui/web:1",
        "db": "dftui/db:1",
        "cache": "dftui/cache:1",
        "balancer": "dftui/balancer:1",
    }
    assert found.source == "bundled"
    assert all(service.well for service in (found.db, found.cache, found.balancer))


def test_no_stack_is_no_drift() -> None:
    found = derive(StackSpec(), Facts(engine=EngineFacts(), at=NOW))
    assert not found.exists
    assert found.drift == ()
    assert (found.wanted, found.url) == (3, "")
    assert found.db.name == "df-mysql"


@pytest.mark.parametrize(
    ("web", "entry", "state", "why"),
    [
        ({"state": "created"}, {}, "starting", "not started yet"),
        ({}, {"status": "DOWN", "check_why": "Connection refused"}, "unreachable", "Connection refused"),
        ({}, {"status": "UP", "weight": 0}, "held", "weight"),
        ({}, {"status": "DRAIN", "admin": "drain", "sessions": 2}, "draining", "2 requests left"),
        ({}, {"status": "DRAIN", "admin": "drain", "sessions": 1}, "draining", "1 request left"),
        ({}, {"status": "DRAIN", "admin": "drain"}, "drained", "none left"),
        ({}, {"status": "DOWN", "admin": "drain"}, "drained", "none left"),
        ({}, {"status": "MAINT", "admin": "maint"}, "drained", "taken out"),
        ({"state": "exited", "exit_code": 0}, {}, "stopped", "stopped"),
        ({"state": "exited", "exit_code": 137}, {}, "failed", "exit code 137"),
        ({"state": "restarting", "exit_code": 1}, {}, "failed", "again and again with exit code 1"),
        ({"state": "paused"}, {}, "unreachable", "paused"),
        ({}, {}, "serving", ""),
    ],
)
def test_what_a_replica_does_and_why(web: dict[str, object], entry: dict[str, object], state: str, why: str) -> None:
    first = replace(WEBS[0], **web)  # type: ignore[arg-type]
    found = with_first(first, replace(SERVERS[0], **entry)).web[0]  # type: ignore[arg-type]
    assert found.state == state
    assert why in found.why


@pytest.mark.parametrize(
    ("age", "code", "state"),
    [(3, None, "starting"), (60, None, "starting"), (200, None, "held"), (3, 500, "starting"), (30, 500, "held")],
)
def test_a_new_replica_whose_check_does_not_pass_is_first_starting_then_held(
    age: int, code: int | None, state: str
) -> None:
    young = replace(WEBS[0], created=NOW - age)
    entry = server(young, status="DOWN", check_code=code, check_why="the check's words")
    found = with_first(young, entry, been_up=frozenset()).web[0]
    assert found.state == state
    assert "the check's words" in found.why


def test_a_replica_without_an_entry_is_starting_while_young_and_drift_later() -> None:
    young = replace(WEBS[0], created=NOW - 2)
    found = look(containers=(young, *WEBS[1:], *OTHERS), servers=tuple(SERVERS[1:]))
    assert (found.web[0].state, found.drift) == (ReplicaState.STARTING, ())
    found = look(servers=tuple(SERVERS[1:]))
    assert found.web[0].state is ReplicaState.HELD
    assert [(d.what, d.repair) for d in found.drift] == [
        ("df-web1 runs, but the balancer does not know it", "add df-web1 to the balancer")
    ]


def test_without_the_balancers_table_nothing_is_called_serving() -> None:
    found = look(servers=None, servers_error="it does not answer")
    assert found.serving == 0
    assert "it does not answer" in found.web[0].why
    found = look(servers=None, containers=tuple(WEBS))
    assert "there is no balancer" in found.web[0].why


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"containers": tuple(WEBS[1:] + OTHERS)}, "that no container stands for"),
        ({"containers": tuple(WEBS[1:] + OTHERS), "servers": tuple(SERVERS[1:])}, "3 replicas wanted, 2 there"),
        ({"wanted": 1}, "1 replica wanted, 3 there"),
        ({"servers": ()}, "table is empty"),
        ({"containers": tuple(WEBS + OTHERS[1:])}, "the database df-mysql is missing"),
        ({"containers": (*WEBS, replace(OTHERS[0], state="paused"), *OTHERS[1:])}, "the database df-mysql is paused"),
        ({"containers": (*WEBS, *OTHERS[:2], replace(OTHERS[2], state="exited"))}, "the balancer df-lb does not run"),
        ({"containers": (*WEBS, replace(OTHERS[0], health="unhealthy"), *OTHERS[1:])}, "its health check"),
        (
            {
                "containers": (
                    replace(WEBS[0], labels={**WEBS[0].labels, "dftui.key": "bbbb2222"}),
                    *WEBS[1:],
                    *OTHERS,
                )
            },
            "df-web1 runs with another APP_KEY (bbbb2222, not",
        ),
        ({"containers": (replace(WEBS[0], image_id="sha256:x"), *WEBS[1:], *OTHERS)}, "another image"),
        ({"containers": (replace(WEBS[0], state="exited", exit_code=137), *WEBS[1:], *OTHERS)}, "df-web1 failed"),
        ({"servers": (replace(SERVERS[0], address="10.0.0.99:80"), *SERVERS[1:])}, "where it is not"),
        (
            {"servers": (replace(SERVERS[0], weight=0), *SERVERS[1:])},
            "df-web1 has weight 0 in the balancer: it serves",
        ),
        ({"servers": (replace(SERVERS[0], weight=9), *SERVERS[1:])}, "df-web1 has weight 9 in the balancer, not 1"),
        (
            {"containers": (replace(WEBS[0], addresses={"df-front": "10.0.0.11"}), *WEBS[1:], *OTHERS)},
            "df-web1 is not on the back network",
        ),
    ],
)
def test_each_difference_is_told_with_its_repair(changes: dict[str, object], what: str) -> None:
    found = look(**changes)
    assert any(what in drift.what and drift.repair for drift in found.drift), found.drift
    assert look(**changes, busy=True).drift == ()


def test_one_whose_address_is_not_told_has_ended_and_no_more() -> None:
    """Podman tells none of a container that has ended."""
    ended = replace(WEBS[0], state="exited", exit_code=137, addresses={"df-front": "", "df-back": ""})
    found = look(containers=(ended, *WEBS[1:], *OTHERS))
    assert [drift.what for drift in found.drift] == ["df-web1 failed: ended with exit code 137"]


def test_hostile_names_and_secrets_are_made_safe() -> None:
    hostile = replace(
        WEBS[0],
        name="df-web1\x1b]52;c;x\x07",
        image="img:\u202egnp",
        labels={**WEBS[0].labels, "dftui.key": "\x1b[31mred"},
    )
    entry = replace(SERVERS[0], status="DOWN", check_why="no: hidden-secret-value \x9b31m")
    all_facts = facts(containers=(hostile, *WEBS[1:], *OTHERS), servers=(entry, *SERVERS[1:]))
    found = derive(StackSpec(), all_facts, Masker(["hidden-secret-value"]).mask)
    text = repr(found.to_json()) + repr(found)
    assert "\\x1b" not in text
    assert "\\x9b" not in text
    assert "\u202e" not in text
    assert "hidden-secret-value" not in text


@pytest.mark.parametrize(
    ("ip", "url", "exposed"),
    [
        ("0.0.0.0", "http://127.0.0.1:8080", True),
        ("", "http://127.0.0.1:8080", True),
        ("::", "http://127.0.0.1:8080", True),
        ("127.0.0.1", "http://127.0.0.1:8080", False),
        ("::1", "http://[::1]:8080", False),
        ("192.168.1.5", "http://192.168.1.5:8080", True),
    ],
)
def test_where_clients_go_and_whether_it_is_open_to_all(ip: str, url: str, exposed: bool) -> None:
    balancer = replace(OTHERS[2], ports=(Port(80, ip, 8080),))
    found = look(containers=(*WEBS, *OTHERS[:2], balancer))
    assert (found.url, found.exposed) == (url, exposed)


def test_a_port_open_to_all_is_reached_at_the_engines_machine() -> None:
    far = replace(facts(), engine=EngineFacts(host="ssh://me@db.example:2222"))
    balancer = replace(OTHERS[2], ports=(Port(80, "0.0.0.0", 8080),))
    far = replace(far, containers=(*WEBS, *OTHERS[:2], balancer))
    assert derive(StackSpec(), far).url == "http://db.example:8080"


def test_one_that_is_held_out_is_shown_with_why_and_is_no_drift() -> None:
    why = {WEBS[0].short: "runs with another APP_KEY (77ab01cd, not 9f41c2ab)"}
    found = look(servers=tuple(SERVERS[1:]), wanted=2, held=why)
    first = found.web[0]
    assert (first.state, first.held_out) == (ReplicaState.HELD, True)
    assert first.why == "held out: it runs with another APP_KEY (77ab01cd, not 9f41c2ab)"
    assert found.drift == ()
    # Once the balancer knows it, what was noted of it is over.
    again = look(held=why)
    assert (again.web[0].state, again.web[0].held_out, again.drift) == (ReplicaState.SERVING, False, ())
    # Another key among those that count is drift; of one that is held out it is the reason.
    odd = container("web", 1, labels={**WEBS[0].labels, "dftui.key": "77ab01cd"})
    assert look(containers=(odd, *WEBS[1:], *OTHERS), servers=tuple(SERVERS[1:]), wanted=2, held=why).drift == ()


def test_the_wanted_number_falls_back_on_the_stack_file() -> None:
    spec = StackSpec(web=WebSpec(replicas=5), balancer=BalancerSpec(publish="127.0.0.1:81"))
    assert derive(spec, facts(wanted=None)).wanted == 5
    assert derive(spec, facts(wanted=2)).wanted == 2


def test_a_key_that_is_in_print_is_an_alarm() -> None:
    # The one of DreamFactory's own `docker run` lines.
    printed = fingerprint("UseAny32CharactersLongStringHere")
    first = replace(WEBS[0], labels={**WEBS[0].labels, names.LABEL_KEY: printed})
    assert Alarm.PRINTED_KEY in raised(with_first(first))
    assert with_first(first).to_json()["printed_key"] is True
    assert Alarm.PRINTED_KEY not in raised(look())


def test_a_plain_web_has_no_data_tier_no_admin_and_no_drift_from_that() -> None:
    webs = tuple(replace(web, labels={k: v for k, v in web.labels.items() if k != "dftui.key"}) for web in WEBS)
    seen = facts(containers=(*webs, container("balancer")), readings={"db": Reading(admin="no admin")})
    found = derive(StackSpec(web=WebSpec(kind="plain")), seen)
    assert (found.kind, found.admin, found.drift, found.serving) == ("plain", "", (), 3)
    assert (found.db.state, found.db.why, found.cache.state) == ("unused", NOT_FOR_PLAIN, "unused")
    assert found.balancer.state == "running"
    assert Alarm.STAND_IN not in raised(found)
    told = found.to_json()
    assert (told["kind"], told["db"]["state"]) == ("plain", "unused")


@pytest.mark.parametrize(("days", "warned"), [(15, False), (13, True), (-1, True)])
def test_a_certificate_that_ends_soon_is_an_alarm(days: int, warned: bool) -> None:
    balancer = container("balancer", ports=(Port(80, "127.0.0.1", 8080), Port(443, "127.0.0.1", 8443)))
    served = Certificate("AB", NOW + days * 86400, ("df.example.com",))
    found = look(containers=(*WEBS, *OTHERS[:2], balancer), certificate=served)
    assert found.url == "https://127.0.0.1:8443"
    assert (Alarm.CERTIFICATE_ENDS in raised(found)) is warned
    assert (found.certificate_ends is not None) is warned
    assert found.to_json()["tls"] == {"names": ["df.example.com"], "expires": served.expires}
