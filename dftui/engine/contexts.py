"""Docker's contexts: engines that `docker context create` has given a name.

Source: the docker client's own folder (`DOCKER_CONFIG`, else ~/.docker): `config.json` names the current context,
`contexts/meta` holds each one's address, `contexts/tls` its certificates.  docker-py reads them; it is imported only
where a context is used.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from dftui.engine.api import EngineUnreachable

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Context:
    """A named engine: its address, and the folder of its certificates ("" without TLS)."""

    name: str
    host: str
    cert_path: str = ""


def current() -> str:
    """The context that the docker client would use: DOCKER_CONTEXT, else its configuration's; "" for none."""
    name = os.environ.get("DOCKER_CONTEXT", "")
    if not name:
        folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
        try:
            name = str(json.loads((folder / "config.json").read_text()).get("currentContext") or "")
        except (OSError, ValueError, AttributeError):
            name = ""
    return "" if name == DEFAULT else name


def named(name: str) -> Context:
    """A context by its name. Raises EngineUnreachable, naming those there are."""
    from docker.context import ContextAPI

    try:
        found = ContextAPI.get_context(name)
        host = found.Host if found is not None else ""
    except Exception as error:  # docker-py raises plain Exceptions for broken files
        raise EngineUnreachable(f"The docker context {name} cannot be read: {error}.", _HINT) from None
    if not host:
        raise EngineUnreachable(f"There is no docker context named {name}.", f"There are: {', '.join(known())}.")
    folder = Path(found.tls_path) / "docker"
    return Context(name, host, str(folder) if folder.is_dir() else "")


def known() -> list[str]:
    """The names of all contexts that can be read."""
    from docker.context import ContextAPI

    try:
        return sorted(context.name for context in ContextAPI.contexts())
    except Exception:
        return [DEFAULT]


_HINT = "`docker context ls` lists them; --docker takes an address as well."
