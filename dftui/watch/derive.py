"""From facts to the snapshot: what each replica does and why, and what differs from what is wanted. Pure.

Three things are compared: the wanted number, the containers that exist, and the servers that the balancer believes in
(named by the container's 12-hex short id).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from dftui.balancer.stat import FrontendState, ServerState, Standing
from dftui.balancer.tls import PORT as HTTPS_PORT
from dftui.balancer.tls import Certificate
from dftui.engine.api import Container
from dftui.stack import names
from dftui.stack.spec import NOT_FOR_PLAIN, StackSpec
from dftui.watch.datatier import NOTHING, READY, Reading
from dftui.watch.drift import find_drift, weight_words
from dftui.watch.sanitise import clean
from dftui.watch.snapshot import (
    UNUSED,
    EngineFacts,
    Load,
    Replica,
    ReplicaState,
    Service,
    Snapshot,
    Traffic,
)

YOUNG = 10.0
"""Seconds after its creation in which a replica without a server entry is told as starting."""
_SHORT_TEXT = 200
_LOOPBACK = ("127.", "::1", "localhost")


def ever_up(before: frozenset[str], servers: Sequence[ServerState]) -> frozenset[str]:
    """Names of the servers in the table that are up, or were at an earlier look (`before`)."""
    return frozenset(s.name for s in servers if s.status == "UP" or s.name in before)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known at one moment. `servers` is None while the balancer's table cannot be read, and
    `servers_error` says why; `wanted` is None when the balancer's file is not known (the stack file's number holds);
    `held` is why a replica is kept out of the table, by its short id;
    `been_up` holds names of servers that were once up; `loads` are by container id, `traffic` by server name,
    `readings` by role."""

    engine: EngineFacts
    at: float
    containers: tuple[Container, ...] = ()
    servers: tuple[ServerState, ...] | None = None
    servers_error: str = ""
    frontend: FrontendState | None = None
    wanted: int | None = None
    held: Mapping[str, str] = field(default_factory=dict)
    been_up: frozenset[str] = frozenset()
    loads: Mapping[str, Load] = field(default_factory=dict)
    traffic: Mapping[str, Traffic] = field(default_factory=dict)
    total: Traffic = field(default_factory=Traffic)
    readings: Mapping[str, Reading] = field(default_factory=dict)
    setup_closed: bool | None = None
    """Whether the balancer refuses the setup form; None while that is not known."""
    certificate: Certificate | None = None
    """What HTTPS is served with."""
    busy: bool = False
    """An action of this dftui runs: what it is about to put right is no drift."""
    standing: Standing | None = None
    """What the standby says; None while it cannot be asked."""
    away: frozenset[str] = frozenset()
    """Names of the nodes whose engine does not answer."""
    acting: str = ""
    """Who else acts on the stack, doing what, since when: what that one is about to put right is no drift either."""


def derive(spec: StackSpec, facts: Facts, mask: Callable[[str], str] = lambda text: text) -> Snapshot:
    """The snapshot; every foreign string is sanitised and then masked by `mask`."""

    def safe(text: str, limit: int = _SHORT_TEXT) -> str:
        return mask(clean(text, limit))

    by_role: dict[str, list[Container]] = {}
    for container in facts.containers:
        by_role.setdefault(container.labels.get(names.LABEL_ROLE, ""), []).append(container)
    servers = {server.name: server for server in facts.servers or ()}
    known = facts.servers is not None
    webs = sorted(by_role.get("web", ()), key=lambda one: (number_of(one), one.name))
    replicas = tuple(
        _replica(one, servers.get(one.short), known, facts, spec.web.start_timeout, safe) for one in webs
    )
    services = {
        role: _service(spec, role, by_role.get(role, ()), facts, safe) for role in ("db", "cache", "balancer")
    }
    standby = standing_by(spec, services["balancer"], by_role.get("standby", ()), facts, safe)
    if standby is not None:
        services["balancer"] = beside(services["balancer"], standby)
    url, exposed = _url(spec, by_role.get("balancer", ()), facts.engine.host)
    wanted = spec.web.replicas if facts.wanted is None else facts.wanted
    images = {role: one.image for role, one in services.items() if one.image}
    admin = "" if spec.plain else facts.readings.get("db", NOTHING).admin
    setup_open = admin == READY and facts.setup_closed is False
    if replicas:
        images["web"] = replicas[0].image
    return Snapshot(
        stack=spec.name,
        at=facts.at,
        engine=facts.engine,
        wanted=wanted,
        url=url,
        db=services["db"],
        cache=services["cache"],
        balancer=services["balancer"],
        web=replicas,
        images={role: images[role] for role in ("web", "db", "cache", "balancer") if role in images},
        source=safe(next((c.labels[names.LABEL_SOURCE] for c in webs if names.LABEL_SOURCE in c.labels), "")),
        exposed=exposed,
        drift=()
        if facts.busy or facts.acting
        else find_drift(
            wanted, webs, services, replicas, facts.servers, facts.at, safe, setup_open=setup_open, standby=standby
        ),
        standby=standby,
        traffic=facts.total,
        admin=admin,
        setup_open=setup_open,
        kind=spec.web.kind,
        certificate=facts.certificate
        and replace(facts.certificate, names=tuple(safe(name) for name in facts.certificate.names)),
        acting="" if facts.busy else safe(facts.acting),
    )


def nothing(spec: StackSpec) -> Snapshot:
    """Before anything is known."""

    def service(role: str) -> Service:
        return Service(role=role, name=names.container_name(spec.name, role))

    return Snapshot(
        stack=spec.name,
        at=0.0,
        engine=EngineFacts(),
        wanted=spec.web.replicas,
        url="",
        db=service("db"),
        cache=service("cache"),
        balancer=service("balancer"),
    )


def number_of(container: Container) -> int:
    """A replica's number from its label; 0 when it has none."""
    text = container.labels.get(names.LABEL_NUMBER, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _replica(
    container: Container,
    server: ServerState | None,
    known: bool,
    facts: Facts,
    start_timeout: float,
    safe: Callable[[str], str],
) -> Replica:
    held_out = known and server is None and container.short in facts.held
    state, why = replica_state(container, server, known, facts, start_timeout)
    if held_out and container.state == "running":
        state, why = ReplicaState.HELD, f"held out: it {facts.held[container.short]}"
    front = [address for network, address in container.addresses.items() if network.endswith("-front")]
    return Replica(
        name=safe(container.name),
        id=container.id,
        host="" if container.pending else container.short,
        number=number_of(container),
        state=state,
        why=safe(why),
        key=safe(container.labels.get(names.LABEL_KEY, "")),
        image=safe(container.image),
        address=safe(front[0] if front else next(iter(container.addresses.values()), "")),
        created=container.created,
        node=safe(container.node),
        load=facts.loads.get(container.id, Load()),
        traffic=facts.traffic.get(container.short, Traffic()),
        held_out=held_out,
    )


def replica_state(
    container: Container, server: ServerState | None, known: bool, facts: Facts, start_timeout: float = 120.0
) -> tuple[ReplicaState, str]:
    """What a replica does, and why in one sentence ("" where the state says it all). `known`: the balancer's table
    was read."""
    match container.state:
        case "created":
            return ReplicaState.STARTING, "created, not started yet"
        case "restarting" if container.pending:
            return ReplicaState.STARTING, f"the swarm is placing it: {container.pending}"
        case "restarting":
            return ReplicaState.FAILED, f"restarts again and again{_code(container)}"
        case "paused":
            return ReplicaState.UNREACHABLE, "its container is paused"
        case "removing":
            return ReplicaState.STOPPED, "being removed"
        case "exited" | "dead":
            if container.exit_code:
                return ReplicaState.FAILED, f"ended{_code(container)}"
            return ReplicaState.STOPPED, "stopped"
    age = facts.at - container.created
    young = age < YOUNG
    if not known:
        if young:
            return ReplicaState.STARTING, "its container runs"
        return ReplicaState.HELD, _no_table(facts)
    if server is None:
        if young:
            return ReplicaState.STARTING, "not in the balancer yet"
        return ReplicaState.HELD, "runs, but the balancer does not know it"
    return _server_state(server, facts, age, start_timeout)


def _server_state(server: ServerState, facts: Facts, age: float, start_timeout: float) -> tuple[ReplicaState, str]:
    up_before = server.name in facts.been_up or server.requests > 0
    if server.admin == "drain" or server.status == "DRAIN":
        if server.sessions or server.queue:
            return ReplicaState.DRAINING, f"{_many(server.sessions + server.queue, 'request')} left"
        return ReplicaState.DRAINED, "takes no new requests, none left"
    if server.admin == "maint" or server.status == "MAINT":
        if up_before:
            return ReplicaState.DRAINED, "taken out of the balancer"
        return ReplicaState.STARTING, "not let in by the balancer yet"
    if server.status == "UP" or server.status == "no check":
        if server.weight == 0:
            return ReplicaState.HELD, weight_words(0)
        return ReplicaState.SERVING, ""
    if up_before:
        return ReplicaState.UNREACHABLE, f"its health check fails: {server.check_why or 'no answer'}"
    # It answers and says no, or it does not answer at all: the first needs no long patience.
    patience = YOUNG if server.check_code else start_timeout
    if age > patience:
        return ReplicaState.HELD, f"kept out, its health check fails: {server.check_why or 'no answer'}"
    return ReplicaState.STARTING, server.check_why and f"its health check does not pass yet: {server.check_why}"


def _no_table(facts: Facts) -> str:
    states = [c.state for c in facts.containers if c.labels.get(names.LABEL_ROLE) == "balancer"]
    if not states:
        return "there is no balancer that could send it requests"
    if "running" not in states:
        return f"the balancer is {states[0]}"
    return f"the balancer's table cannot be read: {facts.servers_error or 'it does not answer'}"


def _service(
    spec: StackSpec, role: str, found: Sequence[Container], facts: Facts, safe: Callable[[str], str]
) -> Service:
    expected = names.container_name(spec.name, role)
    if not found and role not in spec.services:
        return Service(role=role, name=expected, state=UNUSED, why=NOT_FOR_PLAIN)
    if not found:
        return Service(role=role, name=expected)
    container = next((c for c in found if c.state == "running"), found[0])
    reading = facts.readings.get(role, NOTHING)
    why = reading.trouble
    if container.pending:
        why = f"the swarm is placing it: {container.pending}"
    elif container.state in ("exited", "dead", "restarting"):
        why = f"ended{_code(container)}"
    elif container.state == "paused":
        why = "paused: nothing that needs it works"
    elif container.health == "unhealthy":
        why = "its health check fails"
    elif container.health == "starting":
        why = "its health check has not passed yet"
    elif role == "balancer" and facts.servers is None and facts.servers_error and container.state == "running":
        why = f"its table cannot be read: {facts.servers_error}"
    return Service(
        role=role,
        name=safe(container.name),
        id=container.id,
        state=container.state,
        health=container.health,
        why=safe(why),
        image=safe(container.image),
        figures={safe(k): safe(v) for k, v in reading.figures.items()},
        values=reading.values,
        load=facts.loads.get(container.id, Load()),
        node=safe(container.node),
    )


def standing_by(
    spec: StackSpec, balancer: Service, found: Sequence[Container], facts: Facts, safe: Callable[[str], str]
) -> Service | None:
    """The balancer that stands by; None where the stack file asks for none."""
    pair = spec.pair
    if not pair:
        return None
    node = next(one for one in pair if one != (balancer.node or pair[0]))
    name = names.container_name(spec.name, "standby")
    if not found:
        return Service("standby", name, state="lost" if node in facts.away else "missing", node=node)
    container, standing = found[0], facts.standing
    if container.state != "running":
        standing = None
    why = "" if standing is None else standing.behind
    if standing is not None and standing.ahead:
        why = f"it was told what the balancer on {balancer.node} was not"
    return Service(
        role="standby",
        name=safe(container.name),
        id=container.id,
        state=container.state,
        why=safe(why),
        image=safe(container.image),
        figures={} if standing is None else {"requests": f"{standing.requests:,}", "req/s": f"{standing.rate}"},
        values={} if standing is None else {"requests": standing.requests, "rate": standing.rate},
        load=facts.loads.get(container.id, Load()),
        node=safe(container.node),
        url=_url(spec, found, facts.engine.host)[0],
        in_step=None if standing is None else not why,
    )


def beside(balancer: Service, standby: Service) -> Service:
    """The balancer with its place and how its standby stands, in words, before its figures; after them where that
    is."""
    word = standby.state
    if word == "running":
        word = {True: "in step", False: "behind", None: "silent"}[standby.in_step]
    first = {"active on": balancer.node, "standby": word}
    return replace(balancer, figures={**first, **balancer.figures, "standby on": standby.node})


def _url(spec: StackSpec, balancers: Iterable[Container], engine: str) -> tuple[str, bool]:
    """Where clients go, and whether others than the engine's machine can: from the published port, else from the
    file. A port open to all is reached at the engine's machine, wherever that is."""
    ports = [port for container in balancers for port in container.ports if port.host_port]
    ports.sort(key=lambda port: port.container_port != HTTPS_PORT)
    scheme = "http"
    if not ports:
        published = spec.balancer.publish
        if spec.balancer.tls is not None:
            scheme, published = "https", spec.balancer.tls.publish or "443"
        if published is None or not balancers:
            return "", False
        address, _, number = published.rpartition(":")
        ports_from_file = [(address.strip("[]"), number)]
    else:
        ports_from_file = [(port.host_ip, str(port.host_port)) for port in ports]
        scheme = "https" if ports[0].container_port == HTTPS_PORT else "http"
    exposed = any(not ip.startswith(_LOOPBACK) for ip, _ in ports_from_file)
    ip, number = ports_from_file[0]
    if ip in ("", "0.0.0.0", "::"):
        ip = (urlsplit(engine).hostname if "://" in engine else None) or "127.0.0.1"
    host = f"[{ip}]" if ":" in ip else ip
    return f"{scheme}://{host}:{number}", exposed


def _code(container: Container) -> str:
    return "" if container.exit_code is None else f" with exit code {container.exit_code}"


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
