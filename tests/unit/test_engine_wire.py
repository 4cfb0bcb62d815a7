"""What comes over a connection is taken as the caller can take it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

from dftui.engine.wire import Address, Wire

PIECE = b"x" * 65536
PIECES = 256


async def test_what_the_caller_is_not_ready_for_waits_at_the_sender(tmp_path: Path) -> None:
    sent = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(PIECES):
            writer.write(PIECE)
            await writer.drain()
        sent.set()
        writer.close()

    path = tmp_path / "engine.sock"
    server = await asyncio.start_unix_server(flood, path)
    wire = Wire(Address(f"unix://{path}", path=str(path)))
    async with server, asyncio.timeout(60):
        reply = await wire.open("GET", "/flood")
        taken = 0
        async with reply, aclosing(reply.raw()) as pieces:
            async for piece in pieces:
                taken += len(piece)
                if taken > 8 * len(PIECE) and not sent.is_set():
                    # All of it is on its way by the end of this second, if anything here takes it.
                    done, _ = await asyncio.wait([task := asyncio.create_task(sent.wait())], timeout=1)
                    task.cancel()
                    assert not done, "everything was read ahead of the caller"
                    break
            async for piece in pieces:
                taken += len(piece)
        assert taken == PIECES * len(PIECE)
