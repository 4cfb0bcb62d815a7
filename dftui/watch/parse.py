"""What a log line says about itself: its level, its kind, whether it continues the line before.

Shapes: DreamFactory's application log and entrypoint, nginx, PHP and Python stack traces, MySQL and MariaDB, Redis,
HAProxy; else the first level word in the line's beginning.
"""

from __future__ import annotations

import re

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
_APP = re.compile(r"\[\d{4}-\d\d-\d\d[T ][^\]]*\] \w+\.(\w+): (\[(?:REQUEST|RESPONSE)\])?")
_NGINX = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(\w+)\] \d+#\d+: ")
_ACCESS = re.compile(r'\S+ \S+ \S+ \[[^\]]+\] "[A-Z]+ \S+ HTTP/[\d.]+" (\d)\d\d ')
_REDIS = re.compile(r"\d+:[A-Z] \d\d \w{3} \d{4} [\d:.]+ ([.*#-]) ")
_REDIS_LEVELS: dict[str, Level] = {".": "debug", "-": "info", "*": "notice", "#": "warning"}
_ENTRYPOINT = re.compile(r"(?:Waiting for MySQL|MySQL is ready|Setting [A-Z_]+|Choose a password)")
_TRACE = re.compile(
    r"(?:#\d+ |\[stacktrace\]|\[previous exception\]|\"\} ?$|Stack trace:|  thrown in |\s+at \S|\s+File \"|\s+raise )"
)


def parse(text: str) -> tuple[Level, Kind, bool]:
    """Level, kind and "continues the line before" of one clean line; "" where the text does not say."""
    if not text:
        return "", "", False
    first = text[0]
    if first == "[" and (found := _APP.match(text)):
        what: Kind = "" if found[2] is None else ("request" if found[2] == "[REQUEST]" else "response")
        return _LEVELS.get(found[1].lower(), ""), what, False
    if first in '#[" S' and _TRACE.match(text):
        return "", "trace", True
    if first.isdigit():
        if found := _NGINX.match(text):
            return _LEVELS.get(found[1].lower(), ""), "nginx", False
        if found := _REDIS.match(text):
            return _REDIS_LEVELS[found[1]], "", False
        if found := _ACCESS.match(text):
            return ("error" if found[1] == "5" else "warning" if found[1] == "4" else "info"), "access", False
    elif _ENTRYPOINT.match(text):
        return "info", "entrypoint", False
    head = text[:90].lower()
    for hint in _HINTS:
        if hint in head:
            found = _WORD.search(head)
            return (_LEVELS.get(found[1], "") if found else ""), "", False
    return "", "", False
