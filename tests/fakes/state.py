"""The pieces that the fake engine is made of: containers, networks and streams in memory."""

from __future__ import annotations

import asyncio
import contextlib
import io
import tarfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, TypeVar

from dftui.engine.api import (
    Channel,
    Container,
    ContainerDetail,
    ContainerSpec,
    ContainerState,
    EngineUnreachable,
    ExecResult,
    File,
    Health,
    LogLine,
    Network,
    NetworkSpec,
    Stats,
)

T = TypeVar("T")


class Feed(Generic[T]):
    """What one listener has not read yet. None ends it; an exception is raised there."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[T | Exception | None] = asyncio.Queue()

    def put(self, item: T | Exception | None) -> None:
        self._queue.put_nowait(item)

    async def follow(self) -> AsyncIterator[T]:
        while (item := await self._queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item


class Fan(Generic[T]):
    """Gives each item to every listener of the moment."""

    def __init__(self) -> None:
        self._feeds: list[Feed[T]] = []

    def put(self, item: T | Exception | None) -> None:
        for feed in tuple(self._feeds):
            feed.put(item)

    @contextlib.contextmanager
    def listen(self) -> Iterator[Feed[T]]:
        feed: Feed[T] = Feed()
        self._feeds.append(feed)
        try:
            yield feed
        finally:
            self._feeds.remove(feed)


@dataclass(eq=False)
class FakeNetwork:
    """A network in memory."""

    id: str
    spec: NetworkSpec

    def fact(self) -> Network:
        subnets = (self.spec.subnet,) if self.spec.subnet else ()
        return Network(self.id, self.spec.name, dict(self.spec.labels), subnets, self.spec.internal)


@dataclass(eq=False)
class FakeContainer:
    """A container in memory. `wanted` are its networks with fixed addresses, `addresses` those it has now."""

    id: str
    spec: ContainerSpec
    image_id: str
    created: float
    state: ContainerState = "created"
    health: Health = "none"
    wanted: dict[str, str | None] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    log: list[LogLine] = field(default_factory=list)
    signals: list[str] = field(default_factory=list)
    exit_code: int | None = None
    started: float = 0.0
    ended: float = 0.0
    restarts: int = 0
    lines: Fan[LogLine] = field(default_factory=Fan)
    samples: Fan[Stats] = field(default_factory=Fan)
    streams: list[FakeStream] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    aliases: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.spec.labels)

    @property
    def live(self) -> bool:
        return self.state in ("running", "paused", "restarting")

    def begin(self) -> None:
        self.state, self.exit_code, self.started = "running", None, time.time()
        self.health = "starting" if self.spec.health else "none"

    def end(self, code: int) -> None:
        self.state, self.exit_code, self.ended = "exited", code, time.time()
        self.health = "none"
        self.addresses = {}
        self.lines.put(None)
        self.samples.put(None)
        for stream in self.streams:
            stream.end()

    def write(self, line: LogLine) -> None:
        self.log.append(line)
        self.lines.put(line)

    def _status(self) -> str:
        match self.state:
            case "running":
                words = {"none": "", "starting": " (health: starting)"}.get(self.health, f" ({self.health})")
                return f"Up {int(time.time() - self.started)} seconds{words}"
            case "paused":
                return "Up 1 second (Paused)"
            case "exited":
                return f"Exited ({self.exit_code}) 1 second ago"
            case other:
                return other.capitalize()

    def fact(self) -> Container:
        now = {name: self.addresses.get(name) or fixed or "" for name, fixed in self.wanted.items()}
        return Container(
            id=self.id,
            name=self.name,
            image=self.spec.image,
            image_id=self.image_id,
            state=self.state,
            health=self.health,
            created=self.created,
            labels=self.labels,
            addresses=now,
            ports=self.spec.ports if self.live else (),
            status=self._status(),
            exit_code=self.exit_code,
        )

    def detail(self) -> ContainerDetail:
        return ContainerDetail(
            container=self.fact(),
            env=dict(self.spec.env),
            exit_code=self.exit_code or 0,
            restart_count=self.restarts,
            started_at=_stamp(self.started),
            finished_at=_stamp(self.ended),
            volumes=dict(self.spec.volumes),
            command=self.spec.command or (),
            links=dict(self.links),
            aliases=self.aliases,
            restart=self.spec.restart,
        )


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z") if at else "0001-01-01T00:00:00Z"


Answer = ExecResult | Callable[[FakeContainer, tuple[str, ...], dict[str, str], bytes], Awaitable[ExecResult]]
"""An exec's result, or what makes it from the container, argv, variables and stdin."""
Handler = Callable[[bytes], bytes | None]
"""What a held-open command answers to what was written; None ends it."""


class FakeSession:
    """A command at a terminal or a pipe that has its whole output at once; a `Session`."""

    def __init__(self, result: ExecResult, size: tuple[int, int] | None) -> None:
        self.sizes = [size]
        self.written = b""
        self._code = result.exit_code
        self._left: list[tuple[Channel, bytes]] = [("stdout", result.stdout), ("stderr", result.stderr)]

    async def read(self) -> tuple[Channel, bytes]:
        while self._left:
            channel, data = self._left.pop(0)
            if data:
                return channel, data
        return "stdout", b""

    async def write(self, data: bytes) -> None:
        self.written += data

    async def end_input(self) -> None:
        return

    async def resize(self, columns: int, rows: int) -> None:
        self.sizes.append((columns, rows))

    async def exit_code(self) -> int:
        return self._code

    async def close(self) -> None:
        return


class FakeStream:
    """A held-open command; a `ByteStream`."""

    def __init__(self, container: FakeContainer, handler: Handler | None) -> None:
        self.container = container
        self._handler = handler
        self._out = bytearray()
        self._more = asyncio.Event()
        self._ended = False
        self.written = b""

    def say(self, data: bytes) -> None:
        """Let the command write to its stdout."""
        self._out += data
        self._more.set()

    def end(self) -> None:
        """Let the command end."""
        self._ended = True
        self._more.set()

    async def read(self, limit: int = 65536) -> bytes:
        while not self._out and not self._ended:
            self._more.clear()
            await self._more.wait()
        taken = bytes(self._out[:limit])
        del self._out[:limit]
        return taken

    async def write(self, data: bytes) -> None:
        if self._ended:
            raise EngineUnreachable("The stream has ended.")
        self.written += data
        answer = self._handler(data) if self._handler else None
        if answer is None:
            self.end()
        else:
            self.say(answer)

    def stderr(self) -> bytes:
        return b""

    async def close(self) -> None:
        self.end()


def tar_of(files: Mapping[str, File], path: str) -> bytes | None:
    """The file, or what lies under the folder, as an engine gives it; None when there is nothing."""
    folder, _, last = path.rstrip("/").rpartition("/")
    chosen = {p: f for p, f in files.items() if p == path or p.startswith(f"{path.rstrip('/')}/")}
    if not chosen:
        return None
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        if path not in chosen:
            head = tarfile.TarInfo(f"{last}/")
            head.type, head.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(head)
        for where, file in sorted(chosen.items()):
            entry = tarfile.TarInfo(where.removeprefix(f"{folder}/"))
            entry.size, entry.mode, entry.uid, entry.gid = len(file.data), file.mode, file.uid, file.gid
            tar.addfile(entry, io.BytesIO(file.data))
    return out.getvalue()


def files_of(data: bytes, path: str) -> dict[str, File]:
    """The files of a tar, where they lie once it is unpacked in a folder."""
    found: dict[str, File] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for entry in tar:
            content = tar.extractfile(entry)
            if content is not None:
                where = f"{path.rstrip('/')}/{entry.name.removeprefix('./')}"
                found[where] = File(where, content.read(), entry.mode, entry.uid, entry.gid)
    return found
