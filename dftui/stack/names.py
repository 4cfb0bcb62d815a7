"""Names and labels of everything that belongs to a stack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SCHEMA = "1"
LABEL_STACK = "dftui.stack"
LABEL_ROLE = "dftui.role"
"""db, cache, balancer, web, or setup (the first web, which holds ADMIN_* and never stays), helper (never started: it
holds the storage's volume while a backup is read or restored). Of two balancers on two nodes of a swarm, the one that
is not spoken to is seen as standby."""
LABEL_SCHEMA = "dftui.schema"
LABEL_NUMBER = "dftui.number"
LABEL_SPEC = "dftui.spec"
"""Hash of all that would make a replica different: image id, variables (by fingerprint), limits."""
LABEL_KEY = "dftui.key"
"""Fingerprint of the APP_KEY a web was started with."""
LABEL_SOURCE = "dftui.source"
"""Where the stack's images came from: pull or bundled."""
LABEL_IMAGE = "dftui.image"
"""On bundled images: role; LABEL_CONTEXT is the hash of their build context."""
LABEL_CONTEXT = "dftui.context"

ROLES = ("db", "cache", "web", "balancer")


def made_by_newer(labels: Mapping[str, str]) -> str:
    """The schema of what a newer dftui made, which this one cannot read; "" for what it can: its own, and whatever
    came before, with the labels that were not there yet missing."""
    schema = labels.get(LABEL_SCHEMA, "")
    return schema if schema.isdecimal() and int(schema) > int(SCHEMA) else ""


def container_name(stack: str, role: str, number: int = 0) -> str:
    """`df-mysql`, `df-redis`, `df-lb`, `df-webN`, as the blog post names them."""
    match role:
        case "db":
            return f"{stack}-mysql"
        case "cache":
            return f"{stack}-redis"
        case "balancer":
            return f"{stack}-lb"
        case "web":
            return f"{stack}-web{number}"
        case "setup" | "helper" | "standby":
            return f"{stack}-{role}"
    raise ValueError(f"no such role: {role}")


def network_name(stack: str, which: str) -> str:
    """`which` is front (balancer, web) or back (web, db, cache)."""
    return f"{stack}-{which}"


def volume_name(stack: str, which: str) -> str:
    """`which` is db, cache or storage."""
    return f"{stack}-{which}"


def data_label(stack: str) -> str:
    """Label of the node of a swarm where the stack's database and cache live."""
    return f"dftui.data.{stack}"


def secret_name(stack: str, variable: str, version: str) -> str:
    """Of a swarm's secret, which cannot be changed, so that another value has another name. At most the 64 characters
    that a swarm takes: a stack's name has 31, a version 12."""
    return f"{stack}.{variable}.{version}"


def stack_labels(stack: str, role: str, **more: str) -> dict[str, str]:
    """Labels of one object; keys of `more` are put behind "dftui."."""
    return {
        LABEL_STACK: stack,
        LABEL_ROLE: role,
        LABEL_SCHEMA: SCHEMA,
        **{f"dftui.{key}": value for key, value in more.items()},
    }


def lowest_free(taken: Iterable[int], count: int) -> list[int]:
    """The `count` lowest replica numbers, from 1, that nobody holds."""
    held = set(taken)
    found: list[int] = []
    number = 1
    while len(found) < count:
        if number not in held:
            found.append(number)
        number += 1
    return found
