"""Why a token is taken or not: the causes, and their words, the same on the screen and in print."""

from __future__ import annotations

from collections.abc import Mapping

OK = "ok"
SIGNATURE = "signature"
CLOCK = "clock"
BLACKLIST = "blacklist"
CACHE = "cache"
DATABASE = "database"
UNREACHABLE = "unreachable"
REFUSED = "refused"
"""It takes no login, or answers with a status that means no known cause."""
UNCHECKED = "unchecked"
"""There was no token to try with."""

WORDS: Mapping[str, str] = {
    OK: "ok",
    SIGNATURE: "key",
    CLOCK: "clock",
    BLACKLIST: "cache",
    CACHE: "cache",
    DATABASE: "db",
    UNREACHABLE: "lost",
    REFUSED: "error",
    UNCHECKED: "-",
}
"""Each of them in the matrix, on the screen and in print (explained in help/verify.md)."""
REASONS: Mapping[str, str] = {
    SIGNATURE: "it was signed with another APP_KEY",
    CLOCK: "one of their clocks is off",
    BLACKLIST: "it counts as logged out there",
    DATABASE: "its user is not in the database there",
    UNREACHABLE: "it does not answer",
    REFUSED: "it answers with an error of its own",
}
"""Why a token is not taken, in a sentence."""
