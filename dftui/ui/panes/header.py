"""The top line (which stack, where, how well) and the banner for what must not be missed."""

from __future__ import annotations

from dftui.ui.draw import Glyphs, Row, Span, clip_row, row_width
from dftui.ui.format import age, clock
from dftui.watch.snapshot import Snapshot


def header_row(
    snapshot: Snapshot | None, stack: str, width: int, glyphs: Glyphs, pending: int = 0, read_only: bool = False
) -> Row:
    """Name, URL, serving of wanted; then, as far as there is room, warnings, image source and engine."""
    left = [Span(" dftui ", "brand"), Span(stack, "strong")]
    if read_only:
        left.append(Span("  read-only", "info-strong"))
    if snapshot is None:
        return (*left, Span("   looking for the engine", "muted"))
    parts: list[tuple[Span, ...]] = []
    if snapshot.exists:
        wanted = snapshot.wanted + pending
        role = "good-strong" if snapshot.serving == wanted else "warning-strong"
        parts.append((Span(f"{snapshot.serving} of {wanted} serving", role),))
        if snapshot.url:
            parts.append((Span(snapshot.url),))
    if snapshot.exposed:
        parts.append((Span("open to every interface", "warning-strong"),))
    if snapshot.admin and snapshot.admin != "ready":
        parts.append((Span(snapshot.admin, "warning"),))
    if snapshot.source == "bundled":
        parts.append((Span("web: stand-in", "info"),))
    elif snapshot.source:
        parts.append((Span(f"images: {snapshot.source}", "muted"),))
    engine = f"{snapshot.engine.kind} {snapshot.engine.version}".strip()
    if width >= 140 and snapshot.engine.host:
        engine += f"  {snapshot.engine.host}"
    parts.append((Span(engine, "muted"),))
    row = list(left)
    for part in parts:
        if row_width(row) + 3 + row_width(part) >= width:
            continue
        row.extend((Span("   "), *part))
    return clip_row(row, width, glyphs.ellipsis)


def banner_row(snapshot: Snapshot | None, error: str, now: float, width: int, glyphs: Glyphs) -> Row | None:
    """One line when the engine is lost or the stack drifted; None when all is well."""
    if snapshot is not None and snapshot.engine.lost_since is not None:
        lost = snapshot.engine.lost_since
        text = f"The engine does not answer since {clock(lost)} ({age(now - lost)}); what you see is from then."
        if snapshot.engine.error:
            text += f" {snapshot.engine.error}"
        row: Row = (Span(f" {glyphs.bad} ", "bad-strong"), Span(text, "bad"))
    elif snapshot is None and error:
        row = (Span(f" {glyphs.bad} ", "bad-strong"), Span(error, "bad"))
    elif snapshot is not None and snapshot.drift:
        first = snapshot.drift[0]
        more = f" (and {len(snapshot.drift) - 1} more)" if len(snapshot.drift) > 1 else ""
        text = f"{first.what}{more}. {first.repair}".rstrip()
        row = (Span(f" {glyphs.warn} ", "warning-strong"), Span(text, "warning"))
    else:
        return None
    return clip_row(row, width, glyphs.ellipsis)
