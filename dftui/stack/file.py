"""The stack file, `dftui.yaml`: read safely, checked whole, and every mistake told with its place.

What single values may be stands in the table of keys (`fields`); here are the rules between keys. Each of them is
looked at as soon as its own inputs are good, whatever else is wrong.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dftui.stack.fields import ADMIN, TOP, WEB, Field, Section, looks_secret, own_variable, places, show
from dftui.stack.read import FileError, Found, Reader, StackFileError
from dftui.stack.spec import StackSpec

__all__ = ["DEFAULT_NAME", "FileError", "StackFileError", "load", "load_values", "parse", "read_bytes"]

DEFAULT_NAME = "dftui.yaml"
MAX_BYTES = 1 << 20
PLAIN_HEALTH = "/"
"""Where a plain web image is asked for its health; DreamFactory has a path of its own."""


def load(path: Path | None = None) -> StackSpec:
    """Read a stack file; without a path `./dftui.yaml`, and where that is missing the defaults.

    Raises StackFileError with every mistake at once.
    """
    if path is None:
        path = Path(DEFAULT_NAME)
        if not path.exists():
            return StackSpec()
    return parse(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """A file's content; one that is missing or too large raises StackFileError."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise StackFileError([FileError(str(path), 0, 0, f"cannot be read: {error.strerror}")]) from None
    if len(data) > MAX_BYTES:
        raise StackFileError([FileError(str(path), 0, 0, f"is larger than {MAX_BYTES >> 20} MiB")])
    return data


def load_values(path: Path, where: str, keys: Mapping[str, Field]) -> dict[str, Any]:
    """Another file with keys of its own, checked as the stack file is. Raises StackFileError."""
    reader = Reader(str(path))
    root = reader.compose(read_bytes(path))
    found = None if root is None else reader.section(root, where, Section(dict, "", keys))
    if reader.errors:
        raise StackFileError(reader.errors)
    return found.values if isinstance(found, Found) else {}


def parse(data: bytes, file: str) -> StackSpec:
    """Read a stack file's content; `file` is its name for messages. Raises StackFileError."""
    reader = Reader(file, places())
    root = reader.compose(data)
    found = None if root is None else reader.section(root, "the stack file", TOP)
    if isinstance(found, Found):
        _check(reader, found)
    if reader.errors:
        raise StackFileError(reader.errors)
    spec: StackSpec = _made(found) if isinstance(found, Found) else StackSpec()
    return replace(spec, path=file)


def _made(found: Found) -> Any:
    """The dataclass of a section that holds no mistake."""
    made: dict[str, Any] = {}
    for name, value in found.values.items():
        held = found.section.keys[name]
        if isinstance(value, Found):
            if value.pairs:  # an empty section says nothing
                made[name] = _made(value)
        elif isinstance(held, Section):
            made[name] = held.make(mode=value)
        elif found.section is ADMIN and name == "name":
            first, _, last = value.strip().rpartition(" ")
            made.update(first_name=first.strip(), last_name=last)
        else:
            made[name] = value
    if found.section is WEB and made.get("kind") == "plain":
        made.setdefault("health", PLAIN_HEALTH)
    return found.section.make(**made)


def _check(reader: Reader, found: Found) -> None:
    """Every rule between keys whose own inputs are good."""
    web = found.below("web")
    _check_numbers(reader, web)
    _check_kind(reader, found, web)
    _check_tls(reader, found.below("balancer"))
    _check_pair(reader, found)
    if {"target_rps", "target_cpu"} <= web.pairs.keys():
        told = "web.target_cpu stands beside web.target_rps; allowed: one of them"
        reader.error(web.pairs["target_cpu"].key, told, "one target")
    _check_room(reader, found, web)
    admin = found.below("admin")
    if "name" in admin.pairs and {"first_name", "last_name"} & admin.pairs.keys():
        told = "admin.name stands beside admin.first_name or admin.last_name; allowed: the one or the others"
        reader.error(admin.pairs["name"].key, told, "one name")
    logs = found.below("logs")
    one, whole = logs.get("per_container"), logs.get("memory")
    if one is not None and whole is not None and one > whole:
        at = "per_container" if "per_container" in logs.pairs else "memory"
        told = f"logs.per_container is {one:,}, more than logs.memory, {whole:,} bytes"
        reader.error(logs.pairs[at].value, told, "log memory")


def _check_kind(reader: Reader, found: Found, web: Found) -> None:
    """What stands in DreamFactory's place has to be named; and its variables are its own."""
    import yaml

    plain = web.get("kind") == "plain"
    images = found.below("images")
    if plain and "web" not in images.bad and images.get("web") is None:
        told = "web.kind is plain, and images.web names no image; allowed: with one"
        reader.error(web.pairs["kind"].key, told, "plain web")
    env = web.pairs["env"].value if "env" in web.pairs else None
    for key, _ in env.value if isinstance(env, yaml.MappingNode) else ():
        if not isinstance(key, yaml.ScalarNode) or not own_variable(key.value):
            continue
        if not plain:
            told = f"{key.value} may not stand in web.env: dftui sets it itself, the same for all replicas"
            reader.error(key, told, "own variables")
        elif looks_secret(key.value):
            told = f"{key.value} in web.env looks like a secret, and secrets never stand in the stack file"
            reader.error(key, told, "own variables")


def _check_tls(reader: Reader, balancer: Found) -> None:
    tls = balancer.below("tls")
    missing = [name for name in ("cert", "key") if name not in tls.pairs]
    if tls.pairs and missing:
        told = f"balancer.tls has no {' and no '.join(missing)}; allowed: {{cert: FILE, key: FILE}}"
        reader.error(balancer.pairs["tls"].value, told, "HTTPS")
    publish = balancer.get("publish")
    if publish is not None and publish == tls.get("publish"):
        told = f"balancer.publish is {show(publish)}, and so is its tls.publish; allowed: another port for each"
        reader.error(balancer.pairs["publish"].value, told, "HTTPS")


def _check_pair(reader: Reader, found: Found) -> None:
    """Each balancer's manager must be reached when the other one is lost, which could tell where it is."""
    balancer = found.below("balancer")
    pair = balancer.get("nodes") or ()
    if not pair:
        return
    at = balancer.pairs["nodes"].value
    if len(pair) != 2 or pair[0] == pair[1]:
        reader.error(at, f"balancer.nodes holds {show(', '.join(pair))}; allowed: two different nodes", "standby")
    known = found.get("nodes") or {}
    if missing := [name for name in pair if name not in known]:
        told = f"balancer.nodes names {missing[0]}, and nodes does not say how its engine is reached"
        reader.error(at, f"{told}; allowed: names that stand in nodes", "standby")


def _check_numbers(reader: Reader, web: Found) -> None:
    """The mistake is told at the key that the file holds; defaults can be contradicted by any of the three."""
    told_at: set[str] = set()
    for low, high in (("min", "max"), ("min", "replicas"), ("replicas", "max")):
        less, more = web.get(low), web.get(high)
        if less is None or more is None or less <= more:
            continue
        at = low if low in web.pairs else high
        if at in told_at:
            continue
        told_at.add(at)
        default = "" if {low, high} <= web.pairs.keys() else " by default"
        told = (
            f"web.{low} is {less}, more than web.{high}, which is {more}{default}"
            if at == low
            else f"web.{high} is {more}, less than web.{low}, which is {less}{default}"
        )
        reader.error(web.pairs[at].value, told, "number of replicas")


def _check_room(reader: Reader, found: Found, web: Found) -> None:
    subnet, replicas = found.get("subnet"), web.get("replicas")
    if subnet is None or replicas is None:
        return
    # The engine's gateway, the balancer, and one replica more than wanted while they are replaced.
    room, needed = ipaddress.IPv4Network(subnet).num_addresses - 2, replicas + 3
    if room < needed:
        told = f"subnet is {show(subnet)}, which has {room} addresses; {replicas} replicas need {needed}"
        reader.error(found.pairs["subnet"].value, told, "subnet's room")
