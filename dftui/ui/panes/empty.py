"""What stands where the panes would be: no engine yet, no stack yet, no room."""

from __future__ import annotations

from collections.abc import Sequence

from dftui.stack.spec import StackSpec
from dftui.ui.draw import Glyphs, Row, Span, clip, clip_row
from dftui.ui.panes.history import step_row
from dftui.watch.records import Step
from dftui.watch.snapshot import Snapshot


def empty_rows(
    snapshot: Snapshot | None,
    spec: StackSpec,
    error: str,
    steps: Sequence[Step],
    width: int,
    height: int,
    glyphs: Glyphs,
    rising: bool = False,
    read_only: bool = False,
) -> list[Row]:
    """A few plain sentences, and the steps of a first `up` while it runs."""
    left = "   "
    rows: list[Row] = [()]
    if snapshot is None:
        if error:
            rows.append((Span(left), Span("No container engine answers.", "bad-strong")))
            rows.append((Span(left), Span(error)))
            rows += [(), (Span(left), Span("Trying again every few seconds.  dftui doctor says more.", "muted"))]
        else:
            rows.append((Span(left), Span("Looking for the container engine and the stack.", "muted")))
    elif rising:
        rows.append((Span(left), Span(f"{snapshot.stack} is being brought up.", "strong")))
    else:
        count = spec.web.replicas
        rows.append((Span(left), Span(f"There is no stack named {snapshot.stack} on this engine.", "strong")))
        rows += (
            [
                (),
                (Span(left), Span("This dftui is read-only: it cannot bring one up.", "muted")),
            ]
            if read_only
            else [
                (),
                (Span(left), Span("u", "key"), Span(" brings it up:")),
                (Span(left), Span(f"  {glyphs.dot} a database and a cache, with volumes that last", "muted")),
                (Span(left), Span(f"  {glyphs.dot} {count} DreamFactory replicas that share one APP_KEY", "muted")),
                (Span(left), Span(f"  {glyphs.dot} a balancer in front, the only one with a port", "muted")),
            ]
        )
    rows.append(())
    room = max(0, height - len(rows))
    if room and steps:
        rows += [(Span(left), *step_row(step, glyphs)) for step in list(steps)[-room:]]
    return [clip_row(row, width, glyphs.ellipsis) for row in rows]


def small_rows(width: int, height: int) -> list[Row]:
    """The terminal is too small: how small, and what is needed, broken to fit."""
    words = f"This terminal is {width}x{height}. dftui needs 60x16 or more. q quits; dftui status works at any size."
    rows: list[Row] = []
    line = ""
    for word in words.split():
        if line and len(line) + 1 + len(word) > width:
            rows.append((Span(line),))
            line = word
        else:
            line = f"{line} {word}".strip()
    rows.append((Span(clip(line, width)),))
    return rows
