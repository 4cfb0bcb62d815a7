"""Folders in and out of containers as tar streams, never whole in memory.

Source: Docker Engine API 1.41, "Get an archive of a filesystem resource in a container" and "Extract an archive of
files or folders to a directory in a container".
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

from dftui.engine.api import EngineError, EngineUnreachable
from dftui.engine.errors import one_line, refused
from dftui.engine.wire import HttpRefused, Wire

if TYPE_CHECKING:
    from docker import APIClient

_LINKS = 8


async def get(wire: Wire, ref: str, path: str) -> AsyncIterator[bytes]:
    """See `Engine.get_archive`."""
    doing = f"read {path} in {one_line(ref)}"
    try:
        reply = await wire.open("GET", f"/containers/{ref}/archive", query={"path": path}, head_timeout=None)
    except HttpRefused as error:
        raise refused(error.status, error.message, doing) from None
    async with reply, aclosing(reply.pieces()) as pieces:
        async for piece in pieces:
            yield piece


async def put(wire: Wire, ref: str, path: str, chunks: AsyncIterator[bytes]) -> None:
    """See `Engine.put_archive`."""
    doing = f"unpack files into {path} in {one_line(ref)}"
    try:
        reply = await wire.open(
            "PUT",
            f"/containers/{ref}/archive",
            query={"path": path},
            body=chunks,
            headers={"Content-Type": "application/x-tar"},
            head_timeout=None,
        )
    except HttpRefused as error:
        raise refused(error.status, error.message, doing) from None
    except EngineUnreachable:
        # An engine that hangs up may only have had enough of what is no archive.
        await wire.json("GET", "/version", doing)
        raise EngineError(f"Could not {doing}: the engine stopped reading; is it a tar archive?") from None
    async with reply:
        await reply.body()


def read_file(api: APIClient, ref: str, path: str) -> bytes:
    """See `Engine.get_file`; in a thread, by docker-py."""
    where = path
    for _ in range(_LINKS):
        stream, _stat = api.get_archive(ref, where)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
            entry = tar.next()
            if entry is None:
                break
            if entry.issym():
                folder = where.rpartition("/")[0]
                where = entry.linkname if entry.linkname.startswith("/") else f"{folder}/{entry.linkname}"
                continue
            content = tar.extractfile(entry)
            if content is None:
                break
            return content.read()
    raise EngineError(f"Could not read {path} in {ref}: it is no plain file.")
