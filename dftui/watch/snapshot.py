"""The snapshot: everything known about a stack at one moment, immutable, safe to draw.

Every string in it has passed the sanitiser.  `to_json` is the `status --json` contract of the design.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dftui.balancer.tls import Certificate
from dftui.stack.appkey import PRINTED
from dftui.watch.alarms import Alarm

SOON = 14 * 86400.0
"""Seconds before its end in which a certificate is warned of."""
UNUSED = "unused"
"""State of a service that the stack has no use for."""


class ReplicaState(StrEnum):
    """A replica's life. Serving means: up in the balancer and eligible for new requests."""

    STARTING = "starting"
    HELD = "held"
    SERVING = "serving"
    DRAINING = "draining"
    DRAINED = "drained"
    STOPPED = "stopped"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Load:
    """CPU in percent of one core, memory in bytes; None where not sampled."""

    cpu: float | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """From the balancer: totals (as far back as its counters go), and rates over the last second. `share` of all
    requests of the last minute, 0 to 1, None without any."""

    requests: int = 0
    errors: int = 0
    rate: float = 0.0
    p50_ms: float | None = None
    p95_ms: float | None = None
    sessions: int = 0
    queue: int = 0
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Replica:
    """One web. `host` is the kernel's node name, its container's short id."""

    name: str
    id: str
    host: str
    number: int
    state: ReplicaState
    why: str = ""
    key: str = ""
    image: str = ""
    address: str = ""
    created: float = 0.0
    node: str = ""
    """On a swarm, the machine that runs it."""
    load: Load = field(default_factory=Load)
    traffic: Traffic = field(default_factory=Traffic)
    held_out: bool = False
    """It was found wanting, is kept to be looked at, and does not count towards the wanted number."""


@dataclass(frozen=True, slots=True)
class Service:
    """Database, cache or balancer; `state` is the engine's word, "missing", "unused" or (a standby's) "lost".
    `figures` are ready to draw: name → value, in the order to show them; `values` are numbers, as they were when a
    figure last changed."""

    role: str
    name: str
    id: str = ""
    state: str = "missing"
    health: str = "none"
    why: str = ""
    image: str = ""
    figures: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict, compare=False)
    load: Load = field(default_factory=Load)
    node: str = ""
    """On a swarm, the machine that runs it."""
    url: str = ""
    """Where clients reach a standby."""
    in_step: bool | None = None
    """A standby has the table of the balancer; None while that is not known."""

    @property
    def unused(self) -> bool:
        """The stack has none: its web needs none from dftui."""
        return self.state == UNUSED

    @property
    def well(self) -> bool:
        """Runs, and its health check (where it has one) passes."""
        return self.state == "running" and self.health in ("none", "healthy")


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between what is wanted, what exists and what the balancer believes; `kind` has a help page."""

    what: str
    repair: str
    kind: Alarm


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """The engine; `lost_since` is the unix time of the last answer while it does not answer, else None; `ms` how long
    one of another machine takes to answer, 0 when that is not known."""

    kind: str = "docker"
    host: str = ""
    version: str = ""
    lost_since: float | None = None
    error: str = ""
    ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of it. `images` maps role to image name; `exposed` says that the port is open beyond loopback."""

    stack: str
    at: float
    engine: EngineFacts
    wanted: int
    url: str
    db: Service
    cache: Service
    balancer: Service
    web: tuple[Replica, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    exposed: bool = False
    drift: tuple[Drift, ...] = ()
    traffic: Traffic = field(default_factory=Traffic)
    admin: str = ""
    """State of the first admin: "", "not migrated", "no admin", "ready"."""
    setup_open: bool = False
    """The setup form can be reached although there is an admin."""
    kind: str = "dreamfactory"
    """What the web is: "dreamfactory", or "plain" for any other stateless image."""
    standby: Service | None = None
    """The balancer that stands by on another manager, if the stack file asks for one."""
    certificate: Certificate | None = None
    """What the balancer serves HTTPS with."""
    acting: str = ""
    """Another operator who holds the stack's lock, doing what, since when; "" when none does."""

    @property
    def services(self) -> tuple[Service, Service, Service]:
        """Database, cache, balancer."""
        return self.db, self.cache, self.balancer

    @property
    def exists(self) -> bool:
        """Any container of the stack is there."""
        return bool(self.web) or any(s.id for s in self.services)

    @property
    def certificate_ends(self) -> float | None:
        """Seconds until the certificate ends, where that is soon (or over); None else."""
        if self.certificate is None or self.certificate.expires - self.at > SOON:
            return None
        return self.certificate.expires - self.at

    @property
    def serving(self) -> int:
        """How many replicas take new requests."""
        return sum(r.state is ReplicaState.SERVING for r in self.web)

    @property
    def printed_key(self) -> bool:
        """A replica runs with an APP_KEY that is in print: anyone can sign an admin's token with it."""
        return any(r.key in PRINTED for r in self.web)

    def to_json(self) -> dict[str, Any]:
        """The `status --json` document; values may be added, never renamed."""

        def service(s: Service) -> dict[str, Any]:
            return {
                "name": s.name,
                "id": s.id[:12],
                "state": s.state,
                "health": s.health,
                "why": s.why,
                "figures": dict(s.figures),
                "values": {k: int(v) if v == int(v) else v for k, v in s.values.items()},
                "node": s.node,
            }

        return {
            "stack": self.stack,
            "engine": {
                "kind": self.engine.kind,
                "host": self.engine.host,
                "version": self.engine.version,
            },
            "kind": self.kind,
            "wanted": self.wanted,
            "url": self.url,
            "exposed": self.exposed,
            "printed_key": self.printed_key,
            "tls": self.certificate and {"names": list(self.certificate.names), "expires": self.certificate.expires},
            "admin": self.admin,
            "setup_open": self.setup_open,
            "images": {**self.images, "source": self.source},
            "db": service(self.db),
            "cache": service(self.cache),
            "balancer": service(self.balancer),
            "standby": self.standby
            and {**service(self.standby), "url": self.standby.url, "in_step": self.standby.in_step},
            "web": [
                {
                    "name": r.name,
                    "id": r.id[:12],
                    "host": r.host,
                    "state": r.state.value,
                    "why": r.why,
                    "key": r.key,
                    "node": r.node,
                    "requests": r.traffic.requests,
                    "sessions": r.traffic.sessions,
                    "errors": r.traffic.errors,
                    "share": r.traffic.share,
                    "p50_ms": r.traffic.p50_ms,
                    "p95_ms": r.traffic.p95_ms,
                }
                for r in self.web
            ],
            "acting": self.acting,
            "drift": [{"what": d.what, "repair": d.repair, "kind": d.kind.value} for d in self.drift],
        }
