"""Finding the engine: an address in words to a connected `Engine`.

Docker itself is imported at the first command, not here: the screen must be painted before.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from dftui.engine.api import Engine, EngineError, EngineUnreachable
from dftui.engine.errors import unreachable
from dftui.engine.wire import Address, Wire

DEFAULT_HOST = "unix:///var/run/docker.sock"
OLDEST_API = (1, 40)
NEWEST_API = (1, 47)
"""The newest API version whose answers were read for this; a newer engine is spoken to in this one."""
_HINT_HOST = "Use unix:///path/to/docker.sock or tcp://host:port."


def address_of(host: str | None = None) -> Address:
    """`host`, else DOCKER_HOST, else the local socket, as an address; TLS as Docker's own client does it, by
    DOCKER_TLS_VERIFY and DOCKER_CERT_PATH. Raises EngineUnreachable for what is no address."""
    url = (host or os.environ.get("DOCKER_HOST") or DEFAULT_HOST).strip()
    if url.startswith("/"):
        url = f"unix://{url}"
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
        tls, folder = _tls(parts.scheme == "https")
        return Address(url, host=parts.hostname, port=port or (2376 if tls else 2375), tls=tls, cert_path=folder)
    if parts.scheme == "ssh":
        raise EngineUnreachable(
            f"“{url}”: engines over ssh are not supported yet.",
            "Forward the socket and name it: ssh -nNT -L /tmp/engine.sock:/var/run/docker.sock "
            "user@host, then --docker unix:///tmp/engine.sock.",
        )
    raise EngineUnreachable(f"“{url}” is not an engine's address.", _HINT_HOST)


def _tls(wanted: bool) -> tuple[ssl.SSLContext | None, str]:
    if not wanted and not os.environ.get("DOCKER_TLS_VERIFY"):
        return None, ""
    folder = Path(os.environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    try:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    except (OSError, ssl.SSLError) as error:
        raise EngineUnreachable(
            f"The certificates for the engine in {folder} cannot be used: {error}.",
            "DOCKER_CERT_PATH must hold ca.pem, cert.pem and key.pem.",
        ) from None
    return context, str(folder)


async def connect(host: str | None = None) -> Engine:
    """An engine that has just answered. Raises EngineUnreachable or EnginePermission with what to do."""
    address = address_of(host)
    try:
        told = await Wire(address).json("GET", "/version", "ask the engine's version", timeout=15.0)
    except EngineUnreachable:
        raise
    except EngineError as error:
        raise unreachable(address.url, f"it answers, but not as an engine does ({error})") from None
    version = _api_version(told, address)
    from dftui.engine.docker import DockerEngine

    return DockerEngine(address, version, str(told.get("Version", "")))


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
