"""What becomes of each replica in the balancer, for who follows the logs without a screen: in the words of the panes.

The engine's events say when a container starts and ends; that one is draining, drained or serves again only the
balancer knows, and it has no events: it is asked once a second, as the screen asks it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from dftui.balancer.link import BalancerLink
from dftui.balancer.pair import link_to
from dftui.engine.api import Container, Engine, EngineError
from dftui.stack.spec import StackSpec
from dftui.watch.changes import Story
from dftui.watch.derive import Facts, derive, ever_up
from dftui.watch.observe import PATIENCE, held_out, marked, running
from dftui.watch.snapshot import EngineFacts
from dftui.watch.traffic import Traffics

PERIOD = 1.0
"""Seconds between two looks at the balancer's table."""
_KEPT_OUT_EVERY = 5
"""Looks between two at the balancer's file, which says whom it keeps out and why."""


class States:
    """Asks the balancer of the containers that `sync` told of; `tell` is given a name and what happened to it."""

    def __init__(
        self,
        engine: Engine,
        spec: StackSpec,
        tell: Callable[[str, str], object],
        mask: Callable[[str], str],
        link: BalancerLink | None = None,
    ) -> None:
        """Without `link` it makes its own, and closes it at the end."""
        self._engine = engine
        self._spec = spec
        self._tell = tell
        self._mask = mask
        self._link = link or link_to(engine, spec)
        self._own_link = link is None
        self._containers: tuple[Container, ...] = ()
        self._held: Mapping[str, str] = {}
        self._been_up: frozenset[str] = frozenset()
        self._traffics = Traffics()
        self._looks = 0
        self._story = Story()

    def sync(self, containers: Iterable[Container]) -> None:
        """These containers of the stack exist now."""
        self._containers = tuple(containers)

    async def run(self) -> None:
        """Until cancelled. A balancer that does not answer tells nothing; once it does, all is compared again."""
        try:
            while True:
                if running(self._containers, "balancer") is not None:
                    with suppress(EngineError, TimeoutError):
                        async with asyncio.timeout(PATIENCE):
                            await self.look()
                await asyncio.sleep(PERIOD)
        finally:
            if self._own_link:
                await self._link.close()

    async def look(self) -> None:
        """Once: tell what is not as it was at the look before. Raises EngineError."""
        table = await self._link.table()
        if self._looks % _KEPT_OUT_EVERY == 0:
            self._held = held_out(await marked(self._engine, self._link, self._containers))
        self._looks += 1
        self._been_up = ever_up(self._been_up, table.servers)
        self._traffics.update(table, time.monotonic(), {}, gone=self._link.gone)
        facts = Facts(
            engine=EngineFacts(),
            at=time.time(),
            containers=self._containers,
            servers=table.servers,
            frontend=table.frontend,
            held=self._held,
            been_up=self._been_up,
            traffic=self._traffics.by_server,
        )
        found = derive(self._spec, facts, self._mask)
        for name, words in self._story.news(found, [server.name for server in table.servers]):
            self._tell(name, words)
