"""A real balancer with real backends for tests: the backends are HAProxy too, as tiny web servers."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from dftui.balancer.config import CONFIG_PATH, PORT, BalancerConfig, Server, render
from dftui.balancer.link import BalancerLink, write_config
from dftui.balancer.records import RawRequest
from dftui.balancer.stat import ServerState
from dftui.engine.api import Attachment, ContainerSpec, Engine, File, ImageProgress, NetworkSpec
from dftui.engine.api import Port as Published
from dftui.stack.names import LABEL_STACK
from tests.tinyweb import config

COMMAND = ("haproxy", "-W", "-db", "-f", CONFIG_PATH)


async def until(what: Callable[[], Awaitable[bool]], timeout: float = 20.0, why: str = "it never came") -> None:
    """Ask again, each 20 ms, until the answer is yes."""
    end = asyncio.get_running_loop().time() + timeout
    while not await what():
        assert asyncio.get_running_loop().time() < end, why
        await asyncio.sleep(0.02)


async def balancer_image(engine: Engine) -> str:
    """The bundled balancer, or the image that DFTUI_TEST_BALANCER_IMAGE names (to try another HAProxy)."""
    if named := os.environ.get("DFTUI_TEST_BALANCER_IMAGE"):
        return named
    from dftui.engine.images import ensure_bundled

    def quiet(_: ImageProgress) -> None:
        return

    return await ensure_bundled(engine, "balancer", quiet)


@dataclass(slots=True)
class Answer:
    """What a client got."""

    status: int
    headers: str
    body: bytes

    def json(self) -> dict[str, object]:
        """The body's one JSON object."""
        found: dict[str, object] = json.loads(self.body)
        return found


@dataclass
class Rig:
    """One balancer and its backends on a network of the test's own."""

    engine: Engine
    stack: str
    image: str
    subnet: str
    port: int
    link: BalancerLink
    servers: list[Server] = field(default_factory=list)
    gone: dict[str, ServerState] = field(default_factory=dict)
    records: list[RawRequest] = field(default_factory=list)

    @property
    def balancer(self) -> str:
        return f"{self.stack}-lb"

    def config(self, **more: object) -> BalancerConfig:
        """What the balancer's file should say now."""
        return BalancerConfig(
            stack=self.stack,
            wanted=len(self.servers),
            servers=tuple(self.servers),
            probe_nonce="n0nce",
            **more,  # type: ignore[arg-type]
        )

    def address(self, number: int) -> str:
        return str(ipaddress.ip_network(self.subnet)[number])

    async def web(self, number: int, *, well: bool = True) -> Server:
        """A running backend that the balancer does not know yet."""
        address = self.address(10 + number)
        name = f"{self.stack}-web{number}"
        made = await self.engine.create(
            ContainerSpec(
                name=name,
                image=self.image,
                labels={LABEL_STACK: self.stack},
                command=COMMAND,
                networks=(Attachment(f"{self.stack}-front", address),),
                files=(File(CONFIG_PATH, config(well=well).encode()),),
                restart="no",
            )
        )
        await self.engine.start(made)
        return Server(made[:12], address, 80, name)

    async def start(self, webs: int, **more: object) -> None:
        """The network, that many backends, and the balancer with all of them in its file; ends when they are up."""
        labels = {LABEL_STACK: self.stack}
        await self.engine.create_network(NetworkSpec(f"{self.stack}-front", labels, self.subnet))
        self.servers = [await self.web(n) for n in range(1, webs + 1)]
        ref = await self.engine.create(
            ContainerSpec(
                name=self.balancer,
                image=self.image,
                labels=labels,
                command=COMMAND,
                networks=(Attachment(f"{self.stack}-front", self.address(2)),),
                ports=(Published(PORT, "127.0.0.1", self.port),),
                files=(File(CONFIG_PATH, render(self.config(**more)).encode()),),
                restart="no",
            )
        )
        await self.engine.start(ref)
        await self.until_up(*self.servers)

    async def until_up(self, *servers: Server) -> None:
        """Until each takes requests and has been checked."""
        wanted = {s.name for s in servers}

        async def up() -> bool:
            try:
                table = await self.link.table()
            except Exception:
                return False
            return wanted <= {s.name for s in table.servers if s.serving and s.check_code == 200}

        await until(up, why=f"{wanted} never came up")

    async def remove(self, server: Server) -> ServerState:
        """Drain, wait, delete, write the file, and only then end the container."""
        await self.link.drain(server.name)

        async def idle() -> bool:
            state = await self.link.server(server.name)
            return state.sessions == 0 and state.queue == 0

        await until(idle, why="it never drained")
        last = await self.link.delete(server.name)
        assert last is not None
        self.gone[server.name] = last
        self.servers.remove(server)
        await write_config(self.engine, self.balancer, self.config())
        await self.engine.kill(server.replica)
        return last

    async def listen(self) -> asyncio.Task[None]:
        """Collect request records from now on."""

        async def collect() -> None:
            async for batch in self.link.requests():
                self.records.extend(batch)

        task = asyncio.create_task(collect())

        async def heard() -> bool:
            await self.get("/hello")
            return bool(self.records)

        await until(heard, why="no record came")
        return task

    async def raw(self, data: bytes, *, port: int = 0) -> Answer:
        """Send these bytes and read all that comes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port or self.port)
        try:
            writer.write(data)
            got = await asyncio.wait_for(reader.read(), 20)
        finally:
            writer.close()
        head, _, body = got.partition(b"\r\n\r\n")
        return Answer(int(head[9:12] or b"0"), head.decode("latin-1").lower(), body)

    async def get(self, path: str, *, method: str = "GET", headers: tuple[str, ...] = ()) -> Answer:
        """One request on a connection of its own."""
        more = "".join(f"{line}\r\n" for line in headers)
        length = "" if method in ("GET", "HEAD") else "Content-Length: 2\r\n"
        text = f"{method} {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{length}{more}\r\n"
        return await self.raw(text.encode("latin-1") + (b"{}" if length else b""))

    async def heal(self, server: Server) -> None:
        """Make a sick backend well, from inside the network."""
        ask = b"GET /heal HTTP/1.0\r\n\r\n"
        done = await self.engine.exec(self.balancer, ("socat", "-", f"TCP:{server.address}:80"), stdin=ask)
        assert b" 200 " in done.stdout


@contextlib.asynccontextmanager
async def rig(engine: Engine, stack: str, subnet: str, port: int) -> AsyncIterator[Rig]:
    """A rig whose link is closed at the end; its containers go by the stack's label."""
    image = await balancer_image(engine)
    link = BalancerLink(engine, f"{stack}-lb")
    try:
        yield Rig(engine, stack, image, subnet, port, link)
    finally:
        await link.close()
