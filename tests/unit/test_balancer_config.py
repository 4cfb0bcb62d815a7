"""haproxy.cfg as text: what goes in comes back, and nothing foreign gets in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dftui.balancer.config import (
    BALANCES,
    MARK,
    MARK_HELD,
    MARK_SERVER,
    SERVER_OPTIONS,
    BalancerConfig,
    ConfigError,
    Filed,
    Held,
    Server,
    render,
)
from dftui.balancer.marks import parse

WEBS = tuple(Server(f"{n:012x}", f"172.30.0.{10 + n}", 80, f"df-web{n}") for n in range(1, 4))
CFG = BalancerConfig("df", 3, WEBS)


def test_what_is_written_is_read_back() -> None:
    for cfg in (CFG, BalancerConfig("x", 0, ()), replace(CFG, wanted=7, deny_setup=True, probe_nonce="abc")):
        marked = parse(render(cfg))
        assert marked is not None and marked.whole
        assert (marked.stack, marked.wanted, marked.servers) == (cfg.stack, cfg.wanted, cfg.servers)
        assert (marked.deny_setup, marked.probe_nonce) == (cfg.deny_setup, cfg.probe_nonce)


@pytest.mark.parametrize("filed", [None, Filed(0, None), Filed(5, "example/web:2")])
def test_what_the_stack_file_said_is_noted(filed: Filed | None) -> None:
    marked = parse(render(replace(CFG, filed=filed)))
    assert marked is not None and marked.whole
    assert marked.filed == filed


@given(st.lists(st.text(max_size=400), max_size=4))
def test_why_a_replica_is_held_out_stays_in_its_comment(reasons: list[str]) -> None:
    held = tuple(Held(f"{n:012x}", why) for n, why in enumerate(reasons))
    text = render(replace(CFG, held=held))
    marked = parse(text)
    assert marked is not None and marked.whole
    assert marked.held == tuple(Held(one.name, one.why[:300]) for one in held)
    lines = [line for line in text.splitlines() if not line.startswith(MARK_HELD)]
    assert lines == render(CFG).splitlines()


@given(
    stack=st.text(max_size=30),
    numbers=st.lists(st.integers(1, 250), unique=True, max_size=20),
    wanted=st.integers(0, 1000),
    six=st.booleans(),
)
def test_any_stack_round_trips_in_comments_that_stay_comments(
    stack: str, numbers: list[int], wanted: int, six: bool
) -> None:
    base = "fd00::" if six else "10.0.0."
    servers = tuple(Server(f"{n:012x}", f"{base}{n}", 80, f"df-web{n}") for n in numbers)
    text = render(BalancerConfig(stack, wanted, servers))
    marked = parse(text)
    assert marked is not None and marked.whole
    assert (marked.stack, marked.wanted, marked.servers) == (stack, wanted, servers)
    assert text.isascii()
    assert sum(not line.startswith(("#", " ", "\n")) for line in text.splitlines(True)) == sum(
        not line.startswith(("#", " ", "\n")) for line in render(CFG).splitlines(True)
    )


def test_servers_in_the_file_have_what_servers_added_live_have() -> None:
    lines = [line.strip() for line in render(CFG).splitlines() if line.startswith("    server ")]
    assert lines == [f"server {s.name} {s.address}:80 {SERVER_OPTIONS}" for s in WEBS]


def test_an_address_of_the_newer_kind_stands_in_brackets() -> None:
    text = render(replace(CFG, servers=(Server("abc", "fd00::7", 8080, "df-web1"),)))
    assert "server abc [fd00::7]:8080 " in text


@pytest.mark.parametrize(
    "bad",
    [
        "status",
        "/a b",
        "/a\nserver evil 6.6.6.6:80",
        '/a"',
        "/a'",
        "/a#b",
        "/a\\",
        "/$HOME",
        "/{x}",
        "/é",
        "/\x00",
        "",
        "/" + "a" * 300,
    ],
)
def test_a_health_path_cannot_carry_configuration(bad: str) -> None:
    with pytest.raises(ConfigError, match="health path"):
        render(replace(CFG, health_path=bad))


@pytest.mark.parametrize(
    "bad",
    [
        Server("a b", "10.0.0.1", 80, "web"),
        Server("a\nx", "10.0.0.1", 80, "web"),
        Server("", "10.0.0.1", 80, "web"),
        Server("a;b", "10.0.0.1", 80, "web"),
        Server("abc", "10.0.0.1 check", 80, "web"),
        Server("abc", "example.com", 80, "web"),
        Server("abc", "", 80, "web"),
        Server("abc", "0.0.0.0", 80, "web"),
        Server("abc", "10.0.0.1", 0, "web"),
        Server("abc", "10.0.0.1", 70000, "web"),
        Server("abc", "10.0.0.1", 80, "web\n1"),
        Server("a" * 64, "10.0.0.1", 80, "web"),
    ],
)
def test_a_server_cannot_carry_configuration(bad: Server) -> None:
    with pytest.raises(ConfigError):
        render(replace(CFG, servers=(bad,)))


def test_other_values_are_checked_and_named() -> None:
    with pytest.raises(ConfigError, match="roundrobin") as told:
        render(replace(CFG, balance="static-rr"))
    assert all(name in str(told.value) for name in BALANCES)
    for bad in (
        replace(CFG, wanted=-1),
        replace(CFG, probe_nonce="a b"),
        replace(CFG, full_rate=0),
        replace(CFG, servers=(WEBS[0], WEBS[0])),
    ):
        with pytest.raises(ConfigError):
            render(bad)


def test_the_probe_header_is_taken_off_with_and_without_a_nonce() -> None:
    for nonce in ("", "abc"):
        assert "http-request del-header X-Dftui-Probe" in render(replace(CFG, probe_nonce=nonce))
    assert "txn.probe) int(1)" not in render(CFG)
    assert "-m str abc " in render(replace(CFG, probe_nonce="abc"))


def test_a_file_without_a_mark_is_not_ours() -> None:
    assert parse("") is None
    assert parse("global\n    maxconn 10\n") is None
    assert parse(MARK + "no json") is None
    assert parse(MARK + "[1]") is None
    assert parse(MARK + '{"wanted":"3"}') is None
    assert parse(MARK + '{"wanted":true}') is None
    assert parse(MARK + '{"wanted":-1}') is None


def test_a_damaged_file_gives_what_can_be_read_and_says_so() -> None:
    text = render(CFG)
    cut = "\n".join(line for line in text.splitlines() if WEBS[1].name not in line)
    marked = parse(cut)
    assert marked is not None and not marked.whole
    assert marked.servers == (WEBS[0], WEBS[2]) and marked.wanted == 3
    for spoilt in (
        text.replace('"port":80', '"port":"80"', 1),
        text.replace(WEBS[0].address, "nowhere", 1),
        text.replace(MARK_SERVER + "{", MARK_SERVER, 1),
        text.replace('"schema":1', '"schema":2'),
        text + MARK + "{}\n",
    ):
        marked = parse(spoilt)
        assert marked is not None and not marked.whole and marked.wanted == 3


@given(st.text())
def test_no_text_makes_the_reader_fail(text: str) -> None:
    parse(text)
    parse(MARK + text)
    parse(render(CFG) + MARK_SERVER + text)


@pytest.mark.parametrize(
    "bad", ["", "proxy", "10.0.0.1 10.0.0.2", "10.0.0.1\nbind :1", "10.0.0.1/8", "1.2.3.4/33", "any"]
)
def test_a_trusted_proxy_cannot_carry_configuration(bad: str) -> None:
    with pytest.raises(ConfigError, match="trusted proxy"):
        render(replace(CFG, trusted_proxies=(bad,)))


def test_trusted_proxies_stand_in_one_numbered_list_that_is_never_empty() -> None:
    assert "    acl trusted src -u 77 255.255.255.255\n" in render(CFG)
    text = render(replace(CFG, trusted_proxies=("10.0.0.5", "fd00::/8")))
    assert "    acl trusted src -u 77 10.0.0.5 fd00::/8\n" in text
