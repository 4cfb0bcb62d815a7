"""A Docker Engine (or one that speaks its API, see `podman`) behind the `Engine` Protocol.

Commands go through docker-py in threads of our own pools, so that neither a slow stop nor asyncio's shared pool
holds up a look; streams and execs go over asyncio (`wire`).  Every failure leaves here as an `EngineError`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from dftui.engine import archives, docker_images, execs, streams, translate
from dftui.engine.api import (
    Attachment,
    ByteStream,
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
    Session,
    Stats,
    Volume,
)
from dftui.engine.batch import last_times
from dftui.engine.calls import Calls
from dftui.engine.wire import Address, Wire

if TYPE_CHECKING:
    from docker import APIClient

    from dftui.engine.tunnel import Tunnel

ENDPOINTS_PATIENCE = 15.0
"""Seconds for which a network's removal is tried while the engine still sees endpoints."""
_FATAL = frozenset(("SIGKILL", "KILL", "9", "SIGTERM", "TERM", "15"))


def leaves_one_by_one(version: str) -> bool:
    """Whether containers may only leave their networks one after the other.

    Docker 20.10 (Debian 12's) hangs for good when two leave the same network at the same moment: libnetwork's
    `getSvcRecords` takes the network's lock and then the controller's, its `processEndpointDelete` the other way
    round.  Seen with four containers stopped at once; later engines were not seen to.
    """
    major = version.partition(".")[0]
    return major.isdigit() and int(major) < 23


class DockerEngine:
    """One engine at one address; made by `dftui.engine.connect.connect`."""

    _body = staticmethod(translate.create_body)

    def __init__(
        self, address: Address, api_version: str, engine_version: str = "", tunnel: Tunnel | None = None
    ) -> None:
        self.address = address
        self._tunnel = tunnel
        self._leaving: AbstractAsyncContextManager[object] = (
            asyncio.Lock() if leaves_one_by_one(engine_version) else nullcontext()
        )
        self.wire = Wire(address, api_version)
        self._calls = Calls(address, api_version)
        self._look = self._calls.look
        self._work = self._calls.work
        self._terminals: dict[str, bool] = {}

    # -- what answers ----------------------------------------------------------------------------------------------

    async def info(self) -> EngineInfo:
        """What answers; also the cheapest sign of life that tells whether the engine is still the same."""
        version, info = await asyncio.gather(
            self.wire.json("GET", "/version", "ask the engine's version"),
            self.wire.json("GET", "/info", "ask what engine answers"),
        )
        return EngineInfo(
            kind="docker",
            host=self.address.url,
            version=str(version.get("Version", "")),
            api_version=self.wire.version,
            id=str(info.get("ID") or ""),
            name=str(info.get("Name") or ""),
            os=str(info.get("OperatingSystem") or ""),
            cpus=int(info.get("NCPU") or 0),
            memory=int(info.get("MemTotal") or 0),
            root=str(info.get("DockerRootDir") or ""),
            time=translate.stamp(str(info.get("SystemTime") or "")),
        )

    # -- containers ------------------------------------------------------------------------------------------------

    async def containers(self, labels: Mapping[str, str] | None = None) -> tuple[Container, ...]:
        """All containers with these labels, in one request."""
        raw = await self._look("list the containers", lambda api: api.containers(all=True, filters=_filters(labels)))
        return tuple(translate.container_of(one) for one in raw)

    async def inspect(self, ref: str) -> ContainerDetail:
        """By name or id."""
        return translate.detail_of(await self._look(f"look at {ref}", lambda api: api.inspect_container(ref)))

    async def create(self, spec: ContainerSpec) -> str:
        """Create on the first network, join the others, lay the files; undone when one of these fails."""
        body = self._body(spec)
        looking = asyncio.create_task(self._networks_exist(spec))
        looking.add_done_callback(lambda task: task.cancelled() or task.exception())  # else of no matter
        try:
            made = await self._work(
                f"create {spec.name}",
                lambda api: api.create_container_from_config(body, name=spec.name),  # type: ignore[no-untyped-call]
            )
        except BaseException:
            looking.cancel()
            raise
        container = str(made["Id"])
        try:
            await looking
            for attachment in spec.networks[1:]:
                await self.connect(attachment.network, container, attachment)
            if spec.files:
                await self._put(container, spec.files, spec.name)
        except BaseException:
            # Cancelled or failed: the half-made one goes, whatever becomes of this task meanwhile.
            await asyncio.shield(self._undo(container))
            raise
        return container

    async def _networks_exist(self, spec: ContainerSpec) -> None:
        """The engine takes a network that is not there, and fails at the start."""

        def ask(api: APIClient) -> None:
            for attachment in spec.networks:
                api.inspect_network(attachment.network)

        if spec.networks:
            await self._look(f"create {spec.name}", ask)

    async def _undo(self, container: str) -> None:
        with suppress(EngineError):  # the first error is the one to tell
            await self.remove(container, force=True)

    async def start(self, ref: str) -> None:
        """Start; one that runs already is no error."""
        await self._work(f"start {ref}", lambda api: api.start(ref))

    async def stop(self, ref: str, timeout: float = 10.0) -> None:
        """SIGTERM, then SIGKILL after `timeout` seconds."""
        async with self._leaving:
            await self._work(f"stop {ref}", lambda api: api.stop(ref, timeout=math.ceil(timeout)))

    async def restart(self, ref: str, timeout: float = 10.0) -> None:
        """Stop and start again."""
        async with self._leaving:
            await self._work(f"restart {ref}", lambda api: api.restart(ref, timeout=math.ceil(timeout)))

    async def kill(self, ref: str, signal: str = "SIGKILL") -> None:
        """Send a signal to PID 1."""
        async with self._leaving if signal in _FATAL else nullcontext():
            await self._work(f"send {signal} to {ref}", lambda api: api.kill(ref, signal=signal))

    async def pause(self, ref: str) -> None:
        """Freeze all processes."""
        await self._work(f"pause {ref}", lambda api: api.pause(ref))

    async def unpause(self, ref: str) -> None:
        """And thaw them."""
        await self._work(f"unpause {ref}", lambda api: api.unpause(ref))

    async def rename(self, ref: str, name: str) -> None:
        """Give it another name."""
        await self._work(f"rename {ref} to {name}", lambda api: api.rename(ref, name))

    async def remove(self, ref: str, force: bool = False) -> None:
        """Remove with its anonymous volumes; missing, or being removed already, is no error."""
        try:
            async with self._leaving:
                await self._work(f"remove {ref}", lambda api: api.remove_container(ref, v=True, force=force))
        except NotFound:
            return
        except EngineError as error:
            if "is already in progress" not in str(error):
                raise
            await self._gone(ref)

    async def _gone(self, ref: str) -> None:
        """Wait until a removal that someone else began has ended."""
        end = time.monotonic() + ENDPOINTS_PATIENCE
        while time.monotonic() < end:
            try:
                await self.inspect(ref)
            except NotFound:
                return
            await asyncio.sleep(0.1)

    async def put_file(self, ref: str, file: File) -> None:
        """Lay a file into a container; missing folders are made."""
        await self._put(ref, (file,), ref)

    async def _put(self, ref: str, files: tuple[File, ...], name: str) -> None:
        archive = translate.tar_of(files)
        paths = ", ".join(file.path for file in files)
        await self._work(f"lay {paths} into {name}", lambda api: api.put_archive(ref, "/", archive))

    async def get_file(self, ref: str, path: str) -> bytes:
        """Read a file, through symbolic links. Raises NotFound; EngineError when it is no plain file."""

        return await self._look(f"read {path} in {ref}", lambda api: archives.read_file(api, ref, path))

    def get_archive(self, ref: str, path: str) -> AsyncIterator[bytes]:
        """A folder or file as a tar, as it comes; closing the iterator ends the transfer."""
        return archives.get(self.wire, ref, path)

    async def put_archive(self, ref: str, path: str, chunks: AsyncIterator[bytes]) -> None:
        """Unpack a tar into a folder that exists."""
        await archives.put(self.wire, ref, path, chunks)

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
        """Run to its end; a command that cannot be found ends with 126 or 127."""
        return await execs.run(self.wire, ref, argv, env=env, stdin=stdin, user=user, timeout=timeout)

    async def exec_stream(
        self,
        ref: str,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str] | None = None,
        user: str = "",
    ) -> ByteStream:
        """Run with stdin and stdout held open."""
        return await execs.open_stream(self.wire, ref, argv, env=env, user=user)

    async def exec_session(
        self,
        ref: str,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str] | None = None,
        user: str = "",
        size: tuple[int, int] | None = None,
    ) -> Session:
        """Run at a terminal of `size` (columns, rows), or without one at a pipe."""
        return await execs.open_session(self.wire, ref, argv, env=env, user=user, size=size)

    # -- networks and volumes --------------------------------------------------------------------------------------

    async def networks(self, labels: Mapping[str, str] | None = None) -> tuple[Network, ...]:
        """All networks with these labels."""
        raw = await self._look("list the networks", lambda api: api.networks(filters=_filters(labels)))
        return tuple(translate.network_of(one) for one in raw)

    async def create_network(self, spec: NetworkSpec) -> str:
        """Create; a name or a subnet that is taken raises Conflict."""
        ipam = {"Driver": "default", "Config": [{"Subnet": spec.subnet}]} if spec.subnet else None

        def make(api: APIClient) -> Any:
            return api.create_network(
                spec.name,
                driver="bridge",
                ipam=ipam,  # type: ignore[arg-type]
                check_duplicate=True,
                internal=spec.internal,
                labels=dict(spec.labels),
            )

        return str((await self._work(f"create the network {spec.name}", make))["Id"])

    async def connect(self, network: str, ref: str, attachment: Attachment) -> None:
        """Join a container to a network. Raises NotFound for one that is being removed, once it has gone."""
        try:
            await self._work(
                f"join {ref} to the network {network}",
                lambda api: api.connect_container_to_network(
                    ref, network, ipv4_address=attachment.address, aliases=list(attachment.aliases) or None
                ),
            )
        except EngineError as error:
            if "marked for removal" not in str(error):
                raise
            await self._gone(ref)
            raise NotFound(str(error)) from None

    async def remove_network(self, ref: str) -> None:
        """Remove; engine 20.10 may see endpoints for a while after containers were removed in parallel."""
        end = time.monotonic() + ENDPOINTS_PATIENCE
        pause = 0.1
        while True:
            try:
                await self._work(f"remove the network {ref}", lambda api: api.remove_network(ref))
                return
            except NotFound:
                return
            except EngineError as error:
                if "has active endpoints" not in str(error) or time.monotonic() > end:
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 1.0)

    async def volumes(self, labels: Mapping[str, str] | None = None) -> tuple[Volume, ...]:
        """All volumes with these labels."""
        raw = await self._look("list the volumes", lambda api: api.volumes(filters=_filters(labels)))
        return tuple(translate.volume_of(one) for one in raw.get("Volumes") or ())

    async def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create; an existing one keeps the labels that it has."""
        await self._work(f"create the volume {name}", lambda api: api.create_volume(name, labels=dict(labels)))

    async def remove_volume(self, name: str) -> None:
        """Remove; missing is no error."""
        try:
            await self._work(f"remove the volume {name}", lambda api: api.remove_volume(name))
        except NotFound:
            return

    # -- images ----------------------------------------------------------------------------------------------------

    async def images(self, labels: Mapping[str, str] | None = None) -> tuple[Image, ...]:
        """All images with these labels."""
        raw = await self._look("list the images", lambda api: api.images(filters=_filters(labels)))
        return tuple(translate.image_of(one) for one in raw)

    async def image(self, ref: str) -> Image | None:
        """By tag, digest or id; None when it is not here."""
        doing = f"look at the image {ref}"
        try:
            raw = await self._look(doing, lambda api: api.inspect_image(ref))  # type: ignore[no-untyped-call]
            return translate.image_of(raw)
        except NotFound:
            return None

    async def remove_image(self, ref: str) -> None:
        """Remove a tag or image; missing is no error."""
        try:
            await self._work(f"remove the image {ref}", lambda api: api.remove_image(ref))
        except NotFound:
            return

    async def tag(self, ref: str, tag: str) -> None:
        """Give an image one more name."""
        repository, _, name = tag.rpartition(":")
        if "/" in name or not repository:
            repository, name = tag, "latest"
        await self._work(f"tag {ref} as {tag}", lambda api: api.tag(ref, repository, name))

    def pull(self, ref: str) -> AsyncIterator[ImageProgress]:
        """Pull with progress per layer; closing the iterator ends the pull."""
        return docker_images.pull(self.wire, ref, self._credentials)

    async def _credentials(self, registry_of: str) -> str | None:
        """The X-Registry-Auth header for an image's registry, from the user's docker configuration; None without."""

        def find(api: APIClient) -> str | None:
            import docker.auth

            registry, _ = docker.auth.resolve_repository_name(registry_of)
            header = docker.auth.get_config_header(api, registry)
            return header.decode() if isinstance(header, bytes) else header

        return await self._look(f"find the credentials for {registry_of}", find)

    def build(
        self, tag: str, context: bytes, *, labels: Mapping[str, str], args: Mapping[str, str] | None = None
    ) -> AsyncIterator[ImageProgress]:
        """Build a tar with the classic builder; closing the iterator ends the build."""
        return docker_images.build(self.wire, tag, context, labels, args or {})

    def import_image(
        self, tag: str, chunks: AsyncIterator[bytes], *, labels: Mapping[str, str]
    ) -> AsyncIterator[ImageProgress]:
        """Make an image of one layer from a root file system's tar, which may be compressed."""
        return docker_images.import_image(self.wire, tag, chunks, labels)

    # -- streams ---------------------------------------------------------------------------------------------------

    def events(self, labels: Mapping[str, str] | None = None, since: float = 0.0) -> AsyncIterator[Event]:
        """Container and network events as they happen; raises EngineUnreachable when the engine goes away."""
        return streams.read_events(self.wire, labels, since)

    async def logs(
        self, ref: str, *, follow: bool = False, tail: int | None = None, since_ns: int = 0
    ) -> AsyncIterator[Sequence[LogLine]]:
        """Batches of lines, one per read."""
        tty = self._terminals.get(ref)
        if tty is None:
            raw = await self.wire.json("GET", f"/containers/{ref}/json", f"look at {ref}")
            tty = bool((raw.get("Config") or {}).get("Tty"))
            if len(self._terminals) > 1000:
                self._terminals.clear()
            if raw.get("Id") == ref:  # a name may be another container's tomorrow
                self._terminals[ref] = tty
        lines = streams.read_logs(self.wire, ref, tty=tty, follow=follow, tail=tail, since_ns=since_ns)
        seen: dict[str, int] = {}
        async with aclosing(lines):
            async for batch in lines:
                seen |= last_times(batch)
                yield batch
        if not follow or (tail == 0 and not seen):
            return
        # Engine 20.10 may end a follower before the last lines that the container wrote: they are read again.
        again = streams.read_logs(
            self.wire,
            ref,
            tty=tty,
            follow=False,
            tail=None if seen else tail,
            since_ns=min(seen.values()) if seen else since_ns,
        )
        try:
            async with aclosing(again):
                async for batch in again:
                    if missed := [line for line in batch if line.time_ns > seen.get(line.stream, 0)]:
                        yield missed
        except NotFound:
            return  # removed meanwhile, and its log with it

    def stats(self, ref: str) -> AsyncIterator[Stats]:
        """A sample each second or two until the container ends."""
        return streams.read_stats(self.wire, ref)

    async def close(self) -> None:
        """Close every stream and connection; calls that still run in threads end on their own."""
        self.wire.close()
        self._calls.close()
        if self._tunnel is not None:
            await self._tunnel.close()


def _filters(labels: Mapping[str, str] | None) -> dict[str, Any]:
    return {"label": [f"{key}={value}" if value else key for key, value in labels.items()]} if labels else {}
