"""Evidence as `verify` brings it: of a sound stack, or of one that is broken in the ways that a test asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from dftui.control.verify import VerifyResult
from dftui.dreamfactory.api import Status
from dftui.dreamfactory.causes import CACHE, CLOCK, OK, SIGNATURE
from dftui.dreamfactory.checks import checks
from dftui.dreamfactory.clock import Bounds
from dftui.dreamfactory.evidence import Evidence, Seen, Silence, pairs
from dftui.dreamfactory.oddities import oddities
from dftui.dreamfactory.settings import Settings

NOW = 1_795_000_000.0
GOOD = Settings("9f41c2ab", "", "mysql db:3306/dreamfactory", "redis cache:6379/2", "redis", "redis")
COUNTS = {"app": 3, "admin": 1, "user": 0, "service": 7, "role": 0}


def seen(name: str, **more: object) -> Seen:
    """A replica as it should be, but for `more`."""
    made = Seen(
        name=name,
        host=hashlib.sha256(name.encode()).hexdigest()[:12],
        image="sha256:1f2e3d4c5b6a7980",
        variables=GOOD,
        file=GOOD,
        status=200,
        told=Status(True, admins=1, version="7.3.3", last_login="2026-11-23 12:00:00", counts=COUNTS),
        same_database=True,
        login=OK,
        cache_driver="redis",
        db_driver="mysql",
        clock=Bounds(-0.4, 0.3),
        setup=302,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def evidence(*replicas: Seen, **more: object) -> Evidence:
    """All pairs good, and a rotation over all of them, but for `more`."""
    cells = dict.fromkeys(pairs([one.name for one in replicas]), OK)
    hosts = [one.host for one in replicas if one.silence is None]
    made = Evidence(
        replicas=replicas,
        expected=GOOD,
        uses=cells,
        logouts=cells,
        asked=3 * len(hosts),
        hosts=dict.fromkeys(hosts, 3),
        answers={200: 3 * len(hosts)},
        sequence=tuple(hosts * 3),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def result(found: Evidence) -> VerifyResult:
    """What verify makes of it."""
    return VerifyResult(checks(found), found, oddities(found), 1.2, NOW)


def verdict(names: Sequence[str]) -> VerifyResult:
    """All is well."""
    return result(evidence(*(seen(name) for name in names)))


def broken() -> VerifyResult:
    """Five replicas: another key, a cache in files, a clock that is ahead, one drained, and one that is sound."""
    other = replace(GOOD, key="77ab01cd")
    files = replace(GOOD, cache="file, its own", cache_driver="file")
    replicas = (
        seen("df-web1"),
        seen("df-web2", variables=other, file=other),
        seen("df-web3", variables=files, file=files, cache_driver="file"),
        seen("df-web4", clock=Bounds(4.3, 5.2)),
        seen("df-web5", silence=Silence("drained", "is drained: it takes no new requests")),
    )
    names = [one.name for one in replicas]
    uses = {
        (a, b): SIGNATURE if a != b and "df-web2" in (a, b) else CLOCK if a == "df-web4" and b != a else OK
        for a, b in pairs(names)
    }
    logouts = {
        pair: CACHE if cause == OK and pair[0] != pair[1] and "df-web3" in pair else cause
        for pair, cause in uses.items()
        if cause == OK
    }
    return result(evidence(*replicas, uses=uses, logouts=logouts, answers={200: 9, 401: 3}))
