"""What is done with log lines: find one, go to a time, copy, save."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dftui.watch.format import clock, count
from dftui.watch.lines import Record
from dftui.watch.match import BadPattern

if TYPE_CHECKING:
    from dftui.ui.panes.logs import LogsPane

PIECE = 500
REST = 0.002
"""Seconds for whatever else there is to do between two pieces."""
MOST_COPIED = 64 * 1024
"""Bytes; terminals refuse more in one piece, and a slow link would be blocked by it."""


async def find(pane: LogsPane, by: int) -> None:
    """To the next line above (-1) or below (1) that matches."""
    model, search = pane.model, pane.wanted.search
    at = pane.lines.at_cursor()
    if model is None or at is None:
        return
    if pane.lines.cursor is None and by < 0:
        at += 1  # the last line itself may be the next one
    seq = model.items[min(at, len(model.items) - 1)].seq
    while True:
        part = model.items[max(0, at - PIECE) : at] if by < 0 else model.items[at + 1 : at + 1 + PIECE]
        if not part and by < 0 and model.looking:
            await looked_further(pane)
            at = model.index(seq)
            continue
        if not part:
            pane.say("No further line matches.")
            return
        try:
            picked = search.select(part, model.logs.texts)
        except BadPattern as error:
            pane.say(f"The search was given up: {error}.", "bad")
            return
        order = range(len(part) - 1, -1, -1) if by < 0 else range(len(part))
        found = next((n for n in order if picked[n] and part[n].is_line), None)
        if found is not None:
            pane.lines.go(model.index(part[found].seq), far=True)
            pane.draw_title()
            return
        seq = part[0 if by < 0 else -1].seq
        await asyncio.sleep(REST)
        # Others may have come before it meanwhile.
        at = model.index(seq)


async def looked_further(pane: LogsPane) -> None:
    """Until more of what is held has been looked at."""
    pane.looked.clear()
    await pane.looked.wait()


async def jump(pane: LogsPane, to: float) -> None:
    """To the first line that is not older than this time."""
    model, wanted_ns = pane.model, int(to * 1e9)
    if model is None:
        return
    while model.looking and (not model.items or model.items[0].time_ns >= wanted_ns):
        await looked_further(pane)
    if not model.items:
        pane.say("There are no lines to go to.")
        return
    at = model.index_at(wanted_ns)
    pane.lines.go(min(at, len(model.items) - 1), far=True)
    pane.draw_title()
    oldest = model.items[0].time_ns / 1e9
    if at == 0 and oldest - to > 1:
        pane.say(f"The oldest line held is of {clock(oldest)}; S reads older ones from the engine.", "warning")
    elif at == len(model.items):
        pane.say("Nothing is as new as that; this is the last line.", "warning")


async def around(pane: LogsPane, at: float, text: str) -> None:
    """To the newest line that holds this text (something that a request carries), else to what was written at that
    time."""
    model, needle = pane.model, text.encode()
    if model is None:
        return
    while needle:
        found = next((n for n in range(len(model.items) - 1, -1, -1) if needle in model.items[n].data), None)
        if found is not None:
            pane.lines.go(found, far=True)
            pane.draw_title()
            return
        if not model.looking:
            break
        await looked_further(pane)
    await jump(pane, at)


def copy(pane: LogsPane) -> None:
    """The marked lines, or the one under the cursor, to the terminal's clipboard."""
    records = pane.lines.chosen()
    if pane.model is None or not records:
        pane.say("There is no line to copy.")
        return
    text = "\n".join(line.text for line in pane.model.logs.lines(records))
    size = len(text.encode())
    if size > MOST_COPIED:
        ui = pane.lines.ui
        saves = "" if ui.options.read_only else f"; {ui.shown_keys['save']} saves them"
        pane.say(f"{count(size)} bytes are too many for a terminal's clipboard{saves}.", "warning")
        return
    pane.app.copy_to_clipboard(text)
    what = f"{count(len(records))} lines" if len(records) > 1 else "The line"
    pane.say(f"{what} went to the terminal's clipboard (OSC 52), secrets masked.")
    pane.lines.marked = None
    pane.lines.fill()


def to_save(pane: LogsPane) -> list[Record]:
    """The marked lines, or all that the filter lets through."""
    if pane.lines.marked is not None:
        return pane.lines.chosen()
    return list(pane.model.items) if pane.model is not None else []


def save_name(pane: LogsPane) -> str:
    """A file that is not there yet."""
    at = time.strftime("%Y%m%d-%H%M%S")
    return str(Path.cwd() / f"{pane.lines.ui.spec.name}-logs-{at}.log")


async def save(pane: LogsPane, path: Path, records: Sequence[Record]) -> None:
    """Write these to a new file, in a thread: there may be many."""
    from dftui.watch.export import SaveError
    from dftui.watch.export import save as write

    model, backend = pane.model, pane.lines.ui.backend
    if model is None or backend is None:
        return
    try:
        async with backend.recorded(f"logs --output {path}") as now:
            whose = sorted({record.who for record in records})
            now.commands += [f"docker logs {who} >> {shlex.quote(str(path))}" for who in whose]
            lines = await asyncio.to_thread(write, path, records, model.logs)
            now.receipt = {"lines": lines}
    except SaveError as error:
        pane.say(str(error), "bad")
        return
    pane.say(f"{count(lines)} lines are in {path}, with secrets masked.", "good")
    pane.lines.marked = None
    pane.lines.fill()
