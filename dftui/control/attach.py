"""Joins this terminal, or these pipes, to a command that runs inside a container."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from dftui.control.history import note_receipt
from dftui.control.tty import OUTPUT, terminal_size
from dftui.engine.api import EngineError, Session

INPUT, ERRORS = 0, 2
_READ = 64 * 1024
_LAST_WORDS = 2000
HANGUP = 128 + 1
"""The exit code of what ends because its terminal went away."""


@contextmanager
def _raw() -> Iterator[None]:
    """Every key goes to the other side; this terminal is as it was afterwards."""
    before = termios.tcgetattr(INPUT)
    tty.setraw(INPUT, termios.TCSADRAIN)  # what was typed ahead is for the other side, too
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(INPUT, termios.TCSADRAIN, before)


async def at_terminal(session: Session) -> tuple[int, bytes]:
    """Until the command ends: its exit code, and the last bytes it wrote. Follows this terminal's size.

    When this terminal goes away, or the work is cancelled, a shell or client that waits for input is made to end.
    """
    loop = asyncio.get_running_loop()
    typed: asyncio.Queue[bytes] = asyncio.Queue()
    sized = asyncio.Event()
    gone = asyncio.Event()
    words = bytearray()

    def read() -> None:
        try:
            data = os.read(INPUT, _READ)
        except OSError:  # Linux says EIO once the other side of a terminal has gone
            data = b""
        if data:
            typed.put_nowait(data)
        else:
            loop.remove_reader(INPUT)
            gone.set()

    async def send() -> None:
        with contextlib.suppress(EngineError):
            while True:
                await session.write(await typed.get())

    async def follow_size() -> None:
        while True:
            await sized.wait()
            sized.clear()
            await session.resize(*terminal_size())

    async def show() -> None:
        while (found := await session.read())[1]:
            words.extend(found[1])
            del words[:-_LAST_WORDS]
            try:
                await _write(OUTPUT, found[1])
            except OSError:
                gone.set()
                return

    with _raw():
        loop.add_signal_handler(signal.SIGWINCH, sized.set)
        loop.add_reader(INPUT, read)
        shown = asyncio.create_task(show())
        left = asyncio.create_task(gone.wait())
        helpers = [shown, left, asyncio.create_task(send()), asyncio.create_task(follow_size())]
        try:
            await asyncio.wait((shown, left), return_when=asyncio.FIRST_COMPLETED)
            if gone.is_set():
                await _make_end(session)
                return HANGUP, bytes(words)
            return await _ended(session), bytes(words)
        except asyncio.CancelledError:
            await _make_end(session)
            raise
        finally:
            loop.remove_reader(INPUT)
            loop.remove_signal_handler(signal.SIGWINCH)
            for task in helpers:
                task.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)


async def _make_end(session: Session) -> None:
    """Type Ctrl-C and Ctrl-D until it has ended or will not: the engine ends no command whose terminal has gone."""
    for _ in range(3):
        with contextlib.suppress(EngineError, TimeoutError):
            await session.write(b"\x03")
            # What comes in the same moment as the interrupt is thrown away with the line.
            await asyncio.sleep(0.1)
            await session.write(b"\x04")
            async with asyncio.timeout(0.4):
                await session.exit_code()
                return


async def _ended(session: Session) -> int:
    code = await session.exit_code()
    note_receipt({"exit_code": code})
    return code


async def at_pipes(session: Session) -> int:
    """Standard input to its end, both outputs as they come; the exit code. Raises BrokenPipeError."""
    sending = asyncio.create_task(_feed(session))
    try:
        while True:
            channel, data = await session.read()
            if not data:
                return await _ended(session)
            await _write(OUTPUT if channel == "stdout" else ERRORS, data)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def gathered(session: Session) -> tuple[int, str, str]:
    """Exit code and both outputs, of a command that is given no input."""
    await session.end_input()
    said = {"stdout": b"", "stderr": b""}
    while True:
        channel, data = await session.read()
        if not data:
            out, err = (data.decode("utf-8", "replace") for data in said.values())
            return await _ended(session), out, err
        said[channel] += data


async def _feed(session: Session) -> None:
    with contextlib.suppress(EngineError, OSError):
        while data := await _readable(INPUT):
            await session.write(data)
        await session.end_input()


async def _readable(descriptor: int) -> bytes:
    """What can be read, once something can; a plain file always can."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except PermissionError:  # epoll takes no plain file
        return os.read(descriptor, _READ)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, _READ)


async def _write(descriptor: int, data: bytes) -> None:
    """All of it, without holding up the loop: the terminal may be at the end of a slow link."""

    def work() -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    await asyncio.to_thread(work)
