"""Live figures of the database and the cache, each over one long exec of its own client.

The password comes from the container's own environment inside the container, so dftui needs no secret and none
stands in an argv.  Sources: MySQL reference manual, "Server Status Variables" (MariaDB has the same names); Redis,
"INFO".
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping

from dftui.engine.api import ByteStream, Engine, EngineError
from dftui.watch.sanitise import clean

PERIOD = 1.0
_SIZE_EVERY = 60
_END = "dftui-end"
_LONGEST_WAIT = 15.0
_MOST_BYTES = 256 * 1024

# The client is `mysql` in MySQL's image and `mariadb` in MariaDB's. --unbuffered writes each answer at once.
MYSQL = (
    "sh",
    "-c",
    'MYSQL_PWD="$MYSQL_PASSWORD" exec "$(command -v mariadb || command -v mysql)" --no-defaults --protocol=socket '
    '--user="$MYSQL_USER" --batch --skip-column-names --unbuffered --force',
)
REDIS = ("sh", "-c", 'REDISCLI_AUTH="$REDIS_PASSWORD" exec redis-cli')
_STATUS = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected','Questions','Slow_queries','Uptime',"
    "'Innodb_buffer_pool_bytes_data','Threads_running');\n"
)
_SIZE = (
    "SELECT 'dftui_size', COALESCE(SUM(data_length+index_length),0) FROM information_schema.tables "
    "WHERE table_schema NOT IN ('mysql','sys','performance_schema','information_schema');\n"
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?$")

Changed = Callable[[Mapping[str, str]], None]


class Rate:
    """Events per second from a growing counter, smoothed over some seconds; a counter that went back starts anew."""

    def __init__(self, weight: float = 0.3) -> None:
        self._at = 0.0
        self._count: float | None = None
        self._weight = weight
        self.value: float | None = None

    def update(self, count: float, at: float) -> float | None:
        """The rate now, None until there are two readings."""
        before, self._count = self._count, count
        since, self._at = self._at, at
        if before is None or count < before or at <= since:
            if before is not None and count < before:
                self.value = None
            return self.value
        now = (count - before) / (at - since)
        self.value = now if self.value is None else self.value + self._weight * (now - self.value)
        return self.value


class Shown:
    """A rate as it stands on the screen: it moves only when the real one has clearly moved, so that the flutter of a
    quiet stack redraws nothing."""

    def __init__(self) -> None:
        self._value: float | None = None

    def text(self, now: float | None) -> str:
        """What to show for `now`."""
        now = None if now is None else max(0.0, now)
        before = self._value
        if now is None or before is None or abs(now - before) > max(1.0, before * 0.15) or (now < 0.05 < before):
            self._value = now
        return rounded(self._value)


def about(count: float) -> str:
    """A count in two or three figures: 999, 1.2k, 340k, 5.6M."""
    for unit in ("", "k", "M", "G"):
        if count < 1000:
            return f"{count:.0f}{unit}" if not unit or count >= 100 else f"{count:.2g}{unit}"
        count /= 1000
    return f"{count:.0f}T"


def rounded(value: float | None) -> str:
    """A rate in two figures, so that it changes on the screen only when it matters."""
    if value is None:
        return "…"
    if value < 0.95:
        return "0" if value < 0.05 else f"{value:.1f}"
    if value < 100:
        return str(round(value))
    digits = len(str(round(value))) - 2
    return f"{round(value / 10**digits) * 10**digits:,}"


def size(count: float) -> str:
    """Bytes in two or three figures."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def span(seconds: float) -> str:
    """Seconds as the largest whole unit, so that an uptime changes rarely."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return "<1 min"
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"


class Client:
    """One long conversation with a client program: ask, then read up to an end mark; opened again when it ends."""

    role = ""
    argv: tuple[str, ...] = ()

    def __init__(self, engine: Engine, ref: str, changed: Changed) -> None:
        """Figures of container `ref` are told to `changed`, only when they differ from the last ones."""
        self._engine = engine
        self._ref = ref
        self._changed = changed
        self._stream: ByteStream | None = None
        self._told: Mapping[str, str] | None = None
        self._rounds = 0
        self.error = ""

    async def run(self) -> None:
        """Until cancelled; a client that ends is started again, later and later."""
        wait = 1.0
        while True:
            try:
                self._stream = await self._engine.exec_stream(self._ref, self.argv)
                self._rounds = 0
                while True:
                    started = time.monotonic()
                    async with asyncio.timeout(10):
                        answer = await self._ask(self.question())
                    self._tell(self.figures(answer, time.monotonic()))
                    self.error = ""
                    wait = 1.0
                    self._rounds += 1
                    await asyncio.sleep(max(0.1, PERIOD - (time.monotonic() - started)))
            except (EngineError, TimeoutError, _EndedError) as error:
                self.error = clean(str(error)) or "it did not answer in time"
                self._tell({})
            finally:
                if self._stream is not None:
                    await asyncio.shield(self._stream.close())
                    self._stream = None
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)

    def question(self) -> str:
        """What to write each second; the answer must end with a line that holds the end mark."""
        raise NotImplementedError

    def figures(self, answer: str, at: float) -> Mapping[str, str]:
        """Names and values ready to draw; `at` is monotonic seconds."""
        raise NotImplementedError

    def _tell(self, figures: Mapping[str, str]) -> None:
        if figures != self._told:
            self._told = figures
            self._changed(figures)

    async def _ask(self, question: str) -> str:
        stream = self._stream
        assert stream is not None
        await stream.write(question.encode())
        got = b""
        end = _END.encode()
        while end not in got:
            piece = await stream.read()
            if not piece:
                said = stream.stderr().decode("utf-8", "replace").strip().splitlines()
                raise _EndedError(said[-1] if said else "its client ended")
            got += piece
            if len(got) > _MOST_BYTES:
                raise _EndedError("its client writes without end")
        return got.decode("utf-8", "replace")


class _EndedError(Exception):
    """The client program ended."""


class Database(Client):
    """MySQL or MariaDB."""

    role = "db"
    argv = MYSQL

    def __init__(self, engine: Engine, ref: str, changed: Changed) -> None:
        super().__init__(engine, ref, changed)
        self._queries = Rate()
        self._shown = Shown()
        self._size = 0.0
        self._own = 0

    def question(self) -> str:
        """Status variables each second, the data's size each minute."""
        asks = [_STATUS]
        if self._rounds % _SIZE_EVERY == 0:
            asks.append(_SIZE)
        asks.append(f"SELECT '{_END}';\n")
        self._own += len(asks)
        return "".join(asks)

    def figures(self, answer: str, at: float) -> Mapping[str, str]:
        """Connections, queries per second, slow queries, size, uptime; without dftui's own queries and connection."""
        found = _pairs(answer, "\t")
        if "Questions" not in found:
            return {}
        self._size = found.get("dftui_size", self._size)
        rate = self._queries.update(found["Questions"] - self._own, at)
        return {
            "connections": str(max(0, int(found.get("Threads_connected", 1)) - 1)),
            "queries/s": self._shown.text(rate),
            "slow": about(found.get("Slow_queries", 0)),
            "size": size(self._size),
            "up": span(found.get("Uptime", 0)),
        }


class Cache(Client):
    """Redis."""

    role = "cache"
    argv = REDIS

    def __init__(self, engine: Engine, ref: str, changed: Changed) -> None:
        super().__init__(engine, ref, changed)
        self._commands = Rate()
        self._shown = Shown()
        self._own = 0

    def question(self) -> str:
        """INFO each second."""
        self._own += 2
        return f"INFO\nECHO {_END}\n"

    def figures(self, answer: str, at: float) -> Mapping[str, str]:
        """Hits, misses, memory, evictions, clients, commands per second; dftui's own left out."""
        found = _pairs(answer, ":")
        if "used_memory" not in found:
            return {}
        rate = self._commands.update(found.get("total_commands_processed", 0) - self._own, at)
        return {
            "hits": about(found.get("keyspace_hits", 0)),
            "misses": about(found.get("keyspace_misses", 0)),
            "memory": size(found["used_memory"]),
            "evicted": about(found.get("evicted_keys", 0)),
            "clients": str(max(0, int(found.get("connected_clients", 1)) - 1)),
            "ops/s": self._shown.text(rate),
            "up": span(found.get("uptime_in_seconds", 0)),
        }


def _pairs(text: str, separator: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for line in text.splitlines():
        name, _, value = line.partition(separator)
        if _NUMBER.match(value.strip()):
            found[name.strip()] = float(value)
    return found
