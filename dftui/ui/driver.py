"""The way to the terminal: counted, kept within a budget, and surviving its end.

textual 8.2.8 writes from a thread that dies of the first error; the event loop then waits for ever on that thread's
full queue, and neither SIGHUP nor anything else is heard any more.  Here an error is heard, what follows is dropped,
and the program ends in order.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import IO, Any

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from dftui.ui.budget import Budget

HANGUP = 128 + 1
"""The exit code of a program whose terminal went away, as shells have it for SIGHUP."""


class Outlet:
    """The terminal's output, used by the writer's thread. Once an error says that the terminal is gone, what is
    written is dropped and `gone` was called. `writes` and `bytes` count what has been taken."""

    def __init__(
        self,
        file: IO[str],
        gone: Callable[[], None],
        *,
        budget: Budget | None = None,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._file = file
        self._gone = gone
        self._budget = budget
        self._wait = wait
        self._lost = False
        self.leaving = False
        """The screen is being given back: what is still to come of a picture is left out."""
        self.writes = 0
        self.bytes = 0
        self.idle: Callable[[], None] | None = None
        """Called, once, after the next write."""

    def _do(self, work: Callable[[], object]) -> None:
        if self._lost:
            return
        try:
            work()
        except OSError:
            self._lost = True
            self._gone()

    def write(self, text: str) -> None:
        """Write and flush, or drop; within the budget, in pieces that it allows."""
        if self._budget is None:
            self._piece(text)
        else:
            # A character is four bytes at most.
            step = self._budget.burst // 4
            for start in range(0, len(text), step):
                if self.leaving and start:
                    break  # nobody will look at the rest of this picture
                piece = text[start : start + step]
                if not self._lost and (pause := self._budget.take(len(piece.encode()))):
                    self._wait(pause)
                self._piece(piece)
        self.writes += 1
        idle, self.idle = self.idle, None
        if idle is not None:
            idle()

    def _piece(self, text: str) -> None:
        self.bytes += len(text) if text.isascii() else len(text.encode())
        self._do(lambda: (self._file.write(text), self._file.flush()))

    def flush(self) -> None:
        """Flush, or not."""
        self._do(self._file.flush)

    def fileno(self) -> int:
        """The terminal's."""
        return self._file.fileno()


class Driver(LinuxDriver):
    """textual's own, with an `Outlet`; knows what is still on its way out of this process."""

    def __init__(self, app: App[Any], *, max_bps: int | None = None, **options: Any) -> None:
        super().__init__(app, **options)
        self._loop = asyncio.get_running_loop()
        self._handed = 0
        self._lent = False
        self.asked = 0
        """Questions of textual's own for synchronised output; the answers come in the order of the questions."""
        self.restarted: Callable[[], None] | None = None
        """Called when the terminal has been somebody else's meanwhile."""

        def gone() -> None:
            # Called in the writer's thread; a loop that has ended needs no telling.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(lambda: app.exit(return_code=HANGUP))

        self.max_bps = max_bps
        self.outlet = Outlet(self._file, gone, budget=Budget(max_bps) if max_bps else None)  # type: ignore[arg-type]
        self._file = self.outlet  # type: ignore[assignment]

    def write(self, data: str) -> None:
        """Queue it for the terminal; dropped while that belongs to another program, because nobody takes it then."""
        if not self._lent:
            self._handed += 1
            super().write(data)

    def close(self) -> None:
        """At the end, and when the terminal is lent to another program."""
        self._lent = True
        super().close()

    @property
    def idle(self) -> bool:
        """Everything was taken by the system."""
        return self.outlet.writes >= self._handed

    def when_idle(self, call: Callable[[], None]) -> None:
        """Call this, in the event loop, once something was taken."""

        def told() -> None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(call)

        self.outlet.idle = told
        if self.idle:
            told()

    def stop_application_mode(self) -> None:
        """Give the terminal back as it was."""
        self.outlet.leaving = True
        super().stop_application_mode()

    def _request_terminal_sync_mode_support(self) -> None:
        before = self._handed
        super()._request_terminal_sync_mode_support()
        self.asked += self._handed - before

    def start_application_mode(self) -> None:
        """At the start, and after the terminal was lent to another program."""
        self._lent = False
        self.outlet.leaving = False
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self.restarted is not None:
            self.restarted()


def survive_hangup(app: App[Any], max_bps: int | None = None) -> None:
    """Let the app end in order when its terminal goes away, and send it at most `max_bps` bytes a second. Other
    drivers stay as they are."""
    if app.driver_class is LinuxDriver:
        app.driver_class = partial(Driver, max_bps=max_bps)  # type: ignore[assignment]


def let_go_of_terminal() -> None:
    """What is still buffered for a terminal that is gone must raise nothing when the interpreter ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(null, number)
    os.close(null)
