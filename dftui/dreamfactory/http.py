"""A small HTTP/1.1 client over any byte stream (h11 does the protocol).

The stream is mostly an exec of `socat` in the balancer's container: so a replica or the balancer is reached over a
remote engine exactly as over a local one, and no port needs publishing.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import h11

from dftui.dreamfactory.clock import Bounds, of_date
from dftui.engine.api import ByteStream, Engine, EngineError

MAX_BODY = 4 * 1024 * 1024


class HttpError(Exception):
    """The peer closed early, spoke nonsense or took too long; `str()` is one plain sentence."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    set_cookies: tuple[str, ...] = ()

    def cookies(self) -> dict[str, str]:
        """Name and value of each cookie that was set."""
        pairs = (line.partition(";")[0].partition("=") for line in self.set_cookies)
        return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}

    def json(self) -> Any:
        """The body as JSON. Raises HttpError when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise HttpError(f"the answer (status {self.status}) is not JSON") from None


class HttpConnection:
    """One keep-alive connection; requests one after the other."""

    def __init__(self, stream: ByteStream, host: str = "localhost") -> None:
        self._stream = stream
        self._host = host
        self._h11 = h11.Connection(h11.CLIENT)

    @property
    def reusable(self) -> bool:
        """Whether one more request can be sent on it."""
        return self._h11.our_state is h11.IDLE or (
            self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        timeout: float = 30.0,
    ) -> Response:
        """Send and wait for the whole answer; `body` goes as JSON, `form` as a web form. Raises HttpError."""
        content: tuple[str, bytes] | None = None
        if form is not None:
            content = "application/x-www-form-urlencoded", urlencode(form).encode()
        elif body is not None:
            content = "application/json", json.dumps(body).encode()
        try:
            async with asyncio.timeout(timeout):
                return await self._exchange(method, path, headers or {}, content)
        except TimeoutError:
            raise HttpError(f"no answer to {method} {path.partition('?')[0]} within {timeout:g} s") from None
        except h11.ProtocolError as error:
            raise HttpError(f"the answer is not HTTP: {error}") from None
        except EngineError as error:
            raise HttpError(f"the connection is gone: {error}") from None

    async def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], content: tuple[str, bytes] | None
    ) -> Response:
        if self._h11.our_state is h11.DONE:
            self._h11.start_next_cycle()
        kind, data = content or ("", b"")
        lines = [("Host", self._host), *{"Accept": "application/json", **headers}.items()]
        if content is not None:
            lines += [("Content-Type", kind), ("Content-Length", str(len(data)))]
        out = self._h11.send(h11.Request(method=method, target=path, headers=lines)) or b""
        if data:
            out += self._h11.send(h11.Data(data)) or b""
        out += self._h11.send(h11.EndOfMessage()) or b""
        await self._stream.write(out)
        head: h11.Response | None = None
        chunks: list[bytes] = []
        size = 0
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                data = await self._stream.read()
                if not data and head is None:
                    raise HttpError("the connection was closed before an answer came")
                self._h11.receive_data(data)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > MAX_BODY:
                    raise HttpError(f"the answer is larger than {MAX_BODY >> 20} MiB")
                chunks.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                break
        if head is None:
            raise HttpError("the connection was closed before an answer came")
        named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head.headers}
        cookies = tuple(value.decode("latin-1") for name, value in head.headers if name.lower() == b"set-cookie")
        return Response(head.status_code, named, b"".join(chunks), cookies)

    async def close(self) -> None:
        """End the connection."""
        await self._stream.close()


async def connect_through(engine: Engine, balancer: str, address: str, port: int) -> HttpConnection:
    """A connection from inside the balancer's container to `address:port`. Raises EngineError."""
    stream = await engine.exec_stream(balancer, ("socat", "-", f"TCP:{address}:{port},connect-timeout=5"))
    return HttpConnection(stream, "localhost" if address.startswith("127.") else address)


class Line:
    """One replica (or the balancer itself) asked again and again from inside the balancer's container, one request
    at a time. A connection that has ended is opened again, and a GET asked once more."""

    def __init__(self, engine: Engine, balancer: str, address: str, port: int) -> None:
        self._where = engine, balancer, address, port
        self._connection: HttpConnection | None = None
        self._turn = asyncio.Lock()
        self.clock = Bounds()
        """Its clock against this machine's (unix time at both ends), from all its answers."""

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Response:
        """The whole answer. Raises HttpError; EngineError when the balancer's container cannot be used."""
        async with self._turn:
            try:
                return await self._ask(method, path, headers, body)
            except HttpError:
                if method != "GET":
                    raise
            return await self._ask(method, path, headers, body)

    async def _ask(self, method: str, path: str, headers: Mapping[str, str] | None, body: Any) -> Response:
        if self._connection is not None and not self._connection.reusable:
            await self._drop()
        if self._connection is None:
            self._connection = await connect_through(*self._where)
        sent = time.time()
        try:
            answer = await self._connection.request(method, path, headers=headers, body=body)
        except BaseException:
            await self._drop()
            raise
        if date := answer.headers.get("date"):
            self.clock = self.clock.narrowed(of_date(date, sent, time.time()))
        return answer

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def close(self) -> None:
        """End the connection."""
        await self._drop()
