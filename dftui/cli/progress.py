"""Progress of an action on stderr: one line that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from dftui.watch.records import Step

_CLEAR = "\r\x1b[K"
_REDRAW_SECONDS = 0.1


class Progress:
    """Takes an action's steps; `report` is what an Operator is given.

    On a terminal the running step stands in one line that is overwritten, finished ones stay above it.  Without one
    each new text is a line of its own, and counters within a step are left out.
    """

    def __init__(self, *, verbose: bool = False, stream: TextIO | None = None, single: bool | None = None) -> None:
        self._out = stream or sys.stderr
        self._verbose = verbose
        self._single = self._out.isatty() if single is None else single
        self._shown = ""
        self._drawn_at = 0.0
        self._last: tuple[str, str] = ("", "")
        self._open = False

    def report(self, step: Step) -> None:
        """Show a step; the history, where the command is in it, has it too."""
        from dftui.control.history import recording
        from dftui.watch.sanitise import clean

        if (now := recording()) is not None:
            now.told(step)
        text = clean(step.text).strip()
        count = f"{step.done}/{step.total} " if step.total else ""
        if self._verbose and step.command and step.command != self._shown:
            self._shown = step.command
            self._line(f"  $ {clean(step.command)}")
        if step.state == "running":
            if self._single:
                self._redraw(f"{count}{text} …")
            elif (text, "running") != self._last and not _counts_only(text, self._last[0]):
                self._line(f"{count}{text} …")
            self._last = (text, "running")
            return
        mark = "ok" if step.state == "ok" else "FAILED"
        if (text, mark) != self._last:
            self._line(f"{count}{text}: {mark}" if step.state == "failed" else f"{count}{text}")
        self._last = (text, mark)

    def close(self) -> None:
        """Take the running line away."""
        if self._open:
            self._out.write(_CLEAR)
            self._out.flush()
            self._open = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _line(self, text: str) -> None:
        self.close()
        print(text, file=self._out, flush=True)

    def _redraw(self, text: str) -> None:
        now = time.monotonic()
        if self._open and now - self._drawn_at < _REDRAW_SECONDS:
            return
        self._drawn_at = now
        width = shutil.get_terminal_size().columns - 1
        self._out.write(f"{_CLEAR}{text[:width]}")
        self._out.flush()
        self._open = True


def _counts_only(text: str, before: str) -> bool:
    """Whether only figures changed: in a file that is no news."""
    digits = str.maketrans("", "", "0123456789.")
    return text.translate(digits) == before.translate(digits)
