"""What is wanted of a stack: plain frozen values with the defaults that hold without a stack file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Source = Literal["auto", "pull", "bundled"]
Kind = Literal["dreamfactory", "plain"]
Orchestrator = Literal["docker", "swarm"]

NOT_FOR_PLAIN = "not for a plain web image"
"""What is said in the place of all that is particular to DreamFactory, when another web stands in for it."""

REAL_IMAGES: Mapping[str, str] = {
    "web": "dreamfactorysoftware/df-docker:latest",
    "db": "mysql:8.4",
    "cache": "redis:7",
    "balancer": "haproxy:3.2",
}


@dataclass(frozen=True, slots=True)
class ImagesSpec:
    """Image of each role; None takes the real one of `REAL_IMAGES` or, where no registry answers, the bundled."""

    web: str | None = None
    db: str | None = None
    cache: str | None = None
    balancer: str | None = None
    source: Source = "auto"


@dataclass(frozen=True, slots=True)
class WebSpec:
    """The replicas. `memory` in bytes, `cpus` in cores, `drain_timeout` and `start_timeout` in seconds. A `plain`
    kind is any stateless web image: it is started as it is, with the variables of `env` alone, and has no database,
    cache, APP_KEY or admin from dftui."""

    replicas: int = 3
    kind: Kind = "dreamfactory"
    env: Mapping[str, str] = field(default_factory=dict)
    cpus: float | None = None
    memory: int | None = None
    min: int = 1
    max: int = 200
    health: str = "/status"
    port: int = 80
    drain_timeout: float = 30.0
    start_timeout: float = 120.0
    target_rps: float | None = None
    """Autoscale to this many requests/s for each replica, between `min` and `max`."""
    target_cpu: float | None = None
    """Or to this much CPU for each, in percent of a core."""
    cool_down: float = 60.0
    """Seconds that autoscale rests after removing one; low load must have lasted for half of that."""


@dataclass(frozen=True, slots=True)
class TlsSpec:
    """HTTPS in the balancer: `cert` (the chain, the server's own first) and `key` are PEM files on the operator's
    machine, relative ones from the stack file's folder; `publish` as of `BalancerSpec`, port 443 without it."""

    cert: str = ""
    key: str = ""
    publish: str | None = None


@dataclass(frozen=True, slots=True)
class BalancerSpec:
    """`publish` is "PORT" or "ADDRESS:PORT"; None takes 127.0.0.1:80 for bundled images, "80" else. What others claim
    of the client (X-Forwarded-For, X-Request-ID) is believed from the addresses and networks of `trusted_proxies`."""

    publish: str | None = None
    balance: str = "roundrobin"
    trusted_proxies: tuple[str, ...] = ()
    tls: TlsSpec | None = None
    """With it `publish` is where http is sent on to https."""
    nodes: tuple[str, ...] = ()
    """Two managers of a swarm that have a balancer each: the one that is spoken to, and one that stands by."""


@dataclass(frozen=True, slots=True)
class AdminSpec:
    """The first admin: made by dftui (`auto`), or left to the setup form (`none`)."""

    mode: Literal["auto", "none"] = "auto"
    email: str = "admin@example.com"
    first_name: str = "First"
    last_name: str = "Admin"
    phone: str = "5550100"


@dataclass(frozen=True, slots=True)
class LogsSpec:
    """What the screen keeps of the logs: bytes in all and of each container, and with how many of its last lines it
    begins."""

    memory: int = 32 << 20
    per_container: int = 2 << 20
    tail: int = 1000


@dataclass(frozen=True, slots=True)
class BackupSpec:
    """Backups that dftui makes by itself: before a roll to another image (`before_roll`) and before a restore over
    data; of these the last `keep` stay."""

    before_roll: bool = True
    keep: int = 3


@dataclass(frozen=True, slots=True)
class StackSpec:
    """A whole stack file; `path` is where it came from, "" for the defaults."""

    name: str = "df"
    images: ImagesSpec = field(default_factory=ImagesSpec)
    web: WebSpec = field(default_factory=WebSpec)
    balancer: BalancerSpec = field(default_factory=BalancerSpec)
    admin: AdminSpec = field(default_factory=AdminSpec)
    logs: LogsSpec = field(default_factory=LogsSpec)
    backup: BackupSpec = field(default_factory=BackupSpec)
    subnet: str | None = None
    """Front network in CIDR form; None takes a free /24."""
    engine: Orchestrator = "docker"
    """`swarm`: replicas, database and cache are services of the swarm whose manager is spoken to."""
    nodes: Mapping[str, str] = field(default_factory=dict)
    """How the engine of each node of a swarm is reached, by the node's name; others are found."""
    repair: Literal["ask", "auto"] = "ask"
    """`auto`: what drifts is put right by itself while the screen or `dftui watch` runs."""
    theme: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    path: str = ""

    @property
    def plain(self) -> bool:
        """The web is any stateless image, not DreamFactory."""
        return self.web.kind == "plain"

    @property
    def swarm(self) -> bool:
        """It runs on a swarm."""
        return self.engine == "swarm"

    @property
    def pair(self) -> tuple[str, ...]:
        """The two managers of a swarm that have a balancer each; () for one balancer."""
        return self.balancer.nodes if self.swarm else ()

    @property
    def makes_admin(self) -> bool:
        """dftui itself makes the first admin."""
        return not self.plain and self.admin.mode == "auto"

    @property
    def services(self) -> tuple[str, ...]:
        """Roles of the containers that the stack has besides its replicas."""
        return ("balancer",) if self.plain else ("db", "cache", "balancer")

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles that need an image."""
        return ("web", *self.services)
