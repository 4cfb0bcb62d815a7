"""The one connection to a running balancer: its server table changed and read, its requests listened to.

One long exec carries all commands, a second one the requests, a third (`shell`) the configuration file and the lock;
all are opened when first needed, and again by themselves when they end (balancer restarted or replaced, engine link
cut).  An exec per command would cost 80 ms instead of 0.3.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from dftui.balancer import stat, tls
from dftui.balancer.config import (
    BACKEND,
    CONFIG_PATH,
    LATENCY,
    RING,
    SERVER_OPTIONS,
    BalancerConfig,
    Marked,
    Server,
    check_proxy,
    check_server,
    endpoint,
    render,
)
from dftui.balancer.errors import BalancerError, BalancerGone, UnknownServer
from dftui.balancer.holder import Holder
from dftui.balancer.marks import parse
from dftui.balancer.records import RawRequest, RingReader
from dftui.balancer.rules import NOBODY, TRUSTED_ACL
from dftui.balancer.runtime import SOCAT, Session, check_command, why_gone
from dftui.balancer.shell import Shell
from dftui.balancer.stat import FrontendState, Latency, ServerState, Table
from dftui.balancer.tls import CERTIFICATE_PATH, Certificate
from dftui.engine.api import ByteStream, Engine, EngineError, File, NotFound

_RETRY_FIRST = 0.2
_RETRY_MOST = 2.0
_DELETE_TIMEOUT = 15.0
_GONE_KEPT = 1000


class BalancerLink:
    """Commands to the balancer in `container` (name or id; by name it also finds one that replaced it).

    Safe for concurrent use: commands are serialised.  Every call raises BalancerGone when the balancer cannot be
    reached and BalancerError when it refuses; other `EngineError`s come from the engine itself."""

    def __init__(self, engine: Engine, container: str) -> None:
        self._engine = engine
        self._container = container
        self._lock = asyncio.Lock()
        self._session: Session | None = None
        self._version: tuple[int, int] | None = None
        self._latencies = stat.LatencyDeltas()
        self._events: ByteStream | None = None
        self._closed = False
        self.gone: dict[str, ServerState] = {}
        """Last counters of the newest servers that were deleted here; they went with them."""
        self.shell = Shell(engine, container)
        """The lock; the file is read and written here, by `marked` and `write_config`."""
        self.ring = RingReader()
        """The books of `requests`: received, malformed, lost, restarts."""

    async def command(self, line: str) -> str:
        """One runtime command, its reply without the prompt. A connection that turns out to have ended is opened
        again and the command repeated once; every command used here may be repeated."""
        check_command(line)
        async with self._lock:
            return await self._command(line)

    async def _command(self, line: str) -> str:
        return (await self._together((line,)))[0]

    async def _together(self, lines: Sequence[str]) -> list[str]:
        fresh = self._session is None
        try:
            replies = await self._ask(lines)
            if fresh or not any(map(stat.of_old_worker, lines, replies)):
                return replies
            await self.leave()
        except EngineError:
            if fresh or self._closed:
                raise
        return await self._ask(lines)

    async def leave(self) -> None:
        """Somebody reloaded the balancer: its old worker lives as long as it is spoken to, and hears of nothing."""
        session, self._session = self._session, None
        for held in (session, self._events):
            if held is not None:
                await held.close()

    async def _ask(self, lines: Sequence[str]) -> list[str]:
        if self._session is None:
            self._session = await self._open()
        session = self._session
        try:
            return [await session.ask(lines[0])] if len(lines) == 1 else await session.ask_together(lines)
        finally:
            if session.broken:
                self._session = None
                await session.close()

    async def _stream(self) -> ByteStream:
        if self._closed:
            raise BalancerGone("the balancer's link was closed")
        try:
            return await self._engine.exec_stream(self._container, SOCAT)
        except NotFound:
            raise BalancerGone("the balancer's container does not exist", "run `dftui up`") from None

    async def _open(self) -> Session:
        session = Session(await self._stream())
        self._version = None
        try:
            await session.start()
        except BaseException:
            await session.close()
            raise
        return session

    async def version(self) -> tuple[int, int]:
        """HAProxy's version, major and minor."""
        if self._version is None:
            for line in (await self.command("show info")).splitlines():
                key, _, value = line.partition(": ")
                if key == "Version":
                    numbers = value.split("-")[0].split(".")
                    with contextlib.suppress(ValueError, IndexError):
                        self._version = int(numbers[0]), int(numbers[1])
        return self._version or (2, 6)

    # -- reading

    async def table(self) -> Table:
        """Frontend, backend and servers in one reading."""
        table = stat.parse_stat(await self.command(stat.STAT))
        if stat.needs_state(table):
            table = stat.with_state(table, await self.command(stat.STATE))
        return table

    async def servers(self) -> tuple[ServerState, ...]:
        """Every server in the table, in HAProxy's order."""
        return (await self.table()).servers

    async def frontend(self) -> FrontendState:
        """What all clients sent and got; the totals outlast each server, not a restart of the balancer."""
        return (await self.table()).frontend

    async def server(self, name: str) -> ServerState:
        """One server. Raises UnknownServer."""
        found = (await self.table()).server(name)
        if found is None:
            raise UnknownServer(f"the balancer has no server {name}")
        return found

    async def let_in(self, name: str) -> bool:
        """Whether a server is up and takes requests: one light question, to be asked often."""
        return stat.let_in(name, await self.command(stat.STATE))

    async def latencies(self) -> Mapping[str, Latency]:
        """By server name, over the time since the last call; servers without requests in it are absent."""
        return self._latencies.update(stat.parse_latency(await self.command(f"show table {LATENCY}")))

    # -- changing

    async def _set(self, name: str, what: str) -> None:
        _done(name, what, await self.command(f"set server {BACKEND}/{name} {what}"))

    async def _gate(self, name: str, first: str = "", *, closed: bool = False) -> None:
        """Bring a server out of maintenance so that it gets nothing before its next check has passed. Leaving
        maintenance directly forces it UP unchecked; by way of drain it stays DOWN until the check says otherwise.
        `closed`: it stays in drain, checked all the while, until `ready`.

        The way to drain is one piece, behind `first`, the command that adds the server: a check that comes while it
        is in maintenance still is put off by a whole interval."""
        steps = ("state drain", "health down")
        lines = [f"enable health {BACKEND}/{name}", *(f"set server {BACKEND}/{name} {step}" for step in steps)]
        async with self._lock:
            replies = await self._together([first, *lines] if first else lines)
        if first:
            answer = replies.pop(0)
            # It is there already when the link broke over the answer, and the question was repeated.
            if "registered" not in answer and "lready exists" not in answer:
                raise BalancerError(f"the balancer did not take server {name}: {_brief(answer)}")
        if replies[0]:
            raise BalancerError(f"the balancer refused to check {name}: {_brief(replies[0])}")
        for step, reply in zip(steps, replies[1:], strict=True):
            _done(name, step, reply)
        if not closed:
            await self._set(name, "state ready")

    async def add(self, server: Server, *, closed: bool = False) -> None:
        """Add a server that gets no request before its health check has passed (poll `let_in` for that), and with
        `closed` not before `ready` either. One that is there already with the same address is let through the gate if
        it was out, else left alone; with another address it is a BalancerError. A failure part-way takes the server
        out again."""
        check_server(server)
        there = (await self.table()).server(server.name)
        if there is not None and there.address != endpoint(server):
            raise BalancerError(f"the balancer has {server.name} already, at {there.address}", "remove it first")
        if there is not None and there.admin != "maint":
            return
        line = f"add server {BACKEND}/{server.name} {endpoint(server)} {SERVER_OPTIONS}"
        try:
            await self._gate(server.name, "" if there else line, closed=closed)
        except (EngineError, asyncio.CancelledError):
            with contextlib.suppress(EngineError):
                await self.delete(server.name)
            raise

    async def drain(self, name: str) -> None:
        """No new requests; those under way go on. Checks go on too. Raises UnknownServer."""
        await self._set(name, "state drain")

    async def ready(self, name: str) -> None:
        """Take requests again after a drain, at once when its check passes; after maintenance only when a check has
        passed anew. Raises UnknownServer."""
        if (await self.server(name)).admin == "maint":
            await self._gate(name)
        else:
            await self._set(name, "state ready")

    async def cut(self, name: str) -> None:
        """End every session with a server, for one that is frozen and does not end them itself (requests to it wait
        until `timeout server` else). Raises UnknownServer."""
        reply = await self.command(f"shutdown sessions server {BACKEND}/{name}")
        if "No such server" in reply:
            raise UnknownServer(f"the balancer has no server {name}")

    async def delete(self, name: str) -> ServerState | None:
        """Take a server out of the table (through maintenance: drain it first) and return its last counters, which
        go with it; None when it was not there. Raises BalancerError when it still has connections after 15 s."""
        try:
            await self._set(name, "state maint")
            last = await self.server(name)
        except UnknownServer:
            return None
        waits = await self.version() >= (3, 0)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _DELETE_TIMEOUT
        pause = 0.02
        while True:
            try:
                # Each time: what was on its way to it while it went into maintenance becomes its session later.
                await self.cut(name)
                if waits:
                    await self.command(f"wait 250ms srv-removable {BACKEND}/{name}")
                last = await self.server(name)
            except UnknownServer:
                return last  # a command repeated over a new connection, or another dftui, was first
            reply = await self.command(f"del server {BACKEND}/{name}")
            if "deleted" in reply or "No such server" in reply:
                break
            if loop.time() > deadline:
                raise BalancerError(f"the balancer does not let go of {name}: {_brief(reply)}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.25)
        with contextlib.suppress(BalancerError):
            await self.command(f"clear table {LATENCY} key {name}")
        self.gone[name] = last
        if len(self.gone) > _GONE_KEPT:
            del self.gone[next(iter(self.gone))]
        return last

    async def close_setup(self, closed: bool) -> None:
        """Refuse /setup and /setup_db from now on (or let them through), without a reload. Lasts until a restart;
        write `deny_setup` into the configuration as well."""
        async with self._lock:
            # HAProxy lets only "experimental" connections set a variable.
            for line in (
                "experimental-mode on",
                f"set var proc.setup_closed int({int(closed)})",
                "experimental-mode off",
            ):
                reply = await self._command(line)
                if reply:
                    raise BalancerError(f"the balancer did not switch its setup rule: {_brief(reply)}")

    async def setup_closed(self) -> bool:
        """Whether /setup and /setup_db are refused now."""
        return "value=<1>" in await self.command("get var proc.setup_closed")

    async def certificate(self) -> Certificate | None:
        """What HTTPS is served with; None without it."""
        return tls.parse(await self.command(f"show ssl cert {CERTIFICATE_PATH}"))

    async def renew(self, pem: bytes) -> None:
        """Serve this chain and key on new connections, at once and after a restart; those that are open go on.
        Raises BalancerError when HAProxy does not take it; then nothing has changed."""
        begin = f"set ssl cert {CERTIFICATE_PATH} <<\n".encode()
        async with self._lock:
            if self._session is None:
                self._session = await self._open()
            session = self._session
            try:
                reply = await session.exchange(begin + pem.strip() + b"\n\n", 10.0)
            finally:
                if session.broken:
                    self._session = None
                    await session.close()
            if "ransaction" not in reply or "Can't" in reply:
                raise BalancerError(f"the balancer did not take the certificate: {_brief(reply)}")
            reply = await self._command(f"commit ssl cert {CERTIFICATE_PATH}")
            if "Success" not in reply:
                await self._command(f"abort ssl cert {CERTIFICATE_PATH}")
                raise BalancerError(f"the balancer did not take up the certificate: {_brief(reply)}")
        await self.shell.keep_certificate(pem)

    async def trust(self, proxies: Iterable[str]) -> None:
        """Believe the forwarding headers of these addresses and networks and of no others, from now on. Lasts until
        a restart; write `trusted_proxies` into the configuration as well."""
        wanted = [check_proxy(proxy) for proxy in proxies]
        reply = await self.command(f"prepare acl #{TRUSTED_ACL}")
        _, _, version = reply.rpartition(": ")
        if not version.isdigit():
            if not wanted:
                return  # started from a file that has no such list, and so trusts nobody
            raise BalancerError(f"the balancer did not take the trusted proxies: {_brief(reply)}")
        for proxy in wanted or (NOBODY,):
            await self.command(f"add acl @{version} #{TRUSTED_ACL} {proxy}")
        await self.command(f"commit acl @{version} #{TRUSTED_ACL}")

    async def holder(self) -> Holder | None:
        """Who holds the stack's lock and gives signs of life."""
        label = await self.shell.who()
        return Holder.parse(label) if label else None

    # -- the configuration file

    async def marked(self) -> Marked | None:
        """What the configuration file says is wanted; see `read_config`, which is asked where no shell answers."""
        try:
            return parse(await self.shell.marks())
        except EngineError:
            return await read_config(self._engine, self._container)

    async def write_config(self, cfg: BalancerConfig) -> None:
        """Put the rendered configuration in place; see `write_config`, which is used where no shell answers."""
        text = render(cfg)
        try:
            await self.shell.write(text)
        except EngineError:
            await write_config(self._engine, self._container, cfg)

    # -- requests as they happen

    async def requests(self) -> AsyncIterator[list[RawRequest]]:
        """Batches of requests, from now on, until `close`. For one consumer. While the balancer is away it waits and
        opens the stream again; what happened meanwhile shows in `ring.lost` as soon as a new record comes."""
        pause = _RETRY_FIRST
        while not self._closed:
            stream: ByteStream | None = None
            try:
                stream = self._events = await self._stream()
                self.ring.reset()
                await stream.write(f"show events {RING} -w -n\n".encode())
                while data := await stream.read():
                    pause = _RETRY_FIRST
                    if found := self.ring.feed(data):
                        yield found
            except EngineError:
                pass  # the same as an end: the balancer or the engine is away
            finally:
                self._events = None
                if stream is not None:
                    await stream.close()
            if self._closed:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _RETRY_MOST)

    async def close(self) -> None:
        """End all streams for good; never raises."""
        self._closed = True
        await self.shell.close()
        session, self._session = self._session, None
        events, self._events = self._events, None
        for held in (session, events):
            if held is not None:
                await held.close()


def _done(name: str, what: str, reply: str) -> None:
    """Judge the reply to `set server`; HAProxy answers nothing when it is done."""
    if "No such server" in reply:
        raise UnknownServer(f"the balancer has no server {name}")
    if reply:
        raise BalancerError(f"the balancer refused `{what}` for {name}: {_brief(reply)}")


def _brief(reply: str) -> str:
    """The first line of a reply, bounded."""
    return (reply.strip().splitlines() or ["no answer"])[0][:160]


async def write_config(engine: Engine, container: str, cfg: BalancerConfig) -> None:
    """Put the rendered configuration in place; HAProxy reads it at its next start. Raises ConfigError before anything
    is touched, or EngineError."""
    data = render(cfg).encode("ascii")
    await engine.put_file(container, File(CONFIG_PATH, data, 0o644))


async def read_config(engine: Engine, container: str) -> Marked | None:
    """What the balancer's configuration file says is wanted, also of a stopped one; None when there is no balancer,
    no file or no mark in it."""
    try:
        data = await engine.get_file(container, CONFIG_PATH)
    except NotFound:
        return None
    return parse(data.decode("utf-8", "replace"))


async def check_tools(engine: Engine, container: str) -> None:
    """Raise BalancerGone with what to do when the balancer's image lacks socat."""
    try:
        done = await engine.exec(container, ("socat", "-V"))
    except EngineError as error:
        raise why_gone(str(error)) from None
    if done.exit_code != 0:
        raise why_gone("socat: executable file not found")
