"""An engine in memory that obeys the same contract as a real one (`tests/engine/test_engine_contract.py` holds both
to it), and can be told what to do: containers that die, write or turn unhealthy, commands that answer, an engine
that goes away.

    engine = FakeEngine()
    engine.hold("tiny:1")
    ref = engine.add("df-web1", labels={...}, networks={"df-front": "10.0.0.5"})
    engine.write(ref, b"a line")
    engine.on_exec(("true",), ExecResult(0, b"", b""))
    engine.fail("start", PortInUse("port 80 is in use"))
    engine.go_away()
"""

from __future__ import annotations

import asyncio
import ipaddress
import tarfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from dftui.engine.api import (
    Attachment,
    ByteStream,
    Conflict,
    Container,
    ContainerDetail,
    ContainerSpec,
    EngineError,
    EngineInfo,
    Event,
    ExecResult,
    File,
    Image,
    ImageProgress,
    LogLine,
    Network,
    NetworkSpec,
    NotFound,
    PortInUse,
    PullRefused,
    Session,
    Stats,
    Volume,
)
from tests.fakes.state import FakeContainer, FakeNetwork, FakeSession, FakeStream, Feed, files_of, tar_of
from tests.fakes.told import Told


class FakeEngine(Told):
    """An `Engine` that lives in memory; see `Told` for what a test can make it do."""

    # -- Engine: containers ----------------------------------------------------------------------------------------

    async def info(self) -> EngineInfo:
        await self._asked("info")
        return EngineInfo(
            "docker", self.host, "20.10.24", "1.41", self.engine_id, "fake", "Fake", 2, 8 << 30, "/var/lib/docker"
        )

    async def containers(self, labels: Mapping[str, str] | None = None) -> tuple[Container, ...]:
        await self._asked("containers")
        wanted = (labels or {}).items()
        return tuple(one.fact() for one in reversed(self.by_id.values()) if wanted <= one.labels.items())

    async def inspect(self, ref: str) -> ContainerDetail:
        await self._asked("inspect", ref)
        return self._find(ref).detail()

    async def create(self, spec: ContainerSpec) -> str:
        await self._asked("create", spec.name)
        image = self._image(spec.image)
        if image is None:
            raise NotFound(f"Could not create {spec.name}: No such image: {spec.image}.")
        if any(one.name == spec.name for one in self.by_id.values()):
            raise Conflict(f'Could not create {spec.name}: The container name "/{spec.name}" is already in use.')
        for attachment in spec.networks:
            self._network(attachment.network)
        one = FakeContainer(self._id(), replace(spec, labels={**image.labels, **spec.labels}), image.id, time.time())
        one.wanted = {attachment.network: attachment.address for attachment in spec.networks}
        one.files = {file.path: file for file in spec.files}
        for name in spec.volumes.values():
            self.vols.setdefault(name, Volume(name, {}))
        self.by_id[one.id] = one
        self._tell(one, "create")
        return one.id

    async def start(self, ref: str) -> None:
        await self._asked("start", ref)
        one = self._find(ref)
        if one.live:
            return
        for port in one.spec.ports:
            others = (p for other in self.by_id.values() if other.live for p in other.spec.ports)
            if port.host_port in self.foreign_ports or any(port.host_port == p.host_port for p in others):
                at = f" on {port.host_ip}" if port.host_ip else ""
                raise PortInUse(f"Could not start {one.name}: port {port.host_port}{at} is already in use.")
        self._address(one)
        one.begin()
        for name in one.wanted:
            self._tell_network(self._network(name), "connect", one.id)
        self._tell(one, "start")
        program = self.programs.get(one.spec.image)
        if program is not None:
            program(self, one)

    async def stop(self, ref: str, timeout: float = 10.0) -> None:
        await self._asked("stop", ref)
        one = self._find(ref)
        if one.live:
            self.die(ref, 137 if one.state == "paused" else 0)
            self._tell(one, "stop")

    async def restart(self, ref: str, timeout: float = 10.0) -> None:
        await self.stop(ref, timeout)
        await self.start(ref)

    async def kill(self, ref: str, signal: str = "SIGKILL") -> None:
        await self._asked("kill", ref)
        one = self._find(ref)
        if not one.live:
            raise Conflict(f"Could not send {signal} to {one.name}: it is not running.")
        one.signals.append(signal)
        self._tell(one, "kill")
        if signal in ("SIGKILL", "KILL", "9"):
            self.die(ref, 137)

    async def pause(self, ref: str) -> None:
        await self._asked("pause", ref)
        one = self._find(ref)
        if one.state != "running":
            raise Conflict(f"Could not pause {one.name}: it is {one.state}.")
        one.state = "paused"
        self._tell(one, "pause")

    async def unpause(self, ref: str) -> None:
        await self._asked("unpause", ref)
        one = self._find(ref)
        if one.state != "paused":
            raise EngineError(f"Could not unpause {one.name}: it is not paused.")
        one.state = "running"
        self._tell(one, "unpause")

    async def rename(self, ref: str, name: str) -> None:
        await self._asked("rename", ref)
        if any(one.name == name for one in self.by_id.values()):
            raise Conflict(f'Could not rename {ref}: The container name "/{name}" is already in use.')
        one = self._find(ref)
        one.spec = replace(one.spec, name=name)

    async def remove(self, ref: str, force: bool = False) -> None:
        await self._asked("remove", ref)
        try:
            one = self._find(ref)
        except NotFound:
            return
        if one.live:
            if not force:
                raise Conflict(f"Could not remove {one.name}: it is running.")
            self.die(ref, 137)
        one.lines.put(None)
        del self.by_id[one.id]
        self._tell(one, "destroy")

    async def put_file(self, ref: str, file: File) -> None:
        await self._asked("put_file", ref)
        self._find(ref).files[file.path] = file

    async def get_file(self, ref: str, path: str) -> bytes:
        await self._asked("get_file", ref)
        one = self._find(ref)
        if path not in one.files:
            raise NotFound(f"Could not read {path} in {one.name}: no such file.")
        return one.files[path].data

    async def get_archive(self, ref: str, path: str) -> AsyncIterator[bytes]:
        await self._asked("get_archive", ref)
        one = self._find(ref)
        data = tar_of(one.files, path)
        if data is None:
            raise NotFound(f"Could not read {path} in {one.name}: no such file.")
        for start in range(0, len(data), 10_000):
            yield data[start : start + 10_000]

    async def put_archive(self, ref: str, path: str, chunks: AsyncIterator[bytes]) -> None:
        await self._asked("put_archive", ref)
        one = self._find(ref)
        data = b"".join([chunk async for chunk in chunks])
        try:
            one.files.update(files_of(data, path))
        except tarfile.TarError:
            raise EngineError(f"Could not unpack files into {path} in {one.name}: it is no tar archive.") from None

    async def exec(
        self,
        ref: str,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        user: str = "",
        timeout: float = 30.0,
    ) -> ExecResult:
        await self._asked("exec", ref)
        one = self._running(ref)
        for start, answer in self._answers:
            if argv[: len(start)] == start:
                if isinstance(answer, ExecResult):
                    return answer
                try:
                    async with asyncio.timeout(timeout):
                        return await answer(one, argv, dict(env or {}), stdin)
                except TimeoutError:
                    raise EngineError(f"{argv[0]} in {one.name} did not end within {timeout:g} s.") from None
        return ExecResult(126, f"OCI runtime exec failed: {argv[0]}: executable file not found\r\n".encode(), b"")

    def _running(self, ref: str) -> FakeContainer:
        one = self._find(ref)
        if one.state != "running":
            raise Conflict(f"Container {one.name} is {'paused' if one.state == 'paused' else 'not running'}.")
        return one

    async def exec_stream(
        self, ref: str, argv: tuple[str, ...], *, env: Mapping[str, str] | None = None, user: str = ""
    ) -> ByteStream:
        await self._asked("exec_stream", ref)
        one = self._running(ref)
        for start, handler in self._handlers:
            if argv[: len(start)] == start:
                stream = FakeStream(one, handler)
                one.streams.append(stream)
                self._streams.add(stream)
                return stream
        stream = FakeStream(one, None)
        stream.end()
        return stream

    async def exec_session(
        self,
        ref: str,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str] | None = None,
        user: str = "",
        size: tuple[int, int] | None = None,
    ) -> Session:
        return FakeSession(await self.exec(ref, argv, env=env, user=user), size)

    # -- Engine: networks, volumes, images -------------------------------------------------------------------------

    async def networks(self, labels: Mapping[str, str] | None = None) -> tuple[Network, ...]:
        await self._asked("networks")
        wanted = (labels or {}).items()
        return tuple(one.fact() for one in self.nets.values() if wanted <= one.spec.labels.items())

    async def create_network(self, spec: NetworkSpec) -> str:
        await self._asked("create_network", spec.name)
        if any(one.spec.name == spec.name for one in self.nets.values()):
            raise Conflict(f"Could not create the network {spec.name}: it already exists.")
        if spec.subnet:
            mine = ipaddress.IPv4Network(spec.subnet)
            for other in self.nets.values():
                if other.spec.subnet and mine.overlaps(ipaddress.IPv4Network(other.spec.subnet)):
                    raise Conflict(f"Could not create the network {spec.name}: Pool overlaps with other one.")
        else:
            spec = replace(spec, subnet=f"10.98.{len(self.nets)}.0/24")
        one = FakeNetwork(self._id(), spec)
        self.nets[spec.name] = one
        self._tell_network(one, "create")
        return one.id

    async def connect(self, network: str, ref: str, attachment: Attachment) -> None:
        await self._asked("connect", ref)
        net, one = self._network(network), self._find(ref)
        if net.spec.name in one.wanted:
            raise EngineError(f"{one.name} is in the network {net.spec.name} already.")
        one.wanted[net.spec.name] = attachment.address
        if one.live:
            self._address(one)
            self._tell_network(net, "connect", one.id)

    async def remove_network(self, ref: str) -> None:
        await self._asked("remove_network", ref)
        try:
            net = self._network(ref)
        except NotFound:
            return
        if any(one.live and net.spec.name in one.wanted for one in self.by_id.values()):
            raise EngineError(f"Could not remove the network {net.spec.name}: it has active endpoints.")
        del self.nets[net.spec.name]
        self._tell_network(net, "destroy")

    async def volumes(self, labels: Mapping[str, str] | None = None) -> tuple[Volume, ...]:
        await self._asked("volumes")
        wanted = (labels or {}).items()
        return tuple(one for one in self.vols.values() if wanted <= one.labels.items())

    async def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        await self._asked("create_volume", name)
        self.vols.setdefault(name, Volume(name, dict(labels)))

    async def remove_volume(self, name: str) -> None:
        await self._asked("remove_volume", name)
        if any(name in one.spec.volumes.values() for one in self.by_id.values()):
            raise Conflict(f"Could not remove the volume {name}: volume is in use.")
        self.vols.pop(name, None)

    async def images(self, labels: Mapping[str, str] | None = None) -> tuple[Image, ...]:
        await self._asked("images")
        wanted = (labels or {}).items()
        return tuple({one.id: one for one in self.held.values() if wanted <= one.labels.items()}.values())

    async def image(self, ref: str) -> Image | None:
        await self._asked("image", ref)
        return self._image(ref)

    async def remove_image(self, ref: str) -> None:
        await self._asked("remove_image", ref)
        for tag in [tag for tag, image in self.held.items() if ref in (tag, image.id)]:
            self._set_tags(self.held.pop(tag))

    async def tag(self, ref: str, tag: str) -> None:
        await self._asked("tag", tag)
        image = self._image(ref)
        if image is None:
            raise NotFound(f"Could not tag {ref} as {tag}: no such image.")
        self.held[tag] = image
        self._set_tags(image)

    def _set_tags(self, image: Image) -> None:
        tags = tuple(tag for tag, one in self.held.items() if one.id == image.id)
        self.held.update({tag: replace(image, tags=tags) for tag in tags})

    async def pull(self, ref: str) -> AsyncIterator[ImageProgress]:
        await self._asked("pull", ref)
        found = self.remote.get(ref)
        if found is None:
            raise PullRefused(f"Could not pull {ref}: the registry refused (manifest unknown).")
        if isinstance(found, EngineError):
            raise found
        for progress in found:
            yield progress
        self.hold(ref)
        yield ImageProgress(ref, "done")

    async def build(
        self, tag: str, context: bytes, *, labels: Mapping[str, str], args: Mapping[str, str] | None = None
    ) -> AsyncIterator[ImageProgress]:
        await self._asked("build", tag)
        yield ImageProgress(tag, "building", done=1, total=1, text="Step 1/1 : FROM scratch")
        self.hold(tag, labels)
        yield ImageProgress(tag, "done", done=1, total=1)

    async def import_image(
        self, tag: str, chunks: AsyncIterator[bytes], *, labels: Mapping[str, str]
    ) -> AsyncIterator[ImageProgress]:
        await self._asked("import_image", tag)
        size = 0
        async for chunk in chunks:
            size += len(chunk)
        yield ImageProgress(tag, "base", done=size)
        self.hold(tag, labels)
        yield ImageProgress(tag, "done")

    # -- Engine: streams -------------------------------------------------------------------------------------------

    async def events(self, labels: Mapping[str, str] | None = None, since: float = 0.0) -> AsyncIterator[Event]:
        await self._asked("events")
        feed: Feed[Event] = Feed()
        wanted = (labels or {}).items()
        past = [event for event in self.past if since and event.time >= since]
        self._feeds.add(feed)
        try:
            for event in past:
                if wanted <= event.labels.items():
                    yield event
            async for event in feed.follow():
                if wanted <= event.labels.items():
                    yield event
        finally:
            self._feeds.discard(feed)

    async def logs(
        self, ref: str, *, follow: bool = False, tail: int | None = None, since_ns: int = 0
    ) -> AsyncIterator[list[LogLine]]:
        await self._asked("logs", ref)
        one = self._find(ref)
        with one.lines.listen() as feed:
            lines = [line for line in one.log if line.time_ns >= since_ns]
            if tail is not None:
                lines = lines[len(lines) - min(tail, len(lines)) :]
            if lines:
                yield lines
            if not follow or not one.live:
                return
            async for line in feed.follow():
                yield [line]

    async def stats(self, ref: str) -> AsyncIterator[Stats]:
        await self._asked("stats", ref)
        one = self._find(ref)
        if not one.live:
            return
        with one.samples.listen() as feed:
            async for sample in feed.follow():
                yield sample

    async def close(self) -> None:
        self.closed = True
        for stream in tuple(self._streams):
            stream.end()
