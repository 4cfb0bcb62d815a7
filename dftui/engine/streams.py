"""What an engine tells as it happens: events, log lines and figures, each over one connection of its own.

Closing or cancelling the iterator ends the connection at once.  A stream that breaks off raises EngineUnreachable;
one that the engine ends (the container is gone) simply ends.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from dftui.engine.api import EngineError, EngineUnreachable, Event, LogLine, NotFound, Stats
from dftui.engine.errors import one_line, refused, unreachable
from dftui.engine.frames import BadFrame, LogFrames, LogText, Stamps
from dftui.engine.wire import HttpRefused, Reply, Wire, json_lines

STATS_PERIOD = 2.0
"""Seconds between two samples of a container's CPU and memory."""
_ONE_SHOT = (1, 41)
# Everything that changes what a container or network is; exec_* are left out because each health check makes three.
# Podman filters by a word of its own, died, and then tells it as die.
_ACTIONS = (
    "create start restart stop kill die died oom destroy remove pause unpause rename update health_status "
    "connect disconnect"
).split()
# Attributes of an event that are no labels of the container.
_NOT_LABELS = frozenset(
    ("image", "name", "exitCode", "signal", "oldName", "execID", "execDuration", "containerExitCode", "podId")
)


async def _open(
    wire: Wire, path: str, query: Mapping[str, str], doing: str, head_timeout: float | None = 60.0
) -> Reply:
    try:
        return await wire.open("GET", path, query=query, head_timeout=head_timeout)
    except HttpRefused as error:
        raise refused(error.status, error.message, doing) from None


async def read_logs(
    wire: Wire, ref: str, *, tty: bool, follow: bool, tail: int | None, since_ns: int
) -> AsyncGenerator[Sequence[LogLine], None]:
    """Batches of a container's log lines; see `Engine.logs`."""
    query = {
        "stdout": "1",
        "stderr": "1",
        "timestamps": "1",
        "follow": "1" if follow else "0",
        "tail": "all" if tail is None else str(tail),
    }
    if since_ns:
        query["since"] = f"{since_ns // 1_000_000_000}.{since_ns % 1_000_000_000:09d}"
    # A follower of a container that has written nothing gets its head with the first line on some engines.
    head_timeout = None if follow else 60.0
    reply = await _open(wire, f"/containers/{ref}/logs", query, f"read the log of {ref}", head_timeout)
    decoder: LogFrames | LogText = LogText() if tty else LogFrames()
    coded = reply.chunked and isinstance(decoder, LogFrames)
    feed = decoder.feed_chunked if coded and isinstance(decoder, LogFrames) else decoder.feed
    source = reply.raw() if coded else reply.pieces()
    async with reply, aclosing(source) as pieces:
        try:
            async for piece in pieces:
                if lines := feed(piece):
                    yield lines
                if decoder.ended:
                    break
            else:
                if coded:
                    raise unreachable(wire.address.url, "it closed the connection")
        except (BadFrame, ValueError) as error:
            raise EngineError(f"Could not read the log of {one_line(ref)}: {error}.") from None
        if lines := decoder.end():
            yield lines
        if decoder.error:
            raise EngineError(f"Could not read all of the log of {one_line(ref)}: {decoder.error}.")


async def read_stats(wire: Wire, ref: str) -> AsyncGenerator[Stats, None]:
    """A sample each `STATS_PERIOD`; see `Engine.stats`.

    Singly asked for, since the engine's own stream gathers one each second, and that is most of what an idle dftui
    costs the engine; engines before API 1.41 cannot be asked for a single one without a second's delay."""
    stamps = Stamps()
    source = _samples(wire, ref) if _version(wire.version) >= _ONE_SHOT else _stats_stream(wire, ref)
    async with aclosing(source) as values:
        async for raw in values:
            sample = stats_of(raw, stamps)
            if sample is None:
                return
            yield sample


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


async def _stats_stream(wire: Wire, ref: str) -> AsyncGenerator[Mapping[str, Any], None]:
    reply = await _open(wire, f"/containers/{ref}/stats", {"stream": "1"}, _figures(ref))
    async with reply, aclosing(reply.pieces()) as pieces, aclosing(json_lines(pieces)) as values:
        async for raw in values:
            yield raw


async def _samples(wire: Wire, ref: str) -> AsyncGenerator[Mapping[str, Any], None]:
    query = {"stream": "0", "one-shot": "1"}
    before: Mapping[str, Any] = {}
    while True:
        try:
            raw = await wire.json("GET", f"/containers/{ref}/stats", _figures(ref), query=query)
        except NotFound:
            if before:
                return
            raise
        # As the stream's samples are, each with the one before it.
        yield {**raw, "preread": before.get("read", ""), "precpu_stats": before.get("cpu_stats", {})}
        await asyncio.sleep(STATS_PERIOD if before else STATS_PERIOD / 2)
        before = raw


def _figures(ref: str) -> str:
    return f"read the figures of {ref}"


def stats_of(raw: Mapping[str, Any], stamps: Stamps | None = None) -> Stats | None:
    """One sample of the stats stream (Docker Engine API, ContainerStats) as figures; None for the empty sample
    that the engine sends for a container that does not run.

    CPU is what the container used since the stream's previous sample, in percent of one core.  Memory is without
    the page cache that can be given back: `inactive_file` (cgroup v2) or `total_inactive_file` (v1).
    """
    stamps = stamps or Stamps()
    read = stamps.parse(str(raw.get("read", "")).encode())
    usage = _number(raw, "cpu_stats", "cpu_usage", "total_usage")
    memory = raw.get("memory_stats") or {}
    if read is None or read <= 0 or (usage == 0 and not memory.get("usage")):
        return None
    cpu: float | None = None
    before = stamps.parse(str(raw.get("preread", "")).encode())
    used_before = _number(raw, "precpu_stats", "cpu_usage", "total_usage")
    if before is not None and before > 0 and read > before and used_before:
        cpu = max(0.0, (usage - used_before) * 100.0 / (read - before))
    inside = memory.get("stats") or {}
    cache = int(inside.get("total_inactive_file", inside.get("inactive_file", 0)))
    total = int(memory.get("usage", 0))
    networks = (raw.get("networks") or {}).values()
    return Stats(
        time=read / 1e9,
        cpu=cpu,
        memory=total - cache if cache < total else total,
        memory_limit=int(memory.get("limit", 0)),
        net_rx=sum(int(one.get("rx_bytes", 0)) for one in networks),
        net_tx=sum(int(one.get("tx_bytes", 0)) for one in networks),
    )


def _number(raw: Mapping[str, Any], *path: str) -> int:
    here: Any = raw
    for key in path:
        here = here.get(key) if isinstance(here, Mapping) else None
    return int(here or 0)


async def read_events(wire: Wire, labels: Mapping[str, str] | None, since: float) -> AsyncGenerator[Event, None]:
    """Container and network events; see `Engine.events`.

    The labels are compared here: the engine's own filter would drop every network event, which carries the name of
    its network but not the labels.
    """
    wanted = dict(labels or {})
    query = {"filters": json.dumps({"type": ["container", "network"], "event": _ACTIONS})}
    if since:
        query["since"] = f"{since:.9f}"
    reply = await _open(wire, "/events", query, "follow the engine's events", head_timeout=None)
    known: dict[str, dict[str, str]] = {}
    async with reply, aclosing(reply.pieces()) as pieces, aclosing(json_lines(pieces)) as values:
        async for raw in values:
            event = event_of(raw)
            if event is None:
                continue
            if event.kind == "network" and wanted:
                if event.id not in known:
                    known[event.id] = await _network_labels(wire, event.id)
                event = event_of(raw, known[event.id])
                if event is not None and event.action == "destroy":
                    known.pop(event.id, None)
            if event is not None and wanted.items() <= event.labels.items():
                yield event
    raise unreachable(wire.address.url, "it ended its event stream")


async def _network_labels(wire: Wire, ref: str) -> dict[str, str]:
    try:
        raw = await wire.json("GET", f"/networks/{ref}", "look at a network")
    except EngineUnreachable:
        raise
    except EngineError:
        return {}  # gone again already
    return dict((raw or {}).get("Labels") or {})


def event_of(raw: Mapping[str, Any], network_labels: Mapping[str, str] | None = None) -> Event | None:
    """An event as the API sends it; None for one about something else."""
    kind = str(raw.get("Type", ""))
    if kind not in ("container", "network"):
        return None
    actor = raw.get("Actor") or {}
    attributes = dict(actor.get("Attributes") or {})
    code = attributes.get("exitCode", "")
    nanoseconds = int(raw.get("timeNano") or 0)
    if kind == "container":
        labels = {key: value for key, value in attributes.items() if key not in _NOT_LABELS}
    else:
        labels = dict(network_labels or {})
    return Event(
        time=nanoseconds / 1e9 if nanoseconds else float(raw.get("time") or time.time()),
        kind=kind,
        action=str(raw.get("Action", "")),
        id=str(actor.get("ID", "")),
        name=str(attributes.get("name", "")),
        labels=labels,
        exit_code=int(code) if code.lstrip("-").isdigit() else None,
        container=str(attributes.get("container", "")) if kind == "network" else "",
    )
