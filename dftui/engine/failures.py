"""What an engine's call may raise, and nothing else."""

from __future__ import annotations


class EngineError(Exception):
    """The engine refused or failed; `str()` is one plain sentence for a user, `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class EngineUnreachable(EngineError):
    """No engine answers at the given address."""


class EnginePermission(EngineUnreachable):
    """The engine's socket is there but may not be opened by this user."""


class NotFound(EngineError):
    """The named container, image, network or volume does not exist."""


class Conflict(EngineError):
    """A name is taken, or the object's state does not allow the call."""


class PortInUse(EngineError):
    """A host port that a container should publish is held by something else."""


class NoSpace(EngineError):
    """The engine's disk is full."""


class RegistryUnreachable(EngineError):
    """The image's registry could not be reached at all (the one reason to fall back on bundled images)."""


class PullRefused(EngineError):
    """A registry answered and refused: no such tag, login needed, too many requests."""
