"""Every byte that dftui may send to a terminal: a strict reader that knows nothing else.

Written from what the screen and the commands need, not from what they do: a sequence that is not in here is a
stranger, whoever let it in.  Blinking, hidden and overlined text, which dftui never uses, are strangers, too, so that
a container's own colours are told from dftui's.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

# Alternate screen, mouse, cursor, focus, paste, line wrap, held frames, in-band resize; textual's pointer shape.
_MODES = "1049|1000|1002|1003|1015|1006|1016|25|1004|2004|7|2026|2048"
_SCREEN = re.compile(
    rf"\x1b\[\?(?:{_MODES})[hl]"
    r"|\x1b\[\?(?:2026|2048)\$p"
    r"|\x1b\]22;[a-z-]{1,16}\x07"
    r"|\x1b\[>[0-9]{1,2}u|\x1b\[<u"
    r"|\x1b\[(?P<row>[0-9]{0,4})(?:;(?P<column>[0-9]{1,4}))?H"
    # Rows that move within margins.
    r"|\x1b\[(?:(?P<top>[0-9]{1,4});(?P<bottom>[0-9]{1,4}))?r|\x1b\[(?P<lines>[0-9]{1,4})[ML]"
    r"|\x1b\[(?P<right>[0-9]{0,4})C"
    r"|\x1b\[(?P<ink>[0-9;]*)m"
    r"|(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
)
_COMMAND = re.compile(r"\x1b\[(?P<ink>[0-9;]*)m|(?P<text>[^\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]+)")
_INKS = re.compile(
    r"(?:(?:0|1|2|3|4|7|9|22|23|24|27|29|39|49|[349][0-7]|10[0-7]"
    r"|[34]8;2;[0-9]{1,3};[0-9]{1,3};[0-9]{1,3}|[34]8;5;[0-9]{1,3})(?:;(?=.)|$))*"
)
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\](?:2(?:2(?:;[a-z-]{0,16})?)?)?)?\Z")
# Format characters are all strangers; of what paints nothing only marks that combine may pass.
_BAD = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


class Stranger(AssertionError):
    """Something that dftui did not author reached the terminal."""


class Reader:
    """Reads what a terminal of this size is sent, cut anywhere. Raises Stranger."""

    def __init__(self, columns: int = 0, rows: int = 0, *, ascii: bool = False) -> None:
        """Without a size it reads a command's output, which has lines and colours only."""
        self._size = (columns, rows)
        self._ascii = ascii
        self._decode = codecs.getincrementaldecoder("utf-8")("strict").decode
        self._grammar = _SCREEN if columns else _COMMAND
        self._held = ""
        self.sequences = 0

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        try:
            text = self._held + self._decode(data)
        except UnicodeDecodeError as error:
            raise Stranger(f"bytes that are no UTF-8: {data[max(0, error.start - 40) : error.end + 40]!r}") from None
        begun = _BEGUN.search(text)
        self._held = begun.group() if begun else ""
        end = begun.start() if begun else len(text)
        at = 0
        while at < end:
            found = self._grammar.match(text, at, end)
            if found is None:
                raise Stranger(f"{text[at : at + 20]!r} after {text[max(0, at - 60) : at]!r}")
            self._check(found, text)
            at = found.end()

    def end(self) -> None:
        """Nothing may be left open."""
        if self._held:
            raise Stranger(f"an open sequence at the end: {self._held!r}")

    def _check(self, found: re.Match[str], text: str) -> None:
        groups = found.groupdict()
        around = text[max(0, found.start() - 60) : found.end() + 20]
        if (shown := groups["text"]) is not None:
            # A terminal makes two of a command's line ends; a lone return would let one line hide another.
            letters = shown.replace("\r\n", "")
            bad = [c for c in letters if unicodedata.category(c) in _BAD or (self._ascii and not c.isascii())]
            if bad:
                raise Stranger(f"{bad[0]!r} in {around!r}")
            return
        self.sequences += 1
        if (ink := groups["ink"]) is not None and not _INKS.fullmatch(ink):
            raise Stranger(f"an ink of others: {ink!r} in {around!r}")
        columns, rows = self._size
        bounds = {"column": columns, "right": columns} | dict.fromkeys(("row", "top", "bottom", "lines"), rows)
        for name, most in bounds.items():
            if int(groups.get(name) or 0) > most:
                raise Stranger(f"beyond the screen: {found.group()!r} in {around!r}")
