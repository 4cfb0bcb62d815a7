"""How large this terminal is. Light: the screen asks before its first paint."""

from __future__ import annotations

import os

OUTPUT = 1
UNKNOWN = (80, 24)
"""What a terminal is taken for that does not say how large it is (a pty that nobody sized, a serial line)."""


def terminal_size() -> tuple[int, int]:
    """Columns and rows, whatever COLUMNS and LINES say (as `shutil.get_terminal_size` would): a shell that exports
    them has them from before the terminal was resized."""
    try:
        found = os.get_terminal_size(OUTPUT)
    except OSError:  # it went away a moment ago, or is none
        return UNKNOWN
    return (found.columns, found.lines) if found.columns and found.lines else UNKNOWN
