"""Keys by action after a user's changes, and a sentence for each change that cannot be."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from textual.keys import Keys, _character_to_key, format_key

from dftui.control.actions import ACTIONS, BY_ID
from dftui.ui.draw import short_path

RESERVED = frozenset(
    "j k g G up down left right pageup pagedown home end tab shift+tab enter escape 1 2 3 4 5 6 7 8 9 ctrl+c ctrl+q "
    "ctrl+f ctrl+b left_square_bracket right_square_bracket".split()
)
"""Keys that move; they belong to the panes."""
_MODIFIERS = ("ctrl", "shift", "alt", "super", "hyper", "meta")
_NAMED = frozenset(key.value for key in Keys)
Layer = tuple[str, Mapping[str, str]]
"""Where changes stand (a file's name), and the wanted key by action."""


def normal(key: str) -> str | None:
    """A key as textual names it ("+" is "plus", "ctrl+X" is "ctrl+x"); None for what no keyboard has."""
    *modifiers, base = key.split("+") if len(key) > 1 and not key.endswith("+") else [key]
    if key.endswith("++"):
        *modifiers, base = *key[:-2].split("+"), "+"
    if any(modifier not in _MODIFIERS for modifier in modifiers):
        return None
    if len(base) == 1:
        # `_character_to_key` is private to textual 8.2.8 (pinned); its own bindings are read by it.
        base = _character_to_key(base.lower() if "ctrl" in modifiers else base)
    else:
        base = base.lower()
        sign = format_key(base)
        # Every character of Unicode has a name; only those of ASCII ("plus") are names of keys, too.
        if base not in _NAMED and not (len(sign) == 1 and sign.isascii()):
            return None
    return "+".join([*modifiers, base])


def shown(key: str) -> str:
    """What the footer writes for a key: the character, "^x" for ctrl+x, else its name."""
    first = key.split(",")[0]
    if first.startswith("ctrl+") and len(first) == len("ctrl+x"):
        return f"^{first[-1]}"
    return format_key(first)


def remap(layers: Sequence[Layer]) -> tuple[dict[str, str], list[str]]:
    """Keys by action id: each layer's wishes over those before it, and the registry's where a wish cannot be."""
    problems: list[str] = []
    wishes: dict[str, tuple[str, str]] = {}
    for path, wanted in layers:
        where = short_path(path)
        for name, given in wanted.items():
            keys = [normal(part.strip()) for part in given.split(",")] if given != "," else ["comma"]
            if name not in BY_ID:
                near = difflib.get_close_matches(name, BY_ID, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}?" if near else "`dftui man` lists them."
                problems.append(f"{where}: keys: there is no action {name!r}; {hint}")
            elif None in keys:
                problems.append(f"{where}: keys: {name} cannot have {given!r}: no key is called that.")
            elif RESERVED & set(keys):
                problems.append(f"{where}: keys: {name} cannot have {given!r}, which moves in the panes.")
            else:
                wishes[name] = (",".join(key for key in keys if key), where)
    while True:
        found = {a.id: wishes[a.id][0] if a.id in wishes else a.key for a in ACTIONS}
        clash = next(_clashes(found, wishes), None)
        if clash is None:
            return found, problems
        name, other, key = clash
        where = wishes.pop(name)[1]
        keeps = BY_ID[name].show
        problems.append(f"{where}: keys: {name} cannot have {shown(key)!r}, the key of {other}; it keeps {keeps!r}.")


def _clashes(keys: Mapping[str, str], wishes: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """(the one that wished, the one that has it, the key) for each key that two actions would share."""
    parts = {name: set(key.split(",")) for name, key in keys.items()}
    for name in wishes:
        yield from (
            (name, other, key) for other in keys if other != name for key in sorted(parts[name] & parts[other])
        )
