"""Single requests, read from the balancer's ring: one JSON object a line, as `config` makes HAProxy write it.

Every string comes from a client: it is bounded in length, but neither sanitised nor masked here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

_MAX_LINE = 65536


@dataclass(frozen=True, slots=True)
class RawRequest:
    """One request that the balancer handled. `time` is the unix time it began. Milliseconds are -1 where the phase
    was not reached; `status` is -1 when the client went away first; `server` is "" when none was chosen.
    `termination` is HAProxy's two letters ("--" for a normal end); `counter` its count of streams,
    `sequence` its count of records, `boot` tells its runs apart (both begin anew in each). `weight` says for how many
    requests this record stands (above 1 when sampled)."""

    time: float
    client: str
    method: str
    path: str
    status: int
    ms: int
    queue_ms: int
    connect_ms: int
    response_ms: int
    server: str
    id: str
    retries: int
    redispatched: bool
    counter: int
    sequence: int
    boot: str
    bytes: int
    termination: str
    agent: str
    probe: bool
    weight: int


def _text(value: Any) -> str:
    """HAProxy writes "-" for what it does not know."""
    return "" if value == "-" else str(value)


def parse_line(line: bytes | str) -> RawRequest | None:
    """The record of one line, None when it is not one."""
    try:
        raw = json.loads(line.decode("ascii") if isinstance(line, bytes) else line)  # json's own guess costs more
        retries = raw["e"]
        ended, active = int(raw["t"]), int(raw["a"])
        server = raw["n"]
        return RawRequest(
            time=(ended - max(active, 0)) / 1000,
            client=str(raw["c"]),
            method=_text(raw["m"]),
            path=_text(raw["u"]),
            status=int(raw["s"]),
            ms=active,
            queue_ms=int(raw["q"]),
            connect_ms=int(raw["k"]),
            response_ms=int(raw["r"]),
            server="" if server[:1] in ("<", "-", "") else str(server),
            id=_text(raw["i"]),
            retries=int(retries),
            redispatched=retries[:1] == "+",
            counter=int(raw["rt"]),
            sequence=int(raw["lc"]),
            boot=str(raw["z"]),
            bytes=int(raw["b"]),
            termination=str(raw["x"]),
            agent=_text(raw["g"]),
            probe=raw["p"] == "1",
            weight=int(raw["w"]) if raw["w"] != "-" else 1,
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


class RingReader:
    """Cuts a byte stream into lines and records, and keeps the books: `received` lines, `malformed` ones among them,
    `lost` records (numbers that never came) and `restarts` of the balancer seen in the numbering."""

    def __init__(self) -> None:
        self.received = 0
        self.malformed = 0
        self.restarts = 0
        self._rest = b""
        self._skipping = False
        self._boot: str | None = None
        self._lost_before = 0
        self._first = self._next = self._seen = 0

    @property
    def lost(self) -> int:
        """Records that HAProxy wrote and that never arrived, malformed ones not counted."""
        return self._lost_before + max(0, self._next - self._first - self._seen)

    def reset(self) -> None:
        """Forget a half line: the stream was opened anew."""
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[RawRequest]:
        """Records of all lines that `data` completes."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if self._skipping and lines:
            del lines[0]  # the end of a line that was too long
            self._skipping = False
        found: list[RawRequest] = []
        for line in lines:
            if not line or line == b"\r":
                continue
            record = parse_line(line) if len(line) <= _MAX_LINE else None
            if record is None:
                self._spoilt()
                continue
            self.received += 1
            self._number(record)
            found.append(record)
        if len(self._rest) > _MAX_LINE:
            if not self._skipping:
                self._spoilt()
            self._rest = b""
            self._skipping = True
        return found

    def _spoilt(self) -> None:
        self.received += 1
        self.malformed += 1
        self._seen += 1

    def _number(self, record: RawRequest) -> None:
        """Records are numbered as they end, on several threads: neighbours may swap."""
        sequence = record.sequence
        if record.boot != self._boot:
            self._lost_before = self.lost
            if self._boot is None:
                self._first = self._next = sequence
            else:
                self.restarts += 1
                self._first = self._next = 0  # whatever came before this record of the new run was lost too
            self._boot = record.boot
            self._seen = 0
        self._first = min(self._first, sequence)
        self._next = max(self._next, sequence + 1)
        self._seen += 1
