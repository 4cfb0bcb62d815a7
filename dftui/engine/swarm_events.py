"""The nodes' events as one stream, and the swarm's own word that a node or a service has changed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress

from dftui.engine.api import EngineError, Event
from dftui.engine.docker import DockerEngine
from dftui.engine.errors import refused, unreachable
from dftui.engine.swarm_links import REST, Links
from dftui.engine.swarm_shape import event_named
from dftui.engine.wire import HttpRefused, json_lines

_AGAIN = 1.0
"""Seconds until a node whose stream ended is listened to again."""


async def merged(links: Links, labels: Mapping[str, str] | None, since: float) -> AsyncGenerator[Event, None]:
    """Events of every node as they come; ends with the manager's stream, by its EngineError. A node that comes or
    goes is an event, too, of the kind "node"."""
    told: asyncio.Queue[Event | EngineError] = asyncio.Queue()
    listening: dict[int, asyncio.Task[None]] = {}

    async def listen(node_id: str, engine: DockerEngine, since: float) -> None:
        try:
            async with aclosing(engine.events(labels, since)) as events:  # type: ignore[type-var]
                async for event in events:
                    told.put_nowait(event_named(event))
        except EngineError as error:
            if node_id == links.manager_id:
                told.put_nowait(error)
                return
            links.give_up(node_id, error)
        if node_id != links.manager_id:
            told.put_nowait(_node_event(node_id, links, "away"))

    async def scheduler() -> None:
        try:
            async with aclosing(_swarm(links)) as events:
                async for event in events:
                    told.put_nowait(event)
        except EngineError as error:
            told.put_nowait(error)

    async def keep_listening() -> None:
        first = True
        while True:
            for node_id, engine in links.engines.items():
                task = listening.get(id(engine))
                if task is None:
                    begin = since if first else time.time() - _AGAIN
                    listening[id(engine)] = asyncio.create_task(listen(node_id, engine, begin))
                    if not first:
                        told.put_nowait(_node_event(node_id, links, "back"))
            first = False
            links.changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(REST if links.missing else None):
                    await links.changed.wait()
            await links.know(links.nodes)

    own = [asyncio.create_task(scheduler()), asyncio.create_task(keep_listening())]
    try:
        while True:
            event = await told.get()
            if isinstance(event, EngineError):
                raise event
            yield event
    finally:
        tasks = [*own, *listening.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _node_event(node_id: str, links: Links, action: str) -> Event:
    node = links.nodes.get(node_id)
    return Event(time.time(), "node", action, node_id, node.name if node else node_id, {})


async def _swarm(links: Links) -> AsyncGenerator[Event, None]:
    """Nodes and services as the manager tells of them: a lost node's tasks move without a word from it."""
    wire = links.manager.wire
    query = {"filters": json.dumps({"type": ["node", "service"]})}
    try:
        reply = await wire.open("GET", "/events", query=query, head_timeout=None)
    except HttpRefused as error:
        raise refused(error.status, error.message, "follow the swarm's events") from None
    async with reply, aclosing(reply.pieces()) as pieces, aclosing(json_lines(pieces)) as values:
        async for raw in values:
            actor = raw.get("Actor") or {}
            name = str((actor.get("Attributes") or {}).get("name", ""))
            at = int(raw.get("timeNano") or 0) / 1e9 or time.time()
            yield Event(at, str(raw.get("Type")), str(raw.get("Action")), str(actor.get("ID", "")), name, {})
    raise unreachable(wire.address.url, "it ended its event stream")
