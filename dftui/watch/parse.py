"""What a log line says about itself: its level, its kind, whether it continues the line before.

Shapes: DreamFactory's application log and entrypoint, nginx, PHP and Python stack traces, MySQL and MariaDB, Redis,
HAProxy; else the first level word in the line's beginning.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dftui.watch.lines import Kind, Level

_LEVELS: dict[str, Level] = {
    "debug": "debug",
    "trace": "debug",
    "info": "info",
    "note": "notice",
    "notice": "notice",
    "system": "notice",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "err": "error",
    "critical": "critical",
    "crit": "critical",
    "alert": "critical",
    "emerg": "critical",
    "emergency": "critical",
    "fatal": "critical",
    "panic": "critical",
}
_WORD = re.compile(
    r"\b(debug|info|note|notice|system|warn(?:ing)?|err(?:or)?|crit(?:ical)?|alert|emerg(?:ency)?|fatal|panic)\b"
    r"(?=\]|:| |$|>)"
)
_HINTS = ("err", "warn", "info", "not", "debug", "crit", "fatal", "system", "alert", "emerg", "panic")
_APP = re.compile(r"\[\d{4}-\d\d-\d\d[T ][^\]]*\] \w+\.(\w+): (?:(\[(?:REQUEST|RESPONSE)\]) ?)?")
_NGINX = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(\w+)\] \d+#\d+: ")
_ACCESS = re.compile(r'\S+ \S+ \S+ \[[^\]]+\] "[A-Z]+ \S+ HTTP/[\d.]+" (\d)\d\d ')
_REDIS = re.compile(r"\d+:[A-Z] \d\d \w{3} \d{4} [\d:.]+ ([.*#-]) ")
_REDIS_LEVELS: dict[str, Level] = {".": "debug", "-": "info", "*": "notice", "#": "warning"}
_ENTRYPOINT = re.compile(r"(?:Waiting for MySQL|MySQL is ready|Setting [A-Z_]+|Choose a password)")
_TRACE = (
    r"(?:#\d+ |\[stacktrace\]|\[previous exception\]|\"\} ?$|Stack trace:|  thrown in |\s+at \S|\s+File \"|\s+raise )"
)
_TRACE_TEXT, _TRACE_BYTES = re.compile(_TRACE), re.compile(_TRACE.encode())
_TRACE_FIRST = frozenset(b'#[" S\t')
_METHOD = re.compile(r'"Method":"([A-Z]{1,10})"')
_SERVICE = re.compile(r'"Service":"([^"]{1,80})"')
_RESOURCE = re.compile(r'"Resource":"([^"]{1,400})"')
_STATUS = re.compile(r'"Status Code":(\d{3})\b')


class Parsed(NamedTuple):
    """What one clean line says; "" and 0 where it says nothing. `folds`: it continues the line before. The last three
    are of DreamFactory's lines: see `dftui.watch.lines.Line`."""

    level: Level = ""
    kind: Kind = ""
    folds: bool = False
    method: str = ""
    path: str = ""
    status: int = 0
    body: int = 0


_NOTHING = Parsed()


def parse(text: str) -> Parsed:
    """Look at one clean line."""
    if not text:
        return _NOTHING
    first = text[0]
    if first == "[" and (found := _APP.match(text)):
        return _application(text, found)
    if first in '#[" S\t' and _TRACE_TEXT.match(text):
        return Parsed("", "trace", True)
    if first.isdigit():
        if found := _NGINX.match(text):
            return Parsed(_LEVELS.get(found[1].lower(), ""), "nginx")
        if found := _REDIS.match(text):
            return Parsed(_REDIS_LEVELS[found[1]])
        if found := _ACCESS.match(text):
            return Parsed("error" if found[1] == "5" else "warning" if found[1] == "4" else "info", "access")
    elif _ENTRYPOINT.match(text):
        return Parsed("info", "entrypoint")
    head = text[:90].lower()
    for hint in _HINTS:
        if hint in head:
            found = _WORD.search(head)
            return Parsed(_LEVELS.get(found[1], "")) if found else _NOTHING
    return _NOTHING


def _application(text: str, found: re.Match[str]) -> Parsed:
    level = _LEVELS.get(found[1].lower(), "")
    method = _METHOD.search(text, found.end()) if found[2] == "[REQUEST]" else None
    if method is not None:
        parts = (_SERVICE.search(text, found.end()), _RESOURCE.search(text, found.end()))
        path = "/".join(part[1] for part in parts if part)
        return Parsed(level, "request", False, method[1], path, 0, found.end())
    if found[2] == "[RESPONSE]":
        status = _STATUS.search(text, found.end())
        return Parsed(level, "response", False, "", "", int(status[1]) if status else 0, found.end())
    return Parsed(level, "request" if found[2] else "", body=found.end())


def continues(data: bytes, in_trace: bool) -> bool:
    """Whether a raw line goes on with the one before it as part of a stack trace; `in_trace`: that one did, too.

    Cheap, as every line is asked. Inside a trace, blank and indented lines belong to it (Python shows its source so).
    """
    if not data:
        return in_trace
    first = data[0]
    if first not in _TRACE_FIRST:
        return False
    if in_trace and (first == 0x20 or first == 0x09):
        return True
    return _TRACE_BYTES.match(data) is not None
