"""Plain text of what commands print for people; every state is a glyph and a word, colour only adds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dftui.balancer.tls import Certificate
from dftui.control.receipts import ScaleResult
from dftui.stack.spec import NOT_FOR_PLAIN
from dftui.watch.format import days, millis, percent, rate, size, spark
from dftui.watch.records import Request
from dftui.watch.signs import ROLES, SIGNS
from dftui.watch.snapshot import Service, Snapshot
from dftui.watch.trends import Trends, total_load

_CODES = {"good": "32", "info": "36", "warning": "33", "bad": "31", "muted": "37"}
_ROLES = {"db": "database", "cache": "cache", "balancer": "balancer", "standby": "standby"}


def paint(text: str, code: str, colour: bool) -> str:
    """`text` in an SGR colour, if colours are wanted."""
    return f"\x1b[{code}m{text}\x1b[0m" if colour and code else text


def columns(rows: Sequence[Sequence[str]], indent: str = "  ", figures_from: int = 99) -> list[str]:
    """Rows as aligned columns, to the right from that column on; the last column of words is left as it is."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []

    def cell(index: int, text: str) -> str:
        if index >= figures_from:
            return text.rjust(widths[index])
        return text if index == len(widths) - 1 else text.ljust(widths[index])

    return [(indent + "  ".join(cell(n, text) for n, text in enumerate(row))).rstrip() for row in rows]


def status_text(snapshot: Snapshot, colour: bool = False) -> str:
    """The whole snapshot, one line a container."""
    if not snapshot.exists:
        return f"There is no stack named {snapshot.stack} here. `dftui up` makes it."
    head = f"{snapshot.stack}: {snapshot.serving} of {snapshot.wanted} replicas serving"
    if snapshot.url:
        head += f" at {snapshot.url}"
    lines = [paint(head, "1", colour)]
    if snapshot.printed_key:
        lines.append("  Its APP_KEY is in print: anyone can sign an admin's token. `dftui help printed-key`")
    if snapshot.exposed:
        lines.append(
            "  This port is open to every host that can reach this one; the host's firewall does not cover it."
        )
    if snapshot.certificate is not None:
        lines.append(f"  HTTPS: {certificate_text(snapshot.certificate, snapshot.at)}")
    if snapshot.kind == "plain":
        lines.append(f"  The web is a plain image: database, cache, APP_KEY and first admin are {NOT_FOR_PLAIN}.")
    elif snapshot.source == "bundled":
        lines.append("  Images: bundled. The web is a stand-in, not DreamFactory itself.")
    if snapshot.admin == "no admin":
        lines.append("  There is no first admin yet: whoever reaches the port can become it. `dftui admin create`")
    elif snapshot.admin == "not migrated":
        lines.append("  The database holds no tables of DreamFactory yet.")
    beside = () if snapshot.standby is None else (snapshot.standby,)
    services = [_service(service) for service in (*snapshot.services, *beside)]
    webs = [
        (
            "web",
            r.name,
            r.host or r.id[:12],
            f"{SIGNS[r.state]} {r.state.value}{f': {r.why}' if r.why else ''}",
            f"key {r.key or '-'}" + (f", on {r.node}" if r.node else ""),
            f"{r.traffic.requests} requests",
        )
        for r in snapshot.web
    ]
    state_code = {r.name: _CODES[ROLES[r.state]] for r in snapshot.web}
    for row, line in zip([*services, *webs], columns([*services, *webs]), strict=True):
        lines.append(paint(line, state_code.get(row[1], ""), colour))
    if snapshot.acting:
        lines.append(f"  {snapshot.acting} is acting on this stack.")
    for drift in snapshot.drift:
        lines.append(f"  drift: {drift.what} Repair: {drift.repair}")
    return "\n".join(lines)


def certificate_text(served: Certificate, now: float) -> str:
    """For whom a certificate is, and until when."""
    left = served.expires - now
    when = f"ends in {days(left)}" if left > 0 else f"ended {days(-left)} ago: browsers refuse it"
    return f"certificate for {', '.join(served.names) or 'nobody by name'}, {when} ({day(served.expires)})"


def day(at: float) -> str:
    """The date of a unix time, here."""
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d")


def _service(service: Service) -> tuple[str, str, str, str, str, str]:
    health = "" if service.health == "none" else f", {service.health}"
    mark = "●" if service.well else "◌" if service.health == "starting" else "·" if service.unused else "✗"
    why = f": {service.why}" if service.why else ""
    figures = "  ".join(f"{k} {v}" for k, v in list(service.figures.items())[:3])
    return (
        _ROLES.get(service.role, service.role),
        service.name,
        service.id[:12] or "-",
        f"{mark} {service.state}{health}{why}",
        "",
        figures,
    )


def stats_text(snapshot: Snapshot, trends: Trends) -> str:
    """Figures of the stack, its curves as far as they go, then a line a container."""
    if not snapshot.exists:
        return f"There is no stack named {snapshot.stack} here. `dftui up` makes it."
    load = total_load(snapshot)
    now = (rate(snapshot.traffic.rate), millis(snapshot.traffic.p95_ms), percent(load.cpu), size(load.memory))
    lines = [f"{snapshot.stack}: {snapshot.serving} of {snapshot.wanted} replicas serving"]
    stack = trends.stack
    for word, figure, series in zip(
        ("req/s", "p95", "cpu", "mem"), now, (stack.rate, stack.p95, stack.cpu, stack.memory), strict=True
    ):
        curve = series.until(trends.bucket, min(trends.known, 60))
        most = max((value for value in curve if value is not None), default=0.0)
        lines.append(f"  {word:<6}{figure:>6}  {spark(curve, most * 1.5) if len(curve) > 1 else ''}".rstrip())
    rows = [("name", "state", "cpu", "mem", "req/s", "share", "p50", "p95", "sess", "errors")]
    for service in snapshot.services:
        rows.append((service.name, service.state, percent(service.load.cpu), size(service.load.memory), *("",) * 6))
    for one in snapshot.web:
        t = one.traffic
        used = (percent(one.load.cpu), size(one.load.memory))
        share = percent(None if t.share is None else 100 * t.share)
        traffic = (rate(t.rate), share, millis(t.p50_ms), millis(t.p95_ms), str(t.sessions), str(t.errors))
        rows.append((one.name, f"{SIGNS[one.state]} {one.state.value}", *used, *traffic))
    return "\n".join([*lines, "", *columns(rows, figures_from=2)])


def receipt_text(result: ScaleResult) -> str:
    """What scaling did and what it cost, from the balancer's counters."""
    if result.before == result.after and not result.added and not result.removed:
        return f"{result.after} replicas, as before."
    lines = [f"{result.before} → {result.after} replicas in {result.seconds:.1f} s"]
    if result.added:
        lines.append(f"  added    {', '.join(result.added)}")
    if result.removed:
        lines.append(f"  removed  {', '.join(result.removed)}")
    r = result.receipt
    lines.append(f"  receipt  {r.text}")
    for served in r.served:
        when = "no request yet" if served.seconds is None else f"first request after {served.seconds:.2f} s"
        lines.append(f"  served   {served.name}, {when}")
    for drained in r.drained:
        lines.append(f"  drained  {drained.name}, {drained.text}")
    return "\n".join(lines)


REQUEST_HEAD = (
    f"{'time':<12}  {'replica':<10} {'host':<12}  {'code':>4}  {'ms':>8}  {'queue+connect+response':<22}  "
    "method path  client  id"
)


def request_text(request: Request) -> str:
    """One line of the ledger; its head is `REQUEST_HEAD`."""
    when = datetime.fromtimestamp(request.time).strftime("%H:%M:%S.%f")[:-3]
    status = "gone" if request.status < 0 else str(request.status)
    probe = "  (probe)" if request.probe else ""
    parts = (request.queue_ms, request.connect_ms, request.response_ms)
    phases = "+".join("-" if part < 0 else str(part) for part in parts)
    return (
        f"{when}  {request.replica or '-':<10} {request.host or '-':<12}  {status:>4}  {request.ms:>5} ms  "
        f"{phases:<22}  {request.method} {request.path}  {request.client}  {request.id or '-'}{probe}"
    )
