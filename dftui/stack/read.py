"""Walks a file's YAML nodes along the table of keys, and gathers every mistake with its place.

Only YAML's node tree is built (no Python object ever comes from the file), so that each error knows its line and
column, doubled keys are seen, and numbers keep the text they were written as.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dftui.stack import values
from dftui.stack.fields import Field, Items, Key, Place, Section, Table, looks_secret, show

if TYPE_CHECKING:
    import yaml

_OWN_CUTOFF, _ELSEWHERE_CUTOFF, _MISSPELT = 0.5, 0.75, 0.9
"""How alike a key must be to be guessed at; from the last on it is the same section's, misspelt."""
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class FileError:
    """One mistake: place (line and column count from 1; 0 when it has none) and a sentence. `rule` names what no
    schema can tell: a rule between keys, of YAML itself, or of a value's arithmetic."""

    file: str
    line: int
    column: int
    message: str
    rule: str = ""

    def __str__(self) -> str:
        """`file:line:column: message`."""
        return (
            f"{self.file}:{self.line}:{self.column}: {self.message}" if self.line else f"{self.file}: {self.message}"
        )


class StackFileError(Exception):
    """A file that is not used; `errors` holds all its mistakes in the order of their lines."""

    def __init__(self, errors: Sequence[FileError]) -> None:
        self.errors = tuple(sorted(errors, key=lambda error: (error.line, error.column)))
        super().__init__("\n".join(map(str, self.errors)))


@dataclass(frozen=True, slots=True)
class Pair:
    """A key and its value where they stand in the file."""

    key: yaml.ScalarNode
    value: yaml.Node


@dataclass(slots=True)
class Found:
    """What a section of a file holds: its good values, where each stands, and which are bad."""

    section: Section
    values: dict[str, Any] = field(default_factory=dict)
    pairs: dict[str, Pair] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)

    def get(self, name: str) -> Any:
        """The value, or its default; None when it is bad, and where there is no default."""
        if name in self.bad:
            return None
        return self.values[name] if name in self.values else getattr(self.section.make(), name)

    def below(self, name: str) -> Found:
        """A section below; one that is bad as a whole has no good value."""
        held = self.section.keys[name]
        assert isinstance(held, Section)
        found = self.values.get(name)
        if isinstance(found, Found):
            return found
        return Found(held, bad=set(held.keys) if name in self.bad else set())


class Reader:
    """Reads one file; `places` are the keys that a misplaced one may have been meant for."""

    def __init__(self, file: str, places: Sequence[Place] = ()) -> None:
        self.file = file
        self.errors: list[FileError] = []
        self._places = places

    def error(self, node: yaml.Node, message: str, rule: str = "") -> None:
        """Note a mistake at a node."""
        mark = node.start_mark
        self.errors.append(FileError(self.file, mark.line + 1, mark.column + 1, message, rule))

    def compose(self, data: bytes) -> yaml.Node | None:
        """The file's node tree; None after a mistake, and for an empty file."""
        import yaml

        try:
            return yaml.compose(data, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
            parts = [part for part in (error.context, error.problem) if part]
            self.errors.append(FileError(self.file, *place, "is not YAML: " + ", ".join(parts), "yaml"))
        except yaml.reader.ReaderError as error:
            before = data[: error.position] if isinstance(error.position, int) else b""
            line = before.count(b"\n") + 1
            column = len(before) - (before.rfind(b"\n") + 1) + 1
            text = "holds a character that YAML forbids, or is not UTF-8"
            self.errors.append(FileError(self.file, line, column, text, "yaml"))
        except RecursionError:
            self.errors.append(FileError(self.file, 0, 0, "is nested too deeply", "yaml"))
        return None

    def section(
        self, node: yaml.Node, where: str, section: Section, path: tuple[str, ...] = ()
    ) -> Found | str | None:
        """Read a section; the word that stands for it, where it has one; None when it is no section at all."""
        import yaml

        if section.word and isinstance(node, yaml.ScalarNode) and node.tag != values.NULL:
            word: str | None = self.scalar(node, where, section.word)
            return word
        pairs = self.mapping(node, where, section.keys, path)
        if pairs is None:
            return None
        found = Found(section, pairs=pairs)
        for name, pair in pairs.items():
            value = self._field(pair.value, (*path, name), section.keys[name])
            if value is None:
                found.bad.add(name)
            else:
                found.values[name] = value
        return found

    def _field(self, node: yaml.Node, path: tuple[str, ...], held: Field) -> Any:
        """A key's value; None after a mistake."""
        where = ".".join(path)
        match held:
            case Key():
                return self.scalar(node, where, held.kind)
            case Items():
                return self._items(node, where, held)
            case Table():
                return self._table(node, where, held)
            case Section():
                return self.section(node, where, held, path)

    def mapping(
        self, node: yaml.Node, where: str, allowed: Mapping[str, Field] | None, path: tuple[str, ...] = ()
    ) -> dict[str, Pair] | None:
        """The pairs of a mapping by key; unknown and doubled keys are mistakes. `allowed` None allows all; None when
        it is no mapping."""
        import yaml

        if isinstance(node, yaml.ScalarNode) and node.tag == values.NULL:
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.error(node, f"{where} must be a mapping (key: value), not {kind(node)}")
            return None
        found: dict[str, Pair] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.error(key, f"a key of {where} must be a word, not {kind(key)}", "yaml")
            elif key.value in found:
                first = found[key.value].key.start_mark.line + 1
                text = f"the key {show(key.value)} of {where} is there twice (first in line {first})"
                self.error(key, text, "yaml")
            elif allowed is not None and key.value not in allowed:
                self._unknown(key, where, allowed, path)
            else:
                found[key.value] = Pair(key, value)
        return found

    def _unknown(self, key: yaml.ScalarNode, where: str, allowed: Mapping[str, Field], path: tuple[str, ...]) -> None:
        if looks_secret(key.value):
            self.error(
                key, f"{show(key.value)} looks like a secret; dftui keeps secrets in a file of its own: dftui key"
            )
            return
        meant = nearest(key.value, allowed, path, self._places)
        said = f" (did you mean {meant}?)" if meant else ""
        self.error(key, f"unknown key {show(key.value)} in {where}{said}; allowed: {', '.join(allowed)}")

    def scalar(self, node: yaml.Node, name: str, read: values.Kind) -> Any:
        """Read one value; None after a mistake."""
        import yaml

        if not isinstance(node, yaml.ScalarNode):
            self.error(node, f"{name} must be a single value, not {kind(node)}")
            return None
        try:
            return read.read(values.Scalar(node.value, node.tag))
        except values.Bad as problem:
            given = "nothing" if node.tag == values.NULL else show(node.value)
            meant = f" (did you mean {problem.near}?)" if problem.near else ""
            self.error(node, f"{name} is {given}; allowed: {problem}{meant}", problem.rule)
            return None

    def _items(self, node: yaml.Node, where: str, held: Items) -> tuple[Any, ...] | None:
        import yaml

        if not isinstance(node, yaml.SequenceNode):
            self.error(node, f"{where} must be a list, as {held.example}, not {kind(node)}")
            return None
        found = tuple(self.scalar(item, f"an item of {where}", held.kind) for item in node.value)
        return None if None in found else found

    def _table(self, node: yaml.Node, where: str, held: Table) -> dict[str, Any] | None:
        pairs = self.mapping(node, where, None)
        if pairs is None:
            return None
        found: dict[str, Any] = {}
        for name, pair in pairs.items():
            if problem := held.names.check(name, where):
                self.error(pair.key, problem)
            else:
                found[name] = self.scalar(pair.value, f"{where}.{show(name)[1:-1]}", held.kind)
        return None if len(found) < len(pairs) or None in found.values() else found


def nearest(word: str, allowed: Mapping[str, Field], path: tuple[str, ...] = (), places: Sequence[Place] = ()) -> str:
    """The key that was probably meant, in words: one of the same section, else of any other; "" when none is."""
    for name, held in allowed.items():
        if word in held.also:
            return name
    if misspelt := difflib.get_close_matches(word.lower(), allowed, n=1, cutoff=_MISSPELT):
        return misspelt[0]
    others = [place for place in places if place.path[:-1] != path]
    for place in others:
        if word == place.path[-1]:
            return _at(place)
    for place in others:
        if word in place.field.also:
            return _at(place)
    best, told = 0.0, ""
    matcher = difflib.SequenceMatcher(b=word.lower())
    for name in allowed:
        matcher.set_seq1(name)
        if (ratio := matcher.ratio()) >= _OWN_CUTOFF and ratio + 0.1 > best:
            best, told = ratio + 0.1, name
    for place in others:
        matcher.set_seq1(place.path[-1])
        if (ratio := matcher.ratio()) >= _ELSEWHERE_CUTOFF and ratio > best:
            best, told = ratio, _at(place)
    return told


def _at(place: Place) -> str:
    return ": ".join(place.path) if len(place.path) > 1 else f"{place.path[0]}, not below another key"


def kind(node: yaml.Node) -> str:
    """What stands there instead of what should, with its value."""
    import yaml

    if isinstance(node, yaml.ScalarNode):
        return show(node.value)
    text = _flow(node, _DEPTH)
    word = "mapping" if isinstance(node, yaml.MappingNode) else "list"
    return f"the {word} {text if len(text) <= 60 else text[:59] + '…'}"


def _flow(node: yaml.Node, depth: int) -> str:
    """A node on one line; what looks like a secret is not repeated."""
    import yaml

    if isinstance(node, yaml.ScalarNode):
        return node.value if node.value.isprintable() else show(node.value)
    if not depth:
        return "…"
    if isinstance(node, yaml.MappingNode):
        pairs = (
            f"{(name := _flow(key, depth - 1))}: {'…' if looks_secret(name) else _flow(value, depth - 1)}"
            for key, value in node.value[:10]
        )
        return f"{{{', '.join(pairs)}}}"
    return f"[{', '.join(_flow(item, depth - 1) for item in node.value[:10])}]"
