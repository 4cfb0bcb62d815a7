"""`verify`'s checks: each a name, a verdict, a cause, a sentence on what breaks for users, and the repair. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dftui.dreamfactory import oddities as odd
from dftui.dreamfactory.causes import OK, REASONS, UNCHECKED
from dftui.dreamfactory.evidence import Evidence, Pair
from dftui.dreamfactory.oddities import Odd
from dftui.stack.spec import NOT_FOR_PLAIN

BREAKS: Mapping[str, str] = {
    "host-rotation": "the others carry its share of the requests, and nothing is left for it to take over",
    "app-key": "tokens from the others get 401 there and its own get 401 elsewhere: users are logged out at random, "
    "and credentials that one saved cannot be read by the other",
    "jwt-portability": "who logged in on one replica is refused by another: sessions fail at random",
    "logout": "after a logout the token is still good on another replica, for whoever has it",
    "backends": "what users write or change on one replica is not there on another, or a part of the pool idles",
    "cache-driver": "each replica remembers by itself: logouts, changed rights and a new admin are not known to all",
    "session-driver": "a form that one replica showed is refused (419) when it is sent to another",
    "clock": "tokens of a clock that is ahead are refused elsewhere, those of one that is behind end too early",
    "image-digest": "the same request is answered by different code each time",
    "first-admin": "nobody can log in, and whoever reaches the setup page first becomes the admin",
    "setup-closed": "a stranger who reaches the page makes an admin of their own",
}
"""Every check in the order of the report, and what it means for users when it fails."""
NOBODY_SERVES = "no replica serves: every request is answered with an error"
NAMES = tuple(BREAKS)
PLAIN_NAMES = ("host-rotation", "clock", "image-digest")
"""Those that can be tried on any web; the others are about DreamFactory alone."""
ASIDE = "not-for-plain"
"""The cause of a check that has stepped aside; it holds."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What puts it right: the words, the key that does it on the screen, and the command; `replaces` are the
    replicas that it replaces."""

    words: str
    key: str = ""
    command: str = ""
    replaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One check; `cause` is one or more of the stable words, joined by commas, "" when it is ok."""

    name: str
    ok: bool
    cause: str
    says: str
    breaks: str = ""
    repairs: tuple[Repair, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def unchecked(self) -> bool:
        """It could not be tried."""
        return self.cause == UNCHECKED

    @property
    def aside(self) -> bool:
        """It is about DreamFactory, and this web is another."""
        return self.cause == ASIDE

    def to_json(self) -> dict[str, Any]:
        """`name`, `ok`, `cause`, and in `detail` the sentences, the repairs and what was measured."""
        detail: dict[str, Any] = {"says": self.says}
        if not self.ok:
            detail["breaks"] = self.breaks
            detail["repairs"] = [{"what": r.words, "key": r.key, "command": r.command} for r in self.repairs]
        return {"name": self.name, "ok": self.ok, "cause": self.cause, "detail": {**detail, **self.facts}}


def checks(seen: Evidence) -> tuple[Check, ...]:
    """All checks, in the order of `NAMES`."""
    found = odd.oddities(seen)
    made = (
        _rotation(seen, found),
        _key(seen, found),
        _cells("jwt-portability", seen, found, seen.uses, "{b} does not take a token of {a}: {why}", _REFUSES),
        _cells("logout", seen, found, seen.logouts, "a logout on {a} is not known on {b}", _FORGETS),
        _backends(seen, found),
        _each("cache-driver", seen, found, (odd.FILE_CACHE,), {one.name: one.driver for one in seen.replicas}),
        _each("session-driver", seen, found, (odd.SESSIONS,), {r.name: r.settings.sessions for r in seen.replicas}),
        _clock(seen, found),
        _each("image-digest", seen, found, (odd.IMAGE,), {one.name: odd.short(one.image) for one in seen.replicas}),
        _admin(seen),
        _setup(seen, found),
    )
    assert tuple(check.name for check in made) == NAMES
    if seen.plain:
        return tuple(check if check.name in PLAIN_NAMES else _aside(check.name) for check in made)
    return made


def _aside(name: str) -> Check:
    return Check(name, True, ASIDE, NOT_FOR_PLAIN)


def _check(name: str, wrong: Sequence[Odd], seen: Evidence, well: str, facts: Mapping[str, Any]) -> Check:
    if not wrong:
        return Check(name, True, "", well, facts=facts)
    return Check(
        name,
        False,
        _causes(one.cause for one in wrong),
        "; ".join(f"{one.name} {one.words}" for one in wrong),
        BREAKS[name],
        repairs(wrong, seen),
        facts,
    )


def _causes(causes: Iterable[str]) -> str:
    return ",".join(dict.fromkeys(causes))


def _unchecked(name: str, seen: Evidence, found: Sequence[Odd]) -> Check:
    ready = any(one.told.ready for one in seen.replicas)
    why = "there is no admin to log in as" if ready else "no replica tells of an admin"
    repaired = _admin(seen).repairs
    if all(one.problem for one in seen.replicas):
        why, repaired = "no replica answered", repairs([one for one in found if one.cause == odd.UNREACHABLE], seen)
    elif seen.admins:
        why, repaired = "no replica let anybody log in", (_look(one.name for one in seen.replicas),)
    return Check(name, False, UNCHECKED, f"not tried, since {why}", "nobody knows whether it holds", repaired)


_REPLACED = (
    *(odd.KEY, odd.DATABASE, odd.FILE_CACHE, odd.CACHE, odd.CLOCK, odd.IMAGE, odd.STALE_SETUP),
    *(odd.SESSIONS, odd.UNREACHABLE, "check", "idle"),
)


_REFUSES = (odd.UNREACHABLE, odd.KEY, odd.DATABASE, odd.CLOCK, "check")
"""Why a replica takes no token of the others."""
_FORGETS = (odd.DATABASE, odd.FILE_CACHE, odd.CACHE)
"""Why it does not know of a logout."""


def repairs(wrong: Sequence[Odd], seen: Evidence) -> tuple[Repair, ...]:
    """What puts these right, each replica once."""
    made: list[Repair] = []
    names = tuple(dict.fromkeys(one.name for one in wrong))
    held = {one.name for one in wrong if one.cause == "held"}
    held |= {one.name for one in seen.replicas if one.silence is not None and one.silence.cause == "held"}
    replaced = tuple(n for n in names if n not in held and any(o.name == n and o.cause in _REPLACED for o in wrong))
    if replaced and {one.cause for one in wrong} == {odd.CLOCK} and len(replaced) == len(seen.replicas):
        made.append(Repair("look at web.env in the stack file for what sets the clock, then roll", "r", "dftui roll"))
    elif replaced:
        made.append(Repair(f"replace {_and(replaced)}", "R", f"dftui repair {' '.join(replaced)}", replaced))
    for name in names:
        if name in held:
            made.append(Repair(f"look at {name}, then remove it, or let it try again", "x", f"dftui undrain {name}"))
    for cause, words, key, command in (
        ("weight", "put the weights in the balancer back", "R", "dftui repair"),
        ("table", "let {} into the balancer", "R", "dftui repair"),
        ("stopped", "start {} again", "R", "dftui repair"),
        ("drained", "let {} serve again", "d", "dftui undrain {}"),
    ):
        for one in wrong:
            if one.cause == cause and one.name not in replaced:
                made.append(Repair(words.format(one.name), key, command.format(one.name)))
    return tuple(dict.fromkeys(made))


_RUNS = Repair("put right what does not run", "R", "dftui repair")


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _rotation(seen: Evidence, found: Sequence[Odd]) -> Check:
    silent = {one.name: one.silence for one in seen.replicas if one.silence is not None} | dict(seen.absent)
    wrong = [one for one in found if one.name in silent and one.words == silent[one.name].words]
    facts = {
        "hosts": dict(seen.hosts),
        "sequence": list(seen.sequence),
        "statuses": {str(status): count for status, count in seen.answers.items()},
        "silent": {name: silence.words for name, silence in silent.items()},
    }
    if not seen.asked and not wrong:
        return _unchecked("host-rotation", seen, found)
    if seen.replicas and all(one.silence is not None for one in seen.replicas):
        why = "; ".join([*seen.down, *(f"{one.name} {one.words}" for one in wrong)])
        repaired = (_RUNS,) if seen.down else repairs(wrong, seen)
        causes = _causes([*["service"][: len(seen.down)], *(one.cause for one in wrong)])
        return Check("host-rotation", False, causes, why, NOBODY_SERVES, repaired, facts)
    bad = sum(count for status, count in seen.answers.items() if status != 200)
    made = _check("host-rotation", wrong, seen, _spread(seen), facts)
    if not bad:
        return made
    says = f"{bad} of {seen.asked} requests with a good token were refused"
    blamed = [one for one in _refusing(seen, found) if one.name not in silent]
    return Check(
        made.name,
        False,
        _causes([one.cause for one in wrong] + [one.cause for one in blamed] or ["refused"]),
        f"{made.says}; {says}" if wrong else says,
        f"{BREAKS['host-rotation']}; who was refused there is logged out" if wrong else "users are refused at random",
        repairs([*wrong, *blamed], seen) or (_look(one.name for one in seen.replicas),),
        facts,
    )


def _spread(seen: Evidence) -> str:
    """How many requests each Host served: "9 requests, 3 by each of 3 hosts", or one by one."""
    served = {seen.named(host): count for host, count in seen.hosts.items() if host}
    if len(set(served.values())) == 1 and len(served) > 1:
        return f"{seen.asked} requests, {next(iter(served.values()))} by each of {len(served)} hosts"
    return f"{seen.asked} requests: " + (", ".join(f"{count} by {name}" for name, count in served.items()))


def _refusing(seen: Evidence, found: Sequence[Odd]) -> list[Odd]:
    """Who does not take the tokens of those that are as they should be, and the gravest reason of each."""
    first = odd.first_of_each(found)
    refuse = {b for (a, b), cause in seen.uses.items() if a not in first and cause not in (OK, UNCHECKED)}
    return [one for one in first.values() if one.name in refuse]


def _key(seen: Evidence, found: Sequence[Odd]) -> Check:
    facts = {
        "keys": {
            one.name: {"variables": one.variables.key, "file": one.file.key if one.file else None}
            for one in seen.replicas
        }
    }
    wrong = [one for one in found if one.cause == odd.KEY]
    unread = [one for one in seen.replicas if one.file is None]
    keys = {one.settings.key for one in seen.replicas}
    well = f"all {len(seen.replicas)} run with APP_KEY {next(iter(keys), '')}"
    if unread and not wrong:
        well += f"; the file of {_and([one.name for one in unread])} could not be read ({unread[0].file_problem})"
    return _check("app-key", wrong, seen, well, facts)


def _cells(
    name: str, seen: Evidence, found: Sequence[Odd], cells: Mapping[Pair, str], words: str, causes: Sequence[str]
) -> Check:
    tried = {pair: cause for pair, cause in cells.items() if cause != UNCHECKED}
    bad = {pair: cause for pair, cause in tried.items() if cause != OK}
    matrix: dict[str, dict[str, str]] = {}
    for (a, b), cause in cells.items():
        matrix.setdefault(a, {})[b] = cause
    if not tried:
        return _unchecked(name, seen, found)
    if not bad:
        return Check(name, True, "", f"{len(tried)} of {len(tried)} pairs", facts={"matrix": matrix})
    blamed = [one for one in found if one.cause in causes and any(one.name in pair for pair in bad)]
    told = [words.format(a=a, b=b, why=REASONS.get(cause, cause)) for (a, b), cause in bad.items()]
    more = f", and {len(told) - 2} more pairs" if len(told) > 2 else ""
    return Check(
        name,
        False,
        _causes(bad.values()),
        f"{'; '.join(told[:2])}{more}",
        BREAKS[name],
        repairs(blamed, seen) or (_look(name for pair in bad for name in set(pair)),),
        {"matrix": matrix},
    )


def _look(names: Iterable[str]) -> Repair:
    """For a failure that nothing known explains: the replica that is named most is looked at first."""
    who = Counter(names).most_common(1)[0][0]
    return Repair(f"look at what {who} says in its log", "l", f"dftui logs {who}")


def _backends(seen: Evidence, found: Sequence[Odd]) -> Check:
    wrong = [one for one in found if one.cause in (odd.DATABASE, odd.CACHE, "weight", "table")]
    facts = {
        "database": {one.name: one.settings.database for one in seen.replicas},
        "same_database": {one.name: one.same_database for one in seen.replicas},
        "cache": {one.name: one.settings.cache for one in seen.replicas},
    }
    count = len(seen.replicas)
    databases = Counter(one.settings.database for one in seen.replicas)
    well = f"all {count} share {next(iter(databases), 'one database')}" if count > 1 else next(iter(databases), "")
    return _check("backends", wrong, seen, f"{well}, and are in the balancer's table", facts)


def _each(name: str, seen: Evidence, found: Sequence[Odd], causes: Sequence[str], values: Mapping[str, str]) -> Check:
    wrong = [one for one in found if one.cause in causes]
    well = ", ".join(dict.fromkeys(values.values()))
    return _check(name, wrong, seen, f"all {len(values)}: {well}", {"by_replica": dict(values)})


def _clock(seen: Evidence, found: Sequence[Odd]) -> Check:
    wrong = [one for one in found if one.cause == odd.CLOCK]
    facts = {
        "seconds": {
            one.name: [round(one.clock.low, 2), round(one.clock.high, 2)] if one.clock.known else None
            for one in seen.replicas
        }
    }
    widest = max((abs(one.clock.least) for one in seen.replicas if one.clock.known), default=None)
    if widest is None and seen.plain:
        return Check("clock", True, ASIDE, "not tried: no answer says what time it is", facts=facts)
    if widest is None:
        return _unchecked("clock", seen, found)
    return _check("clock", wrong, seen, "no clock is off" if widest < 0.1 else f"at most {widest:.1f} s off", facts)


def _admin(seen: Evidence) -> Check:
    facts = {"admins": seen.admins}
    if seen.admins:
        return Check("first-admin", True, "", f"{seen.admins} admin{'s' if seen.admins > 1 else ''}", facts=facts)
    if any(one.told.ready for one in seen.replicas):
        repair = Repair("make the first admin", "A", "dftui admin create")
        return Check("first-admin", False, "no-admin", "there is no admin", BREAKS["first-admin"], (repair,), facts)
    if seen.down:
        says = f"no replica tells of an admin: {'; '.join(seen.down)}"
        return Check("first-admin", False, "service", says, "nobody can log in", (_RUNS,), facts)
    repair = Repair("migrate and make the admin", "u", "dftui up")
    says = "no replica tells of an admin: the database is not migrated, or does not answer"
    return Check("first-admin", False, "not-migrated", says, BREAKS["first-admin"], (repair,), facts)


def _setup(seen: Evidence, found: Sequence[Odd]) -> Check:
    facts = {"open": list(seen.open_paths), "replicas": {one.name: one.setup for one in seen.replicas}}
    if not seen.admins:
        return Check("setup-closed", True, "", "open until there is an admin", facts=facts)
    wrong = [one for one in found if one.cause == odd.STALE_SETUP]
    made = _check("setup-closed", wrong, seen, "the balancer and every replica refuse it", facts)
    if not seen.open_paths:
        return made
    says = f"{_and(seen.open_paths)} can be reached through the balancer"
    close = Repair("let the balancer refuse it", "R", "dftui repair")
    return Check(
        made.name,
        False,
        _causes(["open", *([odd.STALE_SETUP] if wrong else [])]),
        f"{says}; {made.says}" if wrong else says,
        BREAKS["setup-closed"],
        (close, *made.repairs),
        facts,
    )
