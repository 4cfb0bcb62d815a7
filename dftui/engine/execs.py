"""Commands inside containers, over the raw two-way stream that the engine opens for an exec."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from dftui.engine.api import Channel, EngineError, EngineUnreachable, ExecResult
from dftui.engine.errors import one_line, refused, unreachable
from dftui.engine.frames import BadFrame, OutputFrames
from dftui.engine.wire import READ_SIZE, HttpRefused, Reply, Wire

STDERR_KEPT = 64 * 1024
"""Bytes of a stream's stderr that are kept, its last ones."""


DETACH_KEYS = "ctrl-@,ctrl-^,ctrl-@"
"""What detaches from a terminal: the engine's default begins with Ctrl-P, which shells have another use for."""
_RESIZE_TRIES = 20
"""The engine refuses a size until the process is there, some milliseconds after the start."""


async def _create(
    wire: Wire,
    ref: str,
    argv: tuple[str, ...],
    env: Mapping[str, str] | None,
    user: str,
    stdin: bool,
    size: tuple[int, int] | None = None,
) -> str:
    made = await wire.json(
        "POST",
        f"/containers/{ref}/exec",
        f"run {argv[0]} in {ref}",
        json_body={
            "Cmd": list(argv),
            "Env": [f"{name}={value}" for name, value in (env or {}).items()],
            "User": user,
            "AttachStdin": stdin,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": size is not None,
            "DetachKeys": DETACH_KEYS,
            # Only newer engines (API 1.42) take it here; the others are told after the start.
            **({"ConsoleSize": [size[1], size[0]]} if size else {}),
        },
    )
    return str(made["Id"])


async def _start(wire: Wire, exec_id: str, ref: str, argv: tuple[str, ...], tty: bool = False) -> Reply:
    try:
        return await wire.open(
            "POST", f"/exec/{exec_id}/start", json_body={"Detach": False, "Tty": tty}, upgrade=True
        )
    except HttpRefused as error:
        raise refused(error.status, error.message, f"run {argv[0]} in {ref}") from None


async def run(
    wire: Wire,
    ref: str,
    argv: tuple[str, ...],
    *,
    env: Mapping[str, str] | None,
    stdin: bytes,
    user: str,
    timeout: float,
) -> ExecResult:
    """Run to the end; see `Engine.exec`. After a time-out the process may still run inside: the API cannot end it,
    it only sees its stdin and stdout closed."""
    reply: Reply | None = None
    try:
        async with asyncio.timeout(timeout):
            exec_id = await _create(wire, ref, argv, env, user, bool(stdin))
            reply = await _start(wire, exec_id, ref, argv)
            out, err = await _drain(reply, stdin)
            code = await _exit_code(wire, exec_id, ref)
    except TimeoutError:
        raise EngineError(
            f"{argv[0]} in {one_line(ref)} did not end within {timeout:g} s.", "Is the container overloaded or hung?"
        ) from None
    except BadFrame as error:
        raise EngineError(f"Could not run {argv[0]} in {ref}: {error}.") from None
    except OSError as error:
        raise unreachable(wire.address.url, error) from error
    finally:
        if reply is not None:
            reply.close()
    return ExecResult(code, out, err)


async def _drain(reply: Reply, stdin: bytes) -> tuple[bytes, bytes]:
    out, err = bytearray(), bytearray()
    frames = OutputFrames(out.extend, err.extend)
    sender = asyncio.create_task(_send(reply, stdin)) if stdin else None
    try:
        while data := await reply.reader.read(READ_SIZE):
            frames.feed(data)
    finally:
        if sender is not None:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
    return bytes(out), bytes(err)


async def _send(reply: Reply, stdin: bytes) -> None:
    """Send everything, then end the stdin alone. A command that ends without reading it is no error."""
    try:
        reply.writer.write(stdin)
        await reply.writer.drain()
        if reply.writer.can_write_eof():
            reply.writer.write_eof()
    except OSError:
        pass


async def _exit_code(wire: Wire, exec_id: str, ref: str) -> int:
    """The engine notes the end a moment after the output ended; the caller's time-out bounds the waiting."""
    pause = 0.005
    while True:
        told: dict[str, Any] = await wire.json("GET", f"/exec/{exec_id}/json", f"see how a command in {ref} ended")
        code = told.get("ExitCode")
        if not told.get("Running") and code is not None:
            return int(code)
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.2)


class ExecStream:
    """The two directions of a running exec; a `ByteStream`."""

    def __init__(self, wire: Wire, reply: Reply, exec_id: str, what: str) -> None:
        self._wire = wire
        self._reply = reply
        self._exec_id = exec_id
        self._what = what
        self._out = bytearray()
        self._err = bytearray()
        self._frames = OutputFrames(self._out.extend, self._note)
        self._ended = False

    def _note(self, data: bytes) -> None:
        self._err += data
        if len(self._err) > STDERR_KEPT:
            del self._err[: len(self._err) - STDERR_KEPT]

    async def read(self, limit: int = 65536) -> bytes:
        """Bytes as they come; b"" when the command's output has ended, or the engine is gone."""
        while not self._out and not self._ended:
            try:
                data = await self._reply.reader.read(READ_SIZE)
                self._frames.feed(data)
            except (OSError, BadFrame):
                data = b""
            if not data:
                self._ended = True
        taken = bytes(self._out[:limit])
        del self._out[:limit]
        return taken

    async def write(self, data: bytes) -> None:
        """Send to stdin. Raises EngineUnreachable when the stream is gone."""
        if self._ended or self._reply.writer.is_closing():
            raise EngineUnreachable(f"The stream to {self._what} has ended.")
        try:
            self._reply.writer.write(data)
            await self._reply.writer.drain()
        except OSError as error:
            self._ended = True
            raise EngineUnreachable(f"The stream to {self._what} has ended.") from error

    async def end_input(self) -> None:
        """Tell the command that its stdin ends; its output can still be read. (Not possible over TLS.)"""
        if self._reply.writer.can_write_eof() and not self._reply.writer.is_closing():
            try:
                self._reply.writer.write_eof()
            except OSError:
                self._ended = True

    def stderr(self) -> bytes:
        """What came on stderr so far, at most its last `STDERR_KEPT` bytes."""
        return bytes(self._err)

    async def close(self) -> None:
        """End it; never raises."""
        self._ended = True
        self._reply.close()


async def open_stream(
    wire: Wire, ref: str, argv: tuple[str, ...], *, env: Mapping[str, str] | None, user: str
) -> ExecStream:
    """Run with stdin and stdout held open; see `Engine.exec_stream`."""
    exec_id = await _create(wire, ref, argv, env, user, True)
    reply = await _start(wire, exec_id, ref, argv)
    return ExecStream(wire, reply, exec_id, f"{argv[0]} in {one_line(ref)}")


class ExecSession:
    """A command at somebody's terminal or pipe; a `Session`."""

    def __init__(self, wire: Wire, reply: Reply, exec_id: str, what: str, tty: bool) -> None:
        self._wire = wire
        self._reply = reply
        self._exec_id = exec_id
        self._what = what
        self._came: deque[tuple[Channel, bytes]] = deque()
        self._ended = False
        self._frames = None if tty else OutputFrames(self._note("stdout"), self._note("stderr"))

    def _note(self, channel: Channel) -> Callable[[bytes], None]:
        return lambda data: self._came.append((channel, bytes(data)))

    async def read(self) -> tuple[Channel, bytes]:
        """The next output; b"" at its end."""
        while not self._came:
            try:
                data = b"" if self._ended else await self._reply.reader.read(READ_SIZE)
                if self._frames is None or not data:
                    return "stdout", data
                self._frames.feed(data)
            except OSError:
                return "stdout", b""
            except BadFrame as error:  # or the engine's own words, why the command cannot be run
                self._came.append(("stderr", f"{error}\n".encode()))
                self._ended = True
        return self._came.popleft()

    async def write(self, data: bytes) -> None:
        """Send to its stdin. Raises EngineUnreachable when the session is over."""
        try:
            if self._reply.writer.is_closing():
                raise ConnectionResetError
            self._reply.writer.write(data)
            await self._reply.writer.drain()
        except OSError as error:
            raise EngineUnreachable(f"The stream to {self._what} has ended.") from error

    async def end_input(self) -> None:
        """Tell the command that its stdin ends. (Not possible over TLS.)"""
        if self._reply.writer.can_write_eof() and not self._reply.writer.is_closing():
            with contextlib.suppress(OSError):
                self._reply.writer.write_eof()

    async def resize(self, columns: int, rows: int) -> None:
        """Tell the command's terminal its size; one that has ended takes none."""
        for _ in range(_RESIZE_TRIES):
            try:
                query = {"h": str(rows), "w": str(columns)}
                await self._wire.json("POST", f"/exec/{self._exec_id}/resize", f"size {self._what}", query=query)
                return
            except EngineUnreachable:
                return
            except EngineError:
                await asyncio.sleep(0.02)

    async def exit_code(self) -> int:
        """How it ended; once its output has."""
        async with asyncio.timeout(10):
            return await _exit_code(self._wire, self._exec_id, self._what)

    async def close(self) -> None:
        """Let go; never raises. The engine does not end a command whose other side has gone."""
        self._reply.close()


async def open_session(
    wire: Wire,
    ref: str,
    argv: tuple[str, ...],
    *,
    env: Mapping[str, str] | None,
    user: str,
    size: tuple[int, int] | None,
) -> ExecSession:
    """Run for a terminal of that size, or for a pipe; see `Engine.exec_session`."""
    tty = size is not None
    exec_id = await _create(wire, ref, argv, env, user, True, size)
    reply = await _start(wire, exec_id, ref, argv, tty)
    session = ExecSession(wire, reply, exec_id, f"{argv[0]} in {one_line(ref)}", tty)
    if size is not None:
        await session.resize(*size)
    return session
