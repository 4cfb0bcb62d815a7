"""A visit inside a container: the screen steps aside, a shell or client has the terminal, then the screen is back."""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from dftui.control.effects import Effect, refusal
from dftui.control.tty import OUTPUT, terminal_size
from dftui.watch.sanitise import clean

if TYPE_CHECKING:
    from dftui.engine.api import Session
    from dftui.ui.app import DftuiApp

_TIDY = b"\x1b7\x1b[r\x1b8\x1b[?1l\x1b>\x1b[4l\x1b(B\x1b[?1047l\x1b[?1000;1002;1003;1006;2004l\x1b[?7;25h\x1b[0m\r\n"
"""What a program that was killed inside may have left on: margins, key modes, insertion, a character set, its own
screen (by 1047: 1049 also puts the cursor back to where the first visit began), mouse, paste, no wrapping, no cursor,
colours."""
_NOT_RUN = (126, 127)
"""Exit codes of a command that cannot be run or is not there."""


def go_inside(ui: DftuiApp, name: str, *, client: bool = False) -> None:
    """A shell in a container, or its role's own client, unless one is open."""
    if refused := refusal(Effect.REVEAL, ui.options.read_only):
        ui.main.conductor.say(refused, "warning")
        return
    snapshot = ui.main.snapshot
    if snapshot is None or ui.backend is None or (ui.visit is not None and not ui.visit.done()):
        return
    role = next((s.role for s in snapshot.services if s.name == name), "web")
    opened = ui.backend.inside(name, role, client=client, size=terminal_size())
    # A task, not a worker: the app waits for its end when it ends itself.
    ui.visit = asyncio.create_task(visit(ui, opened, f"{'client' if client else 'shell'} in {name}"), name="visit")


async def visit(app: DftuiApp, opened: AbstractAsyncContextManager[Session], what: str) -> None:
    """Let the terminal belong to the session until it ends, and say how it ended."""
    say = app.main.conductor.say
    try:
        async with opened as session:
            code, words = await _away(app, session, what)
    except SuspendNotSupported:
        say(f"A {what} needs a terminal of its own; this screen has none.", "warning")
    except Exception as error:
        say(f"{error} {getattr(error, 'hint', '')}".strip(), "bad")
    else:
        if code in _NOT_RUN:
            last = clean(words.decode("utf-8", "replace").strip().splitlines()[-1] if words.strip() else "")
            say(f"The {what} cannot be run: {last or f'exit code {code}'}", "bad")
        else:
            say(f"Back from the {what}{f', which ended with exit code {code}' if code else ''}.")


async def _away(app: DftuiApp, session: Session, what: str) -> tuple[int, bytes]:
    from dftui.control import attach

    failure: Exception | None = None
    ended = (0, b"")
    app.away = True
    try:
        if app.wire is not None:
            app.wire.lent = True
            while app.wire.fence.waiting:  # noqa: ASYNC110  the terminal's answer would be typed into the shell
                await asyncio.sleep(0.01)
        # Without the batch, what is drawn meanwhile fills the queue of a writer that is stopped, and the loop with it
        # (textual 8.2.8). An error must not leave `suspend` by the way that does not resume.
        with app.suspend(), app.batch_update():
            try:
                hello = f"\r\n{clean(what)}: its end (exit, Ctrl-D) comes back to dftui\r\n"
                await asyncio.to_thread(os.write, OUTPUT, hello.encode())
                await session.resize(*terminal_size())
                ended = await attach.at_terminal(session)
                await asyncio.to_thread(os.write, OUTPUT, _TIDY)
            except Exception as error:
                failure = error
    finally:
        app.away = False
        if app.wire is not None:
            app.wire.lent = False
            app.wire.pump()
    if failure is not None:
        raise failure
    return ended
