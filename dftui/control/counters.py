"""The balancer's own counters before and after an action, and the receipt between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dftui.balancer.pair import frontends
from dftui.balancer.stat import FrontendState
from dftui.control.receipts import Drained, Receipt, Served
from dftui.control.world import World

Counters = Mapping[str, FrontendState]
"""By the balancer's run, first that of the balancer that is spoken to."""
_COUNTED = ("requests", "failed", "retries", "redispatches")


async def read_counters(world: World) -> Counters:
    """Client requests (not attempts) answered, how many with a 5xx, and what was done to save others: of the
    frontend, which outlives every server, so that what a removed one served stays counted. Of a standby, too."""
    return await frontends(world.link)


def receipt(before: Counters, after: Counters, drained: Iterable[Drained], served: Iterable[Served] = ()) -> Receipt:
    """What happened in between; of a balancer that was restarted meanwhile counters begin anew, and count from 0. A
    standby counts if it answered at both ends."""
    sums = dict.fromkeys(_COUNTED, 0)
    for index, (run, now) in enumerate(after.items()):
        then = before.get(run)
        if then is None and index:
            continue
        for name in _COUNTED:
            sums[name] += getattr(now, name) - (getattr(then, name) if then is not None else 0)
    return Receipt(**sums, drained=tuple(drained), served=tuple(served))
