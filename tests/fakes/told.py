"""What a test tells a fake engine: the memory that `FakeEngine` answers from."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Literal

from dftui.engine.api import (
    Conflict,
    ContainerSpec,
    EngineError,
    EngineUnreachable,
    Event,
    Health,
    Image,
    ImageProgress,
    LogLine,
    NetworkSpec,
    NotFound,
    Stats,
    Volume,
)
from tests.fakes.state import Answer, FakeContainer, FakeNetwork, FakeStream, Feed, Handler

Program = Callable[["Told", FakeContainer], None]


class Told:
    """The memory of a fake engine, and what a test may tell it. `calls` is what was asked, in order, as (method,
    subject)."""

    def __init__(self) -> None:
        self.host = "unix:///fake.sock"
        self.engine_id = "FAKE:ENGINE"
        self.calls: list[tuple[str, str]] = []
        self.by_id: dict[str, FakeContainer] = {}
        self.nets: dict[str, FakeNetwork] = {}
        self.vols: dict[str, Volume] = {}
        self.held: dict[str, Image] = {}
        self.remote: dict[str, list[ImageProgress] | EngineError] = {}
        """What `pull` of a reference does; any other is refused."""
        self.programs: dict[str, Program] = {}
        """What a container of this image does when it starts."""
        self.foreign_ports: set[int] = set()
        """Host ports that something outside of the engine holds."""
        self.past: deque[Event] = deque(maxlen=256)
        self.away = False
        self.closed = False
        self._failures: dict[str, list[EngineError]] = {}
        self._answers: list[tuple[tuple[str, ...], Answer]] = []
        self._handlers: list[tuple[tuple[str, ...], Handler]] = []
        self._feeds: set[Feed[Event]] = set()
        self._streams: set[FakeStream] = set()
        self._made = 0
        self._clock = 0

    # -- told by a test --------------------------------------------------------------------------------------------

    def hold(self, tag: str, labels: Mapping[str, str] | None = None) -> Image:
        """Let the engine have an image."""
        digest = "sha256:" + hashlib.sha256(tag.encode("utf-8", "surrogatepass")).hexdigest()
        self.held[tag] = Image(digest, (tag,), (), 1_000_000, time.time(), dict(labels or {}))
        return self.held[tag]

    def add(
        self,
        name: str,
        *,
        image: str = "tiny:1",
        labels: Mapping[str, str] | None = None,
        networks: Mapping[str, str] | None = None,
        health: Health = "none",
        running: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Let there be a container, without events; networks (name to address) are made as needed. Its full id."""
        if image not in self.held:
            self.hold(image)
        for network in networks or {}:
            self.nets.setdefault(network, FakeNetwork(self._id(), NetworkSpec(network)))
        spec = ContainerSpec(name, image, dict(labels or {}), dict(env or {}))
        one = FakeContainer(self._id(), spec, self.held[image].id, time.time())
        one.wanted = {network: address or None for network, address in (networks or {}).items()}
        self.by_id[one.id] = one
        if running:
            self._address(one)
            one.state, one.started = "running", time.time()
        one.health = health
        return one.id

    def write(
        self, ref: str, data: bytes, stream: Literal["stdout", "stderr"] = "stdout", at_ns: int | None = None
    ) -> LogLine:
        """Let a container write a line."""
        line = LogLine(self._now_ns() if at_ns is None else at_ns, stream, data)
        self._find(ref).write(line)
        return line

    def die(self, ref: str, code: int = 1) -> None:
        """Let a container's process end."""
        one = self._find(ref)
        if one.state in ("running", "paused"):
            one.end(code)
            self._tell(one, "die", code)

    def set_health(self, ref: str, health: Health) -> None:
        """Let the engine's check of a container come out like this."""
        one = self._find(ref)
        one.health = health
        self._tell(one, f"health_status: {health}")

    def sample(self, ref: str, cpu: float | None, memory: int, limit: int = 1 << 30) -> None:
        """Send a sample of figures to those who follow a container's."""
        self._find(ref).samples.put(Stats(time.time(), cpu, memory, limit, 0, 0))

    def on_exec(self, argv: tuple[str, ...], answer: Answer) -> None:
        """What a command that begins with `argv` gives; the last said wins."""
        self._answers.insert(0, (argv, answer))

    def on_stream(self, argv: tuple[str, ...], handler: Handler) -> None:
        """What a held-open command answers to each write."""
        self._handlers.insert(0, (argv, handler))

    def fail(self, method: str, *errors: EngineError) -> None:
        """Let the next calls of a method fail."""
        self._failures.setdefault(method, []).extend(errors)

    def go_away(self) -> None:
        """The engine stops answering: every stream breaks, every call raises EngineUnreachable."""
        self.away = True
        error = self._gone()
        for feed in tuple(self._feeds):
            feed.put(error)
        for one in self.by_id.values():
            one.lines.put(error)
            one.samples.put(error)
        for stream in tuple(self._streams):
            stream.end()

    def come_back(self) -> None:
        """And answers again."""
        self.away = False

    # -- inside ----------------------------------------------------------------------------------------------------

    def _gone(self) -> EngineUnreachable:
        return EngineUnreachable(f"No container engine answers at {self.host}.", "Start it.")

    async def _asked(self, method: str, subject: str = "") -> None:
        self.calls.append((method, subject))
        await asyncio.sleep(0)
        if self.away or self.closed:
            raise self._gone()
        if waiting := self._failures.get(method):
            raise waiting.pop(0)

    def _id(self) -> str:
        self._made += 1
        return hashlib.sha256(f"{id(self)}{self._made}".encode()).hexdigest()

    def _now_ns(self) -> int:
        """Times as the engine stamps them: never two the same."""
        self._clock = max(self._clock + 1, time.time_ns())
        return self._clock

    def _find(self, ref: str) -> FakeContainer:
        for one in self.by_id.values():
            if one.id == ref or one.name == ref or (len(ref) >= 6 and one.id.startswith(ref)):
                return one
        raise NotFound(f"No such container: {ref[:12] if len(ref) == 64 else ref}.")

    def _network(self, ref: str) -> FakeNetwork:
        for one in self.nets.values():
            if ref in (one.id, one.spec.name):
                return one
        raise NotFound(f"network {ref} not found.")

    def _image(self, ref: str) -> Image | None:
        wanted = ref if ":" in ref.rsplit("/", 1)[-1] or "@" in ref else f"{ref}:latest"
        for tag, image in self.held.items():
            if ref == image.id or tag == wanted or (ref.startswith("sha256:") and image.id.startswith(ref)):
                return image
        return None

    def _tell(self, one: FakeContainer, action: str, code: int | None = None) -> None:
        self._send(Event(self._now_ns() / 1e9, "container", action, one.id, one.name, dict(one.labels), code))

    def _send(self, event: Event) -> None:
        self.past.append(event)
        for feed in tuple(self._feeds):
            feed.put(event)

    def _tell_network(self, one: FakeNetwork, action: str, container: str = "") -> None:
        at = self._now_ns() / 1e9
        self._send(Event(at, "network", action, one.id, one.spec.name, dict(one.spec.labels), None, container))

    def _address(self, one: FakeContainer) -> None:
        """Give a starting container its addresses."""
        used = {a for other in self.by_id.values() if other.live for a in other.addresses.values()}
        for name, fixed in one.wanted.items():
            if fixed is not None:
                if fixed in used:
                    raise Conflict(f"Could not start {one.name}: Address already in use.")
                one.addresses[name] = fixed
                continue
            pool = ipaddress.ip_network(self._network(name).spec.subnet or "10.99.0.0/24")
            hosts = (str(host) for host in list(pool.hosts())[1:])
            one.addresses[name] = next(host for host in hosts if host not in used)
