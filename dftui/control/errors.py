"""The error an action raises towards its user."""

from __future__ import annotations

from dftui.stack.spec import NOT_FOR_PLAIN


class ActionError(Exception):
    """An action stopped: `str()` says what happened and where, `hint` what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class NotUp(ActionError):
    """There is no such stack on the engine."""

    def __init__(self, stack: str) -> None:
        super().__init__(f"stack {stack} is not up", "bring it up first: dftui up")


class SteppedAside(ActionError):
    """What was asked for is particular to DreamFactory, and this stack's web is another one. No failure: there is
    nothing to do."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(f"{what}: {NOT_FOR_PLAIN}", hint)
