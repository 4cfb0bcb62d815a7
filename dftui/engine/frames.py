"""What the engine wraps around bytes of containers: the 8-byte frame header, and the stamp before each log line.

Source of the formats: Docker Engine API, "Attach to a container" (stream format) and "Get container logs"; the
copier that cuts lines at 16 KiB is `daemon/logger/copier.go` of moby.  Hot: a few microseconds of CPU per line.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Sequence
from operator import add
from struct import Struct
from time import strptime
from typing import Literal

from dftui.engine.api import LogLine
from dftui.engine.batch import Batch
from dftui.engine.chunked import Chunked

MAX_LINE = 256 * 1024
"""Bytes after which a line without an end is given out in pieces, so that no container can fill the memory."""
PART = 16 * 1024
"""The engine cuts what a container writes after so many bytes without a newline; a shorter part ends its line."""
MAX_FRAME = 32 * 1024 * 1024

_new = tuple.__new__
_HEADER = Struct(">BxxxI").unpack_from
_STREAM: tuple[Literal["stdout", "stderr"], ...] = ("stdout", "stdout", "stderr", "stderr")
_SYSTEM_ERROR = 3
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$")
_SECOND = 1_000_000_000
# A chunk that is one frame that is one stamped line, as a busy engine sends them by the thousand; then, in one match,
# all that is not such a chunk, so that what is found before it stands without a hole.
# That a stamp is one is seen to afterwards, for all together.
_USUAL = re.compile(rb"(?s:([0-9a-f]+\r\n[\1\2]\0\0\0.{4})(.{19})\.(.{9})Z ([^\n]*)\n\r\n|(.+))")
_AROUND = 31 + 1
"""Bytes of such a frame beside its text: the stamp and its blank, the newline."""
_MOST_HEADS = 4096
_FEW = 4096
"""Bytes below which taking one record after the other is as quick."""


_HEADS: dict[bytes, tuple[int, Literal["stdout", "stderr"]]] = {}


def _head(head: bytes) -> tuple[int, Literal["stdout", "stderr"]]:
    """What a chunk's and its frame's head say together: the length of the line's text (-1 when they differ, or tell
    of less than a stamp), and the stream."""
    found = _HEADS.get(head)
    if found is None:
        size, frame = head[:-10], head[-8:]
        length = int.from_bytes(frame[4:], "big")
        text = length - _AROUND if int(size, 16) == length + 8 else -1
        found = max(-1, text), _STREAM[frame[0]]
        if len(_HEADS) > _MOST_HEADS:
            _HEADS.clear()
        _HEADS[head] = found
    return found


class BadFrame(Exception):
    """The stream is not framed as it should be, or carried the engine's own error; `str()` holds its words."""


class Stamps:
    """Reads RFC 3339 stamps as unix nanoseconds; one per stream of lines, since it remembers the last seconds."""

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds: dict[bytes, int] = {}

    def second(self, text: bytes) -> int:
        """Nanoseconds at the whole second `2006-01-02T15:04:05` (UTC). Raises ValueError."""
        known = self.seconds.get(text)
        if known is None:
            known = calendar.timegm(strptime(text.decode("ascii"), "%Y-%m-%dT%H:%M:%S")) * _SECOND
            if len(self.seconds) > 120:
                self.seconds.clear()
            self.seconds[text] = known
        return known

    def parse(self, text: bytes) -> int | None:
        """Nanoseconds of any RFC 3339 stamp, with or without a fraction and an offset; None when it is none."""
        found = _STAMP.match(text)
        if found is None:
            return None
        whole, fraction, sign, hours, minutes = found.groups()
        try:
            at = self.second(whole)
        except ValueError:
            return None
        if fraction:
            at += int(fraction.ljust(9, b"0"))
        if sign:
            offset = (int(hours) * 3600 + int(minutes) * 60) * _SECOND
            at += offset if sign == b"-" else -offset
        return at

    def split(self, message: bytes) -> tuple[int | None, bytes]:
        """The stamp before the first blank (None when there is none) and what follows it."""
        head, blank, rest = message[:64].partition(b" ")
        if blank:
            at = self.parse(head)
            if at is not None:
                return at, message[len(head) + 1 :]
            del rest
        return None, message


class _Joiner:
    """Puts the parts of one output together: each part is a log record, a line ends with a newline."""

    __slots__ = ("at", "held", "size", "stream")

    def __init__(self, stream: Literal["stdout", "stderr"]) -> None:
        self.stream = stream
        self.held: list[bytes] = []
        self.size = 0
        self.at = 0

    def add(self, at: int, part: bytes, out: list[LogLine]) -> None:
        """One record's text, with its newline if it had one. The line's time is that of its first part."""
        if not self.held:
            self.at = at
        *full, rest = part.split(b"\n")
        for piece in full:
            self.held.append(piece)
            self.flush(out)
            self.at = at
        if rest:
            self.held.append(rest)
            self.size += len(rest)
            # A part shorter than the engine's cut was ended by the output itself (the process ended).
            if len(rest) < PART or self.size >= MAX_LINE:
                self.flush(out)

    def flush(self, out: list[LogLine]) -> None:
        """Give out what is held as a line, even without its newline."""
        if self.held:
            out.append(LogLine(self.at, self.stream, b"".join(self.held)))
            self.held = []
            self.size = 0


class LogFrames:
    """Framed and stamped log records (a container without a terminal) to lines. Feed it any cuts of the stream."""

    __slots__ = ("_chunks", "_join_err", "_join_out", "_last", "_raw", "_rest", "_stamps", "_taken", "error")

    def __init__(self) -> None:
        self._rest = b""
        self._raw = b""
        self._taken = 0
        self._chunks = Chunked()
        self._stamps = Stamps()
        self._join_out = _Joiner("stdout")
        self._join_err = _Joiner("stderr")
        self._last = 0
        self.error = ""
        """The engine's own words when it broke off reading the log."""

    def feed(self, data: bytes) -> list[LogLine]:
        """The lines that `data`, a piece of the body, completed. Raises BadFrame."""
        if self._rest:
            data = self._rest + data
        out: list[LogLine] = []
        pos, size = 0, len(data)
        while size - pos >= 8:
            kind, length = _HEADER(data, pos)
            if kind > _SYSTEM_ERROR or length > MAX_FRAME:
                raise BadFrame("the engine's log stream is not framed as expected")
            end = pos + 8 + length
            if end > size:
                break
            record = data[pos + 8 : end]
            pos = end
            if kind == _SYSTEM_ERROR:
                self.error = record.decode("utf-8", "replace").strip()
                continue
            at, text = self._stamps.split(record)
            if at is not None:
                self._last = at
            (self._join_err if kind == 2 else self._join_out).add(self._last, text, out)
        self._rest = data[pos:]
        return out

    def feed_chunked(self, data: bytes) -> Sequence[LogLine]:
        """The same for a body in the chunked coding, still coded: the engine sends each record as a chunk, and
        taking both apart in one go halves the work. Raises BadFrame; `ended` after the last chunk."""
        if self._raw:
            data = self._raw + data
        out: list[LogLine] = []
        many: Batch | None = None
        held = self._rest or self._join_out.held or self._join_err.held
        if len(data) > _FEW and not held and self._chunks.between and (many := self._many(data)):
            data = data[self._taken :]
        find = data.find
        known = self._stamps.seconds.get
        second = self._stamps.second
        out_held, err_held = self._join_out.held, self._join_err.held
        # Inside a record or chunk that came in pieces, only the slow way goes on.
        whole = not self._rest and self._chunks.between
        pos, size = 0, len(data)
        while pos < size:
            mark = find(b"\r\n", pos, pos + 20)
            if not whole or mark < 0:
                if not whole or size - pos > 20:
                    self._last = out[-1].time_ns if out else self._last
                    out += self.feed(self._chunks.feed(data[pos:]))
                    pos = size
                break
            try:
                length = int(data[pos:mark], 16)
            except ValueError:
                length = 0
            start = mark + 10
            end = mark + 2 + length
            # The usual record: one whole line behind a stamp of fixed width, nothing held before it.
            if (
                8 < length == int.from_bytes(data[mark + 6 : start], "big") + 8
                and end + 2 <= size
                and find(b"\n", start, end) == end - 1
                and data[start + 29 : start + 31] == b"Z "
                and (kind := data[mark + 2]) < _SYSTEM_ERROR
                and not (err_held if kind == 2 else out_held)
            ):
                stamp = data[start : start + 19]
                try:
                    at = (known(stamp) or second(stamp)) + int(data[start + 20 : start + 29])
                except ValueError:
                    pass
                else:
                    out.append(_new(LogLine, (at, _STREAM[kind], data[start + 31 : end - 1])))
                    pos = end + 2
                    continue
            if end + 2 > size and length < MAX_FRAME and length:
                break
            self._last = out[-1].time_ns if out else self._last
            out += self.feed(self._chunks.feed(data[pos : end + 2]))
            pos = end + 2
            out_held, err_held = self._join_out.held, self._join_err.held
            whole = not self._rest and self._chunks.between
        if out:
            self._last = out[-1].time_ns
        self._raw = data[pos:]
        return out if many is None else many if not out else [*many, *out]

    def _many(self, data: bytes) -> Batch | None:
        """Take the usual chunks at the beginning of `data`, all at once; `_taken` says how many bytes they were."""
        found = _USUAL.findall(data)
        if found and found[-1][4]:
            found.pop()
        if not found:
            return None
        heads, seconds, fractions, texts, _ = zip(*found, strict=True)
        told = {head: _head(head) for head in set(heads)}
        lengths = {head: length for head, (length, _) in told.items()}
        # A chunk must be this frame, and the frame this line: nothing in a text can pretend to be the next one.
        if list(map(lengths.__getitem__, heads)) != list(map(len, texts)) or not b"".join(fractions).isdigit():
            return None
        try:
            if seconds.count(seconds[0]) == len(seconds):
                times = list(map(self._stamps.second(seconds[0]).__add__, map(int, fractions)))
            else:
                whole = {second: self._stamps.second(second) for second in set(seconds)}
                times = list(map(add, map(whole.__getitem__, seconds), map(int, fractions)))
        except ValueError:
            return None
        self._last = times[-1]
        self._taken = sum(map(len, heads)) + sum(map(len, texts)) + len(heads) * (_AROUND + 2)
        streams: Sequence[Literal["stdout", "stderr"]]
        if len(one := {stream for _, stream in told.values()}) == 1:
            streams = (*one,) * len(heads)
        else:
            streams = [told[head][1] for head in heads]
        return Batch(times, streams, texts)

    @property
    def ended(self) -> bool:
        """Whether the last chunk of a chunked body has come."""
        return self._chunks.done

    def end(self) -> list[LogLine]:
        """Lines that were still open when the stream ended."""
        out: list[LogLine] = []
        self._join_out.flush(out)
        self._join_err.flush(out)
        return out


class LogText:
    """The same for a container with a terminal: no frames, only stamped text with CRLF line ends."""

    __slots__ = ("_join", "_last", "_rest", "_stamps", "ended", "error")

    def __init__(self) -> None:
        self._rest = b""
        self._stamps = Stamps()
        self._join = _Joiner("stdout")
        self._last = 0
        self.error = ""
        self.ended = False

    def feed(self, data: bytes) -> list[LogLine]:
        """The lines that `data` completed."""
        data = self._rest + data if self._rest else data
        out: list[LogLine] = []
        pos, size = 0, len(data)
        while pos < size:
            # A record is its stamp and up to PART bytes; only the newline, or that length, ends it.
            at, _ = self._stamps.split(data[pos : pos + 64])
            text = pos if at is None else data.index(b" ", pos) + 1
            end = data.find(b"\n", text, text + PART)
            if end >= 0:
                part, after = data[text : end + 1], end + 1
            elif size - text >= PART:
                part, after = data[text : text + PART], text + PART
            else:
                break
            if at is not None:
                self._last = at
            if part.endswith(b"\r\n"):
                part = part[:-2] + b"\n"
            self._join.add(self._last, part, out)
            pos = after
        self._rest = data[pos:]
        return out

    def end(self) -> list[LogLine]:
        """Lines that were still open when the stream ended."""
        out: list[LogLine] = []
        if self._rest:
            at, text = self._stamps.split(self._rest)
            self._join.add(self._last if at is None else at, text, out)
            self._rest = b""
        self._join.flush(out)
        return out


class OutputFrames:
    """Frames of an exec's or attach's output, given on as they come: `feed(data)` calls `stdout` and `stderr`."""

    __slots__ = ("_rest", "_stderr", "_stdout")

    def __init__(self, stdout: Callable[[bytes], object], stderr: Callable[[bytes], object]) -> None:
        self._rest = b""
        self._stdout = stdout
        self._stderr = stderr

    def feed(self, data: bytes) -> None:
        """Hand on every whole frame in `data`. Raises BadFrame."""
        if self._rest:
            data = self._rest + data
        pos, size = 0, len(data)
        while size - pos >= 8:
            kind, length = _HEADER(data, pos)
            end = pos + 8 + length
            if kind > _SYSTEM_ERROR or length > MAX_FRAME:
                raise BadFrame("the engine's output is not framed as expected")
            if end > size:
                break
            if length:
                (self._stderr if kind >= 2 else self._stdout)(data[pos + 8 : end])
            pos = end
        self._rest = data[pos:]
