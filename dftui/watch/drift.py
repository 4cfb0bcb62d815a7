"""What differs between wanted, existing and believed: each difference a sentence, and one that says the repair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from dftui.balancer.stat import ServerState
from dftui.engine.api import Container
from dftui.stack import names
from dftui.watch.alarms import Alarm
from dftui.watch.snapshot import Drift, Replica, ReplicaState, Service

_WORDS = {"db": "database", "cache": "cache", "balancer": "balancer"}
_YOUNG = 2.0
"""Seconds that a replica which runs may be on its way into the table (the engine tells its age in whole ones)."""
_LOOK = "look at the log of {}: no repair of dftui's helps there"
SETUP_OPEN = Drift("the setup form is open although there is an admin", "close it", Alarm.SETUP_OPEN)


WEIGHT = 1
"""HAProxy's default, which every server is given: replicas are interchangeable."""


def weight_words(weight: int) -> str:
    """What a weight that is not the others' does; goes behind a replica's name."""
    return f"has weight {weight} in the balancer" + (f", not {WEIGHT}" if weight else ": it serves nothing")


def find_drift(
    wanted: int,
    webs: Sequence[Container],
    services: Mapping[str, Service],
    replicas: Sequence[Replica],
    servers: Sequence[ServerState] | None,
    at: float,
    safe: Callable[[str], str],
    *,
    setup_open: bool = False,
    standby: Service | None = None,
) -> tuple[Drift, ...]:
    """All differences, the gravest first; () for a stack that does not exist. `setup_open`: the setup form can be
    reached although there is an admin; `standby` is the other balancer, of a stack that has two."""
    if not webs and not any(service.id for service in services.values()):
        return ()
    # What is held out is kept on purpose, and counts as nothing.
    out = {replica.id for replica in replicas if replica.held_out}
    webs = [web for web in webs if web.id not in out]
    replicas = [replica for replica in replicas if not replica.held_out]
    found = [SETUP_OPEN] if setup_open else []
    found += _services(services)
    if standby is not None and services["balancer"].id:
        found += _standby(standby)
    if servers is not None and services["balancer"].state == "running":
        found += _table(webs, servers, at, safe)
    found += _replicas(replicas)
    found += _number(wanted, replicas)
    found += _odd_ones(webs, safe)
    found += _off_network(webs, safe)
    return tuple(found)


def _services(services: Mapping[str, Service]) -> list[Drift]:
    found: list[Drift] = []
    for role, word in _WORDS.items():
        service = services[role]
        name = service.name
        match service.state:
            case "running":
                if service.health == "unhealthy":
                    what = f"the {word} {name} does not pass its health check"
                    found.append(Drift(what, _LOOK.format(name), Alarm.SERVICE_UNHEALTHY))
            case "missing":
                found.append(Drift(f"the {word} {name} is missing", f"create {name} again", Alarm.SERVICE_MISSING))
            case "paused":
                found.append(Drift(f"the {word} {name} is paused", f"let {name} go on", Alarm.SERVICE_PAUSED))
            case "exited" | "dead" | "created":
                found.append(Drift(f"the {word} {name} does not run", f"start {name}", Alarm.SERVICE_STOPPED))
            case "restarting":
                what = f"the {word} {name} restarts again and again"
                found.append(Drift(what, _LOOK.format(name), Alarm.SERVICE_RESTARTS))
    return found


def _standby(standby: Service) -> list[Drift]:
    where = f"on {standby.node}"
    if standby.state == "lost":
        what = f"the balancer {where} is lost: its node does not answer"
        return [Drift(what, f"wait for {standby.node}, then bring it in step", Alarm.BALANCER_LOST)]
    if standby.state == "missing":
        return [Drift(f"the standby balancer {where} is missing", "create it", Alarm.STANDBY)]
    if standby.state != "running":
        what = f"the standby balancer {where} does not run ({standby.state})"
        return [Drift(what, "start it in step with the other", Alarm.STANDBY)]
    if standby.in_step is False:
        return [
            Drift(f"the standby balancer {where} is out of step: {standby.why}", "bring it in step", Alarm.STANDBY)
        ]
    return []


def _table(
    webs: Sequence[Container], servers: Sequence[ServerState], at: float, safe: Callable[[str], str]
) -> list[Drift]:
    running = [web for web in webs if web.state == "running"]
    if running and not servers:
        repair = f"add {_many(len(running), 'replica')} to the balancer"
        return [Drift("the balancer's table is empty", repair, Alarm.TABLE_EMPTY)]
    found: list[Drift] = []
    by_id = {web.short: web for web in webs}
    for server in servers:
        web = by_id.get(server.name)
        if web is None:
            name = safe(server.name)
            what = f"the balancer has a server {name} that no container stands for"
            found.append(Drift(what, f"remove server {name}", Alarm.SERVER_WITHOUT_CONTAINER))
            continue
        address = server.address.rpartition(":")[0].strip("[]") or server.address
        known = {one for one in web.addresses.values() if one}  # Podman tells none of a container that has ended
        if address and known and address not in known:
            name = safe(web.name)
            what = f"the balancer looks for {name} at {safe(address)}, where it is not"
            found.append(Drift(what, f"put the address of {name} right in the balancer", Alarm.SERVER_ADDRESS))
        if server.admin == "ready" and server.status == "UP" and server.weight != WEIGHT:
            name = safe(web.name)
            found.append(Drift(f"{name} {weight_words(server.weight)}", "put it back", Alarm.WEIGHT))
    there = {server.name for server in servers}
    for web in running:
        if web.short not in there and at - web.created > _YOUNG:
            name = safe(web.name)
            what = f"{name} runs, but the balancer does not know it"
            found.append(Drift(what, f"add {name} to the balancer", Alarm.NOT_IN_BALANCER))
    return found


def _replicas(replicas: Sequence[Replica]) -> list[Drift]:
    found: list[Drift] = []
    for replica in replicas:
        name = replica.name
        if replica.state is ReplicaState.FAILED:
            found.append(Drift(f"{name} failed: {replica.why}", f"replace {name}", Alarm.FAILED))
        elif replica.state is ReplicaState.STOPPED and replica.why == "stopped":
            found.append(Drift(f"{name} is stopped", f"start {name}", Alarm.REPLICA_STOPPED))
        elif replica.why == "its container is paused":
            found.append(Drift(f"{name} is paused", f"let {name} go on", Alarm.REPLICA_PAUSED))
    return found


def _number(wanted: int, replicas: Sequence[Replica]) -> list[Drift]:
    there = len(replicas)
    if there < wanted:
        missing = _many(wanted - there, "replica")
        return [Drift(f"{_many(wanted, 'replica')} wanted, {there} there", f"create {missing}", Alarm.TOO_FEW)]
    if there > wanted:
        what = f"{_many(wanted, 'replica')} wanted, {there} there"
        return [Drift(what, f"drain and remove {there - wanted}", Alarm.TOO_MANY)]
    return []


def _odd_ones(webs: Sequence[Container], safe: Callable[[str], str]) -> list[Drift]:
    """Replicas unlike the others: another key, another image. The majority holds (the oldest on a tie)."""
    found: list[Drift] = []
    for what, of in (("key", _key), ("image", _image)):
        values = [(of(web), web) for web in sorted(webs, key=lambda one: one.created) if of(web)]
        if len({value for value, _ in values}) < 2:
            continue
        usual = Counter(value for value, _ in values).most_common(1)[0][0]
        for value, web in values:
            if value != usual:
                name = safe(web.name)
                if what == "key":
                    kind = Alarm.ANOTHER_KEY
                    keys = f"{safe(value)}, not {safe(usual)}"
                    text = f"{name} runs with another APP_KEY ({keys}): its tokens fail on the others"
                else:
                    kind = Alarm.ANOTHER_IMAGE
                    text = f"{name} runs another image than the others"
                found.append(Drift(text, f"replace {name}", kind))
    return found


def _off_network(webs: Sequence[Container], safe: Callable[[str], str]) -> list[Drift]:
    """Running replicas that are not on both networks: unreachable for the balancer, or without their database."""
    found: list[Drift] = []
    for web in (one for one in webs if one.state == "running"):
        for which in ("front", "back"):
            if names.network_name(web.labels.get(names.LABEL_STACK, ""), which) not in web.addresses:
                name = safe(web.name)
                what = f"{name} is not on the {which} network"
                found.append(Drift(what, f"replace {name}", Alarm.OFF_NETWORK))
    return found


def _key(web: Container) -> str:
    return web.labels.get(names.LABEL_KEY, "")


def _image(web: Container) -> str:
    return web.image_id


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
