"""textual-serve's server behind a door: who may come in, and what the page may load. `dftui.cli.serve` says why."""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import secrets
import socket

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from textual_serve.server import Server

_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
    "img-src 'self' data:; connect-src 'self' {socket}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""textual-serve's page has its own script and style inline; the font that it asks Google for is not fetched."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Door(Server):
    """Serves `command`, at a socket that listens already, to browsers on this machine that come by `link`."""

    def __init__(self, command: str, listener: socket.socket) -> None:
        host, port = listener.getsockname()
        super().__init__(command, host=host, port=port, title="dftui")
        self._listener = listener
        self._token = secrets.token_urlsafe(32)
        self._cookie = f"dftui-{port}"
        self._authority = f"{host}:{port}"
        self._open: set[asyncio.Task[object]] = set()
        """Screens that are being shown."""

    @property
    def link(self) -> str:
        """Where to go; it holds the secret."""
        return f"{self.public_url}/?token={self._token}"

    def initialize_logging(self) -> None:
        """Nothing but what went wrong, and no local variables."""
        logging.basicConfig(level=logging.WARNING, format="dftui: %(message)s")

    async def on_startup(self, app: web.Application) -> None:
        """Without textual-serve's banner."""

    async def on_shutdown(self, app: web.Application) -> None:
        """End the screens; aiohttp would wait a minute for them to end by themselves."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def serve(self, debug: bool = False) -> None:
        """Until Ctrl-C. What the screens behind it read of a terminal is what a browser can do."""
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        for name in ("TMUX", "STY", "SSH_CONNECTION", "SSH_TTY"):
            os.environ.pop(name, None)
        self.debug = debug
        self.initialize_logging()
        # textual-serve 1.1's own opens the port itself, later than the link is printed.
        web.run_app(self._make_app(), sock=self._listener, print=None)

    async def _make_app(self) -> web.Application:
        app: web.Application = await super()._make_app()
        app.middlewares.append(self._guard())
        return app

    def _guard(self) -> Middleware:
        policy = _POLICY.format(socket=f"ws://{self._authority}")

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.headers.get("Host") != self._authority:
                return web.Response(status=403, text=f"dftui answers at http://{self._authority} alone.\n")
            origin = request.headers.get("Origin", self.public_url)
            if origin != self.public_url:
                return web.Response(status=403, text="This came from a page of another site.\n")
            if request.path == "/" and (given := request.query.get("token")) is not None:
                if not self._good(given):
                    return web.Response(status=403, text="That is not the link that this dftui printed.\n")
                come_in = web.Response(status=303, headers={"Location": "/", **_HEADERS})
                come_in.set_cookie(self._cookie, self._token, path="/", httponly=True, samesite="Strict")
                return come_in
            if not self._good(request.cookies.get(self._cookie, "")):
                return web.Response(status=403, text="Come by the link that this dftui printed.\n")
            answer = await (self._shown(request, handler) if request.path == "/ws" else handler(request))
            if not answer.prepared:  # a socket's has been sent long before its screen ends
                answer.headers.update({**_HEADERS, "Content-Security-Policy": policy})
            return answer

        return guard

    async def _shown(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            return await handler(request)
        finally:
            self._open.discard(task)

    def _good(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())
