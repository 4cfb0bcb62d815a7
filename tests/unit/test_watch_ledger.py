from __future__ import annotations

from dataclasses import replace

import pytest

from dftui.balancer.records import RawRequest
from dftui.watch.ledger import Ledger
from dftui.watch.mask import Masker

RAW = RawRequest(
    time=100.0,
    client="10.1.2.3",
    method="GET",
    path="/api/v2/system/environment",
    status=200,
    ms=10,
    queue_ms=0,
    connect_ms=1,
    response_ms=9,
    server="0123456789ab",
    id="id-1",
    retries=0,
    redispatched=False,
    counter=1,
    sequence=1,
    bytes=10,
    termination="--",
    agent="",
    probe=False,
    weight=1,
    boot="",
)


def ledger(**options: object) -> Ledger:
    found = Ledger(Masker(["hidden-secret"]), clock=lambda: 110.0, **options)  # type: ignore[arg-type]
    found.know({"0123456789ab": "df-web1", "ba9876543210": "df-web2"})
    return found


def test_a_request_names_its_replica_and_host() -> None:
    book = ledger()
    book.add([RAW])
    (request,), last = book.since(0)
    assert (request.replica, request.host, request.status, last) == ("df-web1", "0123456789ab", 200, 1)
    assert book.since(last) == ((), 1)


def test_query_values_secrets_and_control_sequences_are_gone() -> None:
    book = ledger()
    path = "/api/v2/x?token=abc&filter=id%3D1&hidden-secret\x1b]52;c;x\x07"
    book.add([replace(RAW, path=path, method="G\x1b[31mET", client="\u202e1", id="eyJhbGciOi.abc.def")])
    (request,), _ = book.since(0)
    assert request.path == "/api/v2/x?token=***&filter=***&***"
    assert request.method == "GET"
    assert request.client == "\ufffd1"
    assert request.id == "***"


def test_only_the_newest_are_kept_and_the_total_stays_exact() -> None:
    book = ledger(most=100)
    for number in range(30):
        book.add([replace(RAW, path=f"/{number}/{n}") for n in range(10)])
    kept, last = book.since(0)
    assert (len(kept), last, book.total) == (100, 300, 300)
    assert [r.path for r in book.since(297)[0]] == ["/29/7", "/29/8", "/29/9"]


def test_dftuis_own_requests_are_counted_apart() -> None:
    book = ledger()
    book.add([RAW, replace(RAW, probe=True)])
    assert (book.total, book.probes) == (2, 1)


def test_old_requests_leave_the_percentiles() -> None:
    book = ledger()
    book.add([replace(RAW, time=1.0, ms=9000), replace(RAW, ms=3)])
    assert book.percentiles() == (3.0, 3.0)


def test_sampled_records_count_for_those_they_stand_for_and_it_is_said() -> None:
    book = ledger()
    assert book.sampling == 1
    book.add([replace(RAW, weight=20)])
    assert book.sampling == 20


def test_finding_by_words() -> None:
    book = ledger()
    book.add([RAW, replace(RAW, server="ba9876543210", status=404), replace(RAW, probe=True, path="/probe-me")])
    assert [r.status for r in book.find("404 web2")] == [404]
    assert [r.path for r in book.find("probe")] == ["/probe-me"]
    assert len(book.find("SYSTEM")) == 2
    assert len(book.find("", limit=1)) == 1
    assert book.find("web9") == []


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("5xx", ["/c", "/d"]),
        ("!5xx", ["/a", "/b", "/gone"]),
        (">250", ["/b", "/d"]),
        (">250ms 5xx", ["/d"]),
        ("<11", ["/a"]),
        ("gone", ["/gone"]),
        ("post !web1", ["/d"]),
        ("!", []),
        ("9xx", []),
    ],
)
def test_a_filter_knows_status_classes_times_and_what_must_not_be_there(text: str, paths: list[str]) -> None:
    book = ledger()
    book.add(
        [
            replace(RAW, path="/a"),
            replace(RAW, path="/b", ms=251),
            replace(RAW, path="/c", ms=12, status=500, method="POST"),
            replace(RAW, path="/d", ms=9000, status=503, method="POST", server="ba9876543210"),
            replace(RAW, path="/gone", ms=20, status=-1),
        ]
    )
    assert [r.path for r in book.find(text)] == paths


def test_a_request_that_no_replica_served() -> None:
    book = ledger()
    book.add([replace(RAW, server="", status=503)])
    (request,), _ = book.since(0)
    assert (request.replica, request.host) == ("", "")
