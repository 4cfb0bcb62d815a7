"""haproxy.cfg: rendered whole from a `BalancerConfig`, and its marked comments read back.

The file is rewritten after each change of the server table and read by HAProxy only when it starts, so that a
restarted balancer comes up with every server.  The wanted number of replicas lives in it too, in comment lines that
start with `MARK`, because a container's labels cannot change.  Directives are those that HAProxy 2.6 to 3.2 share.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from dftui.balancer import rules, tls

CONFIG_PATH = "/usr/local/etc/haproxy/haproxy.cfg"
SOCKET_PATH = "/var/lib/haproxy/admin.sock"
PORT = 80
"""The port that the balancer listens on inside its container."""
BACKEND = "web"
FRONTEND = "public"
RING = "requests"
LATENCY = "latency"
"""Name of the stick table that holds the latency histogram."""
PROBE_HEADER = "X-Dftui-Probe"
HOST_HEADER = "X-Dftui-Host"
"""On the answers to dftui's own probes: who served it, where the web does not say it itself."""
SCHEMA = 1
MARK = "#dftui "
MARK_SERVER = "#dftui-server "
MARK_HELD = "#dftui-held "
BALANCES = ("roundrobin", "leastconn", "random", "source")
"""Algorithms that accept servers at run time (HAProxy calls them dynamic)."""

BUCKETS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
"""Upper bounds, inclusive, of all latency buckets but the last, which is open."""

SERVER_OPTIONS = (
    "check inter 1s fastinter 250ms downinter 100ms fall 2 rise 1 observe layer4 error-limit 5 on-error mark-down "
    "pool-purge-delay 5s pool-max-conn -1"
)
"""The same for servers in the file and for those added at run time, which take nothing from `default-server`;
without the two pool settings HAProxy 2.6 opens a new connection for each request to an added server.  There is no
`on-marked-down shutdown-sessions`: when a server dies it cuts GETs (logged "D-") that would else be retried
elsewhere, 5 of 35,000 in 20 kills against none of 69,000 in 36 without it."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_HEALTH = re.compile(r"/[A-Za-z0-9._~!&()*+,;=:@%/?-]{0,199}")
NONCE = re.compile(r"[A-Za-z0-9]{0,64}")


class ConfigError(ValueError):
    """A value that must not go into haproxy.cfg; `str()` names the setting, the value and what is allowed."""


@dataclass(frozen=True, slots=True)
class Server:
    """One web in the balancer. `name` is its container's short id (its Host), `address` its fixed address on the
    front network, `replica` its container's name."""

    name: str
    address: str
    port: int
    replica: str


@dataclass(frozen=True, slots=True)
class Held:
    """A replica that runs and is kept out of the table: the short id of its container, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Filed:
    """What the stack file said when it was last rolled out: its number of replicas, and its image of the web (None:
    it named none). Else a later `+`, or a roll to another image, could not be told from an edit."""

    replicas: int
    image: str | None


@dataclass(frozen=True, slots=True)
class BalancerConfig:
    """All that haproxy.cfg depends on. `probe_nonce` is the value of `PROBE_HEADER` that marks dftui's own requests
    ("" marks none); `deny_setup` refuses /setup and /setup_db from the start; `trusted_proxies` are addresses or
    networks (CIDR) whose forwarding headers are believed; above `full_rate` requests a second only one in `sample` is
    recorded singly."""

    stack: str
    wanted: int
    servers: tuple[Server, ...]
    balance: str = "roundrobin"
    health_path: str = "/status"
    probe_nonce: str = ""
    deny_setup: bool = False
    trusted_proxies: tuple[str, ...] = ()
    full_rate: int = 2000
    sample: int = 20
    held: tuple[Held, ...] = ()
    """Only noted, for whoever looks next."""
    filed: Filed | None = None
    """Only noted, too."""
    https: int = 0
    """The published port of HTTPS, to which http is sent on; 0: there is none."""
    plain: bool = False
    """The web is not DreamFactory, so no path of it is a setup form."""
    turn: int = 0
    """How many times the file was written: of two balancers' files the higher one holds."""


@dataclass(frozen=True, slots=True)
class Marked:
    """What the marked comments of a configuration say. `whole` is False when some of it could not be read or is
    missing, or when a newer dftui wrote it."""

    wanted: int
    servers: tuple[Server, ...]
    stack: str = ""
    schema: int = SCHEMA
    deny_setup: bool = False
    probe_nonce: str = ""
    whole: bool = True
    held: tuple[Held, ...] = ()
    filed: Filed | None = None
    https: int = 0
    turn: int = 0


def check_server(server: Server) -> Server:
    """The server itself, if it may stand in a configuration or command. Raises ConfigError."""
    if not _NAME.fullmatch(server.name):
        raise ConfigError(f"server name {server.name!r}: letters, digits, '_', '.' and '-' only")
    if not _NAME.fullmatch(server.replica):
        raise ConfigError(f"replica name {server.replica!r}: letters, digits, '_', '.' and '-' only")
    try:
        address = ipaddress.ip_address(server.address)
    except ValueError:
        raise ConfigError(f"address {server.address!r} of {server.replica}: not an IP address") from None
    if address.is_unspecified or address.is_multicast:
        raise ConfigError(f"address {server.address!r} of {server.replica}: not an address of one machine")
    if not 0 < server.port < 65536:
        raise ConfigError(f"port {server.port} of {server.replica}: 1 to 65535")
    return server


def check_proxy(proxy: str) -> str:
    """The address or network itself, if it may stand in a configuration or command. Raises ConfigError."""
    try:
        ipaddress.ip_network(proxy)
    except ValueError:
        raise ConfigError(f"trusted proxy {proxy!r}: an IP address, or a network as 10.1.0.0/16") from None
    return proxy


def _check(cfg: BalancerConfig) -> None:
    if not 0 <= cfg.wanted <= 100_000:
        raise ConfigError(f"wanted {cfg.wanted}: 0 or more")
    if cfg.balance not in BALANCES:
        raise ConfigError(f"balance {cfg.balance!r}: one of {', '.join(BALANCES)}")
    if not _HEALTH.fullmatch(cfg.health_path):
        raise ConfigError(f"health path {cfg.health_path!r}: starts with / and is made of plain URL characters")
    if not NONCE.fullmatch(cfg.probe_nonce):
        raise ConfigError("probe nonce: letters and digits only")
    for proxy in cfg.trusted_proxies:
        check_proxy(proxy)
    if not 0 <= cfg.https < 65536:
        raise ConfigError(f"https port {cfg.https}: 1 to 65535, 0 for none")
    if not 1 <= cfg.full_rate <= 1_000_000 or not 1 <= cfg.sample <= 10_000:
        raise ConfigError(f"sampling {cfg.full_rate}, 1 in {cfg.sample}: positive numbers")
    seen: set[str] = set()
    for server in cfg.servers:
        check_server(server)
        if server.name in seen:
            raise ConfigError(f"server {server.name} is there twice")
        seen.add(server.name)


def endpoint(server: Server) -> str:
    """ADDRESS:PORT as HAProxy reads it (an IPv6 address in brackets)."""
    host = f"[{server.address}]" if ":" in server.address else server.address
    return f"{host}:{server.port}"


# Read by records.py.  Each string is escaped by json(utf8s), which drops what is no UTF-8; the others cannot hold a
# quote.  %rt counts streams of any kind, %lc logged requests: a hole in the second is a lost record.  proc.boot tells
# one run of the balancer from the next, where both begin anew.
_LOG_FORMAT = (
    '{"t":%[date(0,ms)],"c":"%ci","m":"%[capture.req.method,json(utf8s)]","u":"%[capture.req.uri,json(utf8s)]",'
    '"s":%ST,"q":%Tw,"k":%Tc,"r":%Tr,"a":%Ta,"n":"%s","i":"%[var(txn.id)]","e":"%rc","rt":%rt,"lc":%lc,"z":"%[var(proc.boot)]","b":%B,"x":"%ts",'
    '"p":"%[var(txn.probe)]","w":"%[var(txn.weight)]","g":"%[capture.req.hdr(0),json(utf8s)]"}'
)


_ANSWERS = (
    (502, "The replica ended the connection before it had answered.", ""),
    (503, "No replica can take the request now: none is up, or all are draining or full.", " hdr Retry-After 2"),
    (504, "The replica did not answer in time.", ""),
)


def spelled(path: str) -> str:
    """A health path as a variable holds it."""
    return quote(path, safe="/?=&")


def _global(cfg: BalancerConfig) -> list[str]:
    return [
        "global",
        # No maxconn: it would fail to start where the host's hard limit of open files is lower. This upper bound
        # gives about 4,100 connections, or fewer where the host allows fewer.
        "    fd-hard-limit 8400",
        "    hard-stop-after 30s",
        f"    stats socket {SOCKET_PATH} mode 600 level admin expose-fd listeners",
        "    stats timeout 1h",
        # A server's first check comes 2 ms after it was added, not a whole interval; that those of the file begin
        # together then is made up for by intervals that differ a little.
        "    max-spread-checks 2ms",
        "    spread-checks 5",
        # Process-wide variables: this one can be set at run time, so that setup is closed without a reload.
        f"    set-var proc.setup_closed int({int(cfg.deny_setup)})",
        "    set-var proc.boot date(0,ms)",
        # What this process was started with, whatever has been written into the file since.
        f"    set-var proc.health str({spelled(cfg.health_path)})",
        "",
        f"ring {RING}",
        '    description "one JSON object for each request"',
        "    format raw",
        "    maxlen 4096",
        "    size 4194304",
        "",
    ]


def _defaults() -> list[str]:
    return [
        "defaults",
        "    mode http",
        "    option redispatch 1",
        "    option idle-close-on-response",
        "    option dontlognull",
        # A server's machine that vanished without a word is noticed on the connections that wait for it.
        "    option srvtcpka",
        "    srvtcpka-idle 10s",
        "    srvtcpka-intvl 2s",
        "    srvtcpka-cnt 3",
        "    retries 3",
        "    retry-on conn-failure empty-response junk-response 0rtt-rejected",
        "    http-reuse safe",
        "    timeout connect 500ms",
        "    timeout client 10m",
        "    timeout server 10m",
        "    timeout queue 30s",
        "    timeout http-request 15s",
        "    timeout http-keep-alive 60s",
        "    timeout tunnel 1h",
        *[f"    http-error {rules.answer(status, text)}{more}" for status, text, more in _ANSWERS],
        "",
    ]


def _frontend(cfg: BalancerConfig) -> list[str]:
    lines = [
        f"frontend {FRONTEND}",
        f"    bind :{PORT}",
        *([tls.bind()] if cfg.https else ()),
        f"    log ring@{RING} len 4096 format raw local0 info info",
        f"    log-format '{_LOG_FORMAT}'",
        "    unique-id-format %[uuid()]",
        "    capture request header User-Agent len 128",
        "    http-request set-var(txn.start) date(0,ms)",
        "    http-request set-var(txn.weight) int(1)",
        f"    http-request set-var(txn.weight) int({cfg.sample}) if {{ fe_req_rate gt {cfg.full_rate} }}",
        f"    http-request set-log-level silent if {{ var(txn.weight) -m int gt 1 }} !{{ rand({cfg.sample}) eq 0 }}",
    ]
    if cfg.probe_nonce:
        lines.append(
            f"    http-request set-var(txn.probe) int(1) if {{ req.hdr({PROBE_HEADER}) -m str {cfg.probe_nonce} }}"
        )
    lines += [
        f"    http-request del-header {PROBE_HEADER}",
        *rules.forwarding(cfg.trusted_proxies),
        *(tls.rules(cfg.https) if cfg.https else ()),
        *(() if cfg.plain else rules.setup()),
        f"    default_backend {BACKEND}",
        "",
    ]
    return lines


def _histogram() -> list[str]:
    """Milliseconds from request to response headers, counted in one bucket of the server's entry."""
    lines = [
        "    http-response set-var(txn.ms) date(0,ms),sub(txn.start)",
        f"    http-response track-sc0 srv_name table {LATENCY}",
    ]
    low = 0
    for index, bound in enumerate(BUCKETS_MS):
        lines.append(f"    http-response sc-inc-gpc({index},0) if {{ var(txn.ms) -m int {low}:{bound} }}")
        low = bound + 1
    lines.append(f"    http-response sc-inc-gpc({len(BUCKETS_MS)},0) if {{ var(txn.ms) -m int gt {BUCKETS_MS[-1]} }}")
    return lines


def _backend(cfg: BalancerConfig, servers: Iterable[str]) -> list[str]:
    lines = [
        f"backend {BACKEND}",
        f"    balance {cfg.balance}",
        f"    option httpchk GET {cfg.health_path} HTTP/1.1",
        "    http-check send hdr Host localhost hdr User-Agent dftui-health-check",
        "    http-request disable-l7-retry unless METH_GET",
        *([f"    http-response set-header {HOST_HEADER} %[srv_name] if {{ var(txn.probe) -m found }}"] * cfg.plain),
        *_histogram(),
        *servers,
        "",
        f"backend {LATENCY}",
        f"    stick-table type string len 64 size 10k store gpc({len(BUCKETS_MS) + 1})",
    ]
    if cfg.balance == "source":
        lines.insert(2, "    hash-type consistent")
    return lines


def directives(cfg: BalancerConfig, found: Sequence[str] | None = None) -> list[str]:
    """All that HAProxy itself reads, line by line; `found` stands in the place of the servers. Raises ConfigError on
    a value that must not go into it."""
    _check(cfg)
    servers = [f"    server {s.name} {endpoint(s)} {SERVER_OPTIONS}" for s in cfg.servers] if found is None else found
    return [*_global(cfg), *_defaults(), *_frontend(cfg), *_backend(cfg, servers)]


def render(cfg: BalancerConfig) -> str:
    """The whole haproxy.cfg. Raises ConfigError on a value that must not go into it."""
    read = directives(cfg)
    state: dict[str, Any] = {
        "schema": SCHEMA,
        "stack": cfg.stack,
        "wanted": cfg.wanted,
        "count": len(cfg.servers),
        "deny_setup": cfg.deny_setup,
        "probe_nonce": cfg.probe_nonce,
        **({"https": cfg.https} if cfg.https else {}),
        **({"turn": cfg.turn} if cfg.turn else {}),
    }
    if cfg.filed is not None:
        state["filed"] = {"replicas": cfg.filed.replicas, "image": cfg.filed.image}
    lines = [
        "# Written by dftui, which rewrites it whole after each change: what is edited here is lost.",
        MARK + json.dumps(state, separators=(",", ":")),
        *[
            MARK_SERVER
            + json.dumps(
                {"name": s.name, "address": s.address, "port": s.port, "replica": s.replica}, separators=(",", ":")
            )
            for s in cfg.servers
        ],
        *[MARK_HELD + json.dumps({"name": h.name, "why": h.why[:300]}, separators=(",", ":")) for h in cfg.held],
        "",
        *read,
    ]
    return "\n".join(lines) + "\n"
