"""HAProxy's figures, read."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dftui.balancer.config import BUCKETS_MS
from dftui.balancer.errors import BalancerError
from dftui.balancer.stat import (
    STAT,
    LatencyDeltas,
    let_in,
    needs_state,
    of_old_worker,
    parse_latency,
    parse_stat,
    quantile,
    with_state,
)

HEAD = (
    "# pxname,svname,qcur,scur,stot,econ,wretr,wredis,status,weight,lastchg,type,check_code,hrsp_1xx,hrsp_2xx,"
    "hrsp_4xx,hrsp_5xx,hrsp_other,req_rate,req_tot,lastsess,last_chk,check_desc,addr,\n"
)
TEXT = (
    "\n" + HEAD + "public,FRONTEND,,3,9,,,,OPEN,,,0,,0,90,5,4,1,7,100,,,,,\n"
    'web,aaa,1,2,110,1,2,1,UP,1,60,2,200,0,50,3,2,0,,,5,"said ""hi"", twice\nline two",Layer7 check passed,'
    "10.0.0.1:80,\n"
    "web,bbb,0,0,0,0,0,0,DOWN 1/2,1,4,2,503,0,0,0,0,0,,,-1,,Layer7 wrong status,10.0.0.2:80,\n"
    "web,ccc,0,1,10,0,0,0,DRAIN,1,4,2,200,0,8,1,1,0,,,0,,Layer7 check passed,10.0.0.3:80,\n"
    "web,ddd,0,0,0,0,0,0,MAINT (via x/y),1,4,2,,0,0,0,0,0,,,-1,,,10.0.0.4:80,\n"
    "web,eee,0,0,0,0,0,0,no check,1,4,2,,0,0,0,0,0,,,-1,,,10.0.0.5:80,\n"
    "web,BACKEND,1,3,120,1,4,2,UP,1,60,1,,0,80,5,3,0,,,5,,,,\n"
    "latency,BACKEND,0,0,0,0,0,0,UP,0,60,1,,0,0,0,0,0,,,-1,,,,\n"
)
STATE = (
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state\n"
    "3 web 1 aaa 10.0.0.1 2 0\n3 web 2 bbb 10.0.0.2 0 8\n3 web 3 ccc 10.0.0.3 2 8\n3 web 4 ddd 10.0.0.4 0 1\n"
)


def test_every_row_finds_its_place() -> None:
    table = parse_stat(TEXT)
    assert (table.frontend.requests, table.frontend.failed, table.frontend.rate, table.frontend.sessions) == (
        100,
        4,
        7,
        3,
    )
    assert (table.frontend.retries, table.frontend.redispatches) == (4, 2)
    assert (table.backend.requests, table.backend.failed, table.backend.queue) == (88, 3, 1)
    assert [s.name for s in table.servers] == ["aaa", "bbb", "ccc", "ddd", "eee"]
    assert [s.status for s in table.servers] == ["UP", "DOWN", "DRAIN", "MAINT", "no check"]
    assert [s.admin for s in table.servers] == ["ready", "ready", "drain", "maint", "ready"]
    assert [s.serving for s in table.servers] == [True, False, False, False, False]
    first = table.servers[0]
    assert (first.requests, first.attempts, first.failed, first.sessions, first.queue) == (55, 110, 2, 2, 1)
    assert (first.idle, table.servers[1].idle, first.address) == (5, None, "10.0.0.1:80")
    assert first.check_why == 'Layer7 check passed (HTTP 200) said "hi", twice\nline two'
    assert table.servers[1].check_why == "its answer is an error (HTTP 503)"
    assert table.server("ccc") is table.servers[2] and table.server("zzz") is None


def test_only_a_server_that_is_up_and_not_held_back_is_let_in() -> None:
    assert [let_in(name, STATE) for name in ("aaa", "bbb", "ccc", "ddd", "zzz", "web", "aa")] == [True] + [False] * 6
    assert not let_in("aaa", "")


def test_a_drained_server_that_is_down_is_told_from_one_that_is_only_down() -> None:
    table = parse_stat(TEXT)
    assert needs_state(table)
    assert [s.admin for s in with_state(table, STATE).servers] == ["ready", "drain", "drain", "maint", "ready"]


def test_another_configuration_is_an_error_and_not_an_empty_table() -> None:
    with pytest.raises(BalancerError, match="another configuration"):
        parse_stat(HEAD + "www,FRONTEND,,,,,,,OPEN,,,0,,,,,,,,,,,,,\n")
    with pytest.raises(BalancerError, match="cannot be read"):
        parse_stat("Unknown command")


TABLE = (
    "# table: latency, type: string, size:10240, used:2\n"
    "0x5619: key=aaa use=0 exp=0 gpc0=0 gpc1=0 gpc2=0 gpc3=100 gpc13=0\n"
    "0x561a: key=bbb use=0 exp=0 shard=0 gpc0=5 gpc1=5 gpc13=10\n"
)


def test_latencies_are_of_the_time_between_two_readings() -> None:
    deltas = LatencyDeltas()
    first = deltas.update(parse_latency(TABLE))
    assert first["aaa"].count == 100
    assert 5 < first["aaa"].p50_ms < first["aaa"].p95_ms <= 10
    assert first["bbb"].p95_ms == 10000
    assert deltas.update(parse_latency(TABLE)) == {}
    later = deltas.update(parse_latency(TABLE.replace("gpc0=0", "gpc0=1")))
    assert set(later) == {"aaa"} and later["aaa"].count == 1 and later["aaa"].p95_ms <= 1
    # A restarted balancer counts from nothing.
    anew = deltas.update(parse_latency(TABLE.replace("gpc3=100", "gpc3=2")))
    assert anew["aaa"].count == 2


@given(st.lists(st.integers(0, 50), min_size=len(BUCKETS_MS) + 1, max_size=len(BUCKETS_MS) + 1).filter(any))
def test_quantiles_grow_and_stay_in_their_bucket(counts: list[int]) -> None:
    marks = [quantile(counts, q / 20) for q in range(1, 21)]
    assert marks == sorted(marks)
    highest = max(i for i, n in enumerate(counts) if n)
    lowest = min(i for i, n in enumerate(counts) if n)
    assert marks[-1] <= (*BUCKETS_MS, BUCKETS_MS[-1])[highest]
    assert marks[0] >= (0, *BUCKETS_MS)[lowest]


@given(st.text())
def test_foreign_text_in_a_reply_is_never_more_than_an_error(text: str) -> None:
    parse_latency(text)
    for reply in (text, HEAD + text, TEXT + text):
        with contextlib.suppress(BalancerError):
            parse_stat(reply)
    with_state(parse_stat(TEXT), text)


def test_a_worker_that_a_reload_replaced_is_known_by_what_it_says() -> None:
    # The beginning of a line of HAProxy 2.6 after SIGUSR2.
    old = "public,FRONTEND,,,3,9,2000,12,900,800,0,0,0,,,,,STOP,,,,,,,,,1,2,0,,,,0,0,0,5,,,,0,9,0,0,0,0,,0,5,9"
    assert of_old_worker(STAT, f"# pxname,svname\n{old}\n")
    assert not of_old_worker(STAT, f"# pxname,svname\n{old.replace('STOP', 'OPEN')}\n")
    assert not of_old_worker("show info", f"# pxname,svname\n{old}\n")
    assert of_old_worker("set server web/aaa state drain", "Proxy is disabled.\n")
