"""What streams to the screen, played in memory: log lines, requests, a shell."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dftui.watch.lines import Counts, Line, LogCounts, Record
from dftui.watch.mask import Masker
from dftui.watch.paint import Painter
from dftui.watch.records import Request
from dftui.watch.requestfilter import Filter
from dftui.watch.rings import Reader, Rings

if TYPE_CHECKING:
    from dftui.engine.api import Channel

NOW = 1_795_000_000.0


def host_of(number: int) -> str:
    return f"{0x3F2A9C10B7E4 + number * 0x1A2B3C4D5:012x}"[-12:]


class FakeLogs:
    """A hub without an engine: `feed` is what its merge lets go."""

    def __init__(self, ring_bytes: int = 64 << 20, total_bytes: int = 256 << 20) -> None:
        self.rings = Rings(ring_bytes, total_bytes)
        self.painter = Painter(Masker())
        self.seq = 0
        self.by_name: dict[str, Counts] = {}
        self.generation = 0
        self.reopened: list[tuple[int | None, int]] = []
        self.swallow = 0
        """So many of the next lines are lost on their way, as a fault in the program would do it."""

    @property
    def counts(self) -> LogCounts:
        total = Counts()
        for name, one in self.by_name.items():
            ring = self.rings.by_name.get(name)
            one.kept, one.evicted = (ring.kept, ring.evicted) if ring else (0, 0)
            total.add(one)
        return LogCounts(total, dict(self.by_name))

    def feed(self, who: str, *lines: str | bytes, at: float = NOW, flags: int = 0) -> None:
        records = []
        for line in lines:
            self.seq += 1
            data = line.encode() if isinstance(line, str) else line
            records.append(Record(self.seq, int(at * 1e9), who, flags, data))
        counts = self.by_name.setdefault(who, Counts())
        written = sum(record.is_line for record in records)
        counts.arrived += written
        counts.received += written
        gone, self.swallow = self.swallow, 0
        self.rings.add(records[gone:])

    def reader(self, who: frozenset[str] | None = None) -> Reader:
        return Reader(self.rings, who)

    def texts(self, records: Sequence[Record]) -> list[str]:
        return self.painter.texts(records)

    def lines(self, records: Sequence[Record]) -> list[Line]:
        return self.painter.lines(records)

    def line(self, record: Record) -> Line:
        return self.painter.line(record)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.by_name))

    def oldest(self) -> Mapping[str, int]:
        return self.rings.oldest()

    @property
    def freed_bytes(self) -> int:
        return self.rings.freed

    def lag_of(self, record: Record) -> float | None:
        return 0.1 if record.is_line else None

    def reopen(self, *, tail: int | None, since_ns: int) -> None:
        self.reopened.append((tail, since_ns))
        held = [r for r in self.rings.clear() if r.time_ns >= since_ns]
        self.by_name.clear()
        self.generation += 1
        for record in held[-tail:] if tail else held:
            self.feed(record.who, record.data, at=record.time_ns / 1e9, flags=record.flags)


class FakeRequests:
    def __init__(self) -> None:
        self.held: list[Request] = []

        self.sampling = 1
        self.lost = 0

    @property
    def total(self) -> int:
        return len(self.held)

    def find(self, text: str, limit: int) -> Sequence[Request]:
        passes = Filter(text)
        return [request for request in self.held if passes(request)][-limit:]

    def since(self, seq: int) -> tuple[Sequence[Request], int]:
        return self.held[seq:], len(self.held)

    def feed(self, number: int, path: str = "/api/v2/system/environment", status: int = 200, **more: object) -> None:
        n = len(self.held)
        made = Request(
            time=NOW + n, client="192.0.2.7", method="GET", path=path, status=status, ms=9 + n % 7, queue_ms=0,
            connect_ms=0, response_ms=8, replica=f"df-web{number}", host=host_of(number), id=f"r{n}",
        )  # fmt: skip
        self.held.append(replace(made, **more))  # type: ignore[arg-type]


class FakeShell:
    """A shell that shows what is typed and knows `size` and `exit CODE`; a `Session`."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.typed = b""
        self.code = 0
        self._said: asyncio.Queue[bytes] = asyncio.Queue()
        self._said.put_nowait(b"$ ")

    async def read(self) -> tuple[Channel, bytes]:
        return "stdout", await self._said.get()

    async def write(self, data: bytes) -> None:
        data = data.replace(b"\n", b"\r")  # what was typed before the terminal was raw
        self._said.put_nowait(data.replace(b"\r", b"\r\n"))
        self.typed += data
        *lines, self.typed = self.typed.split(b"\r")
        for line in lines:
            match line.split():
                case [b"size"]:
                    self._said.put_nowait(b"%dx%d\r\n$ " % self.size)
                case [b"exit", code]:
                    self.code = int(code)
                    self._said.put_nowait(b"")
                case _:
                    self._said.put_nowait(b"$ ")

    async def end_input(self) -> None:
        return

    async def resize(self, columns: int, rows: int) -> None:
        self.size = (columns, rows)

    async def exit_code(self) -> int:
        return self.code

    async def close(self) -> None:
        return
