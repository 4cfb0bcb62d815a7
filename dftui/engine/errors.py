"""The one place where what the engine, its socket or docker-py said becomes an error of `api`.

Messages are single lines of the engine's own words, not sanitised: whoever shows them does that.  The texts matched
here are those of Docker 20.10 to 28, as its daemon sends them in `{"message": …}` and in progress streams.
"""

from __future__ import annotations

import re

from dftui.engine.api import (
    Conflict,
    EngineError,
    EnginePermission,
    EngineUnreachable,
    NoSpace,
    NotFound,
    PortInUse,
    PullRefused,
    RegistryUnreachable,
)

HINT_START = (
    "Install and start Docker (apt-get install docker.io, then systemctl start docker), "
    "or name another engine with --docker or DOCKER_HOST."
)
HINT_FAR = "It is tried again by itself; does `ssh` reach that machine, and is the engine started there?"
HINT_PERMISSION = "Run `sudo usermod -aG docker $USER` and log in again, or run dftui with sudo."
HINT_SPACE = "Free some space on the engine's disk (`docker system df` shows what holds it)."
HINT_POOLS = "Remove networks that nothing uses any more (`docker network ls`)."

_LONG_ID = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
_PORT_TEXTS = (
    "port is already allocated",
    "bind: address already in use",
    "address already in use",
    "ports are not available",
)
# `0.0.0.0:80`, `[::]:80`, `:::80`; the last digits after a colon are the port.  Docker 28 appends the container's
# side (`127.0.0.1:80:172.17.0.2:80/tcp`), so the first match counts.
_BOUND = re.compile(r"(\d+\.\d+\.\d+\.\d+|\[[0-9a-fA-F:]*\]|::):(\d{1,5})\b")
_SPACE_TEXTS = ("no space left on device", "disk quota exceeded")
_CONFLICT_TEXTS = (
    *("pool overlaps", "is already in use by container", "already exists", "address already in use"),
    "is not running: ",  # ended between an exec's creation and its start, which is a 500 (20.10)
)

# Reaching a registry failed before any registry answered.
_UNREACHABLE = re.compile(
    r"dial tcp|no such host|server misbehaving|temporary failure in name resolution|connection refused"
    r"|connection reset by peer|i/o timeout|network is unreachable|no route to host|proxyconnect"
    r"|tls handshake timeout|client\.timeout exceeded|request canceled while waiting for connection"
    r"|context deadline exceeded|: eof$|unexpected eof",
    re.IGNORECASE,
)
# A registry answered, and said no.
_REFUSED = re.compile(
    r"manifest unknown|manifest for .* not found|no matching manifest|not found: does not exist"
    r"|pull access denied|access to the resource is denied|denied:|unauthorized|authentication required"
    r"|no basic auth credentials|incorrect username or password|toomanyrequests|too many requests|rate limit"
    r"|repository .* not found|name unknown|: not found$|forbidden",
    re.IGNORECASE,
)


def one_line(text: str) -> str:
    """The text with every run of white space as one blank, none at its ends, and 64-hex ids cut to 12."""
    return _LONG_ID.sub(r"\1", " ".join(text.split()))


def unreachable(host: str, error: BaseException | str) -> EngineUnreachable:
    """What to say when the connection to the engine at `host` failed, or broke, with `error`."""
    cause = _root(error) if isinstance(error, BaseException) else error
    if host.startswith("ssh:"):
        down = isinstance(cause, FileNotFoundError | ConnectionRefusedError)
        said = "the ssh connection is down" if down else one_line(str(cause)) or type(cause).__name__
        return EngineUnreachable(f"The container engine at {host} cannot be reached: {said}.", HINT_FAR)
    if isinstance(cause, PermissionError):
        return EnginePermission(f"You may not open the container engine's socket {host}.", HINT_PERMISSION)
    if isinstance(cause, FileNotFoundError):
        return EngineUnreachable(f"No container engine answers at {host}: there is no such socket.", HINT_START)
    if isinstance(cause, ConnectionRefusedError):
        if host.startswith("unix:"):
            return EngineUnreachable(
                f"No container engine answers at {host}: the socket is there, but nothing listens on it "
                "(a stopped engine left it behind).",
                "Start the engine (sudo systemctl start docker), or name another with --docker or DOCKER_HOST.",
            )
        return EngineUnreachable(
            f"No container engine answers at {host}: connection refused.",
            "Is the engine started there, and does it listen on that port?",
        )
    if isinstance(cause, TimeoutError):
        return EngineUnreachable(f"The container engine at {host} did not answer in time.", HINT_START)
    words = one_line(cause if isinstance(cause, str) else str(cause) or type(cause).__name__)
    return EngineUnreachable(f"The container engine at {host} cannot be reached: {words}.", HINT_START)


def _root(error: BaseException) -> BaseException:
    """The OSError at the bottom of a chain of wrappers (requests > urllib3 > socket), or the error itself."""
    seen: set[int] = set()
    todo: list[BaseException] = [error]
    while todo:
        one = todo.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        # requests' own errors are OSErrors too, but of the base class and wrapping others.
        if isinstance(one, PermissionError | FileNotFoundError | ConnectionError | TimeoutError):
            return one
        todo.extend(arg for arg in one.args if isinstance(arg, BaseException))
        todo.extend(link for link in (one.__cause__, one.__context__) if link is not None)
        reason = getattr(one, "reason", None)
        if isinstance(reason, BaseException):
            todo.append(reason)
    return error


def refused(status: int, message: str, doing: str) -> EngineError:
    """What to say when the engine answered `status` with `message` while dftui was `doing` something
    ("start df-lb")."""
    message, doing = one_line(message).rstrip("."), one_line(doing)
    lower = message.lower()
    if any(text in lower for text in _SPACE_TEXTS):
        return NoSpace(f"Could not {doing}: no space is left on the engine's disk ({message}).", HINT_SPACE)
    port = _port_in_use(message, lower)
    if port is not None:
        return PortInUse(
            f"Could not {doing}: {port} is already in use.",
            "Free the port, or publish another one.",
        )
    sentence = f"Could not {doing}: {message}." if message else f"Could not {doing}: the engine answered {status}."
    if status == 404:
        return NotFound(sentence)
    if "available" in lower and "address pool" in lower:
        return EngineError(sentence, HINT_POOLS)
    if status == 409 or any(text in lower for text in _CONFLICT_TEXTS):
        return Conflict(sentence)
    return EngineError(sentence)


def _port_in_use(message: str, lower: str) -> str | None:
    """ "port 80 on 127.0.0.1" when the message says that a host port is taken; None when it does not."""
    if not any(text in lower for text in _PORT_TEXTS):
        return None
    found = _BOUND.search(message)
    if found is None:
        # "Address already in use" without a port is a container address that is taken: a conflict, not a port.
        return "a host port" if "port" in lower else None
    ip, port = found.groups()
    return f"port {port}" if ip in ("0.0.0.0", "::", "[::]") else f"port {port} on {ip.strip('[]')}"


def pull_error(ref: str, message: str, status: int = 0) -> EngineError:
    """What to say when pulling `ref` failed with `message`; the class tells an unreachable registry from one that
    answered and refused.  A registry that answers nonsense (a 5xx, a foreign certificate) is neither."""
    words = one_line(message).rstrip(".")
    if any(text in words.lower() for text in _SPACE_TEXTS):
        return NoSpace(f"Could not pull {ref}: no space is left on the engine's disk ({words}).", HINT_SPACE)
    # The image's own name may hold any of the words looked for.
    plain = words.replace(ref, "IMAGE").replace(ref.split(":")[0].split("@")[0], "IMAGE")
    if _UNREACHABLE.search(plain):
        return RegistryUnreachable(
            f"Could not pull {ref}: its registry cannot be reached ({words}).",
            "Check the network and DNS of the engine's machine, or set images: source: bundled.",
        )
    if _REFUSED.search(plain) or status in (401, 403, 404, 429):
        return PullRefused(
            f"Could not pull {ref}: the registry refused ({words}).",
            "Check the image's name and tag, `docker login`, or the registry's limits.",
        )
    return EngineError(f"Could not pull {ref}: {words}.")


def from_docker_py(error: Exception, host: str, doing: str) -> EngineError:
    """Any exception of docker-py, requests or the system, raised while `doing` something, as one of ours."""
    import docker.errors
    import requests.exceptions

    if isinstance(error, EngineError):
        return error
    if isinstance(error, docker.errors.APIError):
        status = int(error.status_code or 0)
        return refused(status, str(error.explanation or error), doing)
    if isinstance(error, requests.exceptions.Timeout | TimeoutError):
        return EngineUnreachable(
            f"The container engine at {host} did not answer in time when asked to {one_line(doing)}.",
            "It may be busy or hung: `docker ps` on its machine tells.",
        )
    if isinstance(error, requests.exceptions.RequestException | OSError):
        return unreachable(host, error)
    return EngineError(f"Could not {one_line(doing)}: {one_line(str(error)) or type(error).__name__}.")
