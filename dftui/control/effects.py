"""What an action or a command does to the world: what the read-only gate goes by."""

from __future__ import annotations

from enum import Enum


class Effect(Enum):
    """Every key and every command says which one it is; under `--read-only` only those that look are left."""

    LOOK = "looks"
    """Shows what the screen may show, and changes nothing but what is shown."""
    CHANGE = "changes"
    """Changes the stack, the machine or a file."""
    REVEAL = "reveals"
    """Hands out more than the screen shows: a secret, a shell, a copy of the data, a door to the network."""


def refusal(effect: Effect, by: str) -> str:
    """Why an action is refused, in one sentence; "" when it is not. `by` names what imposes read-only, if it is."""
    if not by or effect is Effect.LOOK:
        return ""
    if effect is Effect.CHANGE:
        return f"This dftui is read-only ({by}): nothing can be changed from here."
    return f"This dftui is read-only ({by}): no shell, secret or copy is handed out from here."
