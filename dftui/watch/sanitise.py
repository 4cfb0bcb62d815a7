"""The one sanitiser: what a container, an image, an HTTP client or the engine wrote becomes text that a terminal
cannot act on.

Complete escape sequences (colours, titles, clipboard writes) are taken out; any other control character is shown
as its picture (U+2400 block), invisible and direction-changing characters as U+FFFD, a byte that is not UTF-8 as
`«\\xNN»`.  Markup is not touched: whoever draws must draw plain text.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence

LIMIT = 4096
"""Characters that a cleaned text may have, its cut mark included."""

PRINTABLE = bytes(range(0x20, 0x7F))
"""Bytes that are shown as they are: of a text of these alone nothing is changed."""
CUT_MARK = " …[cut]"
TAB = 4
_BAD = "\N{REPLACEMENT CHARACTER}"
_COMBINING_RUN = re.compile(r"([̀-ͯ᪰-᫿᷀-᷿⃐-⃿︠-︯]{4})[̀-ͯ᪰-᫿᷀-᷿⃐-⃿︠-︯]+")

# ECMA-48: CSI is ESC [ or U+009B with parameters, intermediates and one final byte; OSC, DCS, SOS, PM and APC are
# strings up to BEL or ST.  An unterminated string loses only its introducer: it must not swallow the line.
_SEQUENCES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"
    "|(?:\x1b[\\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)"
    "|\x1b[ -/]+[0-~]"
    "|\x1b[0-~]"
)
# Letters that paint nothing although Unicode calls them printable.
_BLANK = frozenset({0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0})


def _replacement(code: int) -> str:
    """What one character is shown as."""
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if 0xDC80 <= code <= 0xDCFF:
        return f"«\\x{code - 0xDC00:02x}»"
    if code in _BLANK:
        return _BAD
    # Variation selectors change a character's width in some terminals and not in others.
    if 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF:
        return ""
    char = chr(code)
    if char.isprintable():
        return char
    return " " if unicodedata.category(char) == "Zs" else _BAD


class _Table(dict[int, str]):
    """A translation table filled as characters are met, bounded so that a hostile stream cannot grow it."""

    def __missing__(self, code: int) -> str:
        shown = _replacement(code)
        if len(self) < 20_000:
            self[code] = shown
        return shown


_TABLE = _Table()


def clean(text: str | bytes, limit: int = LIMIT) -> str:
    """One line of safe text, at most `limit` characters; what is longer ends in `CUT_MARK`.

    Cleaning twice changes nothing.  Newlines are shown, not obeyed: split first what has several lines.
    """
    # Never work on more than eight times what may be shown: a cut sequence or character is beyond the mark anyway.
    most = 8 * limit
    cut = len(text) > most
    if cut:
        text = text[:most]
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if not cut and len(text) <= limit and text.isascii() and text.isprintable():
        return text
    text = text.rstrip("\r\n")
    if "\x1b" in text or not text.isascii():
        text = _SEQUENCES.sub("", text)
    if "\t" in text:
        text = text.expandtabs(TAB)
    text = text.translate(_TABLE)
    if not text.isascii():
        text = _COMBINING_RUN.sub(r"\1", text)
    return _cut(text, limit) if cut or len(text) > limit else text


def _cut(text: str, limit: int) -> str:
    mark = CUT_MARK[:limit]
    return text[: limit - len(mark)] + mark


def clean_lines(text: str | bytes, lines: int = 50, limit: int = LIMIT) -> list[str]:
    """Text of several lines (a build's end, an error) as at most `lines` clean ones, the last ones kept."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    return [clean(line, limit) for line in text.split("\n")[-lines:]]


def json_line(document: object) -> str:
    """One JSON document on one line, pure ASCII, so that no terminal can be told anything by it."""
    return json.dumps(document, ensure_ascii=True, separators=(", ", ": ")).replace("\x7f", "\\u007f")


def clean_all(lines: Sequence[bytes], limit: int = LIMIT) -> list[str]:
    """`clean` of each: one test of a batch that holds only plain ASCII is far cheaper than one a line."""
    if len(lines) > 3 and max(map(len, lines)) <= limit:
        joined = b"\n".join(lines)
        if joined.isascii():
            texts = joined.decode("ascii").split("\n")
            if len(texts) == len(lines) and "".join(texts).isprintable():
                return texts
    return [clean(line, limit) for line in lines]
