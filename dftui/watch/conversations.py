"""Who of the data tier is talked to: one client each for the database and the cache, while their containers run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dftui.engine.api import Container, Engine
from dftui.watch.datatier import Cache, Client, Database, Reading
from dftui.watch.observe import running

CLIENTS: tuple[type[Client], ...] = (Database, Cache)


@dataclass(slots=True)
class _Talk:
    ref: str
    task: asyncio.Task[None]


class Conversations:
    """`told` is called with the role and what its client reads; with nothing when its container has gone."""

    def __init__(self, engine: Engine, told: Callable[[str, Reading], None]) -> None:
        self._engine = engine
        self._told = told
        self._talks: dict[str, _Talk] = {}

    def sync(self, containers: Sequence[Container]) -> None:
        """These are the containers now: begin with those that have become well, end with those that are gone."""
        for client in CLIENTS:
            self._follow(client, running(tuple(containers), client.role))

    def lasts(self, role: str) -> bool:
        """Whether its container runs, as far as is known."""
        return role in self._talks

    def _follow(self, client: type[Client], container: Container | None) -> None:
        role = client.role
        held = self._talks.get(role)
        if held is not None and (container is None or container.id != held.ref):
            held.task.cancel()
            del self._talks[role]
            held = None
            self._told(role, Reading())
        if held is None and container is not None and container.health in ("none", "healthy"):
            talk = client(self._engine, container.id, lambda reading: self._told(role, reading))
            self._talks[role] = _Talk(container.id, asyncio.create_task(talk.run(), name=f"figures {role}"))

    async def close(self) -> None:
        """End them."""
        tasks = [talk.task for talk in self._talks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
