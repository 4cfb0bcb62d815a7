"""Finding the engine: an address in words to a connected `Engine`.

Docker itself is imported at the first command, not here: the screen must be painted before.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

from dftui.engine import contexts
from dftui.engine.api import Engine, EngineError, EngineUnreachable
from dftui.engine.errors import unreachable
from dftui.engine.nodes import NoCluster
from dftui.engine.tunnel import Tunnel
from dftui.engine.wire import Address, Wire
from dftui.stack.spec import StackSpec

ELECTION = 30.0
"""Seconds for a swarm whose leader was lost to elect another (it takes ten to twenty)."""
OLDEST_API = (1, 40)
NEWEST_API = (1, 47)
"""The newest API version whose answers were read for this; a newer engine is spoken to in this one."""
_HINT_HOST = "Use unix:///path/to/docker.sock, ssh://user@host, tcp://host:port, or the name of a docker context."


def _where(host: str | None) -> contexts.Context:
    """`host` (an address, or a context's name), else what the environment and the docker client's configuration say,
    in the client's own order: DOCKER_HOST, DOCKER_CONTEXT, the current context, the local socket."""
    url = (host or os.environ.get("DOCKER_HOST") or "").strip()
    if not url:
        name = contexts.current()
        return contexts.named(name) if name else contexts.Context("", contexts.DEFAULT_HOST)
    if url.startswith("/"):
        return contexts.Context("", f"unix://{url}")
    if host and ":" not in url and "/" not in url:
        return contexts.Context("", contexts.DEFAULT_HOST) if url == contexts.DEFAULT else contexts.named(url)
    return contexts.Context("", url)


def address_of(host: str | None = None) -> Address | Tunnel:
    """Where `host` (see `--docker`) leads: an address, or for ssh:// a tunnel that is still to be opened. TLS as
    Docker's own client does it, by DOCKER_TLS_VERIFY and DOCKER_CERT_PATH or by the context's certificates.
    Raises EngineUnreachable for what is no address."""
    where = _where(host)
    url = where.host
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise EngineUnreachable(f"“{url}” is not an engine's address.", _HINT_HOST) from None
    if parts.scheme == "unix":
        path = url.removeprefix("unix://")
        if not path.startswith("/"):
            raise EngineUnreachable(f"“{url}” is not an engine's address: its path must begin with /.", _HINT_HOST)
        return Address(url, path=path)
    if parts.scheme in ("tcp", "http", "https") and parts.hostname:
        if parts.path.strip("/"):
            raise EngineUnreachable(f"“{url}” is not an engine's address: it holds a path.", _HINT_HOST)
        tls, folder = _tls(parts.scheme == "https", where.cert_path)
        return Address(url, host=parts.hostname, port=port or (2376 if tls else 2375), tls=tls, cert_path=folder)
    if parts.scheme == "ssh" and parts.hostname and parts.password is None:
        return Tunnel(url, parts)
    raise EngineUnreachable(f"“{url}” is not an engine's address.", _HINT_HOST)


def _tls(wanted: bool, certificates: str) -> tuple[ssl.SSLContext | None, str]:
    if not wanted and not certificates and not os.environ.get("DOCKER_TLS_VERIFY"):
        return None, ""
    folder = Path(certificates or os.environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    try:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    except (OSError, ssl.SSLError) as error:
        raise EngineUnreachable(
            f"The certificates for the engine in {folder} cannot be used: {error}.",
            "That folder (DOCKER_CERT_PATH) must hold ca.pem, cert.pem and key.pem.",
        ) from None
    return context, str(folder)


async def connect(host: str | None = None) -> Engine:
    """An engine that has just answered. Raises EngineUnreachable or EnginePermission with what to do."""
    where = address_of(host)
    if isinstance(where, Address):
        return await _ask(where, None)
    await where.open()
    try:
        return await _ask(Address(where.url, path=where.path), where)
    except BaseException:
        await where.close()
        raise


async def connect_for(spec: StackSpec, host: str | None = None) -> Engine:
    """The engine that a stack file asks for: the one at `host`, or the swarm that it manages; of one with two
    balancers by the other's manager, when the one at `host` does not answer (its `moved` says so). Raises as
    `connect`."""
    moved = ""
    try:
        engine = await connect(host)
    except EngineUnreachable as error:
        if not spec.pair:
            raise
        name, engine = await _other_manager(spec, error)
        moved = f"{error} The standby on {name} takes over: dftui speaks to that manager."
    if not spec.swarm:
        return engine
    from dftui.engine.docker import DockerEngine
    from dftui.engine.swarm import open_swarm

    async def to_node(where: str) -> DockerEngine:
        found = await connect(where)
        assert isinstance(found, DockerEngine)
        return found

    assert isinstance(engine, DockerEngine)
    try:
        swarm = await open_swarm(engine, spec.nodes, to_node, spec.pair)
        swarm.moved = moved
        return swarm
    except BaseException:
        await engine.close()
        raise


async def _other_manager(spec: StackSpec, why: EngineUnreachable) -> tuple[str, Engine]:
    """One of the two managers that have a balancer, and its name, once its swarm has a leader: the one that was lost
    may have been it. Raises `why` when neither answers."""
    from dftui.engine.cluster import cluster_of

    for name in spec.pair:
        try:
            engine = await connect(spec.nodes[name])
        except EngineUnreachable:
            continue
        end = time.monotonic() + ELECTION
        while time.monotonic() < end:
            try:
                await cluster_of(engine).nodes()
                break
            except NoCluster:
                break  # it is told by whoever asks next
            except EngineError:
                await asyncio.sleep(0.2)
        return name, engine
    raise why


async def _ask(address: Address, tunnel: Tunnel | None) -> Engine:
    try:
        told = await Wire(address).json("GET", "/version", "ask the engine's version", timeout=15.0)
    except EngineUnreachable as error:
        if tunnel is not None:
            raise EngineUnreachable(
                f"The ssh connection to {tunnel.host} is up, but no container engine answers at {tunnel.remote} "
                f"there{await tunnel.why()}.",
                "Is the engine started there, and may that user open its socket (group docker)?",
            ) from None
        raise error
    except EngineError as error:
        raise unreachable(address.url, f"it answers, but not as an engine does ({error})") from None
    version = _api_version(told, address)
    from dftui.engine.docker import DockerEngine
    from dftui.engine.podman import PodmanEngine, is_podman

    if not is_podman(told):
        return DockerEngine(address, version, str(told.get("Version", "")), tunnel)
    engine = PodmanEngine(address, version, str(told.get("Version", "")), tunnel)
    try:
        await engine.check()
    except BaseException:
        await engine.close()
        raise
    return engine


def _api_version(told: object, address: Address) -> str:
    """The newest version that both sides know."""
    if not isinstance(told, dict) or "ApiVersion" not in told:
        raise unreachable(address.url, "what answers there is no container engine")
    newest = _version(str(told["ApiVersion"]))
    oldest = _version(str(told.get("MinAPIVersion") or "1.12"))
    if newest < OLDEST_API:
        raise EngineUnreachable(
            f"The container engine at {address.url} is too old: API {told['ApiVersion']}.",
            "dftui needs Docker 19.03 or newer.",
        )
    chosen = max(min(newest, NEWEST_API), oldest)
    return f"{chosen[0]}.{chosen[1]}"


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (1, 0)
