"""A log line as spans, and the header's figures. Pure."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

from rich.cells import cell_len

from dftui.ui.draw import Glyphs, Row, Span, clip, row_width
from dftui.ui.panes.logmodel import Tally
from dftui.watch.format import clock, count
from dftui.watch.lines import Line
from dftui.watch.match import Matcher

NUMBER = re.compile(r"(\d+)$")
TIMES = ("clock", "date", "off")
"""What stands before each line, in the order of the key that changes it."""
_LEAST_BODY = 20


@dataclass(frozen=True, slots=True)
class Look:
    """How lines are drawn: which time, how wide the names, how many colours for them, what to mark."""

    times: str
    who_width: int
    sources: int
    search: Matcher
    glyphs: Glyphs


def source_role(who: str, sources: int) -> str:
    """A container's colour: the same every time, and different for neighbouring numbers."""
    found = NUMBER.search(who)
    number = int(found.group(1)) if found else crc32(who.encode())
    return f"source{number % max(1, sources)}"


def level_role(line: Line) -> str:
    """The role in which a line's text is drawn."""
    if line.kind in ("event", "gap"):
        return "info"
    match line.level:
        case "error" | "critical":
            return "bad"
        case "warning":
            return "warning"
        case "debug":
            return "muted"
    return "muted" if line.folds else ""


def status_role(status: int) -> str:
    """The role of an HTTP status; -1 (the client went away) is a warning, 0 is none."""
    if not status:
        return "muted"
    if status >= 500:
        return "bad"
    if status >= 400 or status < 0:
        return "warning"
    return "good" if status < 300 else "info"


def head_spans(line: Line, look: Look) -> Row:
    """When and who: what stays in sight when the text is scrolled sideways."""
    spans: list[Span] = []
    if look.times == "clock":
        spans += [Span(clock(line.time, millis=True), "muted"), Span(" ")]
    elif look.times == "date":
        date = time.strftime("%m-%d ", time.localtime(line.time))
        spans += [Span(date + clock(line.time, millis=True), "muted"), Span(" ")]
    role = source_role(line.who, look.sources)
    who = clip(line.who, look.who_width, look.glyphs.ellipsis)
    pad = Span(" " * (look.who_width - cell_len(who) + 1))
    return (*spans, *_marked(who, 0, role, look.search), pad)


def body_spans(line: Line, look: Look, folded: int, open_: bool) -> Row:
    """What it says. The application's own stamp gives way to ours; of its requests and responses the point comes
    first. `folded` lines are under it, shown when `open_`."""
    glyphs = look.glyphs
    spans: list[Span] = []
    if line.late:
        spans.append(Span("late ", "warning"))
    if folded:
        spans.append(Span(f"{'-' if open_ else '+'}{count(folded)} line{'s' * (folded > 1)} ", "info"))
    role = level_role(line)
    if line.kind in ("event", "gap"):
        return (*spans, Span(f"{glyphs.rule * 2} ", role), *_marked(line.text, 0, role, look.search))
    if not line.body or look.times == "off":
        return (*spans, *_marked(line.text, 0, role, look.search))
    if line.level:
        spans.append(Span(f"{line.level.upper()} ", role or "muted"))
    if line.kind == "request":
        spans.append(Span(f"{glyphs.to} ", "info"))
        if line.method:
            spans.append(Span(f"{line.method} {line.path} ", "strong"))
            role = "muted"
    elif line.kind == "response":
        spans.append(Span(f"{glyphs.back} ", "info"))
        if line.status:
            spans.append(Span(f"{line.status} ", status_role(line.status)))
            role = "muted"
    return (*spans, *_marked(line.text, line.body, role, look.search))


def _marked(text: str, start: int, role: str, search: Matcher) -> list[Span]:
    """The text from `start` on, what is searched for standing out."""
    spans: list[Span] = []
    at = start
    for begin, end in search.spans(text):
        if end <= at:
            continue
        begin = max(begin, at)
        if begin > at:
            spans.append(Span(text[at:begin], role))
        spans.append(Span(text[begin:end], "match"))
        at = end
    if at < len(text) or not spans:
        spans.append(Span(text[at:], role))
    return spans


def wrap_row(row: Row, width: int) -> list[Row]:
    """A row in as many of at most `width` cells as it takes, parted between words where that leaves none half empty;
    the blank where it is parted is not shown."""
    text, width = "".join(span.text for span in row), max(1, width)
    rows: list[Row] = []
    at = 0
    while at < len(text):
        part = _first(text[at : at + width], width)
        after = text[at + len(part) : at + len(part) + 1]
        if after and after != " " and (cut := part.rfind(" ") + 1) > len(part) // 2:
            part = part[:cut]
        if part:
            rows.append(tuple(_slice(row, at, at + len(part))))
        # Without a part it is a wide character in a window of one cell.
        at += len(part) + (after == " " if part else 1)
    return rows or [()]


def _slice(row: Row, begin: int, end: int) -> Iterator[Span]:
    """The characters of a row from `begin` on, before `end`."""
    at = 0
    for text, role, action in row:
        if part := text[max(0, begin - at) : max(0, end - at)]:
            yield Span(part, role, action)
        at += len(text)


def _first(text: str, room: int) -> str:
    """As much of the text as goes into so many cells."""
    part = text[:room]
    if part.isascii():
        return part
    while cell_len(part) > room:
        part = part[:-1]
    return part


def body_width(width: int, head: Row) -> int:
    """Cells for the text beside time and name, in a window of this width."""
    return max(_LEAST_BODY, width - 1 - row_width(head))


def tally_spans(tally: Tally, room: int, follow: bool, unseen: int, glyphs: Glyphs) -> list[Span]:
    """The header's figures in the longest words for which there is room; none is ever left out."""
    worded = [
        ("received", "shown", "filtered", "dropped", "lag ", " s", "  "),
        ("received", "shown", "filt.", "dropped", "lag ", "s", " "),
        ("rcvd", "shown", "filt", "drop", "", "s", " "),
    ]
    spans: list[Span] = []
    for received, shown, filtered, dropped, lag, unit, gap in worded:
        spans = []
        for number, word in ((tally.received, received), (tally.shown, shown), (tally.filtered, filtered)):
            spans += [Span(count(number)), Span(f" {word}{gap}", "muted")]
        spans.append(Span(f"{count(tally.dropped)} {dropped}", "bad" if tally.dropped else "muted"))
        if tally.gaps:
            spans.append(Span(f"{gap}{count(tally.gaps)} gap{'s' if tally.gaps > 1 else ''}", "warning"))
        if tally.astray:
            spans.append(Span(f"{gap}{count(tally.astray)} unaccounted for", "bad-strong"))
        spans.append(Span(f"{gap}{lag}{tally.lag:.1f}{unit}", "warning" if tally.lag >= 2 else "muted"))
        if follow:
            spans.append(Span(f"{gap}follow", "good"))
        else:
            news = f"{glyphs.down} {count(unseen)} new" if unseen else "held"
            spans.append(Span(f"{gap}{news}", "warning-strong"))
        if row_width(spans) <= room:
            break
    return spans
