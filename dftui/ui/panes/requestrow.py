"""One request as a row of the ledger, as many columns as the screen has room for; and all of it on one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dftui.ui.draw import Glyphs, Row, Span, clip_row, fit, row_width
from dftui.ui.panes.logrow import source_role, status_role
from dftui.watch.format import clock, percent
from dftui.watch.records import Request
from dftui.watch.snapshot import Replica

CLIENT_FROM, PHASES_FROM, ID_FROM, WHOLE_ID_FROM = 110, 118, 150, 190
"""Cells from which a column is shown."""
CLIENT, PHASES, ID, WHOLE_ID = 15, 11, 12, 36
REPLICA = 10
_LEAST_PATH = 10


@dataclass(frozen=True, slots=True)
class Widths:
    """Cells of the columns that are not always there; 0: not shown."""

    client: int
    path: int
    phases: int
    id: int


def widths(width: int) -> Widths:
    """What fits. The path tells more than the client, which is the same for all where another proxy stands in
    front."""
    client = CLIENT if width >= CLIENT_FROM else 0
    phases = PHASES if width >= PHASES_FROM else 0
    ident = WHOLE_ID if width >= WHOLE_ID_FROM else ID if width >= ID_FROM else 0
    # A blank, the time, method, code, milliseconds, replica, host and the mark of a probe, each with its gap.
    fixed = 1 + 9 + 7 + 5 + 7 + 12 + 13 + 6 + sum(cells + 1 for cells in (client, phases, ident) if cells)
    return Widths(client, max(_LEAST_PATH, width - fixed - 1), phases, ident)


def head_row(width: int) -> Row:
    """Names of the columns."""
    w = widths(width)
    text = fit("time", 9) + (fit("client", w.client + 1) if w.client else "") + fit("method", 7)
    text += fit("path", w.path + 1) + fit("code", 4, right=True) + fit("ms", 7, right=True)
    text += fit("q+conn+resp", w.phases + 1, right=True) if w.phases else ""
    text += "  " + fit("replica", 11) + fit("host", 12) + (f" {fit('id', w.id)}" if w.id else "")
    return (Span(" "), Span(text, "head"))


def status_text(request: Request) -> str:
    """The code, or that the client went away."""
    return "gone" if request.status < 0 else str(request.status)


def _named(replica: str) -> str:
    """Of a long name what tells it from the others: without the stack's."""
    return (replica if len(replica) <= REPLICA else replica.rpartition("-")[2]) or "-"


def phases_text(request: Request) -> str:
    """Milliseconds of waiting for a replica, connecting, until the answer began; "-" for what was not reached."""
    parts = (request.queue_ms, request.connect_ms, request.response_ms)
    return "+".join("-" if part < 0 else str(part) for part in parts)


def request_row(request: Request, width: int, sources: int, glyphs: Glyphs) -> Row:
    """One request; dftui's own are marked."""
    w = widths(width)
    role = "muted" if request.probe else ""
    spans = [Span(" "), Span(clock(request.time), "muted"), Span(" ")]
    if w.client:
        spans += [Span(fit(request.client, w.client, mark=glyphs.ellipsis), role), Span(" ")]
    spans += [
        Span(fit(request.method, 6), role),
        Span(" "),
        Span(fit(request.path, w.path, mark=glyphs.ellipsis), role),
        Span(" "),
        Span(fit(status_text(request), 4, right=True), status_role(request.status)),
        Span(fit(f"{request.ms}", 7, right=True), role),
    ]
    if w.phases:
        spans.append(Span(fit(phases_text(request), w.phases + 1, right=True, mark=glyphs.ellipsis), "muted"))
    spans += [
        Span("  "),
        Span(fit(_named(request.replica), REPLICA, mark=glyphs.ellipsis), source_role(request.replica, sources)),
        Span(" "),
        Span(fit(request.host or "-", 12, mark=glyphs.ellipsis), role),
    ]
    if w.id:
        spans += [Span(" "), Span(fit(request.id or "-", w.id, mark=""), "muted")]
    if request.probe:
        spans.append(Span(" probe", "info"))
    return tuple(spans)


def picked_row(request: Request, width: int, glyphs: Glyphs) -> Row:
    """All of one request that its row may have no room for, the most wanted first."""
    phases = f"queue {request.queue_ms}  connect {request.connect_ms}  response {request.response_ms} ms"
    pieces: list[Span] = [
        Span(" Enter", "key"),
        Span(" its log", "muted"),
        Span(f"   {request.id or 'no id'}"),
        Span(f"   {phases.replace(' -1', ' -')}", "muted"),
        Span(f"   from {request.client}"),
        Span(f"   {request.method} {request.path}"),
    ]
    return clip_row(pieces, width, glyphs.ellipsis)


def shares_row(replicas: Sequence[Replica], width: int, sources: int, glyphs: Glyphs) -> Row:
    """Which part of the last minute's requests each replica served; () without any."""
    row: Row = ()
    for replica in replicas:
        share = replica.traffic.share
        if share is None:
            continue
        piece = (
            Span("   " if row else " share of the last minute  ", "muted"),
            Span(replica.name, source_role(replica.name, sources)),
            Span(f" {percent(100 * share)}"),
        )
        if row_width((*row, *piece)) > width - 2:
            return (*row, Span(f" {glyphs.ellipsis}", "muted"))
        row = (*row, *piece)
    return row
