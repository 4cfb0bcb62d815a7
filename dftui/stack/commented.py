"""The stack file that `dftui init` writes: every key with its default commented out, and what it does."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from dftui.stack.fields import ADMIN, TOP, Items, Key, Section, Table
from dftui.stack.schema import default

_WIDTH = 100
_COLUMN = 34


def commented(schema: str = "") -> str:
    """The file's text; `schema` is where an editor finds the schema, "" leaves that line away. It says nothing but
    the defaults: each line that is freed of its # sets one key."""
    lines = [f"# yaml-language-server: $schema={schema}"] if schema else []
    lines += [
        f"# {TOP.help}",
        "# What stands here, commented out, holds anyway, but for what is marked as an example. To change a key,",
        "# free it and those above it from their #; `dftui plan` says what that changes, `dftui up` does it.",
        "",
    ]
    return "\n".join([*lines, *_lines(TOP, 0)]) + "\n"


def _lines(section: Section, depth: int) -> Iterator[str]:
    between = False
    for name, held in section.keys.items():
        if section is ADMIN and name in ("first_name", "last_name"):
            continue  # `name` says the same
        head = f"{'  ' * depth}{name}:"
        if isinstance(held, Section):
            yield ""
            yield from (f"# # {line}" for line in textwrap.wrap(held.help, _WIDTH))
            yield f"# {head}"
            yield from _lines(held, depth + 1)
            between = depth == 0
            continue
        if between:
            yield ""
            between = False
        value = _value(section, name, held)
        about = held.help if value else f"(example) {held.help}"
        yield from _with_help(f"# {head} {value or held.example}", about)


def _with_help(line: str, about: str) -> Iterator[str]:
    if len(line) + 2 + len(about) + 2 <= _WIDTH + 18:
        yield f"{line:<{_COLUMN}}  # {about}"
        return
    indent = " " * (len(line) - len(line[2:].lstrip()) - 2)
    yield from (f"# {indent}# {part}" for part in textwrap.wrap(about, _WIDTH))
    yield line


def _value(section: Section, name: str, held: Key | Items | Table) -> str:
    """The default, "" where there is none."""
    if isinstance(held, Key) and (value := default(section, name, held)) is not None:
        return held.kind.write(value)
    return ""
