"""A terminal that goes away (a cut SSH link) ends the program in order instead of freezing it.

textual 8.2.8 writes from a thread that dies of the first error; the event loop then waits for ever on that thread's
full queue, and neither SIGHUP nor anything else is heard any more.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

HANGUP = 128 + 1
"""The exit code of a program whose terminal went away, as shells have it for SIGHUP."""


class Outlet:
    """The terminal's output; once an error says that it is gone, what is written is dropped and `gone` was called."""

    def __init__(self, file: IO[str], gone: Callable[[], None]) -> None:
        self._file = file
        self._gone = gone
        self._lost = False

    def _do(self, work: Callable[[], object]) -> None:
        if self._lost:
            return
        try:
            work()
        except OSError:
            self._lost = True
            self._gone()

    def write(self, text: str) -> None:
        """Write, or drop."""
        self._do(lambda: self._file.write(text))

    def flush(self) -> None:
        """Flush, or not."""
        self._do(self._file.flush)

    def fileno(self) -> int:
        """The terminal's."""
        return self._file.fileno()


class Driver(LinuxDriver):
    """textual's own, with an output that survives its terminal."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        loop = asyncio.get_running_loop()

        def gone() -> None:
            # Called in the writer's thread; a loop that has ended needs no telling.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(lambda: app.exit(return_code=HANGUP))

        self._file = Outlet(self._file, gone)  # type: ignore[assignment, arg-type]


def survive_hangup(app: App[Any]) -> None:
    """Let the app end in order when its terminal goes away. Other drivers stay as they are."""
    if app.driver_class is LinuxDriver:
        app.driver_class = Driver


def let_go_of_terminal() -> None:
    """What is still buffered for a terminal that is gone must raise nothing when the interpreter ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(null, number)
    os.close(null)
