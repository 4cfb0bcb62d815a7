"""Podman is known by what it says of itself, and one on which no stack could work is refused with a sentence.

What a real one answers was read with Podman 4.3.1; a whole stack on it is tried by hand: see help/podman.md.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dftui.engine.api import Attachment, ContainerSpec, EngineUnreachable
from dftui.engine.connect import connect
from dftui.engine.podman import create_body

VERSION = {
    "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}, {"Name": "Conmon", "Version": "2.1.6"}],
    "Version": "4.3.1",
    "ApiVersion": "1.41",
    "MinAPIVersion": "1.24",
}


@asynccontextmanager
async def podman(folder: Path, **host: str) -> AsyncIterator[str]:
    """The address of one that answers as Podman does, with another id each time."""
    asked = 0

    def answer(path: str) -> dict[str, Any]:
        nonlocal asked
        asked += 1
        if path.endswith("/libpod/info"):
            return {"host": host}
        return VERSION if path.endswith("/version") else {"ID": f"id {asked}", "Name": "vm", "DockerRootDir": "/pm"}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        body = json.dumps(answer(head.split()[1])).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    path = folder / "podman.sock"
    async with await asyncio.start_unix_server(serve, path):
        yield f"unix://{path}"


async def test_it_is_the_same_engine_each_time_it_is_asked(tmp_path: Path) -> None:
    async with podman(tmp_path, networkBackend="netavark") as host:
        engine = await connect(host)
        try:
            first, second = await engine.info(), await engine.info()
        finally:
            await engine.close()
    assert (first.kind, first.version) == ("podman", "4.3.1")
    # The secrets of a stack are kept by it.
    assert first.id == second.id
    assert first.id.startswith("podman-")


async def test_one_whose_containers_know_no_names_is_refused_at_once(tmp_path: Path) -> None:
    async with podman(tmp_path, networkBackend="cni") as host:
        with pytest.raises(EngineUnreachable, match="network backend cni") as told:
            await connect(host)
    assert "netavark" in told.value.hint


def test_haproxy_may_listen_on_port_80_as_a_user_of_its_own() -> None:
    joined = create_body(ContainerSpec("lb", "lb:1", networks=(Attachment("front"),)))
    assert joined["HostConfig"]["Sysctls"] == {"net.ipv4.ip_unprivileged_port_start": "0"}
    # One without a network has no such setting of its own.
    assert "Sysctls" not in create_body(ContainerSpec("job", "job:1", isolated=True))["HostConfig"]
