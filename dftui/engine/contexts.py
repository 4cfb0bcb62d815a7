"""Docker's contexts: engines that `docker context create` has given a name.

Source: the docker client's own folder (`DOCKER_CONFIG`, else ~/.docker): `config.json` names the current context,
`contexts/meta/<sha256 of its name>/meta.json` holds each one's address, `contexts/tls` its certificates.  docker-py
finds no context where there is no `config.json`, which `docker context create` does not write.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dftui.engine.api import EngineUnreachable

DEFAULT = "default"
DEFAULT_HOST = "unix:///var/run/docker.sock"


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
        try:
            name = str(json.loads((_folder() / "config.json").read_text()).get("currentContext") or "")
        except (OSError, ValueError, AttributeError):
            name = ""
    return "" if name == DEFAULT else name


def named(name: str) -> Context:
    """A context by its name. Raises EngineUnreachable, naming those there are."""
    own = hashlib.sha256(name.encode()).hexdigest()
    try:
        found = _read(_folder() / "contexts" / "meta" / own / "meta.json")
    except FileNotFoundError:
        there = ", ".join(one.name for one in known())
        raise EngineUnreachable(f"There is no docker context named {name}.", f"There are: {there}.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) else f"its file is not as it should be ({error})"
        raise EngineUnreachable(f"The docker context {name} cannot be read: {why}.", _HINT) from None
    folder = _folder() / "contexts" / "tls" / own / "docker"
    return Context(name, found.host, str(folder) if folder.is_dir() else "")


def known() -> list[Context]:
    """All contexts that can be read, by name; that of the local socket is always there."""
    found = {DEFAULT: Context(DEFAULT, DEFAULT_HOST)}
    for path in (_folder() / "contexts" / "meta").glob("*/meta.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            one = _read(path)
            found.setdefault(one.name, one)
    return [found[name] for name in sorted(found)]


def _read(path: Path) -> Context:
    told = json.loads(path.read_text(encoding="utf-8"))
    return Context(str(told["Name"]), str(told["Endpoints"]["docker"]["Host"]))


def _folder() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


_HINT = "`docker context ls` lists them; --docker takes an address as well."
