"""Styles as a terminal knows them, and the shortest way from one to the next.

A style is 20 to 45 bytes on the wire, most of a frame; the way from one to the next is often 5.
Source: ECMA-48, 8.3.117 (SGR), and xterm's control sequences for the colours.
"""

from __future__ import annotations

from typing import NamedTuple

from rich.color import Color, ColorSystem
from rich.style import Style

_ON = (
    ("bold", 1), ("dim", 2), ("italic", 3), ("underline", 4), ("blink", 5), ("blink2", 6), ("reverse", 7),
    ("conceal", 8), ("strike", 9), ("underline2", 21), ("overline", 53),
)  # fmt: skip
_OFF = {1: 22, 2: 22, 3: 23, 4: 24, 5: 25, 6: 25, 7: 27, 8: 28, 9: 29, 21: 24, 53: 55}
_SEEN_ON_BLANKS = frozenset((4, 7, 9, 21, 53))
"""Attributes that show where there is no letter."""
_MOST = 4096


class Ink(NamedTuple):
    """What the terminal is told: SGR numbers of the attributes, and of the two colours."""

    on: frozenset[int] = frozenset()
    colour: str = "39"
    ground: str = "49"


PLAIN = 0
"""The number of the ink that a reset gives."""


class Pens:
    """Numbers for inks, so that cells compare fast, and the sequences between them."""

    def __init__(self, colours: ColorSystem = ColorSystem.TRUECOLOR) -> None:
        self._colours = colours
        self._inks: list[Ink] = [Ink()]
        self._numbers: dict[Ink, int] = {Ink(): PLAIN}
        self._styles: dict[Style | None, int] = {None: PLAIN}
        self._blanks: list[int] = [PLAIN]
        self._ways: dict[tuple[int, int], str] = {}

    def number(self, style: Style | None) -> int:
        """The ink of a rich style; links and metadata are no ink and never reach the terminal."""
        found = self._styles.get(style)
        if found is None:
            if len(self._styles) > _MOST:
                self._styles = {None: PLAIN}
            assert style is not None
            on = frozenset(code for name, code in _ON if getattr(style, name))
            ink = Ink(on, self._code(style.color, True), self._code(style.bgcolor, False))
            found = self._styles[style] = self._of(ink)
        return found

    def _of(self, ink: Ink) -> int:
        found = self._numbers.get(ink)
        if found is None:
            found = self._numbers[ink] = len(self._inks)
            self._inks.append(ink)
            self._blanks.append(found)
            if not ink.on & _SEEN_ON_BLANKS:
                self._blanks[found] = self._of(Ink(ground=ink.ground))
        return found

    def _code(self, colour: Color | None, front: bool) -> str:
        if colour is None:
            return "39" if front else "49"
        return ";".join(colour.downgrade(self._colours).get_ansi_codes(front))

    def blank(self, number: int) -> int:
        """The ink in which a blank looks the same: without the letters' own colour and weight."""
        return self._blanks[number]

    def way(self, here: int, there: int) -> str:
        """The sequence that changes the ink; "" when it is the same."""
        if here == there:
            return ""
        found = self._ways.get((here, there))
        if found is None:
            if len(self._ways) > 4 * _MOST:
                self._ways.clear()
            found = self._ways[here, there] = self._shortest(self._inks[here], self._inks[there])
        return found

    @staticmethod
    def _shortest(old: Ink, new: Ink) -> str:
        colours = [new.colour] * (new.colour != "39") + [new.ground] * (new.ground != "49")
        fresh = ["0", *(str(code) for code in sorted(new.on)), *colours] if new != Ink() else [""]
        off = sorted({_OFF[code] for code in old.on - new.on})
        # 22 takes bold and dim away together, as 24 and 25 do their two.
        again = sorted(code for code in new.on if code not in old.on or _OFF[code] in off)
        steps = [str(code) for code in (*off, *again)]
        steps += [new.colour] * (new.colour != old.colour) + [new.ground] * (new.ground != old.ground)
        return min((f"\x1b[{';'.join(way)}m" for way in (steps, fresh)), key=len)
