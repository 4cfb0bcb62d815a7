"""Which replicas are not like the others, and in what: evidence turned into causes. Pure.

A replica is held against what dftui would start it with where that is known, else against most of the others.  What
was tried (a token, a logout, a login seen in the database) counts for more than what a file says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from dftui.dreamfactory.causes import OK, UNCHECKED
from dftui.dreamfactory.evidence import Evidence, Seen
from dftui.dreamfactory.settings import OWN_STORES, Settings

MAX_SKEW = 1.0
"""Seconds that a clock may be off: tokens are good from the second in which they were made, without leeway."""

KEY = "key"
DATABASE = "database"
FILE_CACHE = "file-cache"
CACHE = "cache"
SESSIONS = "file-sessions"
CLOCK = "clock"
IMAGE = "image"
STALE_SETUP = "stale-setup"
UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Odd:
    """One thing in which a replica is not like the others; `words` go behind its name."""

    name: str
    cause: str
    words: str


def oddities(seen: Evidence) -> tuple[Odd, ...]:
    """All of them; of each replica the gravest first, since it mostly explains the others."""
    found: list[Odd] = []
    same_cache = _caches(seen)
    own = _Reference(seen)
    for one in seen.replicas:
        for cause, words in (
            (UNREACHABLE, one.problem),
            (KEY, _key(one, own.key)),
            (DATABASE, _database(one, own.settings)),
            (FILE_CACHE, _file_cache(one)),
            (CACHE, _cache(one, own.settings, same_cache)),
            (CLOCK, _clock(one)),
            (IMAGE, _image(one, own.image)),
            (STALE_SETUP, _setup(one, seen.admins)),
            (SESSIONS, _sessions(one)),
            (one.silence.cause if one.silence else "", one.silence.words if one.silence else ""),
        ):
            if words:
                found.append(Odd(one.name, cause, words))
    found += [Odd(name, silence.cause, silence.words) for name, silence in seen.absent.items()]
    return tuple(found)


def first_of_each(found: Iterable[Odd]) -> dict[str, Odd]:
    """The gravest of each replica, by its name."""
    first: dict[str, Odd] = {}
    for odd in found:
        first.setdefault(odd.name, odd)
    return first


class _Reference:
    """What a replica is held against."""

    def __init__(self, seen: Evidence) -> None:
        settings = [one.settings for one in seen.replicas]
        expected = seen.expected
        self.key = _most([s.key for s in settings], lambda key: expected is not None and key == expected.key)
        self.image = _most([one.image for one in seen.replicas])
        self.settings = expected or usual(settings)


def _most(values: Sequence[str], preferred: Callable[[str], bool] = lambda _: False) -> str:
    """The preferred value if anyone has it, else the most frequent, the first of equals."""
    chosen = next((value for value in values if preferred(value)), None)
    if chosen is not None:
        return chosen
    return Counter(values).most_common(1)[0][0] if values else ""


def usual(settings: Sequence[Settings]) -> Settings:
    """What most of them have, each by itself."""
    return Settings(
        key=_most([s.key for s in settings]),
        database=_most([s.database for s in settings]),
        cache=_most([s.cache for s in settings]),
        sessions=_most([s.sessions for s in settings]),
    )


def _key(one: Seen, key: str) -> str:
    read = one.settings
    if one.file is not None and one.variables.key and one.variables.key != one.file.key:
        held = one.file.key or "none"
        return f"holds APP_KEY {one.variables.key} in its variables, but its application reads {held}"
    if read.key != key:
        return f"runs with another APP_KEY ({read.key or 'none'}, not {key})"
    return read.key_problem and f"runs with an APP_KEY that cannot work: {read.key_problem}"


def _database(one: Seen, own: Settings) -> str:
    other = one.settings.database != own.database
    if one.same_database is False:
        where = f" ({one.settings.database}, not {own.database})" if other else ""
        counts = ", ".join(f"{count} {name}s" for name, count in one.told.counts.items() if name in ("admin", "user"))
        return f"uses another database{where}" + (f"; that one has {counts}" if counts else "")
    if one.same_database is None and other and one.file is not None:
        return f"is set to another database ({one.settings.database}, not {own.database})"
    return ""


def _file_cache(one: Seen) -> str:
    return f"keeps its cache to itself (driver {one.driver})" if one.driver in OWN_STORES else ""


def _cache(one: Seen, own: Settings, same: dict[str, bool]) -> str:
    if one.driver in OWN_STORES:
        return ""
    other = one.settings.cache != own.cache and one.file is not None
    where = f" ({one.settings.cache}, not {own.cache})" if other else ""
    if same.get(one.name) is False:
        return f"uses another cache{where}: what is logged out elsewhere is still good there"
    if one.name not in same and other:
        return f"is set to another cache{where}"
    return ""


def _caches(seen: Evidence) -> dict[str, bool]:
    """By replica whether it has the cache that most have, from the logouts tried; who was not tried is absent."""
    group: dict[str, str] = {}

    def root(name: str) -> str:
        while group.setdefault(name, name) != name:
            name = group[name]
        return name

    for (a, b), cause in seen.logouts.items():
        if cause != UNCHECKED and a != b:
            root(a), root(b)
            if cause == OK:
                group[root(a)] = root(b)
    if not group:
        return {}
    most = _most([root(name) for name in group])
    return {name: root(name) == most for name in group}


def _clock(one: Seen) -> str:
    off = one.clock.least if one.clock.known else 0.0
    if abs(off) <= MAX_SKEW:
        return ""
    return f"has a clock that is {abs(off):.1f} s or more {'ahead' if off > 0 else 'behind'}"


def _image(one: Seen, image: str) -> str:
    return f"runs another image ({short(one.image)}, not {short(image)})" if one.image != image else ""


def _setup(one: Seen, admins: int) -> str:
    if one.setup == 200 and admins > 0 and one.same_database is not False:
        return "still shows /setup although there is an admin: its cache has not heard of it"
    return ""


def _sessions(one: Seen) -> str:
    driver = one.settings.sessions
    return f"keeps forms' sessions to itself (SESSION_DRIVER {driver})" if driver in OWN_STORES else ""


def short(image: str) -> str:
    """12 digits of an image's id."""
    return image.removeprefix("sha256:")[:12]
