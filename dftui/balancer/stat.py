"""HAProxy's own figures, typed: `show stat` (CSV), `show servers state` and the latency table.

Sources: HAProxy management guide, "Statistics and monitoring" (CSV columns) and "show servers state".
Strings that come from a server (the end of `check_why`) are foreign: show them only sanitised.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dftui.balancer.config import BACKEND, BUCKETS_MS, FRONTEND
from dftui.balancer.errors import BalancerError

Admin = Literal["ready", "drain", "maint"]
STAT = "show stat -1 7 -1"
"""The command whose reply `parse_stat` reads: frontends, backends and servers."""
STATE = f"show servers state {BACKEND}"

_STOPPED = re.compile(rf"^{FRONTEND},FRONTEND,(?:[^,]*,){{15}}STOP,", re.MULTILINE)
_CODES = ("hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other")
# Bits of srv_admin_state.
_MAINT = 0x01 | 0x02 | 0x20 | 0x40
_DRAIN = 0x08 | 0x10
# Of srv_op_state: 0 stopped, 1 starting (slowly), 2 running, 3 stopping.
_RUNNING = 2


@dataclass(frozen=True, slots=True)
class ServerState:
    """One server as the balancer believes it. Counters are totals since the server was added (they vanish with it).

    `requests` counts answers given to clients (attempts that were retried elsewhere are not in it), `failed` those
    with a 5xx status, `codes` by class 1xx to 5xx and other; `attempts` is HAProxy's `stot`. `changed` is seconds
    since the status last changed, `idle` seconds since the last request (None: none yet)."""

    name: str
    address: str
    status: str
    """UP, DOWN, NOLB, MAINT, DRAIN, or "no check"."""
    admin: Admin
    sessions: int = 0
    queue: int = 0
    requests: int = 0
    failed: int = 0
    codes: tuple[int, ...] = (0, 0, 0, 0, 0, 0)
    retries: int = 0
    redispatches: int = 0
    attempts: int = 0
    connect_errors: int = 0
    response_errors: int = 0
    client_aborts: int = 0
    server_aborts: int = 0
    weight: int = 0
    check_why: str = ""
    check_code: int | None = None
    changed: int = 0
    idle: int | None = None
    downtime: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def serving(self) -> bool:
        """Up and eligible for new requests."""
        return self.status == "UP" and self.admin == "ready" and self.weight > 0


@dataclass(frozen=True, slots=True)
class FrontendState:
    """All client traffic; `requests` counts what clients sent, `failed` 5xx answers, the balancer's own included,
    `invalid` requests that were no HTTP, `rate` requests in the last second. `retries` and `redispatches` are the
    backend's. All totals last until the balancer restarts."""

    requests: int = 0
    failed: int = 0
    retries: int = 0
    redispatches: int = 0
    codes: tuple[int, ...] = (0, 0, 0, 0, 0, 0)
    sessions: int = 0
    max_sessions: int = 0
    rate: int = 0
    denied: int = 0
    invalid: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    status: str = ""


@dataclass(frozen=True, slots=True)
class BackendState:
    """Sums over all servers, removed ones included; they last until the balancer restarts."""

    requests: int = 0
    failed: int = 0
    codes: tuple[int, ...] = (0, 0, 0, 0, 0, 0)
    sessions: int = 0
    queue: int = 0
    retries: int = 0
    redispatches: int = 0
    connect_errors: int = 0
    response_errors: int = 0
    client_aborts: int = 0
    server_aborts: int = 0
    active: int = 0
    status: str = ""
    balance: str = ""
    """The algorithm that runs."""


@dataclass(frozen=True, slots=True)
class Table:
    """One reading of everything."""

    frontend: FrontendState
    backend: BackendState
    servers: tuple[ServerState, ...]

    def server(self, name: str) -> ServerState | None:
        """By name."""
        return next((s for s in self.servers if s.name == name), None)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a standby says: its clients' requests so far, those of the last second, and where it differs from the
    balancer that is spoken to ("" while it is in step); `ahead`: that one was not told the last change."""

    requests: int
    rate: int
    behind: str
    ahead: bool


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from request to response headers over `count` requests, by interpolation in a histogram."""

    p50_ms: float
    p95_ms: float
    count: int


def _int(row: Mapping[str, str], column: str) -> int:
    try:
        return int(row.get(column) or 0)
    except ValueError:
        return 0


def _codes(row: Mapping[str, str]) -> tuple[int, ...]:
    return tuple(_int(row, code) for code in _CODES)


# As HAProxy 2.6 to 3.2 describes the results of a check (src/check.c, check_statuses).
_PLAIN = {
    "Socket error": "no connection could be tried",
    "Layer4 connection problem": "it takes no connection",
    "Layer4 timeout": "no connection in time",
    "Layer7 timeout": "no answer in time",
    "Layer7 invalid response": "its answer is not HTTP",
    "Layer7 wrong status": "its answer is an error",
}


def _why(row: Mapping[str, str]) -> str:
    """What the last check said, in plain words (HAProxy's own where those are) and then the server's."""
    told = row.get("check_desc") or row.get("check_status") or ""
    words = [_PLAIN.get(told, told)]
    if code := _int(row, "check_code"):  # 0 while a check is under way
        words.append(f"(HTTP {code})")
    if row.get("last_chk"):
        words.append(row["last_chk"])
    return " ".join(word for word in words if word)[:300]


def _server(row: Mapping[str, str]) -> ServerState:
    words = row.get("status", "")
    status = "no check" if words.startswith("no check") else words.partition(" ")[0]
    admin: Admin = "ready"
    if status == "MAINT":
        admin = "maint"
    elif status == "DRAIN":
        admin = "drain"
    codes = _codes(row)
    idle = _int(row, "lastsess") if row.get("lastsess") else -1
    return ServerState(
        name=row.get("svname", ""),
        address=row.get("addr", ""),
        status=status,
        admin=admin,
        sessions=_int(row, "scur"),
        queue=_int(row, "qcur"),
        requests=sum(codes),
        failed=codes[4],
        codes=codes,
        retries=_int(row, "wretr"),
        redispatches=_int(row, "wredis"),
        attempts=_int(row, "stot"),
        connect_errors=_int(row, "econ"),
        response_errors=_int(row, "eresp"),
        client_aborts=_int(row, "cli_abrt"),
        server_aborts=_int(row, "srv_abrt"),
        weight=_int(row, "weight"),
        check_why=_why(row),
        check_code=_int(row, "check_code") or None,
        changed=_int(row, "lastchg"),
        idle=idle if idle >= 0 else None,
        downtime=_int(row, "downtime"),
        bytes_in=_int(row, "bin"),
        bytes_out=_int(row, "bout"),
    )


def _frontend(row: Mapping[str, str]) -> FrontendState:
    codes = _codes(row)
    return FrontendState(
        requests=_int(row, "req_tot"),
        failed=codes[4],
        codes=codes,
        sessions=_int(row, "scur"),
        max_sessions=_int(row, "slim"),
        rate=_int(row, "req_rate"),
        denied=_int(row, "dreq"),
        invalid=_int(row, "ereq"),
        bytes_in=_int(row, "bin"),
        bytes_out=_int(row, "bout"),
        status=row.get("status", ""),
    )


def _backend(row: Mapping[str, str]) -> BackendState:
    codes = _codes(row)
    return BackendState(
        requests=sum(codes),
        failed=codes[4],
        codes=codes,
        sessions=_int(row, "scur"),
        queue=_int(row, "qcur"),
        retries=_int(row, "wretr"),
        redispatches=_int(row, "wredis"),
        connect_errors=_int(row, "econ"),
        response_errors=_int(row, "eresp"),
        client_aborts=_int(row, "cli_abrt"),
        server_aborts=_int(row, "srv_abrt"),
        active=_int(row, "act"),
        status=row.get("status", ""),
        balance=row.get("algo", ""),
    )


def of_old_worker(line: str, reply: str) -> bool:
    """Whether the reply to a command comes from a worker that a reload has replaced."""
    return reply.startswith("Proxy is disabled") or (line == STAT and _STOPPED.search(reply) is not None)


def parse_stat(text: str) -> Table:
    """The reply to `STAT`. Raises BalancerError when it is no such reply or has not our frontend."""
    lines = text.lstrip("\n").replace("\r", " ")
    if not lines.startswith("# "):
        raise BalancerError(f"the balancer's statistics cannot be read: {text[:80]!r}")
    try:
        header, *rows = list(csv.reader(io.StringIO(lines[2:])))
    except (csv.Error, ValueError) as error:
        raise BalancerError(f"the balancer's statistics cannot be read: {error}") from None
    frontend: FrontendState | None = None
    backend = BackendState()
    servers: list[ServerState] = []
    for cells in rows:
        row = dict(zip(header, cells, strict=False))
        proxy, kind = row.get("pxname"), row.get("type")
        if proxy == FRONTEND and kind == "0":
            frontend = _frontend(row)
        elif proxy == BACKEND and kind == "1":
            backend = _backend(row)
        elif proxy == BACKEND and kind == "2":
            servers.append(_server(row))
    if frontend is None:
        raise BalancerError("the balancer runs another configuration than dftui's", "run `dftui up` to rewrite it")
    frontend = replace(frontend, retries=backend.retries, redispatches=backend.redispatches)
    return Table(frontend, backend, tuple(servers))


def needs_state(table: Table) -> bool:
    """Whether some server's `admin` cannot be told from the CSV: a drained server that is down reads DOWN."""
    return any(s.status in ("DOWN", "NOLB", "no check") for s in table.servers)


def with_state(table: Table, text: str) -> Table:
    """The table with `admin` of each server set from the reply to `STATE`."""
    admin: dict[str, Admin] = {}
    columns: list[str] = []
    for line in text.splitlines():
        if line.startswith("# "):
            columns = line[2:].split()
        elif columns:
            row = dict(zip(columns, line.split(), strict=False))
            bits = _int(row, "srv_admin_state")
            admin[row.get("srv_name", "")] = "maint" if bits & _MAINT else "drain" if bits & _DRAIN else "ready"
    return replace(table, servers=tuple(replace(s, admin=admin.get(s.name, s.admin)) for s in table.servers))


def let_in(name: str, text: str) -> bool:
    """Whether the reply to `STATE` says that a server is up and takes requests; its row alone is read."""
    columns = next((line[2:].split() for line in text.splitlines()[:3] if line.startswith("# ")), [])
    found = re.search(rf"^.* {re.escape(name)} .*$", text, re.MULTILINE)
    if found is None:
        return False
    row = dict(zip(columns, found[0].split(), strict=False))
    out = _int(row, "srv_admin_state") & (_MAINT | _DRAIN)
    return row.get("srv_name") == name and _int(row, "srv_op_state") == _RUNNING and not out


_ENTRY = re.compile(r"key=(\S+) ")
_COUNTER = re.compile(r"\bgpc(\d+)=(\d+)")


def parse_latency(text: str) -> dict[str, tuple[int, ...]]:
    """Bucket counts by server name from `show table`."""
    found: dict[str, tuple[int, ...]] = {}
    for line in text.splitlines():
        key = _ENTRY.search(line)
        if key is None:
            continue
        counts = [0] * (len(BUCKETS_MS) + 1)
        for index, count in _COUNTER.findall(line):
            if int(index) < len(counts):
                counts[int(index)] = int(count)
        found[key[1]] = tuple(counts)
    return found


def quantile(counts: Sequence[int], q: float) -> float:
    """Milliseconds below which the share `q` of all requests lies; the open last bucket counts as its lower bound.
    `counts` must not be all zero."""
    wanted = q * sum(counts)
    below = 0
    low = 0.0
    for count, high in zip(counts, BUCKETS_MS, strict=False):
        if count and below + count >= wanted:
            return low + (high - low) * (wanted - below) / count
        below += count
        low = float(high)
    return low


class LatencyDeltas:
    """Turns ever-growing histograms into latencies of the time since the last call."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, ...]] = {}

    def update(self, now: Mapping[str, tuple[int, ...]]) -> dict[str, Latency]:
        """Latencies of servers that answered since the last call; a counter that went back started anew."""
        found: dict[str, Latency] = {}
        for name, counts in now.items():
            before = self._last.get(name, (0,) * len(counts))
            fresh = tuple(a - b for a, b in zip(counts, before, strict=True))
            if min(fresh) < 0:
                fresh = counts
            if total := sum(fresh):
                found[name] = Latency(quantile(fresh, 0.5), quantile(fresh, 0.95), total)
        self._last = dict(now)
        return found
