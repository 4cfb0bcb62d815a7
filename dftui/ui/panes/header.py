"""The top line (which stack, where, how well) and the banner for what must not be missed."""

from __future__ import annotations

from collections.abc import Mapping

from dftui.ui.draw import Glyphs, Row, Span, clip_row, row_width, spread
from dftui.watch.alarms import Alarm
from dftui.watch.format import age, clock, days
from dftui.watch.snapshot import Snapshot


def header_row(
    snapshot: Snapshot | None,
    stack: str,
    width: int,
    glyphs: Glyphs,
    pending: int = 0,
    error: str = "",
    read_only: bool = False,
) -> Row:
    """Name, serving of wanted, what must be known, URL; the engine at the right, as far as there is room."""
    left = [Span(" dftui ", "brand"), Span(stack, "strong")]
    if read_only:
        left.append(Span("  read-only", "info-strong"))
    if snapshot is None:
        found = Span("   no engine answers", "bad") if error else Span("   looking for the engine", "muted")
        return clip_row((*left, found), width, glyphs.ellipsis)
    parts: list[Span] = []
    if snapshot.exists:
        wanted = snapshot.wanted + pending
        role = "good-strong" if snapshot.serving == wanted else "warning-strong"
        parts.append(Span(f"{snapshot.serving} of {wanted} serving", role))
    if snapshot.printed_key:
        parts.append(Span("APP_KEY known to all", "bad-strong"))
    if snapshot.certificate_ends is not None:
        ended = snapshot.certificate_ends <= 0
        words = f"certificate {'ended' if ended else 'ends in'} {days(abs(snapshot.certificate_ends))}"
        parts.append(Span(f"{words} ago" if ended else words, "bad-strong" if ended else "warning-strong"))
    if snapshot.exposed:
        parts.append(Span("open to every interface", "warning-strong"))
    if snapshot.admin and snapshot.admin != "ready":
        parts.append(Span(snapshot.admin, "warning"))
    if snapshot.kind == "plain":
        parts.append(Span("web: plain", "info"))
    elif snapshot.source == "bundled":
        parts.append(Span("web: stand-in", "info"))
    elif snapshot.source:
        parts.append(Span(f"images: {snapshot.source}", "muted"))
    if snapshot.exists and snapshot.url:
        parts.append(Span(snapshot.url))
    row: Row = tuple(left)
    for part in parts:
        row = (*row, Span("   "), part)
    row = clip_row(row, width, glyphs.ellipsis)
    engine = f"{snapshot.engine.kind} {snapshot.engine.version}".strip()
    away = f"{snapshot.engine.ms:g} ms away" if snapshot.engine.ms else ""
    for text in (f"{engine}  {snapshot.engine.host}  {away}".rstrip(), f"{engine}  {away}".rstrip(), engine):
        if row_width(row) + 3 + len(text) < width:
            return spread(row, (Span(f"{text} ", "muted"),), width)
    return row


def banner_row(
    snapshot: Snapshot | None,
    shown_keys: Mapping[str, str],
    now: float,
    width: int,
    glyphs: Glyphs,
    read_only: bool = False,
) -> Row | None:
    """One line when the engine is lost, another operator acts, or the stack drifted (with the keys that repair and
    explain it); None when all is well."""
    if snapshot is None:
        return None
    if snapshot.engine.lost_since is not None:
        lost = snapshot.engine.lost_since
        text = f"The engine does not answer since {clock(lost)} ({age(now - lost)}); what you see is from then."
        if snapshot.engine.error:
            text += f" {snapshot.engine.error}"
        return clip_row((Span(f" {glyphs.bad} ", "bad-strong"), Span(text, "bad")), width, glyphs.ellipsis)
    if snapshot.acting:
        text = f"{snapshot.acting} is acting on this stack."
        return clip_row((Span(f" {glyphs.wait} ", "info"), Span(text, "info")), width, glyphs.ellipsis)
    if not snapshot.drift:
        return None
    first = snapshot.drift[0]
    more = f" (and {len(snapshot.drift) - 1} more)" if len(snapshot.drift) > 1 else ""
    what = f"{first.what}{more}."
    if what.startswith("the "):  # a container's name keeps its letters
        what = f"T{what[1:]}"
    role = "bad" if first.kind is Alarm.SETUP_OPEN else "warning"
    row: Row = (Span(f" {glyphs.warn} ", f"{role}-strong"), Span(what, role))
    repair = (Span("  "), Span(shown_keys["repair"], "key", "repair"), Span(f" repair: {first.repair}", "", "repair"))
    explain = (Span("   "), Span(shown_keys["help"], "key", "help"), Span(" explain", "muted", "help"))
    for piece in (explain,) if read_only else (repair, explain):
        if row_width((*row, *piece)) <= width:
            row = (*row, *piece)
    return clip_row(row, width, glyphs.ellipsis)
