"""The terminal's screen as it should be and as it is: only the cells in which they differ go out.

What should be there may change many times before the terminal is asked again: what was in between is never sent, and
what is sent is always a whole picture.  This is also the last door: a character that is not printable, whoever drew
it, does not pass, and with `ascii` nothing but ASCII does.
Pure: it knows rich's segments and no terminal.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from rich.cells import cell_len, get_character_cell_size
from rich.color import ColorSystem
from rich.segment import Segment

from dftui.ui.pen import PLAIN, Pens

UNKNOWN = "\x00"
"""A cell of which it is not known what the terminal shows there."""
SHORT_GAP = 4
"""Cells that are cheaper written again than jumped over."""
# Greek and Cyrillic, punctuation to mathematics, pictures of controls, lines and shapes.
_NARROW = (("\u0370", "\u052f"), ("\u2010", "\u22ff"), ("\u2400", "\u243f"), ("\u2500", "\u25ff"))
# Kana, ideographs, Hangul, full-width forms.
_WIDE = (("\u3041", "\u30ff"), ("\u3400", "\u4dbf"), ("\u4e00", "\u9fff"), ("\uac00", "\ud7a3"), ("\uff01", "\uff60"))
LEAST_MOVED = 4
"""Rows that must move together so that the terminal is asked to move them."""
MOST_TRIED = 6
"""Rows of which it is tried whether they have moved."""
_LINES = {
    **dict.fromkeys("─━╌╍┄┅═▁▂▔╴╶", "-"),
    **dict.fromkeys("│┃┆┇║▏▕▌▐╵╷", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╔╗╚╝╠╣╦╩╬┏┓┗┛", "+"),
    **dict.fromkeys("█▉▊▋▓▒░▄▀▃▅▆▇", "#"),
    **dict.fromkeys("●•◉", "*"),
    **{"…": "~", "·": ".", "×": "x", "«": "<", "»": ">", "▶": ">", "▼": "v", "↑": "^", "↓": "v", "→": ">", "←": "<"},
}


def plain(char: str) -> str:
    """What stands for a character where there is only ASCII: its base letter, a like sign, or a question mark."""
    if char.isascii():
        return char
    found = _LINES.get(char)
    if found is None:
        found = unicodedata.normalize("NFKD", char)[0]
    return found if found.isascii() and found.isprintable() else "?"


@lru_cache(4096)
def _sure(cell: str) -> int:
    """How many cells it takes in every terminal; 0 where they may differ (pictures, combined and rare signs)."""
    if len(cell) != 1:
        return 0
    if cell < "\u0300" or cell in "✓✗":
        return 1
    if any(first <= cell <= last for first, last in _NARROW):
        return 1 if get_character_cell_size(cell) == 1 else 0
    return 2 if any(first <= cell <= last for first, last in _WIDE) else 0


class Page:
    """`put` says what should be where, `difference` how to get there."""

    def __init__(self, colours: ColorSystem = ColorSystem.TRUECOLOR, *, ascii: bool = False) -> None:
        self.width = 0
        self.height = 0
        self._pens = Pens(colours)
        self._ascii = ascii
        self._text: list[list[str]] = []
        self._ink: list[list[int]] = []
        self._shown_text: list[list[str]] = []
        self._shown_ink: list[list[int]] = []
        self._touched: set[int] = set()

    def resize(self, width: int, height: int) -> None:
        """The terminal has this size now, and what it shows is not known."""
        if (width, height) != (self.width, self.height):
            self.width, self.height = width, height
            self._text = [[" "] * width for _ in range(height)]
            self._ink = [[PLAIN] * width for _ in range(height)]
            self._touched.clear()
        self.forget()

    def forget(self) -> None:
        """Something else may have written to the terminal: the next difference is everything put so far."""
        self._shown_text = [[UNKNOWN] * self.width for _ in range(self.height)]
        self._shown_ink = [[PLAIN] * self.width for _ in range(self.height)]
        self._touched.update(range(self.height))

    @property
    def changed(self) -> bool:
        """Something was put since the last difference."""
        return bool(self._touched)

    def put(self, x: int, y: int, segments: Iterable[Segment]) -> None:
        """This should stand at column `x` of row `y`."""
        if not 0 <= y < self.height:
            return
        cells: list[str] = []
        inks: list[int] = []
        for text, style, control in segments:
            if control or not text:
                continue
            ink = self._pens.number(style)
            new = list(text) if text.isascii() and text.isprintable() else self._cells(text)
            blank = self._pens.blank(ink)
            cells += new
            if blank != ink and " " in text:
                inks += [blank if cell == " " else ink for cell in new]
            else:
                inks += [ink] * len(new)
        self._set(max(0, x), y, cells[max(0, -x) :], inks[max(0, -x) :])

    def _set(self, x: int, y: int, cells: list[str], inks: list[int]) -> None:
        row, ink = self._text[y], self._ink[y]
        end = min(self.width, x + len(cells))
        if end <= x:
            return
        del cells[end - x :], inks[end - x :]
        # Half of a wide character is none.
        if row[x] == "" and x:
            row[x - 1] = " "
        if end < self.width and row[end] == "":
            row[end] = " "
        if cells[0] == "":
            cells[0] = " "
        if get_character_cell_size(cells[-1][:1] or " ") == 2:
            cells[-1] = " "
        row[x:end] = cells
        ink[x:end] = inks
        self._touched.add(y)

    def _cells(self, text: str) -> list[str]:
        """One string a cell; a wide character is followed by an empty one."""
        cells: list[str] = []
        for char in text:
            if not char.isprintable():
                # Whoever drew this did not clean it. Where it takes no cell it is left out.
                char = "?" if self._ascii else "\N{REPLACEMENT CHARACTER}"
                if get_character_cell_size(char) == 0:
                    continue
            wide = get_character_cell_size(char)
            if self._ascii:
                cells += [plain(char)] * wide
            elif wide:
                cells += [char, ""][:wide]
            elif cells and len(cells[-1]) < 5:
                # Combines with the letter before it.
                at = len(cells) - (2 if cells[-1] == "" and len(cells) > 1 else 1)
                cells[at] += char
        # Where rich counts sequences otherwise, the layout follows rich.
        length = cell_len(text)
        return cells[:length] + [" "] * (length - len(cells))

    def difference(self) -> str:
        """What to send so that the terminal shows what was put; "" when it does already.

        Begins and ends in plain ink, wherever the cursor is.
        """
        out: list[str] = self._moved()
        pen = PLAIN
        at: tuple[int, int] | None = None
        for y in sorted(self._touched):
            text, ink, shown, shown_ink = self._text[y], self._ink[y], self._shown_text[y], self._shown_ink[y]
            if text == shown and ink == shown_ink:
                continue
            both = enumerate(zip(text, shown, ink, shown_ink, strict=True))
            cells = [x for x, (new, old, now, was) in both if new != old or now != was]
            if not self._all_sure(text, shown):
                cells = list(range(cells[0] - (text[cells[0]] == ""), self.width))
            for x in cells:
                cell = text[x]
                if cell == "":
                    continue  # the right half of the one before
                if at != (x, y):
                    gap = x - at[0] if at is not None and at[1] == y else 0
                    between = range(x - gap, x)
                    if 0 < gap <= SHORT_GAP and all(ink[i] == pen for i in between):
                        out += text[x - gap : x]
                    elif gap > 0:
                        out.append(f"\x1b[{gap}C" if gap > 1 else "\x1b[C")
                    else:
                        out.append(f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H")
                if cell != " " or self._pens.blank(pen) != ink[x]:
                    out.append(self._pens.way(pen, ink[x]))
                    pen = ink[x]
                width = _sure(cell)
                if not width and text[x + 1 : x + 2] == [""]:
                    # Where it turns out to be narrow, nothing old may stay beside it.
                    out.append(f"  \x1b[{y + 1};{x + 1}H")
                out.append(cell)
                # How far the cursor has gone is sure only where the width is; at the edge it stays.
                at = (x + width, y) if width and x + width < self.width else None
            self._shown_text[y], self._shown_ink[y] = text.copy(), ink.copy()
        self._touched.clear()
        if pen != PLAIN:
            out.append(self._pens.way(pen, PLAIN))
        return "".join(out)

    def _moved(self) -> list[str]:
        """Let the terminal itself move rows that went up or down together, as a log's do; what to send for it."""
        changed = [y for y in sorted(self._touched) if self._differs(y)]
        if len(changed) < LEAST_MOVED:
            return []
        for y in changed[:MOST_TRIED]:
            if not "".join(self._text[y]).strip():
                continue
            for by in sorted(range(-y, self.height - y), key=abs):
                if by and self._same(y, y + by):
                    last, end = y, self.height - max(0, by)
                    while last + 1 < end and self._same(last + 1, last + 1 + by):
                        last += 1
                    if last - y + 1 >= max(LEAST_MOVED, abs(by)):
                        return self._move(y, last, by)
        return []

    def _differs(self, y: int) -> bool:
        return self._text[y] != self._shown_text[y] or self._ink[y] != self._shown_ink[y]

    def _same(self, y: int, shown: int) -> bool:
        """Whether what should be in one row is shown in another."""
        return self._text[y] == self._shown_text[shown] and self._ink[y] == self._shown_ink[shown]

    def _move(self, first: int, last: int, by: int) -> list[str]:
        """Rows `first` to `last` are what is shown `by` rows further down (or up)."""
        top, bottom = min(first, first + by), max(last, last + by)
        rows, inks, moved = self._shown_text, self._shown_ink, slice(first + by, last + by + 1)
        rows[first : last + 1] = [row.copy() for row in rows[moved]]
        inks[first : last + 1] = [ink.copy() for ink in inks[moved]]
        # What comes free is blank, but in which colour differs from terminal to terminal.
        free = range(last + 1, bottom + 1) if by > 0 else range(top, first)
        for y in free:
            self._shown_text[y] = [UNKNOWN] * self.width
            self._shown_ink[y] = [PLAIN] * self.width
        self._touched.update(range(top, bottom + 1))
        # Within margins: delete lines at the top, or insert them there.
        return [f"\x1b[{top + 1};{bottom + 1}r\x1b[{top + 1}H\x1b[{abs(by)}{'M' if by > 0 else 'L'}\x1b[r"]

    @staticmethod
    def _all_sure(text: list[str], shown: list[str]) -> bool:
        for row in (text, shown):
            joined = "".join(row)
            if not joined.isascii() and not all(map(_sure, joined)):
                return False
        return True
