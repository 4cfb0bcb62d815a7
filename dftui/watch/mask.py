"""Masking of secrets in anything that is shown, saved or printed: known ones by value, others by their shape.

The shapes are those of the real DreamFactory's logs (the key that its entrypoint prints, JWTs in DEBUG lines,
passwords in JSON bodies), of HTTP (headers, query strings) and of the database's and the cache's own clients.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple
from urllib.parse import quote

MASK = "***"
_SHORTEST = 6
"""Shorter values are not masked by value: they would blank ordinary words."""

# Values that are no secret but an answer about one: "using password: YES", "Choose a password: Aborted.".
_PLAIN = r"(?!(?:YES|NO|null|true|false|none|Aborted|undefined|empty|incorrect|required|mismatch)\b|\*\*\*)"
_NAMES = (
    r"(?:password|passwd|passphrase|pwd|secret|app_?key|api[_-]?key|license[_-]?key|session[_-]?(?:token|id)"
    r"|(?:access|refresh|csrf|xsrf|auth|bearer)?[_-]?token|authorization|credentials?|phpsessid|laravel_session)"
    r"(?:[_-](?:confirmation|hash|root|db))?"
)
_HINTS = (
    *("passw", "passp", "pwd", "secret", "token", "app_key", "appkey", "api_key", "apikey", "api-key", "license"),
    *("session_id", "session-id", "sessionid", "authoriz", "credential", "phpsessid", "laravel_session"),
)
_PARTS = ("pass", "pwd", "secret", "token", "key", "license", "session", "sessid", "authoriz", "credential")
"""One of them is in most hints: fewer to look for where there is none."""
_WORD = r"(?:\"[^\"]*\"?|'[^']*'?|[^\s&\"',;)\\]+)"


class Shape(NamedTuple):
    """What a secret looks like. `signs`: of each of these sets one character must be there (the cheapest question);
    `hints`: one of these, in lower case, must be there; then `pattern` is looked for."""

    signs: tuple[str, ...]
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    becomes: str | Callable[[re.Match[str]], str]


_VALUE = re.compile(r"=[^&;]*")


def _mask_query(found: re.Match[str]) -> str:
    return _VALUE.sub(f"={MASK}", found.group())


_QUOTES = "\"'"
# Quantifiers are possessive where giving back would let a lookahead be dodged.
_SHAPES: tuple[Shape, ...] = (
    # JWTs and whatever else starts as base64 of '{"', also when its end was cut off.
    Shape(("J",), ("eyj",), re.compile(r"eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){0,2}"), MASK),
    # JSON, also escaped inside JSON: "password":"…"; an end that was cut off counts.
    Shape(
        (_QUOTES, ":="),
        _HINTS,
        re.compile(rf"""({_NAMES}\\*["']\s*+(?::|=>)\s*+(\\*["'])){_PLAIN}.*?(?=(?<!\\)\2|$)""", re.I),
        rf"\1{MASK}",
    ),
    # Query strings: every value, names kept.
    Shape(("?", "="), ("?",), re.compile(r"\?[^\s\"'<>?#]*=[^\s\"'<>#]*"), _mask_query),
    Shape(
        (_QUOTES, "="),
        ("set password",),
        re.compile(r"(set\s+password\s+(?:for\s+\S+\s+)?=\s*(?:password\()?)(['\"]).*?(?:\2|$)", re.I),
        rf"\1{MASK}",
    ),
    # Forms, variables, options: NAME=value, --password value.
    Shape(("=",), _HINTS, re.compile(rf"({_NAMES} ?+= ?+)(?!\*\*\*){_WORD}", re.I), rf"\1{MASK}"),
    Shape(("-",), ("--pass",), re.compile(r"(--pass(?:word|wd)? ++)(?!\*\*\*)\S+", re.I), rf"\1{MASK}"),
    # Headers and prose: "X-DreamFactory-Session-Token: …", "Authorization: Bearer …", "password: …".
    Shape(
        (":=",),
        ("x-dreamfactory-", "authorization", "cookie"),
        re.compile(
            r"((?:x-dreamfactory-(?:session-token|api-key)|(?:proxy-)?authorization|(?:set-)?cookie)"
            r"\\*[\"']?\s*+(?::|=>|=)\s*+[\\\"'\[]*+)(?!\*\*\*)[^\r\n\"'\\\]]+",
            re.I,
        ),
        rf"\1{MASK}",
    ),
    Shape((), ("bearer",), re.compile(r"(\bbearer\s++)(?!\*\*\*)[^\s\"',;]{6,}", re.I), rf"\1{MASK}"),
    Shape(
        (":",),
        _HINTS,
        re.compile(
            rf"((?:password|passwd|passphrase|secret|app_?key|api[_-]?key) ?+: ?+){_PLAIN}{_WORD}",
            re.I,
        ),
        rf"\1{MASK}",
    ),
    # URLs: scheme://user:password@host.
    Shape((":", "@"), ("://",), re.compile(r"(://[^\s/:@]*:)(?!\*\*\*@)[^\s/@]+(?=@)"), rf"\1{MASK}"),
    # The database's and the cache's own words.
    Shape(
        (_QUOTES,),
        ("identified",),
        re.compile(r"(identified\s+(?:with\s+\S+\s+)?(?:by|as)\s+(?:password\s+)?)(['\"]).*?(?:\2|$)", re.I),
        rf"\1{MASK}",
    ),
    # Lower-case only: -P is the port.
    Shape(("-",), ("mysql",), re.compile(r"(\bmysql\w*\b(?:(?!\s-p)[^|;&])*\s-p)(?!\*\*\*)\S+"), rf"\1{MASK}"),
    # PHP's stack traces show arguments: PDO->__construct('mysql:host=…', 'user', 'password', Array).
    Shape(
        ("'", ":"),
        ("__construct('",),
        re.compile(r"(__construct\('\w+:[^']*', '[^']*', ')(?!\*\*\*)[^']*", re.I),
        rf"\1{MASK}",
    ),
    Shape(
        (),
        ("requirepass", "masterauth"),
        re.compile(r"((?:requirepass|masterauth)\s++)(?!\*\*\*)\S+", re.I),
        rf"\1{MASK}",
    ),
)
_LONGEST_FLAG = 20
_PHP_ARGUMENT = 15
"""Characters of an argument that PHP shows in a stack trace before "...": zend.exception_string_param_max_len."""
_WITHOUT = {hints: tuple(h for h in hints if not any(part in h for part in _PARTS)) for _, hints, _, _ in _SHAPES}


def mask_path(path: str) -> str:
    """An HTTP path whose query string keeps its names and shows none of its values.

    What is long and stands there without a name is taken for a value.
    """
    head, mark, query = path.partition("?")
    if not mark:
        return path
    parts = [MASK if "=" not in part and len(part) > _LONGEST_FLAG else part for part in query.split("&")]
    return f"{head}?{_VALUE.sub(f'={MASK}', '&'.join(parts))}"


class Masker:
    """Masks text for screens, files and JSON. Masking twice changes nothing."""

    __slots__ = ("_gates", "_values")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """`secrets` are known values (APP_KEY, passwords, tokens); those under six characters are left out."""
        forms = [_forms(value) for value in sorted(set(secrets)) if len(value) >= _SHORTEST]
        # The longest first, so that a value that begins with another is masked whole.
        self._values = tuple(sorted(set().union(*forms), key=lambda value: (-len(value), value)))
        # All forms of a secret mostly begin alike: to look for that beginning is to look for all of them.
        shared = [(_beginning(each), each) for each in forms]
        self._gates = {gate for start, each in shared for gate in ([start] if len(start) >= _SHORTEST else each)}

    def __repr__(self) -> str:
        return f"Masker({len(self._values)} values)"

    def mask(self, text: str) -> str:
        """The text without secrets."""
        for value in self._values_in(text):
            text = text.replace(value, MASK)
        lower = text.lower()
        for shape in _suspects(text, lower):
            text = shape.pattern.sub(shape.becomes, text)
        return text

    def _values_in(self, text: str) -> tuple[str, ...]:
        """The known secrets that a text may hold, the longest first."""
        for gate in self._gates:
            if gate in text:
                return tuple(value for value in self._values if value in text)
        return ()

    def clear(self, text: str) -> bool:
        """Whether nothing in a text, of however many lines, can be a secret."""
        return not self._values_in(text) and not any(_suspects(text, text.lower()))

    def mask_all(self, texts: Sequence[str]) -> list[str]:
        """`mask` of each: many that hold nothing suspicious cost one look at all of them together."""
        joined = "\n".join(texts)
        found = list(texts)
        for value in self._values_in(joined):
            found = [text.replace(value, MASK) for text in found]
        lower = joined.lower()
        for shape in _suspects(joined, lower):
            there = [hint for hint in shape.hints if hint in lower]
            for index, text in enumerate(found):
                low = text.lower()
                if any(hint in low for hint in there):
                    found[index] = shape.pattern.sub(shape.becomes, text)
        return found

    def path(self, path: str) -> str:
        """An HTTP path for the ledger: values in its query string and known secrets masked."""
        return self.mask(mask_path(path))

    def mask_cut(self, text: str) -> str:
        """As `mask`, for text whose end was cut off: the beginning of a known secret at its end goes too."""
        for value in self._values:
            for size in range(min(len(value) - 1, len(text)), 3, -1):
                if text.endswith(value[:size]):
                    return self.mask(text[:-size]) + MASK
        return self.mask(text)


_SIGNS = "".join(sorted({sign for shape in _SHAPES for signs in shape.signs for sign in signs}))


@cache
def _possible(signs: str) -> tuple[Shape, ...]:
    """The shapes that a text with these signs can hold."""
    return tuple(shape for shape in _SHAPES if all(any(one in signs for one in each) for each in shape.signs))


def _suspects(text: str, lower: str) -> Iterator[Shape]:
    """The shapes that may be in a text; to ask for a hint is a look through all of it."""
    parts: bool | None = None
    there: dict[tuple[str, ...], bool] = {}
    for shape in _possible("".join([sign for sign in _SIGNS if sign in text])):
        hints = shape.hints
        if hints not in there:
            if parts is None and hints is _HINTS:
                parts = any(part in lower for part in _PARTS)
            there[hints] = any(hint in lower for hint in (_WITHOUT[hints] if parts is False else hints))
        if there[hints]:
            yield shape


def _beginning(texts: Collection[str]) -> str:
    """With what all of them begin."""
    low, high = min(texts), max(texts)
    return low[: next((at for at, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))]


def _forms(value: str) -> set[str]:
    """A secret as it stands in JSON, in URLs and, cut short, in PHP's stack traces."""
    forms = {value, value.replace("/", "\\/"), quote(value, safe=""), quote(value)}
    if len(value) > _PHP_ARGUMENT:
        forms.add(f"{value[:_PHP_ARGUMENT]}...")
    return forms
