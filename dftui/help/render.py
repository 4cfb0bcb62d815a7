"""Markdown as lines of a given width, for the screen and for plain output alike.

Of Markdown (CommonMark with tables, as markdown-it-py reads it) the pages use headings, paragraphs, lists, tables,
code, strong text, links, and `<kbd>` for keys; a piece of a line is its text and a role that the screen has a colour
for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

Piece = tuple[str, str]
Line = list[Piece]
_INDENT = "  "
_GAP = 2


def render(
    text: str, width: int, keys: Mapping[str, str] | None = None, *, bullet: str = "•", bare: bool = False
) -> list[Line]:
    """The page in lines of at most `width` cells (code is not broken). `keys` gives what is read for a key that
    the user has changed; `bare` sets keys in brackets, for where no colour tells them from the text."""
    renderer = _Renderer(max(20, width), keys or {}, bullet, "[{}]" if bare else "{}")
    lines = renderer.blocks(MarkdownIt("commonmark").enable("table").parse(text))
    while lines and not lines[-1]:
        lines.pop()
    return lines


class _Renderer:
    def __init__(self, width: int, keys: Mapping[str, str], bullet: str, key: str) -> None:
        self._width = width
        self._keys = keys
        self._bullet = bullet
        self._key = key

    def blocks(self, tokens: Sequence[Token]) -> list[Line]:
        lines: list[Line] = []
        depth = 0
        counts: list[int] = []
        first = ""
        at = 0
        while at < len(tokens):
            token = tokens[at]
            match token.type:
                case "heading_open":
                    role = "title" if token.tag == "h1" else "strong"
                    lines += [*self._wrap(self._inline(tokens[at + 1], role), ""), []]
                case "paragraph_open":
                    indent = _INDENT * depth
                    pieces = [(first, "accent")] if first else []
                    lines += self._wrap([*pieces, *self._inline(tokens[at + 1])], indent, hang=bool(first))
                    first = ""
                    if not token.hidden:
                        lines.append([])
                case "bullet_list_open" | "ordered_list_open":
                    depth += 1
                    counts.append(0)
                case "bullet_list_close" | "ordered_list_close":
                    depth -= 1
                    counts.pop()
                    if depth == 0:
                        lines.append([])
                case "list_item_open":
                    counts[-1] += 1
                    first = f"{token.info}. " if token.info else f"{self._bullet} "
                case "fence" | "code_block":
                    lines += [[(_INDENT * 2 + line, "accent")] for line in token.content.rstrip("\n").split("\n")]
                    lines.append([])
                case "table_open":
                    end = next(n for n in range(at, len(tokens)) if tokens[n].type == "table_close")
                    lines += [*self._table(tokens[at:end]), []]
                    at = end
            at += 1
        return lines

    def _inline(self, token: Token, role: str = "") -> list[Piece]:
        """Text with its roles; the innermost one holds."""
        pieces: list[Piece] = []
        roles = [role]
        target = ""
        for child in token.children or ():
            match child.type:
                case "strong_open" | "em_open":
                    roles.append("strong")
                case "link_open":
                    roles.append("info")
                    target = str(child.attrGet("href")).removesuffix(".md")
                case "link_close":
                    roles.pop()
                    if target != pieces[-1][0]:
                        pieces.append((f" ({target})", "muted"))
                case "strong_close" | "em_close":
                    roles.pop()
                case "html_inline" if child.content == "<kbd>":
                    roles.append("key")
                case "html_inline":
                    roles.pop()
                case "code_inline":
                    pieces.append((child.content, "accent"))
                case "softbreak" | "hardbreak":
                    pieces.append((" ", roles[-1]))
                case _ if roles[-1] == "key":
                    pieces.append((self._key.format(self._keys.get(child.content, child.content)), "key"))
                case _:
                    pieces.append((child.content, roles[-1]))
        return pieces

    def _wrap(self, pieces: Iterable[Piece], indent: str, *, hang: bool = False, width: int = 0) -> list[Line]:
        """Broken between words; the first word of a list's item is its bullet, the others hang below the text."""
        room = width or self._width
        lines: list[Line] = []
        start = indent[: -len(_INDENT)] if hang else indent
        line: Line = [(start, "")] if start else []
        used, begun = len(start), False
        for word, space in _words(pieces):
            cells = sum(len(text) for text, _ in word)
            if begun and used + space + cells > room:
                lines.append(line)
                line, used, space = ([(indent, "")] if indent else []), len(indent), 0
            if begun and space and used:
                line.append((" ", ""))
                used += 1
            line += word
            used += cells
            begun = True
        return [*lines, line]

    def _table(self, tokens: Sequence[Token]) -> list[Line]:
        """Columns as wide as their widest cell; the last takes what is left and is broken."""
        rows: list[list[list[Piece]]] = []
        for token in tokens:
            if token.type == "tr_open":
                rows.append([])
            elif token.type == "inline":
                rows[-1].append(self._inline(token, "muted" if len(rows) == 1 else ""))
        widths = [max(sum(len(text) for text, _ in row[n]) for row in rows) for n in range(len(rows[0]))]
        widths[0] = min(widths[0], self._width // 2)
        widths[-1] = max(10, min(widths[-1], self._width - sum(widths[:-1]) - _GAP * len(widths)))
        lines: list[Line] = []
        for row in rows:
            cells = [self._wrap(cell, "", width=wide) for cell, wide in zip(row, widths, strict=True)]
            for n in range(max(map(len, cells))):
                line: Line = [(_INDENT, "")]
                for cell, wide in zip(cells, widths, strict=True):
                    pieces = cell[n] if n < len(cell) else []
                    line += [*pieces, (" " * (wide + _GAP - sum(len(text) for text, _ in pieces)), "")]
                lines.append(line)
        return lines


def _words(pieces: Iterable[Piece]) -> Iterator[tuple[Line, int]]:
    """What must stay together, and how many blanks (0 or 1) stand before it."""
    word: Line = []
    space = 0
    for text, role in pieces:
        for part in re.split(r"(\s+)", text):
            if not part:
                continue
            if part.isspace():
                if word:
                    yield word, space
                word, space = [], 1
            else:
                word.append((part, role))
    if word:
        yield word, space
