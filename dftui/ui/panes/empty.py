"""What stands where the panes would be: no engine yet, no stack yet, a first `up` at work, no room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap

from dftui.stack.names import container_name
from dftui.stack.spec import StackSpec
from dftui.ui.draw import Glyphs, Row, Span, bar, clip, clip_row, row_width
from dftui.ui.panes.history import command_row, step_row
from dftui.watch.records import Step
from dftui.watch.snapshot import Snapshot

READABLE = 84
"""Cells of a sentence at most."""


def empty_rows(
    snapshot: Snapshot | None,
    spec: StackSpec,
    error: str,
    steps: Sequence[Step],
    width: int,
    height: int,
    glyphs: Glyphs,
    keys: Mapping[str, str],
    rising: bool = False,
    read_only: bool = False,
    handmade: Sequence[str] = (),
) -> list[Row]:
    """A few plain sentences in the middle; the steps of a first `up` while it runs. `keys` by action; `handmade` are
    the containers of a stack that could be taken over."""
    if rising:
        return [clip_row(row, width, glyphs.ellipsis) for row in _rising(spec, steps, width, height, glyphs)]
    if snapshot is not None:
        rows = _no_stack(snapshot, spec, keys, read_only)
        if handmade:
            rows = [*_handmade(handmade, glyphs)[: 1 if read_only else 2], (), *rows]
    elif error:
        said = wrap(error, min(READABLE, width - 6))
        rows = [
            (Span(f"{glyphs.bad} ", "bad-strong"), Span("No container engine answers.", "bad-strong")),
            (),
            *((Span(line),) for line in said),
            (),
            (
                Span("Tried again every few seconds. ", "muted"),
                Span("dftui doctor", "accent"),
                Span(" says more.", "muted"),
            ),
        ]
    else:
        rows = [(Span(f"{glyphs.wait} ", "info"), Span("Looking for the container engine and the stack.", "muted"))]
    if steps and not rising:
        rows += [(), *(step_row(step, glyphs) for step in list(steps)[-5:])]
    return [clip_row(row, width, glyphs.ellipsis) for row in _centred(rows, width, height)]


def _centred(rows: Sequence[Row], width: int, height: int) -> list[Row]:
    """As one block, a little above the middle."""
    left = " " * max(1, (width - max(map(row_width, rows))) // 2)
    top = max(1, (height - len(rows)) * 2 // 5)
    return [()] * top + [(Span(left), *row) if row else () for row in rows][: max(1, height - top)]


def _no_stack(snapshot: Snapshot, spec: StackSpec, keys: Mapping[str, str], read_only: bool) -> list[Row]:
    """What would be there, as a picture, and the key that makes it."""
    head: Row = (Span(f"There is no stack named {snapshot.stack} on this engine.", "strong"),)
    if read_only:
        return [head, (), (Span("This dftui is read-only: it cannot bring one up.", "muted"),)]
    replicas = spec.web.replicas
    name = {role: container_name(spec.name, role) for role in ("db", "cache", "balancer")}
    first, last = container_name(spec.name, "web", 1), container_name(spec.name, "web", replicas)
    webs = f"{first} … {last}" if replicas > 1 else first
    wide = max(len(webs), len(name["db"]) + len(name["cache"]) + 4) + 2

    def box(text: str, about: str) -> list[Row]:
        words = [line.center(wide) for line in (text,)]
        return [
            (Span(f"┌{'─' * wide}┐", "muted"),),
            *(
                (Span("│", "muted"), Span(line, "strong"), Span("│", "muted"), Span(f"  {about}", "muted"))
                for line in words
            ),
            (Span(f"└{'─' * (wide // 2)}┬{'─' * (wide - wide // 2 - 1)}┘", "muted"),),
        ]

    share = "" if spec.plain else " that share one APP_KEY"
    count = f"{replicas} replicas{share}" if replicas > 1 else f"one replica, more by {keys['scale-up']}"
    rows = [*box(name["balancer"], "balancer, the only one with a port"), *box(webs, count)]
    if not spec.plain:
        rows += box(f"{name['db']}    {name['cache']}", "database and cache, with volumes that last")
    rows[-1] = (Span(f"└{'─' * wide}┘", "muted"),)
    return [
        head,
        (),
        *rows,
        (),
        (
            Span(keys["up"], "key", "up"),
            Span("  bring it up", "", "up"),
            Span(f"        {keys['help']}", "key", "help"),
            Span("  the tutorial", "", "help"),
        ),
    ]


def _handmade(names: Sequence[str], glyphs: Glyphs) -> list[Row]:
    """A stack is here, but none of dftui's making."""
    said = f"{names[0]} {glyphs.ellipsis} {names[-1]}" if len(names) > 1 else names[0]
    return [
        (Span(f"{glyphs.warn} ", "warning-strong"), Span(f"A stack made without dftui is here: {said}.", "strong")),
        (
            Span("dftui adopt", "accent"),
            Span(" takes it over, with its data, on its port; it asks first.", "muted"),
        ),
    ]


def _rising(spec: StackSpec, steps: Sequence[Step], width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """The steps so far, with the commands that do the same where there is room."""
    now = steps[-1] if steps else None
    head: Row = (Span("  "), Span(f"{spec.name} is being brought up.", "strong"))
    if now is not None and now.total:
        full, empty = bar(now.done / now.total, 20, glyphs)
        head = (*head, Span("   "), Span(full, "accent"), Span(empty, "muted"), Span(f"  {now.done} of {now.total}"))
    rows: list[Row] = []
    for step in steps:
        rows.append((Span(" "), *step_row(step, glyphs)))
        if step.command and width >= 100:
            rows.append((Span(" "), *command_row(step.command)))
    room = max(0, height - 3)
    return [(), head, (), *(rows[-room:] if room else [])]


def small_rows(width: int, height: int, leave: str) -> list[Row]:
    """The terminal is too small: how small, and what is needed, broken to fit; `leave` is the key that does."""
    words = (
        f"This terminal is {width}x{height}. dftui needs 60x16 or more. "
        f"{leave} quits; dftui status works at any size."
    )
    return [(Span(clip(line, width)),) for line in wrap(words, max(1, width))]
