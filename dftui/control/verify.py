"""`verify`: every replica tried against every other, so that what looks healthy and is not is named with its cause.

What is tried, and how it is cleaned up after, is in `trial`; what it means in `dreamfactory.checks`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from dftui.control.errors import ActionError
from dftui.control.ground import kept_secrets
from dftui.control.login import Login
from dftui.control.trial import trial
from dftui.control.world import World
from dftui.dreamfactory.causes import CACHE, OK
from dftui.dreamfactory.checks import Check, checks
from dftui.dreamfactory.evidence import Evidence, Pair
from dftui.dreamfactory.http import HttpError
from dftui.dreamfactory.oddities import Odd, first_of_each, oddities
from dftui.engine.api import EngineError


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """`verify --json`."""

    checks: tuple[Check, ...]
    evidence: Evidence
    odd: tuple[Odd, ...]
    seconds: float
    at: float = 0.0

    @property
    def ok(self) -> bool:
        """Every check holds."""
        return all(check.ok for check in self.checks)

    @property
    def tried(self) -> tuple[Check, ...]:
        """Without those that are about DreamFactory, where the web is another."""
        return tuple(check for check in self.checks if not check.aside)

    @property
    def cells(self) -> dict[Pair, str]:
        """The matrix in one: OK where the token was taken and its logout was known, else why not."""
        uses, logouts = self.evidence.uses, self.evidence.logouts
        return {pair: CACHE if use == OK and logouts.get(pair) == CACHE else use for pair, use in uses.items()}

    @property
    def replaces(self) -> tuple[str, ...]:
        """Replicas whose replacement would put something right."""
        named = {name for check in self.checks for repair in check.repairs for name in repair.replaces}
        return tuple(seen.name for seen in self.evidence.replicas if seen.name in named)

    def to_json(self) -> dict[str, Any]:
        """The documented shape; `replicas` names each odd one with its gravest cause."""
        return {
            "ok": self.ok,
            "checks": [check.to_json() for check in self.checks],
            "replicas": [
                {
                    "name": seen.name,
                    "host": seen.host,
                    "cause": odd.cause if odd else "",
                    "says": odd.words if odd else "",
                }
                for seen in self.evidence.replicas
                for odd in (first_of_each(self.odd).get(seen.name),)
            ],
            "left_out": dict(self.evidence.left_out),
            "seconds": round(self.seconds, 3),
        }


async def verify(world: World, login: Login | None = None) -> VerifyResult:
    """Try everything. Raises ActionError; PasswordNeeded when somebody has to type the admin's."""
    begin = time.monotonic()
    secrets = await kept_secrets(world)  # alone: what odd replicas hold must not stop the check that names them
    try:
        for _ in range(2):
            async with trial(world, secrets, login) as run:
                await run.all()
            evidence = run.evidence()
            if evidence.replicas:
                break  # else every one of them was replaced meanwhile
    except (HttpError, EngineError) as error:
        raise ActionError(f"the replicas could not be tried: {error}", "look at it: dftui status") from None
    if not evidence.replicas:
        raise ActionError("the replicas changed all the time, so none could be judged", "try again when that is done")
    found = checks(evidence)
    result = VerifyResult(found, evidence, oddities(evidence), time.monotonic() - begin, time.time())
    bad = [check for check in found if not check.ok]
    run.progress.tell(
        f"{len(result.tried) - len(bad)} of {len(result.tried)} checks hold on {len(evidence.replicas)} replicas"
        + "".join(f"; {check.name}: {check.says}" for check in bad),
        state="failed" if bad else "ok",
    )
    return result
