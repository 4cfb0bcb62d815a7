"""A database, a cache and stand-in replicas of a test's own, each reached on a loopback port of its own."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from dftui.dreamfactory.variables import WEB_COMMAND, web_variables
from dftui.engine.api import Attachment, ContainerSpec, Engine, NetworkSpec, Port
from dftui.engine.images import ensure_bundled
from dftui.stack.names import LABEL_STACK

KEY = "Abcdefghijklmnopqrstuvwxyz012345"
ROOT_PASSWORD = "RootPasswordOfThisTest0001"
DB_PASSWORD = "UserPasswordOfThisTest0002"
CACHE_PASSWORD = "CachePasswordOfThisTest0003"
EMAIL = "admin@example.com"
ADMIN_PASSWORD = "AdminPasswordOfThisTest0004"
ADMIN = {
    "ADMIN_EMAIL": EMAIL,
    "ADMIN_PASSWORD": ADMIN_PASSWORD,
    "ADMIN_FIRST_NAME": "First",
    "ADMIN_LAST_NAME": "Admin",
    "ADMIN_PHONE": "5550100",
}
SESSION = "/api/v2/system/admin/session"
ENVIRONMENT = "/api/v2/system/environment"


async def until(true: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """The first true answer of `true`, asked again and again off the loop; fails after `seconds`."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        try:
            if found := await asyncio.to_thread(true):
                return found
        except (OSError, http.client.HTTPException):
            pass
        await asyncio.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


@dataclass
class Reply:
    """One answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Web:
    """One replica."""

    id: str
    port: int

    @property
    def host(self) -> str:
        """What DreamFactory shows as its Host."""
        return self.id[:12]

    def ask(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        body: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request on a connection of its own; redirects are not followed."""
        sent = dict(headers or {})
        data = b""
        if token:
            sent["X-DreamFactory-Session-Token"] = token
        if body is not None:
            data, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        if form is not None:
            data, sent["Content-Type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=data, headers=sent)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read())
        finally:
            connection.close()

    def login(self, password: str = ADMIN_PASSWORD) -> str:
        """A session token."""
        reply = self.ask("POST", SESSION, body={"email": EMAIL, "password": password})
        assert reply.status == 200, reply.text
        token = reply.json["session_token"]
        assert isinstance(token, str)
        return token

    def open_form(self) -> tuple[str, str]:
        """The setup form's token and its cookie."""
        reply = self.ask("GET", "/setup")
        assert reply.status == 200, reply.text
        found = re.search(r'name="_token" value="([^"]+)"', reply.text)
        assert found
        return found[1], reply.headers["set-cookie"].split(";")[0]


@dataclass
class Rig:
    """Starts what a test asks for; the stack's label has it removed afterwards."""

    engine: Engine
    stack: str
    subnet: str
    a_port: Callable[[], int]
    tags: dict[str, str] = field(default_factory=dict)

    async def image(self, role: str) -> str:
        if role not in self.tags:
            self.tags[role] = await ensure_bundled(self.engine, role, lambda _: None)
        return self.tags[role]

    async def network(self) -> None:
        await self.engine.create_network(NetworkSpec(self.stack, {LABEL_STACK: self.stack}, self.subnet))

    async def run(
        self, role: str, name: str, env: Mapping[str, str], *, alias: str = "", port: int = 0, **more: Any
    ) -> str:
        spec = ContainerSpec(
            name=f"{self.stack}-{name}",
            image=await self.image(role),
            labels={LABEL_STACK: self.stack},
            env=env,
            networks=(Attachment(self.stack, aliases=(alias,) if alias else ()),),
            ports=(Port(80, "127.0.0.1", port),) if port else (),
            restart="no",
            **more,
        )
        made = await self.engine.create(spec)
        await self.engine.start(made)
        return made

    async def database(self, **more: Any) -> str:
        env = {
            "MYSQL_ROOT_PASSWORD": ROOT_PASSWORD,
            "MYSQL_DATABASE": "dreamfactory",
            "MYSQL_USER": "dreamfactory",
            "MYSQL_PASSWORD": DB_PASSWORD,
        }
        return await self.run("db", "mysql", env, alias="db", **more)

    async def cache(self, **more: Any) -> str:
        return await self.run("cache", "redis", {"REDIS_PASSWORD": CACHE_PASSWORD}, alias="cache", **more)

    def variables(self, **changes: str) -> dict[str, str]:
        """What a web of dftui's gets."""
        made = web_variables(
            app_key=KEY,
            db_name="dreamfactory",
            db_user="dreamfactory",
            db_password=DB_PASSWORD,
            cache_password=CACHE_PASSWORD,
        )
        return {**made, **changes}

    async def web(
        self,
        number: int,
        env: Mapping[str, str],
        command: tuple[str, ...] | None = WEB_COMMAND,
        *,
        wait: bool = True,
    ) -> Web:
        port = self.a_port()
        web = Web(await self.run("web", f"web{number}", env, port=port, command=command), port)
        if wait:
            await until(lambda: web.ask("GET", "/up").status == 200, "/up")
        return web

    async def whole(self, replicas: int = 1, **changes: str) -> list[Web]:
        """Database, cache and replicas with a first admin."""
        await self.network()
        await self.database()
        await self.cache()
        first = await self.web(1, {**self.variables(**changes), **ADMIN})
        more = [await self.web(number, self.variables(**changes)) for number in range(2, replicas + 1)]
        return [first, *more]

    async def exit_code(self, ref: str) -> int:
        """Of a container that ends by itself."""
        async with asyncio.timeout(60):
            # Following its output ends when it ends.
            async for _ in self.engine.logs(ref, follow=True):
                pass
            while (detail := await self.engine.inspect(ref)).container.state != "exited":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return detail.exit_code

    async def output(self, ref: str) -> str:
        """All that a container wrote so far."""
        lines: list[bytes] = []
        async for batch in self.engine.logs(ref):
            lines += [line.data for line in batch]
        return b"\n".join(lines).decode()
