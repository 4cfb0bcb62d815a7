"""Who of a pool serves nothing, and why; and which Host answers through the balancer, request by request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from dftui.balancer.config import HOST_HEADER
from dftui.balancer.stat import ServerState
from dftui.control.lock import holder
from dftui.control.pool import Pool, look
from dftui.control.world import World
from dftui.dreamfactory.api import Http, server_host
from dftui.dreamfactory.evidence import Silence
from dftui.engine.api import Container
from dftui.watch.derive import Facts, replica_state
from dftui.watch.drift import weight_words
from dftui.watch.sanitise import clean
from dftui.watch.snapshot import EngineFacts

SETTLE = 3.0
"""Seconds that a replica which does not serve has to come back by itself before it is called silent: a check that
failed once on a busy machine passes again within one."""
_LOOK_AGAIN = 0.25
EACH = 3
"""Requests for each replica that serves, in one round of the probe."""
ROUNDS = 8
"""So many more when one got nothing: with `balance random` three requests each leave one out by chance."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One request through the balancer: the Host that answered ("" when it named none), its status, its time."""

    host: str
    status: int
    ms: float


def silence(container: Container, server: ServerState | None) -> Silence | None:
    """Why a replica gets no requests; None when it may get some."""
    if container.state == "running" and server is not None and server.serving:
        return None
    facts = Facts(EngineFacts(), time.time(), been_up=frozenset((container.short,)))
    _, words = replica_state(container, server, True, facts)
    if container.state != "running":
        return Silence("stopped", words or f"is {container.state}")
    if server is None:
        return Silence("table", "runs, but the balancer does not know it: it serves nothing")
    if server.admin == "drain":
        return Silence("drained", "is drained: it takes no new requests")
    if server.admin == "maint":
        return Silence("table", "is taken out of the balancer: it serves nothing")
    if server.weight == 0:
        return Silence("weight", weight_words(0))
    return Silence("check", f"serves nothing: {words or server.status}")


def silent(pool: Pool) -> dict[str, Silence]:
    """Those that get no requests, by the container's id."""
    found = {c.id: silence(c, pool.states.get(c.short)) for c in pool.containers}
    return {ref: why for ref, why in found.items() if why is not None}


@dataclass(frozen=True, slots=True)
class Settled:
    """A pool, those in it that serve nothing, and those that are on their way in or out by somebody's action (the
    action's words by id): these are not to be judged."""

    pool: Pool
    silent: Mapping[str, Silence]
    moving: Mapping[str, str]


async def _told(world: World, pool: Pool) -> dict[str, Silence]:
    """Those that get no requests, by the container's id; of one that is held out the reason that was noted."""
    found = silent(pool)
    if any(why.cause in ("table", "stopped") for why in found.values()):
        noted = {held.name: clean(held.why, 300) for held in await world.held()}
        for container in pool.containers:
            if container.short in noted and container.short not in pool.states:
                found[container.id] = Silence("held", f"is held out: it {noted[container.short]}")
    return found


async def settled(world: World, known: Mapping[str, Silence] | None = None) -> Settled:
    """Look until what is seen is no passing moment: of an action that somebody is doing, or of a check that failed
    once. What was `known` before has not passed. Raises EngineError."""
    end = time.monotonic() + SETTLE
    before: Mapping[str, Silence] = {}
    while True:
        pool = await look(world)
        found = await _told(world, pool)
        # No action gives a weight of 0, so that one is never on its way.
        was = {ref: why.cause for ref, why in (known or {}).items()}
        passing = {r: why for r, why in found.items() if why.cause not in ("weight", "held", was.get(r))}
        if not passing:
            return Settled(pool, found, {})
        if (other := await holder(world.engine, world.stack)) is not None:
            doing = clean(other.what, 80)
            moving = dict.fromkeys(passing, f"while {clean(other.who, 40)} is at: {doing}")
            return Settled(pool, {r: w for r, w in found.items() if r not in moving}, moving)
        same = before.keys() == found.keys()
        deliberate = all(why.cause == "drained" for why in passing.values())
        if same and (deliberate or time.monotonic() > end):
            return Settled(pool, found, {})
        before = found
        await asyncio.sleep(_LOOK_AGAIN)


Ask = Callable[[], Awaitable[tuple[int, str]]]
"""One request through the balancer: its status, and the Host that answered. Raises HttpError."""


def with_token(http: Http, token: str, headers: Mapping[str, str]) -> Ask:
    """DreamFactory itself says which Host it is, to an admin."""
    return lambda: server_host(http, token, headers)


def by_balancer(http: Http, path: str, headers: Mapping[str, str]) -> Ask:
    """Of any other web the balancer says it, to dftui's own probes (`headers` mark them)."""

    async def ask() -> tuple[int, str]:
        answer = await http.request("GET", path, headers=headers)
        return 200 if well(answer.status) else answer.status, answer.headers.get(HOST_HEADER.lower(), "")

    return ask


def well(status: int) -> bool:
    """What HAProxy takes for a health check that passes."""
    return 200 <= status < 400


async def turns(ask: Ask, count: int) -> list[Turn]:
    """Ask the balancer `count` times, on one connection, which Host serves. Raises HttpError."""
    found: list[Turn] = []
    for _ in range(count):
        begin = time.monotonic()
        status, host = await ask()
        found.append(Turn(clean(host, 64), status, round(1000 * (time.monotonic() - begin), 1)))
    return found


def idle(before: Pool, after: Pool) -> dict[str, Silence]:
    """Replicas that could serve all the time between two looks and were given nothing while others were, by id.

    By the balancer's own counters: what other clients sent counts, so that their requests do not take the turn of a
    probe's and make a replica look silent."""
    served: dict[str, int] = {}
    weights: dict[str, int] = {}
    for container in after.containers:
        was, now = before.states.get(container.short), after.states.get(container.short)
        if was is None or now is None or not was.serving or not now.serving:
            continue
        # Attempts that are under way are no answers yet, but they are requests.
        served[container.id] = now.attempts - was.attempts + now.sessions
        weights[container.id] = now.weight
    if not any(served.values()):
        return {}
    most = max(weights.values())

    def why(weight: int) -> Silence:
        if weight < most:
            words = f"has weight {weight} in the balancer, where others have {most}: next to nothing comes to it"
            return Silence("weight", words)
        return Silence("idle", "is up, but the balancer gives it nothing")

    return {ref: why(weights[ref]) for ref, count in served.items() if count == 0}


async def rotate(world: World, ask: Ask, count: int) -> tuple[list[Turn], dict[str, Silence]]:
    """At least `count` turns, and more while one that could serve got none; and those that got none to the end, by
    id (too few turns for all of them say nothing). Raises HttpError and EngineError."""
    before = await look(world)
    found = await turns(ask, count)
    after = await look(world)
    # With `balance source` one client has one replica, so the rest of them says nothing.
    if world.spec.balancer.balance == "source" or count < 2 * len(after.healthy()):
        return found, {}
    for _ in range(ROUNDS):
        if not idle(before, after):
            break
        found += await turns(ask, EACH * len(after.containers))
        after = await look(world)
    return found, idle(before, after)
