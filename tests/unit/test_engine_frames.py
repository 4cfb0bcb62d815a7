"""Log frames, chunks and JSON streams, cut anywhere."""

from __future__ import annotations

import itertools
import struct
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dftui.engine.api import LogLine
from dftui.engine.chunked import Chunked
from dftui.engine.frames import MAX_LINE, PART, BadFrame, LogFrames, LogText, OutputFrames, Stamps
from dftui.engine.wire import json_lines

T0 = 1_700_000_000_000_000_000  # 2023-11-14T22:13:20Z


def stamp(number: int) -> bytes:
    return b"2023-11-14T22:13:20.%09dZ" % number


def frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxI", kind, len(payload)) + payload


def record(number: int, text: bytes, kind: int = 1) -> bytes:
    return frame(kind, stamp(number) + b" " + text)


def chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    ends = [0, *sorted({one % (len(data) + 1) for one in at}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(ends) if a < b]


def read(frames: list[bytes], cuts: Sequence[int]) -> list[LogLine]:
    """Plain and chunked must tell the same, whatever the cuts."""
    plain, chunked = LogFrames(), LogFrames()
    body = b"".join(frames)
    found = [line for piece in cut(body, cuts) for line in plain.feed(piece)] + plain.end()
    coded = b"".join(map(chunk, frames)) + chunk(b"")
    again = [line for piece in cut(coded, cuts) for line in chunked.feed_chunked(piece)]
    assert chunked.ended
    assert again + chunked.end() == found
    # Chunks need not be frames.
    third = LogFrames()
    coded = b"".join(map(chunk, cut(body, cuts))) + chunk(b"")
    assert [line for piece in cut(coded, cuts[::2]) for line in third.feed_chunked(piece)] + third.end() == found
    return found


CUTS = st.lists(st.integers(0, 100_000), max_size=12)
TEXT = st.binary(max_size=60).filter(lambda text: b"\n" not in text)


@given(st.lists(st.tuples(st.sampled_from([1, 2]), TEXT), max_size=12), CUTS)
def test_whole_lines_come_out_as_they_went_in(lines: list[tuple[int, bytes]], cuts: list[int]) -> None:
    frames = [record(number, text + b"\n", kind) for number, (kind, text) in enumerate(lines)]
    expected = [
        LogLine(T0 + number, "stderr" if kind == 2 else "stdout", text) for number, (kind, text) in enumerate(lines)
    ]
    assert read(frames, cuts) == expected


@given(st.integers(1, 4), st.binary(max_size=40).filter(lambda text: b"\n" not in text), CUTS)
def test_parts_of_a_long_line_are_joined_under_the_first_stamp(parts: int, rest: bytes, cuts: list[int]) -> None:
    frames = [record(number, b"x" * PART) for number in range(parts)]
    # stderr in between is a line of its own.
    frames.insert(1, record(50, b"trouble\n", 2))
    frames.append(record(99, rest + b"\n"))
    assert sorted(read(frames, cuts)) == sorted(
        [LogLine(T0 + 50, "stderr", b"trouble"), LogLine(T0, "stdout", b"x" * PART * parts + rest)]
    )


def test_a_prompt_before_the_end_of_a_process_is_not_glued_to_the_next_process_line() -> None:
    frames = [record(1, b"prompt> "), record(2, b"next\n")]
    assert read(frames, [3, 30]) == [LogLine(T0 + 1, "stdout", b"prompt> "), LogLine(T0 + 2, "stdout", b"next")]


def test_a_line_without_end_is_given_out_in_bounded_pieces() -> None:
    decoder = LogFrames()
    longest = 0
    total = 0
    for number in range(100):
        for line in decoder.feed(record(number, b"x" * PART)):
            longest, total = max(longest, len(line.data)), total + len(line.data)
    total += sum(len(line.data) for line in decoder.end())
    assert longest <= MAX_LINE and total == 100 * PART


def test_stamps_of_other_engines() -> None:
    stamps = Stamps()
    assert stamps.parse(b"2023-11-14T22:13:20Z") == T0
    assert stamps.parse(b"2023-11-14T23:13:20.5+01:00") == T0 + 500_000_000
    assert stamps.parse(b"2023-11-14T17:13:20.000000001-05:00") == T0 + 1
    assert stamps.parse(b"2023-99-14T17:13:20Z") is None
    assert stamps.parse(b"hello") is None
    other = frame(1, b"2023-11-14T23:13:20.25+01:00 from podman\n")
    assert read([other, record(7, b"a\n"), frame(1, b"no stamp\n")], [2]) == [
        LogLine(T0 + 250_000_000, "stdout", b"from podman"),
        LogLine(T0 + 7, "stdout", b"a"),
        LogLine(T0 + 7, "stdout", b"no stamp"),
    ]


def test_the_engines_own_error_is_kept_and_what_is_no_frame_is_refused() -> None:
    decoder = LogFrames()
    assert decoder.feed(frame(3, b"Error grabbing logs: unexpected EOF\n")) == []
    assert decoder.error == "Error grabbing logs: unexpected EOF"
    for junk in (b"HTTP/1.1 200 OK\r\n\r\n", frame(1, b"")[:4] + b"\xff\xff\xff\xff"):
        with pytest.raises(BadFrame):
            LogFrames().feed(junk)


@given(st.lists(TEXT.filter(lambda text: b"\r" not in text), max_size=8), CUTS)
def test_a_terminals_log_has_no_frames(lines: list[bytes], cuts: list[int]) -> None:
    body = b"".join(stamp(number) + b" " + text + b"\r\n" for number, text in enumerate(lines))
    body += stamp(90) + b" " + b"y" * PART + stamp(91) + b" tail\r\n" + stamp(92) + b" $ "
    decoder = LogText()
    found = [line for piece in cut(body, cuts) for line in decoder.feed(piece)] + decoder.end()
    assert found == [
        *(LogLine(T0 + number, "stdout", text) for number, text in enumerate(lines)),
        LogLine(T0 + 90, "stdout", b"y" * PART + b"tail"),
        LogLine(T0 + 92, "stdout", b"$ "),
    ]


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), CUTS)
def test_chunks_cut_anywhere(payloads: list[bytes], cuts: list[int]) -> None:
    coded = b"".join(map(chunk, payloads)) + b"0;ext=1\r\nTrailer: yes\r\n\r\n"
    decoder = Chunked()
    assert b"".join(decoder.feed(piece) for piece in cut(coded, cuts)) == b"".join(payloads)
    assert decoder.done
    with pytest.raises(ValueError):
        Chunked().feed(b"no size\r\n")


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=50)), max_size=8), CUTS)
def test_outputs_are_kept_apart(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    out, err = bytearray(), bytearray()
    decoder = OutputFrames(out.extend, err.extend)
    for piece in cut(b"".join(frame(kind, data) for kind, data in frames), cuts):
        decoder.feed(piece)
    assert bytes(out) == b"".join(data for kind, data in frames if kind == 1)
    assert bytes(err) == b"".join(data for kind, data in frames if kind == 2)


@given(CUTS)
async def test_json_values_cut_anywhere(cuts: list[int]) -> None:
    body = '{"a": "ä€𝄞\\n"}\r\n{"b": [1, {"c": "}{"}]}{"d": 1}\n\n'.encode()

    async def pieces() -> AsyncIterator[bytes]:
        for piece in cut(body, cuts):
            yield piece

    assert [value async for value in json_lines(pieces())] == [{"a": "ä€𝄞\n"}, {"b": [1, {"c": "}{"}]}, {"d": 1}]
