"""The marked comments of haproxy.cfg read back: what is wanted, and what was noted beside it."""

from __future__ import annotations

import json
from typing import Any

from dftui.balancer.config import (
    MARK,
    MARK_HELD,
    MARK_SERVER,
    NONCE,
    SCHEMA,
    ConfigError,
    Filed,
    Held,
    Marked,
    Server,
    check_server,
)


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _number(value: object, least: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= least else None


def _server(found: dict[str, Any] | None) -> Server | None:
    if found is None:
        return None
    port = _number(found.get("port"), 1)
    words = [found.get(key) for key in ("name", "address", "replica")]
    if port is None or not all(isinstance(word, str) for word in words):
        return None
    try:
        return check_server(Server(str(words[0]), str(words[1]), port, str(words[2])))
    except ConfigError:
        return None


def _filed(found: object) -> Filed | None:
    if not isinstance(found, dict) or (replicas := _number(found.get("replicas"), 0)) is None:
        return None
    image = found.get("image")
    return Filed(replicas, image) if image is None or isinstance(image, str) else None


def parse(text: str) -> Marked | None:
    """What the marked comments say; None when there are none. Never raises: what cannot be read is left out and
    `whole` is False."""
    state: dict[str, Any] | None = None
    servers: dict[str, Server] = {}
    held: list[Held] = []
    whole = True
    for line in text.splitlines():
        if line.startswith(MARK_HELD):
            note = _object(line[len(MARK_HELD) :]) or {}
            if isinstance(note.get("name"), str) and isinstance(note.get("why"), str):
                held.append(Held(note["name"], note["why"]))
            continue
        if line.startswith(MARK_SERVER):
            server = _server(_object(line[len(MARK_SERVER) :]))
            if server is None or server.name in servers:
                whole = False
            else:
                servers[server.name] = server
        elif line.startswith(MARK):
            found = _object(line[len(MARK) :])
            if found is None or state is not None:
                whole = False
            else:
                state = found
    wanted = _number(state.get("wanted"), 0) if state else None
    if state is None or wanted is None:
        return None
    schema = _number(state.get("schema"), 1) or 0
    stack, nonce = state.get("stack"), state.get("probe_nonce", "")
    return Marked(
        wanted=wanted,
        servers=tuple(servers.values()),
        stack=stack if isinstance(stack, str) else "",
        schema=schema,
        deny_setup=state.get("deny_setup") is True,
        probe_nonce=nonce if isinstance(nonce, str) and NONCE.fullmatch(nonce) else "",
        whole=whole and schema == SCHEMA and state.get("count") == len(servers),
        held=tuple(held),
        filed=_filed(state.get("filed")),
        https=_number(state.get("https"), 1) or 0,
        turn=_number(state.get("turn"), 1) or 0,
    )
