"""Request records and their books."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from dftui.balancer.records import RingReader, parse_line

GOOD: dict[str, object] = {
    "t": 1700000001500,
    "c": "10.0.0.9",
    "m": "GET",
    "u": "/api?x=1",
    "s": 200,
    "q": 1,
    "k": 2,
    "r": 400,
    "a": 500,
    "n": "abcdef012345",
    "i": "id-1",
    "e": "0",
    "rt": 7,
    "lc": 3,
    "z": "1700000000000",
    "b": 321,
    "x": "--",
    "p": "-",
    "w": "1",
    "g": "curl",
}


def line(**changes: object) -> bytes:
    """One line of the ring."""
    return json.dumps({**GOOD, **changes}).encode() + b"\n"


def test_a_record_has_its_begin_times_and_names() -> None:
    record = parse_line(line())
    assert record is not None
    assert record.time == 1700000001.0
    assert (record.client, record.method, record.path, record.status) == ("10.0.0.9", "GET", "/api?x=1", 200)
    assert (record.ms, record.queue_ms, record.connect_ms, record.response_ms) == (500, 1, 2, 400)
    assert (record.server, record.id, record.retries, record.redispatched) == ("abcdef012345", "id-1", 0, False)
    assert (record.probe, record.weight, record.bytes, record.agent) == (False, 1, 321, "curl")


def test_retries_redispatch_probe_weight_and_what_is_not_known() -> None:
    record = parse_line(line(e="+2", p="1", w="20"))
    assert record is not None
    assert (record.retries, record.redispatched, record.probe, record.weight) == (2, True, True, 20)
    record = parse_line(line(m="-", u="-", n="<NOSRV>", i="-", w="-", g="-", s=400, a=-1, q=-1, k=-1, r=-1))
    assert record is not None
    assert (record.method, record.path, record.server, record.id, record.agent) == ("", "", "", "", "")
    assert (record.ms, record.weight, record.time) == (-1, 1, 1700000001.5)


@given(st.binary())
def test_no_bytes_make_the_reader_fail(data: bytes) -> None:
    reader = RingReader()
    reader.feed(data)
    reader.feed(b"\n" + line())
    assert reader.received >= 1


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.none() | st.text() | st.integers() | st.lists(st.none())))
def test_no_values_make_the_parser_fail(changes: dict[str, object]) -> None:
    parse_line(line(**changes))


@given(st.lists(st.integers(1, 40)))
def test_lines_are_whole_however_they_are_cut(cuts: list[int]) -> None:
    data = b"".join(line(lc=n) for n in range(5))
    reader, got, rest = RingReader(), [], data
    for cut in cuts:
        got += reader.feed(rest[:cut])
        rest = rest[cut:]
    got += reader.feed(rest)
    assert [record.sequence for record in got] == [0, 1, 2, 3, 4]


def test_what_cannot_be_read_is_counted_and_what_is_missing_too() -> None:
    reader = RingReader()
    reader.feed(line(lc=10) + b"garbage\n" + line(lc=12))
    assert (reader.received, reader.malformed, reader.lost) == (3, 1, 0)
    reader.feed(line(lc=20))
    assert reader.lost == 7
    # Neighbours that swapped are not lost.
    reader.feed(line(lc=22) + line(lc=21))
    assert reader.lost == 7


def test_a_restarted_balancer_counts_from_nothing() -> None:
    reader = RingReader()
    reader.feed(line(lc=500) + line(lc=501))
    reader.reset()
    reader.feed(line(lc=2, z="1700000009999") + line(lc=3, z="1700000009999"))
    assert (reader.restarts, reader.lost) == (1, 2)


def test_a_line_without_end_is_given_up_and_the_next_one_read() -> None:
    reader = RingReader()
    for _ in range(50):
        reader.feed(b"x" * 10_000)
    assert reader.malformed == 1
    assert len(reader.feed(b"x\n" + line())) == 1
    assert reader.received == 2


def test_a_half_line_of_an_ended_stream_is_forgotten() -> None:
    reader = RingReader()
    reader.feed(line()[:50])
    reader.reset()
    assert len(reader.feed(line())) == 1
    assert reader.malformed == 0
