"""Variables of a service that stand in no specification: passwords and keys as secrets of the swarm.

A container finds them as files in memory.  The images read variables only, so what a service runs is put behind a
shell that makes variables of the files, and so is each command that is run in it; whoever may ask a manager sees
names.  Neither can a manager be asked for a value again: it is read where a container has it.
Source of the shapes: Docker Engine API 1.41 ("Create a secret", "Create a service").
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dftui.engine.api import Conflict, ContainerSpec, EngineError
from dftui.engine.docker import DockerEngine
from dftui.stack import names
from dftui.stack.names import LABEL_STACK

LABEL_SECRETS = "dftui.secrets"
"""Of a container: its secrets, as VARIABLE=NAME, with a space between."""
_FOLDER = "/run/secrets"
_MODE = 0o444
"""Its process runs as any user; what is in a container, all of it may read."""
_LOAD = f'IFS= read -r dftui_value <"{_FOLDER}/$dftui_name"'
_READ = f'for dftui_name; do {_LOAD}; printf "%s\\n" "$dftui_value"; done'


@dataclass(frozen=True, slots=True)
class Hidden:
    """What a service has as secrets, each by its variable: (id, name); and what its image would run by itself."""

    secrets: Mapping[str, tuple[str, str]]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]


def told(labels: Mapping[str, str]) -> dict[str, str]:
    """The secrets of a container by variable, as its labels say."""
    pairs = (word.partition("=") for word in labels.get(LABEL_SECRETS, "").split())
    return {variable: name for variable, _, name in pairs}


def behind(variables: Iterable[str], argv: Sequence[str]) -> tuple[str, ...]:
    """A command line with these secrets as its variables: `sh`, which becomes the command."""
    if not (which := " ".join(sorted(variables))):
        return tuple(argv)
    load = f'for dftui_name in {which}; do {_LOAD}; export "$dftui_name=$dftui_value"; done'
    return ("sh", "-c", f'{load}; unset dftui_name dftui_value; exec "$@"', "sh", *argv)


def into(body: dict[str, Any], spec: ContainerSpec, hidden: Hidden) -> None:
    """Give the body of a service its secrets in the place of variables."""
    container = body["TaskTemplate"]["ContainerSpec"]
    container["Env"] = [f"{name}={value}" for name, value in spec.env.items() if name not in hidden.secrets]
    container["Secrets"] = [
        {
            "SecretID": ref,
            "SecretName": name,
            "File": {"Name": variable, "UID": "0", "GID": "0", "Mode": _MODE},
        }
        for variable, (ref, name) in hidden.secrets.items()
    ]
    listed = " ".join(f"{variable}={name}" for variable, (_, name) in hidden.secrets.items())
    container["Labels"] = {**container["Labels"], LABEL_SECRETS: listed}
    container["Command"] = list(behind(hidden.secrets, spec.entrypoint or hidden.entrypoint))
    command = spec.command
    if command is None:
        command = () if spec.entrypoint is not None else hidden.command
    container["Args"] = list(command)


class Secrets:
    """The secrets of a swarm that are stacks' of dftui."""

    def __init__(self, manager: DockerEngine) -> None:
        self._wire = manager.wire
        self._values: dict[str, str] = {}
        """By name; what has a name never changes."""

    async def hide(self, spec: ContainerSpec, image_id: str) -> Hidden:
        """Have the secrets of a service in the swarm, those of the same name as they are."""
        stack = spec.labels.get(LABEL_STACK, "")
        doing = f"keep the secrets of {spec.name}"
        there = await self._ids(stack)
        found: dict[str, tuple[str, str]] = {}
        for variable, version in spec.secrets.items():
            name = names.secret_name(stack, variable, version)
            if name not in there:
                data = base64.b64encode(spec.env[variable].encode()).decode()
                body = {"Name": name, "Labels": names.stack_labels(stack, "secret"), "Data": data}
                try:
                    made = await self._wire.json("POST", "/secrets/create", doing, json_body=body)
                    there[name] = str(made["ID"])
                except Conflict:  # made by another one meanwhile
                    there = await self._ids(stack)
                    if name not in there:
                        raise
            found[variable] = there[name], name
            self._values[name] = spec.env[variable]
        image = (await self._wire.json("GET", f"/images/{image_id}/json", f"create {spec.name}")).get("Config") or {}
        return Hidden(found, tuple(image.get("Entrypoint") or ()), tuple(image.get("Cmd") or ()))

    async def _ids(self, stack: str) -> dict[str, str]:
        query = {"filters": json.dumps({"label": [f"{LABEL_STACK}={stack}"]})}
        raw = await self._wire.json("GET", "/secrets", "list the swarm's secrets", query=query)
        return {str(one["Spec"]["Name"]): str(one["ID"]) for one in raw or ()}

    async def sweep(self, stack: str, services: Iterable[Mapping[str, Any]]) -> None:
        """Remove those of the stack that none of its services has."""
        used = {
            str(one.get("SecretName"))
            for service in services
            for one in service["Spec"]["TaskTemplate"]["ContainerSpec"].get("Secrets") or ()
        }
        for name, ref in (await self._ids(stack)).items():
            if name not in used:
                with suppress(EngineError):  # a service has it since: the manager refuses
                    await self._wire.json("DELETE", f"/secrets/{ref}", f"remove the secret {name}")

    async def read(self, engine: DockerEngine, container: str, wanted: Mapping[str, str]) -> dict[str, str]:
        """The values that a container has, by variable; of one that does not run, those that were seen before."""
        unknown = [variable for variable, name in wanted.items() if name not in self._values]
        if unknown:
            with suppress(EngineError):
                done = await engine.exec(container, ("sh", "-c", _READ, "sh", *unknown))
                lines = done.stdout.decode("utf-8", "replace").split("\n")[: len(unknown)]
                if done.exit_code == 0 and len(lines) == len(unknown):
                    self._values.update(zip((wanted[one] for one in unknown), lines, strict=True))
        return {variable: self._values[name] for variable, name in wanted.items() if name in self._values}
