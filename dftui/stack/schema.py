"""The stack file's JSON Schema for editors (https://json-schema.org/draft/2020-12), from the table of keys.

It tells what single values and keys may be; rules between keys are the validator's alone.
"""

from __future__ import annotations

from typing import Any

from dftui.stack.fields import ADMIN, TOP, Field, Items, Key, Section, Table
from dftui.stack.values import Kind, Schema, anchored

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> Schema:
    """The whole schema; as a Python object of which `json` makes the text."""
    return {"$schema": DIALECT, "title": "dftui.yaml", **_section(TOP)}


def default(section: Section, name: str, held: Key) -> Any:
    """A key's default, None where it has none (or its section is made from it in another way)."""
    made = section.make()
    if section is ADMIN and name == "name":
        return f"{made.first_name} {made.last_name}"
    found = getattr(made, name)
    return None if found == "" else found


def _section(section: Section) -> Schema:
    properties = {name: _field(section, name, held) for name, held in section.keys.items()}
    found: Schema = {
        "description": section.help,
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": False,
    }
    if section.word is None:
        return found
    return {"description": found.pop("description"), "anyOf": [found, section.word.schema()]}


def _field(section: Section, name: str, held: Field) -> Schema:
    match held:
        case Section():
            return _section(held)
        case Key():
            told = {"description": held.help, **held.kind.schema()}
            value = default(section, name, held)
            return told if value is None else {**told, "default": _plain(held.kind, value)}
        case Items():
            return {"description": held.help, "type": "array", "items": held.kind.schema()}
        case Table():
            return {
                "description": held.help,
                "type": ["object", "null"],
                "propertyNames": {"pattern": anchored(held.names.pattern)},
                "additionalProperties": held.kind.schema(),
            }


def _plain(kind: Kind, value: Any) -> Any:
    """A value as an editor would put it into the file: sizes and times with their unit."""
    return value if isinstance(value, (bool, str)) or kind.write(value) == str(value) else kind.write(value)
