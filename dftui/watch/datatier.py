"""Live figures of the database and the cache, each over one long exec of its own client.

The password comes from the container's own environment inside the container, so dftui needs no secret and none
stands in an argv.  The database is asked as root, because its own user may see neither replication nor all data.
Sources: MySQL reference manual, "Server Status Variables" and "SHOW REPLICA STATUS" (MariaDB has the same names, and
some of its own); Redis, "INFO".  Whether there is a first admin is asked of DreamFactory's own table, since what the
application says of it is cached.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from dftui.engine.api import ByteStream, Engine, EngineError
from dftui.watch.figures import Rate, Shown, about, rounded, size, span
from dftui.watch.sanitise import clean

PERIOD = 1.0
_SIZE_EVERY = 60
_SLOW_EVERY = 5
"""Rounds between two questions about the first admin and about replication."""
_END = "dftui-end"
_LONGEST_WAIT = 15.0
_MOST_BYTES = 256 * 1024
_PATIENCE = 10.0
_SHORT = 160


def root_client(options: str) -> tuple[str, str, str]:
    """What runs the database's own client as its root, in its container: `mysql` in MySQL's image, `mariadb` in
    MariaDB's. The password is in the environment there; `options` are words of a shell."""
    return (
        "sh",
        "-c",
        'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" exec "$(command -v mariadb || command -v mysql)" --no-defaults '
        f"--protocol=socket --user=root {options}",
    )


# --unbuffered writes each answer at once; names of columns stay in, because without them \G tells no names either.
MYSQL = root_client('--batch --unbuffered --force "$MYSQL_DATABASE"')
REDIS = ("sh", "-c", 'REDISCLI_AUTH="$REDIS_PASSWORD" exec redis-cli')
_STATUS = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected','Threads_running','Max_used_connections',"
    "'Aborted_connects','Questions','Slow_queries','Innodb_buffer_pool_bytes_data','Uptime');\n"
)
_SIZE = (
    "SELECT 'dftui_size', COALESCE(SUM(data_length+index_length),0) FROM information_schema.tables "
    "WHERE table_schema NOT IN ('mysql','sys','performance_schema','information_schema');\n"
)
# The second fails, and says nothing, while there is no such table.
_ADMIN = (
    "SELECT 'dftui_tables', COUNT(*) FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_name = 'user';\n"
    "SELECT 'dftui_admins', COUNT(*) FROM user WHERE is_sys_admin = 1;\n"
)
_REPLICATION = "SHOW REPLICA STATUS\\G\n"
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?$")

NOT_MIGRATED, NO_ADMIN, READY = "not migrated", "no admin", "ready"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one question gave. `figures` are ready to draw, in the order to show them; `values` are the same and more
    as numbers, for JSON (bytes, seconds, counts since the server's start); `trouble` is what does not work although
    the server runs (replication), "" for nothing; `admin` is one of the states above, "" when this tells none."""

    figures: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict, compare=False)
    trouble: str = ""
    admin: str = ""


NOTHING = Reading()
Changed = Callable[[Reading], None]


class Client:
    """One long conversation with a client program: ask, then read up to an end mark; opened again when it ends."""

    role = ""
    argv: tuple[str, ...] = ()

    def __init__(self, engine: Engine, ref: str, changed: Changed = lambda reading: None) -> None:
        """What container `ref` says is told to `changed`, only when it differs from the last."""
        self._engine = engine
        self._ref = ref
        self._changed = changed
        self._stream: ByteStream | None = None
        self._told: Reading | None = None
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
                    async with asyncio.timeout(_PATIENCE):
                        answer = await self._ask(self.question())
                    self._tell(self.read(answer, time.monotonic()))
                    self.error = ""
                    wait = 1.0
                    self._rounds += 1
                    await asyncio.sleep(max(0.1, PERIOD - (time.monotonic() - started)))
            except (EngineError, TimeoutError, _EndedError) as error:
                self.error = clean(str(error)) or "it did not answer in time"
                self._tell(NOTHING)
            finally:
                await self._close()
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)

    async def once(self) -> Reading:
        """One look, everything asked; nothing when it cannot be asked."""
        try:
            async with asyncio.timeout(_PATIENCE):
                self._stream = await self._engine.exec_stream(self._ref, self.argv)
                found = self.read(await self._ask(self.question()), time.monotonic())
                # A rate needs two looks.
                return replace(found, figures={k: v for k, v in found.figures.items() if v != rounded(None)})
        except (EngineError, TimeoutError, _EndedError) as error:
            self.error = clean(str(error)) or "it did not answer in time"
            return NOTHING
        finally:
            await self._close()

    def question(self) -> str:
        """What to write each second; the answer must end with a line that holds the end mark."""
        raise NotImplementedError

    def read(self, answer: str, at: float) -> Reading:
        """What the answer says; `at` is monotonic seconds."""
        raise NotImplementedError

    async def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await asyncio.shield(stream.close())

    def _tell(self, reading: Reading) -> None:
        if reading != self._told:
            self._told = reading
            self._changed(reading)

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

    def __init__(self, engine: Engine, ref: str, changed: Changed = lambda reading: None) -> None:
        super().__init__(engine, ref, changed)
        self._queries = Rate()
        self._shown = Shown()
        self._size = 0.0
        self._own = 0
        self._admin = ""
        self._replication: dict[str, str] = {}
        self._slow_asked = False

    def question(self) -> str:
        """Status variables each second, the admin and replication now and then, the data's size each minute."""
        asks = [_STATUS]
        self._slow_asked = self._rounds % _SLOW_EVERY == 0
        if self._slow_asked:
            asks += [_ADMIN, _REPLICATION]
        if self._rounds % _SIZE_EVERY == 0:
            asks.append(_SIZE)
        # Named "", because the name of a column is written too.
        asks.append(f"SELECT '{_END}' AS '';\n")
        self._own += sum(ask.count("\n") for ask in asks)
        return "".join(asks)

    def read(self, answer: str, at: float) -> Reading:
        """Connections, queries per second, slow queries, size, replication; without dftui's own queries and
        connection."""
        found = _pairs(answer, "\t")
        if "Questions" not in found:
            return NOTHING
        if self._slow_asked:
            self._admin = _admin(found)
            self._replication = _words(answer)
        self._size = found.get("dftui_size", self._size)
        questions = found["Questions"] - self._own
        rate = self._queries.update(questions, at)
        uptime = found.get("Uptime", 0)
        connections = max(0, int(found.get("Threads_connected", 1)) - 1)
        replication, trouble = replication_state(self._replication)
        figures = {
            "connections": str(connections),
            "queries/s": self._shown.text(rate),
            "slow": about(found.get("Slow_queries", 0)),
            "size": size(self._size),
            **({"replication": replication} if replication else {}),
            "up": span(uptime),
            "conn. peak": str(max(0, int(found.get("Max_used_connections", 1)) - 1)),
            "failed logins": about(found.get("Aborted_connects", 0)),
            "in memory": size(found.get("Innodb_buffer_pool_bytes_data", 0)),
            **({"first admin": self._admin} if self._admin else {}),
        }
        values = {
            "connections": connections,
            "connections_most": found.get("Max_used_connections", 0),
            "connects_failed": found.get("Aborted_connects", 0),
            "questions": found["Questions"],
            "queries_per_second": round(max(0.0, questions) / uptime if rate is None and uptime else rate or 0.0, 2),
            "slow_queries": found.get("Slow_queries", 0),
            "size_bytes": self._size,
            "buffer_pool_bytes": found.get("Innodb_buffer_pool_bytes_data", 0),
            "uptime_seconds": uptime,
        }
        return Reading(figures, values, trouble, self._admin)


def _admin(found: Mapping[str, float]) -> str:
    if "dftui_tables" not in found:
        return ""
    if not found["dftui_tables"]:
        return NOT_MIGRATED
    if "dftui_admins" not in found:
        return ""
    return READY if found["dftui_admins"] else NO_ADMIN


def replication_state(status: Mapping[str, str]) -> tuple[str, str]:
    """A figure and what is wrong, from `SHOW REPLICA STATUS`; both "" where nothing is replicated. MariaDB says
    Slave_… and Master where MySQL says Replica_… and Source."""

    def of(*names: str) -> str:
        return next((status[name] for name in names if status.get(name)), "")

    io, sql = of("Replica_IO_Running", "Slave_IO_Running"), of("Replica_SQL_Running", "Slave_SQL_Running")
    if not io and not sql:
        return "", ""
    error = of("Last_IO_Error", "Last_SQL_Error")
    if error:
        return "error", clean(f"replication: {error}", _SHORT)
    if io != "Yes" or sql != "Yes":
        return "stopped", ""
    behind = of("Seconds_Behind_Source", "Seconds_Behind_Master")
    return (f"{behind} s behind" if behind.isdigit() else "running"), ""


class Cache(Client):
    """Redis."""

    role = "cache"
    argv = REDIS

    def __init__(self, engine: Engine, ref: str, changed: Changed = lambda reading: None) -> None:
        super().__init__(engine, ref, changed)
        self._commands = Rate()
        self._shown = Shown()
        self._own = 0

    def question(self) -> str:
        """INFO each second."""
        self._own += 2
        return f"INFO\nECHO {_END}\n"

    def read(self, answer: str, at: float) -> Reading:
        """Hits, misses, memory, evictions, clients, commands per second; dftui's own left out."""
        found = _pairs(answer, ":")
        if "used_memory" not in found:
            return NOTHING
        rate = self._commands.update(found.get("total_commands_processed", 0) - self._own, at)
        clients = max(0, int(found.get("connected_clients", 1)) - 1)
        hits, misses = found.get("keyspace_hits", 0), found.get("keyspace_misses", 0)
        limit = found.get("maxmemory", 0)
        keys = sum(int(count) for count in re.findall(r"^db\d+:keys=(\d+)", answer, re.MULTILINE))
        figures = {
            "hits": about(hits),
            "misses": about(misses),
            "memory": size(found["used_memory"]),
            "evicted": about(found.get("evicted_keys", 0)),
            "clients": str(clients),
            "ops/s": self._shown.text(rate),
            "up": span(found.get("uptime_in_seconds", 0)),
            "hit rate": f"{100 * hits / (hits + misses):.0f}%" if hits + misses else "-",
            "keys": about(keys),
            "memory limit": size(limit) if limit else "none",
        }
        values = {
            "hits": hits,
            "misses": misses,
            "memory_bytes": found["used_memory"],
            "memory_limit_bytes": limit,
            "evicted_keys": found.get("evicted_keys", 0),
            "clients": clients,
            "keys": keys,
            "commands": found.get("total_commands_processed", 0),
            "ops_per_second": round(max(0.0, rate), 2)
            if rate is not None
            else found.get("instantaneous_ops_per_sec", 0),
            "uptime_seconds": found.get("uptime_in_seconds", 0),
        }
        return Reading(figures, values)


def _pairs(text: str, separator: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for line in text.splitlines():
        name, _, value = line.partition(separator)
        if _NUMBER.match(value.strip()):
            found[name.strip()] = float(value)
    return found


def _words(text: str) -> dict[str, str]:
    """The pairs of vertical output: "          Last_IO_Error: text"."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and "\t" not in name:
            found.setdefault(name.strip(), value.strip())
    return found
