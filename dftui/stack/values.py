"""Reading single values of a stack file: what each kind may be, and the sentence when it is not.

A value is a YAML scalar's text and tag as written, so that "8080:80" or "012" are never taken for a number.
Each reader returns the value or raises `Bad` with what is allowed.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

STR = "tag:yaml.org,2002:str"
INT = "tag:yaml.org,2002:int"
FLOAT = "tag:yaml.org,2002:float"
BOOL = "tag:yaml.org,2002:bool"
NULL = "tag:yaml.org,2002:null"

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_SIZE = re.compile(r"(\d+)(b|k|kb|kib|m|mb|mib|g|gb|gib)?", re.IGNORECASE)
_SIZE_FACTORS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_TIME = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)?")
_TIME_FACTORS = {"": 1, "s": 1, "m": 60, "h": 3600}
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d+)?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_PATH = re.compile(r"/[A-Za-z0-9._~/?=&%-]*")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_PHONE = re.compile(r"[0-9+()-][0-9 +()-]{4,30}")

MIN_MEMORY = 6 * 2**20
"""The least memory limit, in bytes, that a Docker Engine takes."""


class Bad(Exception):
    """A value that is not allowed; `str()` says what is."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A YAML scalar: its text without quotes, and the tag that the YAML 1.1 rules give it."""

    text: str
    tag: str


Reader = Callable[[Scalar], Any]


def text(pattern: re.Pattern[str], allowed: str) -> Reader:
    """A string that matches; numbers count as the text they were written as."""

    def read(value: Scalar) -> str:
        if value.tag not in (STR, INT, FLOAT) or not pattern.fullmatch(value.text):
            raise Bad(allowed)
        return value.text

    return read


def whole(low: int, high: int) -> Reader:
    """A whole number from `low` to `high`."""

    def read(value: Scalar) -> int:
        if value.tag != INT or not re.fullmatch(r"-?(0|[1-9]\d*)", value.text):
            raise Bad(f"a whole number from {low} to {high}")
        number = int(value.text) if len(value.text) < 19 else high + 1
        if not low <= number <= high:
            raise Bad(f"a whole number from {low} to {high}")
        return number

    return read


def number(low: float, high: float, unit: str) -> Reader:
    """A number from `low` to `high`, in `unit`."""

    def read(value: Scalar) -> float:
        allowed = f"a number from {low:g} to {high:g} ({unit})"
        if value.tag not in (INT, FLOAT):
            raise Bad(allowed)
        try:
            found = float(value.text)
        except ValueError:
            raise Bad(allowed) from None
        if not math.isfinite(found) or not low <= found <= high:
            raise Bad(allowed)
        return found

    return read


def one_of(*choices: str) -> Reader:
    """One of these words."""

    def read(value: Scalar) -> str:
        if value.text not in choices:
            raise Bad("one of " + ", ".join(choices))
        return value.text

    return read


def truth(value: Scalar) -> bool:
    """Yes or no."""
    if value.text not in ("true", "false"):
        raise Bad("true or false")
    return value.text == "true"


def seconds(low: float, high: float) -> Reader:
    """A time: a number of seconds, or with a unit, as 30, 30s, 2m, 1h."""

    def read(value: Scalar) -> float:
        allowed = f"a time from {low:g}s to {high:g}s, as 30, 30s or 2m"
        match = _TIME.fullmatch(value.text)
        if value.tag not in (STR, INT, FLOAT) or not match:
            raise Bad(allowed)
        found = float(match[1]) * _TIME_FACTORS[match[2] or ""]
        if not low <= found <= high:
            raise Bad(allowed)
        return found

    return read


def size(low: int, high: int, allowed: str) -> Reader:
    """A size in bytes from `low` to below `high`, as 268435456, 512m or 2g (units of 1024, as Docker's own)."""

    def read(value: Scalar) -> int:
        match = _SIZE.fullmatch(value.text)
        if value.tag not in (STR, INT) or not match or len(match[1]) > 15:
            raise Bad(allowed)
        found = int(match[1]) * _SIZE_FACTORS[(match[2] or "").lower()[:1]]
        if not low <= found < high:
            raise Bad(allowed)
        return found

    return read


def publish(value: Scalar) -> str:
    """PORT or ADDRESS:PORT of the host, for the balancer."""
    allowed = 'PORT or ADDRESS:PORT, as "80", "127.0.0.1:8080" or "[::1]:8080"'
    if value.tag == NULL:
        raise Bad(allowed)
    address, colon, port = value.text.rpartition(":")
    if not re.fullmatch(r"[1-9]\d{0,4}", port) or int(port) > 65535:
        raise Bad(allowed)
    if colon:
        bracketed = address.startswith("[") and address.endswith("]")
        try:
            parsed = ipaddress.ip_address(address[1:-1] if bracketed else address)
        except ValueError:
            raise Bad(allowed) from None
        if (parsed.version == 6) != bracketed:
            raise Bad(allowed)
    return value.text


def subnet(value: Scalar) -> str:
    """A private IPv4 network in CIDR form for the front network."""
    allowed = "a private IPv4 network from /16 to /28, as 10.89.7.0/24"
    try:
        network = ipaddress.IPv4Network(value.text)
    except ValueError:
        raise Bad(allowed) from None
    if not network.is_private or network.is_loopback or network.is_link_local or not 16 <= network.prefixlen <= 28:
        raise Bad(allowed)
    return str(network)


def proxy(value: Scalar) -> str:
    """An address, or a network in CIDR form, of a proxy in front of the balancer."""
    allowed = "an IP address, or a network as 10.1.0.0/16"
    try:
        network = ipaddress.ip_network(value.text)
    except ValueError:
        raise Bad(allowed) from None
    if network.prefixlen == 0:
        raise Bad(f"{allowed}; never everybody")
    return value.text


def variable(value: Scalar) -> str:
    """A variable's value: one line of text; numbers and truth values as they are written."""
    if value.tag == NULL or not value.text.isprintable():
        raise Bad('one line of text (quote it; "" for an empty one)')
    return value.text


stack_name = text(_NAME, "a lower-case letter, then at most 30 of a-z, 0-9 and -")
image = text(_IMAGE, "an image name, as haproxy:3.2 or registry.example.com:5000/team/web:1.0")
email = text(_EMAIL, "an e-mail address")
url_path = text(_PATH, "a path that begins with /, as /status")
theme = text(_WORD, "a theme's name: letters, digits, _ and -")
phone = text(_PHONE, "a telephone number of at least 5 digits")
key_name = text(re.compile(r"\S{1,40}"), "a key's name, as x or ctrl+x")


def person(value: Scalar) -> str:
    """A person's name, plain enough for a variable and DreamFactory's own form."""
    if value.tag != STR or not re.fullmatch(r"[^\W_][\w .-]{0,39}", value.text):
        raise Bad("a name of at most 40 letters, digits, spaces, dots and hyphens")
    return value.text
