"""The error an action raises towards its user."""

from __future__ import annotations


class ActionError(Exception):
    """An action stopped: `str()` says what happened and where, `hint` what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class NotUp(ActionError):
    """There is no such stack on the engine."""

    def __init__(self, stack: str) -> None:
        super().__init__(f"stack {stack} is not up", "bring it up first: dftui up")
