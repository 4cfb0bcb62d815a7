"""The one place where what went wrong becomes a sentence and an exit code.

Codes: 0 done, 1 failed, 2 wrong use or a bad file, 3 no engine, 4 checked and found untrue; 130 for Ctrl-C and
128 + n for another signal, as shells have it.  Errors are matched by the class's module and name, so that a
command that fails early has imported nothing heavy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NO_ENGINE = 3
    UNTRUE = 4
    INTERRUPTED = 130


class UsageError(Exception):
    """A command was given something it cannot work with; `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Signalled(BaseException):
    """A signal other than Ctrl-C asked the program to end; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


_CODES = {
    "StackFileError": Exit.USAGE,
    "SecretsError": Exit.USAGE,
    "UsageError": Exit.USAGE,
    "SteppedAside": Exit.DONE,
    "EngineUnreachable": Exit.NO_ENGINE,
    "EnginePermission": Exit.NO_ENGINE,
}


def code_of(error: BaseException) -> Exit:
    """The exit code of an error; what nobody foresaw is a failure (1)."""
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "CancelledError":
        return Exit.INTERRUPTED
    for kind in type(error).__mro__:
        if kind.__module__.startswith("dftui.") and kind.__name__ in _CODES:
            return _CODES[kind.__name__]
    return Exit.FAILED


def sentences(error: BaseException) -> list[str]:
    """What to tell the user, line by line, cleaned: what happened, then what to do."""
    if isinstance(error, BaseExceptionGroup):
        return sentences(error.exceptions[0])
    ours = type(error).__module__.startswith("dftui.")
    if ours:
        lines = [str(error), str(getattr(error, "hint", "") or "")]
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        lines = [f"{where}{error.strerror or error}"]
    else:
        name = type(error).__name__
        lines = [f"dftui met an error of its own ({name}: {error}).", "DFTUI_DEBUG=1 shows where; please report it."]
    return _clean(line for text in lines for line in text.splitlines() if line.strip())


def _clean(lines: Iterable[str]) -> list[str]:
    from dftui.watch.sanitise import clean

    return [clean(line) for line in lines]


def report(error: BaseException) -> int:
    """Print an error to stderr as sentences and give back its exit code."""
    code = code_of(error)
    if code is Exit.INTERRUPTED:
        print("Interrupted.", file=sys.stderr)
        return code
    if os.environ.get("DFTUI_DEBUG"):
        import traceback

        traceback.print_exception(error)
    lines = sentences(error)
    print(f"dftui: {lines[0] if lines else 'failed.'}", file=sys.stderr)
    for line in lines[1:]:
        print(f"  {line}", file=sys.stderr)
    return code


def quiet_broken_pipe() -> int:
    """The reader of stdout went away (`dftui logs | head`): end without a word, as other tools do."""
    # The interpreter flushes stdout once more at exit; give it somewhere to write.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
    return 128 + 13
