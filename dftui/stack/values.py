"""Kinds of single values of a stack file: what each may be, the sentence when it is not, and its JSON Schema.

A value is a YAML scalar's text and tag as written, so that "8080:80" or "012" are never taken for a number. Validator
and schema use one pattern. Where a pattern cannot tell all, `Bad` names the rule that goes beyond the schema.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dftui.stack import patterns

STR = "tag:yaml.org,2002:str"
INT = "tag:yaml.org,2002:int"
FLOAT = "tag:yaml.org,2002:float"
BOOL = "tag:yaml.org,2002:bool"
NULL = "tag:yaml.org,2002:null"

SPELLING = "spelling"
"""A number or truth value that YAML takes for one, written as this file does not want it (0x10, 1_000, 3.0, yes)."""
ADDRESS = "address"
"""What an IP address or network must be beyond its shape (an IPv6 address's groups, a network's host bits)."""

MIN_MEMORY = 6 * 2**20
"""The least memory limit, in bytes, that a Docker Engine takes."""

Schema = dict[str, Any]
_DECIMAL = re.compile(r"0|[1-9][0-9]*")
_SIZE_FACTORS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_TIME_FACTORS = {"": 1, "s": 1, "m": 60, "h": 3600}


class Bad(Exception):
    """A value that is not allowed; `str()` says what is, `rule` names the rule if no schema can hold it, `near` is
    what was probably meant."""

    def __init__(self, allowed: str, rule: str = "", near: str = "") -> None:
        super().__init__(allowed)
        self.rule = rule
        self.near = near


@dataclass(frozen=True, slots=True)
class Scalar:
    """A YAML scalar: its text without quotes, and the tag that the YAML 1.1 rules give it."""

    text: str
    tag: str


class Kind(Protocol):
    """What one value may be."""

    def read(self, value: Scalar) -> Any:
        """The value. Raises Bad."""
        ...

    def schema(self) -> Schema:
        """The same as a fragment of JSON Schema (draft 2020-12)."""
        ...

    def write(self, value: Any) -> str:
        """A value as it stands in a file."""
        ...


def near(word: str, words: Mapping[str, Any] | tuple[str, ...], cutoff: float = 0.5) -> str:
    """The word that was probably meant, "" when none is like it."""
    return next(iter(difflib.get_close_matches(word.lower(), words, n=1, cutoff=cutoff)), "")


def anchored(pattern: str) -> str:
    """For a schema, whose patterns match anywhere; ECMA's `$` is the very end."""
    return f"^(?:{pattern})$"


def quoted(value: Any) -> str:
    """Text as a YAML scalar, in quotes where it must be."""
    import yaml

    return yaml.safe_dump(value, width=10_000, allow_unicode=True).removesuffix("...\n").rstrip("\n")


@dataclass(frozen=True, slots=True)
class Text:
    """A string that matches `pattern`; `numbers` is the range of those that may stand without quotes."""

    pattern: str
    allowed: str
    numbers: tuple[int, int] | None = None
    longest: int = 0

    def read(self, value: Scalar) -> str:
        """The text."""
        if value.tag in (INT, FLOAT) and self.numbers is not None:
            low, high = self.numbers
            if not _DECIMAL.fullmatch(value.text):
                raise Bad(self.allowed, SPELLING)
            if len(value.text) < 40 and low <= int(value.text) <= high:
                return value.text
            raise Bad(self.allowed)
        if value.tag != STR or (self.longest and len(value.text) > self.longest):
            raise Bad(self.allowed)
        if not re.fullmatch(self.pattern, value.text):
            raise Bad(self.allowed)
        return value.text

    def schema(self) -> Schema:
        """A pattern, and a range for numbers."""
        text: Schema = {"type": "string", "pattern": anchored(self.pattern)}
        if self.longest:
            text["maxLength"] = self.longest
        if self.numbers is None:
            return text
        return {"anyOf": [text, {"type": "integer", "minimum": self.numbers[0], "maximum": self.numbers[1]}]}

    def write(self, value: Any) -> str:
        """In quotes where YAML would take it for something else."""
        return quoted(value)


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `low` to `high`."""

    low: int
    high: int

    def read(self, value: Scalar) -> int:
        """The number."""
        allowed = f"a whole number from {self.low} to {self.high}"
        if value.tag not in (INT, FLOAT):
            raise Bad(allowed)
        if not re.fullmatch(r"-?(0|[1-9][0-9]*)", value.text):
            raise Bad(allowed, SPELLING)
        if len(value.text) > 19 or not self.low <= int(value.text) <= self.high:
            raise Bad(allowed)
        return int(value.text)

    def schema(self) -> Schema:
        """An integer with its bounds."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    def write(self, value: Any) -> str:
        """In digits."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Number:
    """A number from `low` to `high`, in `unit`."""

    low: float
    high: float
    unit: str

    def read(self, value: Scalar) -> float:
        """The number."""
        allowed = f"a number from {self.low:g} to {self.high:g} ({self.unit})"
        found = _float(value, allowed)
        if not self.low <= found <= self.high:
            raise Bad(allowed)
        return found

    def schema(self) -> Schema:
        """A number with its bounds."""
        return {"type": "number", "minimum": self.low, "maximum": self.high}

    def write(self, value: Any) -> str:
        """As short as it goes."""
        return f"{value:g}"


def _float(value: Scalar, allowed: str) -> float:
    if value.tag not in (INT, FLOAT):
        raise Bad(allowed)
    try:
        found = float(value.text)
    except ValueError:
        raise Bad(allowed, SPELLING) from None
    if not math.isfinite(found):
        raise Bad(allowed, SPELLING)
    return found


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these words."""

    choices: tuple[str, ...]

    def read(self, value: Scalar) -> str:
        """The word."""
        if value.text not in self.choices:
            raise Bad("one of " + ", ".join(self.choices), near=near(value.text, self.choices))
        return value.text

    def schema(self) -> Schema:
        """An enumeration."""
        return {"enum": list(self.choices)}

    def write(self, value: Any) -> str:
        """The word."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Truth:
    """Yes or no."""

    def read(self, value: Scalar) -> bool:
        """Whether it is true."""
        if value.tag != BOOL or value.text not in ("true", "false"):
            raise Bad("true or false", SPELLING if value.tag == BOOL else "")
        return value.text == "true"

    def schema(self) -> Schema:
        """A boolean."""
        return {"type": "boolean"}

    def write(self, value: Any) -> str:
        """As YAML has it."""
        return "true" if value else "false"


@dataclass(frozen=True, slots=True)
class Seconds:
    """A time from `low` to `high` seconds: a number of seconds, or with a unit, as 30, 30s, 2m, 1h."""

    low: int
    high: int

    @property
    def _pattern(self) -> str:
        tenths = f"(?:{patterns.whole(self.low, self.high - 1)}(?:\\.[0-9]+)?|{self.high}(?:\\.0+)?)s?"
        units = [tenths]
        for unit, factor in (("m", 60), ("h", 3600)):
            if self.high >= factor:
                units.append(patterns.whole(-(-self.low // factor), self.high // factor) + unit)
        return "|".join(units)

    def read(self, value: Scalar) -> float:
        """Seconds."""
        allowed = f"a time from {self.low:g}s to {self.high:g}s, as 30, 30s or 2m"
        if value.tag in (INT, FLOAT):
            found = _float(value, allowed)
            if not self.low <= found <= self.high:
                raise Bad(allowed)
            return found
        if value.tag != STR or not re.fullmatch(self._pattern, value.text):
            raise Bad(allowed)
        digits = value.text.rstrip("smh")
        return float(digits) * _TIME_FACTORS[value.text[len(digits) :]]

    def schema(self) -> Schema:
        """A number of seconds, or text with a unit."""
        text = {"type": "string", "pattern": anchored(self._pattern)}
        return {"anyOf": [{"type": "number", "minimum": self.low, "maximum": self.high}, text]}

    def write(self, value: Any) -> str:
        """In seconds."""
        return f"{value:g}s"


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes from `low` to `high`, as 268435456, 512m or 2g (units of 1024, as Docker's own)."""

    low: int
    high: int
    allowed: str

    @property
    def _pattern(self) -> str:
        units = []
        for unit, factor in _SIZE_FACTORS.items():
            most = self.high // factor
            if most and unit != "b":
                long = "(?:i?b)?" if factor > 1 else "b?"
                units.append(patterns.whole(-(-self.low // factor), most) + patterns.either_case(unit + long))
        return "|".join(units)

    def read(self, value: Scalar) -> int:
        """Bytes."""
        if value.tag in (INT, FLOAT) and not _DECIMAL.fullmatch(value.text):
            raise Bad(self.allowed, SPELLING)
        if value.tag not in (STR, INT) or not re.fullmatch(self._pattern, value.text):
            raise Bad(self.allowed)
        digits = value.text.rstrip("bBkKmMgGiI")
        return int(digits) * _SIZE_FACTORS[value.text[len(digits) :].lower()[:1]]

    def schema(self) -> Schema:
        """A number of bytes, or text with a unit."""
        whole = {"type": "integer", "minimum": self.low, "maximum": self.high}
        return {"anyOf": [whole, {"type": "string", "pattern": anchored(self._pattern)}]}

    def write(self, value: Any) -> str:
        """In the largest unit that holds it whole."""
        unit = next(u for u in ("g", "m", "k", "") if value % _SIZE_FACTORS[u] == 0)
        return f"{value // _SIZE_FACTORS[unit]}{unit}"


@dataclass(frozen=True, slots=True)
class Publish:
    """PORT or ADDRESS:PORT of the host, for the balancer."""

    def read(self, value: Scalar) -> str:
        """The text."""
        if value.tag == STR and ":" in value.text:
            text = _PUBLISH.read(value)
            address = text.rpartition(":")[0]
            if address.startswith("["):
                try:
                    ipaddress.IPv6Address(address[1:-1])
                except ValueError:
                    raise Bad(_PUBLISH.allowed, ADDRESS) from None
            return text
        return _PUBLISH.read(value)

    def schema(self) -> Schema:
        """A port's number, or text."""
        return _PUBLISH.schema()

    def write(self, value: Any) -> str:
        """As it is, a port's number without quotes."""
        return str(value) if str(value).isdigit() else quoted(value)


_PUBLISH = Text(
    rf"(?:(?:{patterns.IPV4}|\[{patterns.IPV6}\]):)?{patterns.whole(1, 65535)}",
    'PORT or ADDRESS:PORT, as "80", "127.0.0.1:8080" or "[::1]:8080"',
    numbers=(1, 65535),
)


@dataclass(frozen=True, slots=True)
class Subnet:
    """A private IPv4 network (RFC 1918) in CIDR form for the front network."""

    def read(self, value: Scalar) -> str:
        """The text."""
        text = _SUBNET.read(value)
        try:
            return str(ipaddress.IPv4Network(text))
        except ValueError:
            fitting = ipaddress.IPv4Network(text, strict=False)
            raise Bad(_SUBNET.allowed, ADDRESS, near=str(fitting)) from None

    def schema(self) -> Schema:
        """Text."""
        return _SUBNET.schema()

    def write(self, value: Any) -> str:
        """As it is."""
        return quoted(value)


_SUBNET = Text(
    rf"(?:10\.{patterns.OCTET}|172\.{patterns.whole(16, 31)}|192\.168)(?:\.{patterns.OCTET}){{2}}"
    rf"/{patterns.whole(16, 28)}",
    "a private IPv4 network from /16 to /28, as 10.89.7.0/24",
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """An address, or a network in CIDR form, of a proxy in front of the balancer."""

    def read(self, value: Scalar) -> str:
        """The text."""
        if value.tag == STR and value.text.endswith("/0"):
            raise Bad(f"{_PROXY.allowed}; never everybody")
        text = _PROXY.read(value)
        try:
            ipaddress.ip_network(text)
        except ValueError:
            raise Bad(_PROXY.allowed, ADDRESS) from None
        return text

    def schema(self) -> Schema:
        """Text."""
        return _PROXY.schema()

    def write(self, value: Any) -> str:
        """As it is."""
        return quoted(value)


_PROXY = Text(
    rf"{patterns.IPV4}(?:/{patterns.whole(1, 32)})?|{patterns.IPV6}(?:/{patterns.whole(1, 128)})?",
    "an IP address, or a network as 10.1.0.0/16",
)


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable's value: one line of text; numbers and truth values as they are written."""

    def read(self, value: Scalar) -> str:
        """The text."""
        if value.tag == NULL or not re.fullmatch(_LINE, value.text):
            raise Bad('one line of text (quote it; "" for an empty one)')
        return value.text

    def schema(self) -> Schema:
        """Text, a number, a truth value."""
        return {"type": ["string", "number", "boolean"], "pattern": anchored(_LINE)}

    def write(self, value: Any) -> str:
        """In quotes where YAML would take it for something else."""
        return quoted(value)


_LINE = r"[^\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]*"
_LETTER = (
    r"[^\u0000-/:-@\[-`{-\u00bf\u00d7\u00f7\u2000-\u2bff\u3000-\u3004\u3008-\u3020\ud800-\uf8ff\ufe00-\ufe6f\ufeff"
    r"\ufff0-\uffff]"
)
"""A letter or digit of any script, as near as ranges come to it: no control, punctuation, symbol or space."""
_OF_NAME = rf"(?:{_LETTER}|[ ._-])"

PATH = Text(_LINE.removesuffix("*") + "+", "a file's path, from the stack file's folder if it is relative")
NAME = Text("[a-z][a-z0-9-]{0,30}", "a lower-case letter, then at most 30 of a-z, 0-9 and -")
IMAGE = Text(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
    "an image name, as haproxy:3.2 or registry.example.com:5000/team/web:1.0",
)
EMAIL = Text(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", "an e-mail address")
URL_PATH = Text("/[A-Za-z0-9._~/?=&%-]*", "a path that begins with /, as /status")
THEME = Text("[A-Za-z0-9][A-Za-z0-9_-]*", "a theme's name: letters, digits, _ and -")
PHONE = Text(
    "[0-9+()-][0-9 +()-]{4,30}", "a telephone number of at least 5 digits", numbers=(10_000, 10**15), longest=31
)
KEY_NAME = Text(r"\S{1,40}", "a key's name, as x or ctrl+x", numbers=(0, 9))
PERSON = Text(
    rf"{_LETTER}{_OF_NAME}*",
    "a name of at most 40 letters, digits, spaces, dots and hyphens",
    longest=40,
)
"""Plain enough for a variable and DreamFactory's own form."""
WHOLE_NAME = Text(rf"{_LETTER}{_OF_NAME}* (?:{_LETTER}|[._-]){_OF_NAME}*", "first and last name", longest=40)
