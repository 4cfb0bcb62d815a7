"""HTTP to the engine's socket on asyncio, for what docker-py can only do in a blocked thread: streams.

Speaks HTTP/1.1 over a unix socket, TCP or TLS, one request per connection.  A body is followed as it comes, chunked
or plain; a chunked one that ends without its last chunk is an engine that went away, not an end.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, cast
from urllib.parse import quote, urlencode

from dftui.engine.beat import Beat
from dftui.engine.chunked import Chunked
from dftui.engine.errors import refused, unreachable

READ_SIZE = 256 * 1024
CONNECT_TIMEOUT = 10.0
HEAD_TIMEOUT = 60.0
PACE, HURRY = 0.05, 0.0005
"""Seconds that a stream is left alone between two reads: one that trickles, one whose sender waits for us."""
BUSY = 0.5
"""Seconds within which a second piece shows a busy stream."""
MUCH = 8 * 1024
"""Bytes of a piece that shows a sender who waits: of many small writes a socket holds little more."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an engine listens: a unix socket's `path`, or `host` and `port` (with a TLS context).  `url` is what the
    user gave; `docker_py` what docker-py takes."""

    url: str
    path: str = ""
    host: str = ""
    port: int = 0
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    cert_path: str = ""

    @property
    def docker_py(self) -> str:
        """The address as docker-py's `base_url`."""
        return f"unix://{self.path}" if self.path else f"tcp://{self.host}:{self.port}"


class HttpRefused(Exception):
    """The engine answered with an error status; `message` is its own text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Reply:
    """A response whose body is still to come. Close it, or use it as `async with`."""

    def __init__(self, wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._wire = wire
        self.reader = reader
        self.writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection at once; what is unsent or unread is dropped."""
        self._wire.forget(self)
        self.writer.transport.abort()

    async def head(self) -> None:
        """Read status and headers. Raises HttpRefused for a status of 400 and above."""
        while True:
            raw = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = raw.decode("latin-1").split("\r\n")
            self.status = int(first.split(" ", 2)[1])
            self.headers = {}
            for line in lines:
                name, colon, value = line.partition(":")
                if colon:
                    self.headers[name.strip().lower()] = value.strip()
            if self.status != 100:
                break
        if self.status >= 400:
            body = await self.body(limit=256 * 1024)
            raise HttpRefused(self.status, message_of(body))

    @property
    def chunked(self) -> bool:
        """Whether the body comes in the chunked coding."""
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    async def raw(self) -> AsyncGenerator[bytes, None]:
        """What comes after the head, undecoded, until the connection ends. Raises EngineUnreachable.

        A busy sender is read in bigger pieces: waking up for each of its writes costs more than the bytes. What it
        sends while the caller is at a piece waits in the engine: here it would fill the memory."""
        loop = asyncio.get_running_loop()
        transport = cast(asyncio.Transport, self.writer.transport)
        last = -BUSY
        try:
            while data := await self.reader.read(READ_SIZE):
                before, last = last, loop.time()
                busy = last - before < BUSY
                if busy:
                    transport.pause_reading()
                yield data
                if busy and not transport.is_closing():
                    await self._rest(transport, len(data))
                    transport.resume_reading()
        except OSError as error:
            raise unreachable(self._wire.address.url, error) from error

    async def _rest(self, transport: asyncio.Transport, size: int) -> None:
        """Leave a busy stream alone, after a piece of this size."""
        if size >= MUCH:
            await asyncio.sleep(HURRY)
        elif transport.get_extra_info("sslcontext") is not None:
            # What has come may be here and not yet taken out of its wrapping: the socket does not tell.
            await asyncio.sleep(PACE)
        else:
            await self._wire.beat.readable(transport.get_extra_info("socket").fileno(), BUSY)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes. Raises EngineUnreachable when the connection breaks before the body's end."""
        read = self.reader.read
        try:
            if self.status in (204, 304):
                return
            if self.chunked:
                chunked = Chunked()
                while not chunked.done:
                    data = await read(READ_SIZE)
                    if not data:
                        raise unreachable(self._wire.address.url, "it closed the connection")
                    if payload := chunked.feed(data):
                        yield payload
            elif "content-length" in self.headers:
                left = int(self.headers["content-length"])
                while left > 0:
                    data = await read(min(left, READ_SIZE))
                    if not data:
                        raise unreachable(self._wire.address.url, "it closed the connection")
                    left -= len(data)
                    yield data
            else:
                while data := await read(READ_SIZE):
                    yield data
        except (OSError, ValueError) as error:
            raise unreachable(self._wire.address.url, error) from error

    async def body(self, limit: int = 64 * 1024 * 1024) -> bytes:
        """All of the body, or its first `limit` bytes."""
        out = bytearray()
        async for piece in self.pieces():
            out += piece
            if len(out) >= limit:
                break
        return bytes(out[:limit])


def message_of(body: bytes) -> str:
    """The engine's words in an error body: `{"message": …}` or plain text."""
    text = body.decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except ValueError:
        return text
    if isinstance(found, dict):
        return str(found.get("message") or found.get("cause") or text)
    return text


class Wire:
    """Requests to one engine. `version` ("1.41") prefixes each path once it is known."""

    def __init__(self, address: Address, version: str = "") -> None:
        self.address = address
        self.version = version
        self.beat = Beat(PACE)
        """For streams that are busy."""
        self._open: set[Reply] = set()

    def forget(self, reply: Reply) -> None:
        """Called by a reply that closes itself."""
        self._open.discard(reply)

    def close(self) -> None:
        """End every open connection at once."""
        for reply in tuple(self._open):
            reply.close()

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = self.address
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                if address.path:
                    return await asyncio.open_unix_connection(address.path, limit=READ_SIZE)
                return await asyncio.open_connection(
                    address.host,
                    address.port,
                    ssl=address.tls,
                    server_hostname=address.host if address.tls else None,
                    limit=READ_SIZE,
                )
        except (OSError, TimeoutError, ValueError) as error:
            raise unreachable(address.url, error) from error

    async def open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
        json_body: Any = None,
        body: bytes | AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        upgrade: bool = False,
        head_timeout: float | None = HEAD_TIMEOUT,
    ) -> Reply:
        """Send a request and read the answer's head; the body is the caller's to follow.

        `body` may be an async iterator, which is sent chunked.  `upgrade` asks for the raw two-way stream that exec
        and attach give.  Raises HttpRefused, EngineUnreachable, EnginePermission.
        """
        reader, writer = await self._dial()
        reply = Reply(self, reader, writer)
        self._open.add(reply)
        try:
            prefix = f"/v{self.version}" if self.version else ""
            target = prefix + quote(path, safe="/:@") + ("?" + urlencode(query) if query else "")
            lines = [f"{method} {target} HTTP/1.1", "Host: docker", "User-Agent: dftui"]
            lines.append("Connection: Upgrade\r\nUpgrade: tcp" if upgrade else "Connection: close")
            lines.extend(f"{name}: {value}" for name, value in (headers or {}).items())
            if json_body is not None:
                body = json.dumps(json_body).encode()
                lines.append("Content-Type: application/json")
            if isinstance(body, bytes):
                lines.append(f"Content-Length: {len(body)}")
            elif body is not None:
                lines.append("Transfer-Encoding: chunked")
            elif method == "POST":
                lines.append("Content-Length: 0")
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
            if body is None or isinstance(body, bytes):
                writer.write(body or b"")
                await writer.drain()
                async with asyncio.timeout(head_timeout):
                    await reply.head()
            else:
                await self._upload(reply, body)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            reply.close()
            if isinstance(error, asyncio.IncompleteReadError):
                raise unreachable(self.address.url, "it closed the connection") from error
            raise unreachable(self.address.url, error) from error
        except (ValueError, IndexError) as error:
            reply.close()
            raise unreachable(self.address.url, "what answers there does not speak HTTP") from error
        except BaseException:
            reply.close()
            raise
        return reply

    async def _upload(self, reply: Reply, body: AsyncIterator[bytes]) -> None:
        """Send the body while listening: an engine that refuses answers early and stops reading."""
        head = asyncio.create_task(reply.head())
        try:
            async for piece in body:
                if head.done():
                    break
                if piece:
                    reply.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    await reply.writer.drain()
                    # Lets an answer be read before the next write finds the door shut, which would lose it.
                    await asyncio.sleep(0)
            else:
                reply.writer.write(b"0\r\n\r\n")
            await head
        finally:
            head.cancel()
            await asyncio.gather(head, return_exceptions=True)

    async def json(
        self,
        method: str,
        path: str,
        doing: str,
        *,
        query: Mapping[str, str] | None = None,
        json_body: Any = None,
        timeout: float = HEAD_TIMEOUT,
    ) -> Any:
        """A small request and its decoded JSON answer (None when empty). An error status becomes an EngineError."""
        try:
            reply = await self.open(method, path, query=query, json_body=json_body, head_timeout=timeout)
        except HttpRefused as error:
            raise refused(error.status, error.message, doing) from None
        async with reply:
            try:
                raw = await asyncio.wait_for(reply.body(), timeout)
                return json.loads(raw) if raw else None
            except TimeoutError as error:
                raise unreachable(self.address.url, error) from error
            except ValueError as error:
                raise unreachable(self.address.url, "what answers there is no container engine") from error


async def json_lines(pieces: AsyncIterator[bytes]) -> AsyncGenerator[Any, None]:
    """The JSON values of a progress or event stream: one per line, or simply one after the other."""
    decode = json.JSONDecoder().raw_decode
    held = ""
    tail = b""
    async for piece in pieces:
        raw = tail + piece
        # A character cut in two waits for its rest.
        keep = _incomplete(raw)
        tail = raw[len(raw) - keep :] if keep else b""
        held = (held + raw[: len(raw) - keep].decode("utf-8", "replace")).lstrip()
        while held:
            try:
                value, end = decode(held)
            except ValueError:
                break
            yield value
            held = held[end:].lstrip()


def _incomplete(raw: bytes) -> int:
    """How many bytes at the end begin a UTF-8 character without ending it."""
    for back in range(1, min(3, len(raw)) + 1):
        byte = raw[-back]
        if byte & 0xC0 == 0x80:
            continue
        need = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return back if need > back else 0
    return 0
