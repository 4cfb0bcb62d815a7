"""Whose login the replicas are tried with, where dftui does not hold it."""

from __future__ import annotations

from dataclasses import dataclass, field

from dftui.control.errors import ActionError


@dataclass(frozen=True, slots=True)
class Login:
    """An admin's own words, typed because dftui does not hold them; the password is never shown."""

    email: str
    password: str = field(repr=False)


class PasswordNeeded(ActionError):
    """The admin's password is not known here, or was refused: it is not tried again by itself. `email` is whose."""

    def __init__(self, message: str, email: str) -> None:
        super().__init__(message, "give it on standard input: dftui verify --password-stdin [--email WHO]")
        self.email = email
