"""Whether the terminal can carry the screen, asked before textual is imported."""

from __future__ import annotations

import os
import sys

from dftui.cli.exits import UsageError
from dftui.control.tty import terminal_size

MIN_COLUMNS, MIN_ROWS = 60, 16
"""Below this nothing useful fits; 80x24 shows every pane."""

_TWINS = (
    "Without the screen: `dftui status`, `dftui logs -f`, `dftui requests -f`, `dftui scale +1`; "
    "`dftui --help` lists all."
)


def in_browser() -> bool:
    """A browser is at the other end: `dftui serve`."""
    return os.environ.get("TEXTUAL_DRIVER", "").endswith(":WebDriver")


def check() -> None:
    """Raise UsageError with a sentence when the screen cannot be shown here."""
    if in_browser():
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        which = "input" if not sys.stdin.isatty() else "output"
        raise UsageError(f"the screen needs a terminal, and standard {which} is none.", _TWINS)
    term = os.environ.get("TERM", "")
    if term in ("", "dumb", "unknown"):
        raise UsageError(f"the terminal cannot place text (TERM={term or 'not set'}).", _TWINS)
    columns, rows = terminal_size()
    if columns < MIN_COLUMNS or rows < MIN_ROWS:
        raise UsageError(
            f"the terminal is {columns}x{rows}; the screen needs {MIN_COLUMNS}x{MIN_ROWS} or more.",
            _TWINS,
        )


def prepare() -> None:
    """Settings that textual reads when it is imported; what the user set himself stays."""
    # A size that a shell has exported is from before the terminal was resized; textual and rich would keep to it.
    # In a browser it is the page's, and the only one there is.
    for name in () if in_browser() else ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
    if os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"):
        # Frames that a slow link cannot carry only add to its queue.
        os.environ.setdefault("TEXTUAL_FPS", "30")
