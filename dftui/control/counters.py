"""The balancer's own counters before and after an action, and the receipt between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dftui.control.receipts import Drained, Receipt, Served
from dftui.control.world import World


@dataclass(frozen=True, slots=True)
class Counters:
    """Client requests (not attempts) answered, how many with a 5xx, and what the balancer did to save others."""

    requests: int = 0
    failed: int = 0
    retries: int = 0
    redispatches: int = 0


async def read_counters(world: World) -> Counters:
    """Of the frontend: it outlives every server, so what a removed one served stays counted."""
    front = await world.link.frontend()
    return Counters(front.requests, front.failed, front.retries, front.redispatches)


def receipt(before: Counters, after: Counters, drained: Iterable[Drained], served: Iterable[Served] = ()) -> Receipt:
    """What happened in between; after a restart of the balancer counters begin anew, and count from 0."""

    def delta(now: int, then: int) -> int:
        return now - then if now >= then else now

    return Receipt(
        requests=delta(after.requests, before.requests),
        failed=delta(after.failed, before.failed),
        retries=delta(after.retries, before.retries),
        redispatches=delta(after.redispatches, before.redispatches),
        drained=tuple(drained),
        served=tuple(served),
    )
