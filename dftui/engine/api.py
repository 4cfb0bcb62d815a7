"""The container engine as the rest of dftui knows it: a Protocol, its facts and its errors.

Nothing here imports docker.  Times are seconds, sizes bytes, unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from dftui.engine.failures import (
    Conflict as Conflict,
)
from dftui.engine.failures import (
    EngineError as EngineError,
)
from dftui.engine.failures import (
    EnginePermission as EnginePermission,
)
from dftui.engine.failures import (
    EngineUnreachable as EngineUnreachable,
)
from dftui.engine.failures import (
    NoSpace as NoSpace,
)
from dftui.engine.failures import (
    NotFound as NotFound,
)
from dftui.engine.failures import (
    PortInUse as PortInUse,
)
from dftui.engine.failures import (
    PullRefused as PullRefused,
)
from dftui.engine.failures import (
    RegistryUnreachable as RegistryUnreachable,
)

ContainerState = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]
Health = Literal["none", "starting", "healthy", "unhealthy"]
Channel = Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What answers: `kind` is "docker" (or "podman", "swarm"), `id` stays the same over the engine's restarts."""

    kind: str
    host: str
    version: str
    api_version: str
    id: str
    name: str
    os: str
    cpus: int
    memory: int
    root: str
    time: float = 0.0
    """The engine's own clock when it answered (unix seconds); 0 when it does not tell."""


@dataclass(frozen=True, slots=True)
class Port:
    """A published port; `host_ip` "" or "0.0.0.0" or "::" is open to every interface."""

    container_port: int
    host_ip: str
    host_port: int


@dataclass(frozen=True, slots=True)
class Container:
    """One container as the engine's list call tells it (no inspect needed)."""

    id: str
    name: str
    image: str
    image_id: str
    state: ContainerState
    health: Health
    created: float
    labels: Mapping[str, str]
    addresses: Mapping[str, str]
    """Address by network name; a stopped container keeps its fixed ones here."""
    ports: tuple[Port, ...] = ()
    status: str = ""
    """The engine's own words, e.g. "Up 5 minutes (healthy)"."""
    exit_code: int | None = None
    node: str = ""
    """On a swarm, the node that runs it."""
    pending: str = ""
    """On a swarm, why its service has no container now; `id` is the service's then."""

    @property
    def short(self) -> str:
        """The 12-hex id: the container's default hostname, so DreamFactory's Host."""
        return self.id[:12]


@dataclass(frozen=True, slots=True)
class ContainerDetail:
    """What only inspect tells. `env` holds secrets: never shown, logged or put in a message."""

    container: Container
    env: Mapping[str, str] = field(repr=False)
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    restart_count: int = 0
    started_at: str = ""
    finished_at: str = ""
    volumes: Mapping[str, str] = field(default_factory=dict)
    """Volume name by target path."""
    tty: bool = False
    log_path: str = ""
    command: tuple[str, ...] = ()
    """What it runs, its image's entrypoint aside."""
    cpus: float | None = None
    memory: int | None = None
    """Its limits, in cores and bytes; None: no limit."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Names of other containers by what this one calls them (`docker run --link`)."""
    aliases: frozenset[str] = frozenset()
    """What others call it on its networks."""
    restart: str = "no"
    """Its restart policy, as `ContainerSpec.restart`."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A network to join, with a fixed address and DNS names there if given."""

    network: str
    address: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A check that the engine runs inside the container; `test` is an argv."""

    test: tuple[str, ...]
    interval: float = 10.0
    timeout: float = 5.0
    retries: int = 3
    start_period: float = 60.0


@dataclass(frozen=True, slots=True)
class File:
    """A file laid into a container before it starts (its folder is made if missing)."""

    path: str
    data: bytes = field(repr=False)
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What to create. The first attachment is joined at creation, the others before the start."""

    name: str
    image: str
    labels: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    networks: tuple[Attachment, ...] = ()
    volumes: Mapping[str, str] = field(default_factory=dict)
    """Named volume by target path."""
    ports: tuple[Port, ...] = ()
    health: HealthCheck | None = None
    restart: str = "unless-stopped"
    log_max_size: str = "10m"
    log_max_file: int = 3
    cpus: float | None = None
    memory: int | None = None
    cpu_shares: int | None = None
    """Its weight where CPU is short, as the engine counts it: None is 1024."""
    files: tuple[File, ...] = ()
    auto_remove: bool = False
    """Removed by the engine when it exits; needs `restart="no"`."""
    isolated: bool = False
    """No network at all."""
    stop_signal: str = ""
    """What the engine stops it with; "": what the image says, else SIGTERM."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Which of `env` are secrets of the swarm, on one, with a version of each: another value has another."""
    place: str = ""
    """On a swarm: a service on "any" node, or on the one that has the stack's "data"; "": a container of the manager
    that is spoken to, "node:NAME": of that node. Elsewhere it says nothing."""


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A bridge network; `subnet` in CIDR form or None for the engine's choice."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    subnet: str | None = None
    internal: bool = False


@dataclass(frozen=True, slots=True)
class Network:
    """An existing network with every subnet it holds."""

    id: str
    name: str
    labels: Mapping[str, str]
    subnets: tuple[str, ...]
    internal: bool
    driver: str = "bridge"


@dataclass(frozen=True, slots=True)
class Volume:
    """A named volume."""

    name: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Image:
    """An image the engine holds."""

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    size: int
    created: float
    labels: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables that its containers have, where they are not given others; not told by `images`."""


@dataclass(frozen=True, slots=True)
class ImageProgress:
    """One step of a pull, build or import: `done`/`total` bytes where known (else 0), `text` for a line."""

    image: str
    stage: str
    """"pulling", "extracting", "building", "base", "carrying", "done"."""
    layer: str = ""
    done: int = 0
    total: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class ExecResult:
    """A finished exec."""

    exit_code: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """An engine event about a container or network of interest. `action` is the engine's word
    ("create", "start", "die", "destroy", "health_status: healthy", "pause", "connect" …)."""

    time: float
    kind: str
    action: str
    id: str
    name: str
    labels: Mapping[str, str]
    exit_code: int | None = None
    container: str = ""
    """Of a network's "connect" and "disconnect": the container's id."""


class LogLine(NamedTuple):
    """One line a container wrote, undecoded and unsanitised. `time_ns` is the engine's stamp (unix nanoseconds).

    A tuple, because thousands are made each second and a frozen dataclass costs three times as much to make."""

    time_ns: int
    stream: Literal["stdout", "stderr"]
    data: bytes


@dataclass(frozen=True, slots=True)
class Stats:
    """One sample: CPU in percent of one core (None in the first sample), memory without page cache."""

    time: float
    cpu: float | None
    memory: int
    memory_limit: int
    net_rx: int
    net_tx: int


class ByteStream(Protocol):
    """Both directions of an exec: what is written is its stdin, what is read its stdout."""

    async def read(self, limit: int = 65536) -> bytes:
        """Bytes as they come; b"" when the other side has ended."""
        ...

    async def write(self, data: bytes) -> None:
        """Send to stdin. Raises EngineError when the stream is gone."""
        ...

    def stderr(self) -> bytes:
        """What came on stderr so far (bounded)."""
        ...

    async def close(self) -> None:
        """End it; never raises."""
        ...


class Session(Protocol):
    """A command at somebody's terminal or pipe."""

    async def read(self) -> tuple[Channel, bytes]:
        """The next output as it comes; b"" at its end. At a terminal all of it is stdout."""
        ...

    async def write(self, data: bytes) -> None:
        """Send to its stdin. Raises EngineError when the session is over."""
        ...

    async def end_input(self) -> None:
        """Tell the command that its stdin ends."""
        ...

    async def resize(self, columns: int, rows: int) -> None:
        """Tell the command's terminal its size."""
        ...

    async def exit_code(self) -> int:
        """How it ended; once its output has."""
        ...

    async def close(self) -> None:
        """Let go; never raises. The command is not ended by it."""
        ...


class Engine(Protocol):
    """A container engine. Every call raises EngineError or a subclass of it, nothing else."""

    async def info(self) -> EngineInfo:
        """What answers. Raises EngineUnreachable or EnginePermission when nothing does."""
        ...

    async def containers(self, labels: Mapping[str, str] | None = None) -> tuple[Container, ...]:
        """All containers, stopped ones too, that carry all these labels; one request."""
        ...

    async def inspect(self, ref: str) -> ContainerDetail:
        """By name or id. Raises NotFound."""
        ...

    async def create(self, spec: ContainerSpec) -> str:
        """Create with networks and files, not started; the full id. A failure part-way removes what it made."""
        ...

    async def start(self, ref: str) -> None:
        """Start; raises PortInUse, Conflict, NoSpace."""
        ...

    async def stop(self, ref: str, timeout: float = 10.0) -> None:
        """SIGTERM, then SIGKILL after `timeout` seconds; a stopped one is no error."""
        ...

    async def restart(self, ref: str, timeout: float = 10.0) -> None:
        """Stop and start again."""
        ...

    async def kill(self, ref: str, signal: str = "SIGKILL") -> None:
        """Send a signal to PID 1."""
        ...

    async def pause(self, ref: str) -> None:
        """Freeze all processes."""
        ...

    async def unpause(self, ref: str) -> None:
        """And thaw them."""
        ...

    async def rename(self, ref: str, name: str) -> None:
        """Give it another name, also while it runs. Raises Conflict for one that is taken."""
        ...

    async def remove(self, ref: str, force: bool = False) -> None:
        """Remove with its anonymous volumes; a missing one is no error."""
        ...

    async def put_file(self, ref: str, file: File) -> None:
        """Lay a file into a running or created container (replacing it by rename-safe archive upload)."""
        ...

    async def get_file(self, ref: str, path: str) -> bytes:
        """Read a file, also from a stopped container. Raises NotFound."""
        ...

    def get_archive(self, ref: str, path: str) -> AsyncIterator[bytes]:
        """A folder or file as an uncompressed tar, as it comes, also from a container that does not run; its members'
        names begin with the path's last part. Raises NotFound. A file that changes meanwhile cuts the tar short."""
        ...

    async def put_archive(self, ref: str, path: str, chunks: AsyncIterator[bytes]) -> None:
        """Unpack an uncompressed tar into a folder that exists, also in a container that does not run; owners and
        modes are the tar's. Raises NotFound."""
        ...

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
        """Run to its end. Secrets go by `env` or `stdin`, never argv. Raises EngineError on a time-out."""
        ...

    async def exec_stream(
        self,
        ref: str,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str] | None = None,
        user: str = "",
    ) -> ByteStream:
        """Run with stdin and stdout held open."""
        ...

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
        ...

    async def networks(self, labels: Mapping[str, str] | None = None) -> tuple[Network, ...]:
        """All networks that carry all these labels."""
        ...

    async def create_network(self, spec: NetworkSpec) -> str:
        """Create; the id. Raises Conflict when the subnet overlaps another."""
        ...

    async def connect(self, network: str, ref: str, attachment: Attachment) -> None:
        """Join a container to a network."""
        ...

    async def remove_network(self, ref: str) -> None:
        """Remove; tries again for a while when the engine still sees endpoints; missing is no error."""
        ...

    async def volumes(self, labels: Mapping[str, str] | None = None) -> tuple[Volume, ...]:
        """All volumes that carry all these labels."""
        ...

    async def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create; an existing one with the same name is no error."""
        ...

    async def remove_volume(self, name: str) -> None:
        """Remove; missing is no error, in use raises Conflict."""
        ...

    async def images(self, labels: Mapping[str, str] | None = None) -> tuple[Image, ...]:
        """All images that carry all these labels."""
        ...

    async def image(self, ref: str) -> Image | None:
        """By tag, digest or id; None when the engine does not hold it."""
        ...

    async def remove_image(self, ref: str) -> None:
        """Remove a tag or image; missing is no error."""
        ...

    async def tag(self, ref: str, tag: str) -> None:
        """Give an image one more name."""
        ...

    def pull(self, ref: str) -> AsyncIterator[ImageProgress]:
        """Pull with progress per layer. Raises RegistryUnreachable or PullRefused."""
        ...

    def build(
        self, tag: str, context: bytes, *, labels: Mapping[str, str], args: Mapping[str, str] | None = None
    ) -> AsyncIterator[ImageProgress]:
        """Build a tar (Dockerfile at its root) with the classic builder; its steps have no network."""
        ...

    def import_image(
        self, tag: str, chunks: AsyncIterator[bytes], *, labels: Mapping[str, str]
    ) -> AsyncIterator[ImageProgress]:
        """Make an image of one layer from a root file system's tar."""
        ...

    def events(self, labels: Mapping[str, str] | None = None, since: float = 0.0) -> AsyncIterator[Event]:
        """Container and network events as they happen, from `since` (unix time) if given; ends or raises
        EngineUnreachable when the engine goes away."""
        ...

    def logs(
        self, ref: str, *, follow: bool = False, tail: int | None = None, since_ns: int = 0
    ) -> AsyncIterator[Sequence[LogLine]]:
        """Batches of lines in the order that the engine delivers; `tail` last lines or all; a batch holds what
        one read brought. Lines at `since_ns` itself are included."""
        ...

    def stats(self, ref: str) -> AsyncIterator[Stats]:
        """A sample each second or two until the container ends."""
        ...

    async def close(self) -> None:
        """Close every stream and connection."""
        ...
