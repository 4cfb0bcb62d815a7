"""Rows of spans: the one form in which panes hand text to the screen.

A span is plain text with the name of a role ("good", "muted", …); it is never markup, so foreign text cannot act.
Pure: what a role looks like is the palette's business.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from dftui.watch.signs import ASCII_SIGNS, ROLES, SIGNS
from dftui.watch.snapshot import ReplicaState


class Span(NamedTuple):
    """A piece of text in one role; `action` is the id of the action that a click on it does."""

    text: str
    role: str = ""
    action: str = ""


PATH = 32
"""Cells of a path in a sentence: where 80 are shown, what is wrong with the file can still be read behind it."""
Row = tuple[Span, ...]
EMPTY: Row = ()


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The signs used on the screen: one set for terminals with Unicode, one for those without."""

    states: Mapping[ReplicaState, str]
    good: str
    bad: str
    wait: str
    off: str
    mark: str
    cursor: str
    rule: str
    ellipsis: str
    full: str
    empty: str
    dot: str
    up: str
    down: str
    to: str
    back: str
    warn: str


UNICODE = Glyphs(
    states=SIGNS,
    good="●",
    bad="✗",
    wait="◌",
    off="□",
    mark="▌",
    cursor="▸",
    rule="─",
    ellipsis="…",
    full="━",
    empty="─",
    dot="·",
    up="↑",
    down="↓",
    to="→",
    back="←",
    warn="▲",
)
ASCII = Glyphs(
    states=ASCII_SIGNS,
    good="*",
    bad="X",
    wait="~",
    off="#",
    mark="|",
    cursor=">",
    rule="-",
    ellipsis="~",
    full="#",
    empty=".",
    dot="-",
    up="^",
    down="v",
    to="->",
    back="<-",
    warn="!",
)

STATE_ROLES = ROLES


_NEAR = str.maketrans("↑↓←→…•·–—‘’“”×│─┌┐└┘├┤┬┴┼▁▂▃▄▅▆▇█", "^v<>~----''\"\"x|-+++++++++_.-:=+*#")


def to_ascii(text: str) -> str:
    """For terminals without Unicode: a sign that is near, else as many question marks as it has cells."""
    text = text.translate(_NEAR)
    return text if text.isascii() else "".join(c if c.isascii() else "?" * cell_len(c) for c in text)


def clip(text: str, width: int, mark: str = "…") -> str:
    """`text` in at most `width` cells; what is cut is marked."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    room = width - cell_len(mark)
    return set_cell_size(text, room).rstrip() + mark if room > 0 else mark[:width]


def short_path(path: str, room: int = PATH, mark: str = "…") -> str:
    """A path in `room` cells: one's home as ~, then folders left out of its middle. The file's name stays whole, so
    that what is said about it can be read beside it."""
    home = os.environ.get("HOME", "").rstrip("/")
    if home and path.startswith(f"{home}/"):
        path = f"~{path.removeprefix(home)}"
    head, *middle = path.split("/")[:-1] or [""]
    name = path.rpartition("/")[2]
    if cell_len(path) <= room or not middle:
        return path
    while middle and cell_len("/".join((head, mark, *middle, name))) > room:
        del middle[0]
    return "/".join((head, mark, *middle, name))


def fit(text: str, width: int, *, right: bool = False, mark: str = "…") -> str:
    """`text` in exactly `width` cells, to the left or the right."""
    text = clip(text, width, mark)
    pad = " " * (width - cell_len(text))
    return pad + text if right else text + pad


def row_width(row: Iterable[Span]) -> int:
    """Cells that a row takes."""
    return sum(cell_len(span.text) for span in row)


def clip_row(row: Sequence[Span], width: int, mark: str = "…") -> Row:
    """A row in at most `width` cells, marked where it is cut."""
    room = width
    out: list[Span] = []
    for span in row:
        cells = cell_len(span.text)
        if cells <= room:
            out.append(span)
            room -= cells
            continue
        if room > 0:
            out.append(span._replace(text=clip(span.text, room, mark)))
        elif out:
            last = out[-1]
            out[-1] = last._replace(text=clip(last.text + " ", cell_len(last.text), mark))
        break
    return tuple(out)


def spread(left: Sequence[Span], right: Sequence[Span], width: int, fill: str = " ", role: str = "") -> Row:
    """`left` at the left edge and `right` at the right one; `right` gives way first when they do not both fit."""
    gap = width - row_width(left) - row_width(right)
    if gap >= 1:
        return (*left, Span(fill * gap, role), *right)
    head = clip_row(left, width)
    room = width - row_width(head)
    return (*head, Span(fill * room, role)) if room else head


def bar(done: float, width: int, glyphs: Glyphs) -> tuple[str, str]:
    """A progress bar as its filled and its empty part; `done` is 0 to 1."""
    filled = max(0, min(width, round(done * width)))
    return glyphs.full * filled, glyphs.empty * (width - filled)


def changed(old: Row, new: Row) -> list[tuple[int, int]] | None:
    """Cell ranges (start, width) in which two rows differ; None when their columns do not line up."""
    if len(old) != len(new):
        return None
    ranges: list[tuple[int, int]] = []
    x = 0
    for before, after in zip(old, new, strict=True):
        cells = cell_len(after.text)
        if before != after:
            if cell_len(before.text) != cells:
                return None
            ranges.append((x, cells))
        x += cells
    return ranges
