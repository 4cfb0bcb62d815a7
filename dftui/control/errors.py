"""The one error an action raises towards its user."""

from __future__ import annotations


class ActionError(Exception):
    """An action stopped: `str()` says what happened and where, `hint` what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
