"""The Host probe: what the blog post does by reloading Config, done through the balancer and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dftui.balancer.config import PORT, PROBE_HEADER
from dftui.control import ground, rotation
from dftui.control.errors import ActionError
from dftui.control.pool import look
from dftui.control.specs import Plan
from dftui.control.steps import Progress
from dftui.control.world import World
from dftui.dreamfactory.api import LoginRefused, login, logout
from dftui.dreamfactory.evidence import Silence
from dftui.dreamfactory.http import HttpError, Line
from dftui.engine.api import EngineError

NO_ANSWER = "no answer"
"""In the place of a Host that no answer named."""


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """One request: the Host that DreamFactory named, and the replica that has it ("" when none of ours has)."""

    host: str
    replica: str
    status: int
    ms: float


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The rotation in order, and how often each Host answered; `silent` names replicas that served nothing while
    others did, each with why."""

    rows: tuple[ProbeRow, ...]
    hosts: Mapping[str, int]
    silent: Mapping[str, str] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        """How many Hosts there were."""
        return len([host for host in self.hosts if host])

    def to_json(self) -> dict[str, Any]:
        """`probe --json`."""
        return {
            "rows": [asdict(r) for r in self.rows],
            "hosts": dict(self.hosts),
            "silent": list(self.silent),
            "why": dict(self.silent),
        }


async def _logged_in(
    world: World, http: Line, plan: Plan, headers: Mapping[str, str], count: int
) -> tuple[list[rotation.Turn], dict[str, Silence]]:
    """With one fresh token, which is ended again."""
    token = await login(http, plan.admin_email, plan.secrets.admin_password, headers)
    try:
        return await rotation.rotate(world, rotation.with_token(http, token, headers), count)
    finally:
        await logout(http, token, headers)


async def probe(world: World, count: int | None = None) -> ProbeResult:
    """Ask the balancer `count` times which Host serves (so often that each replica has some turns, if it is not
    told). Raises ActionError."""
    plan = await ground.current_plan(world)
    if not plan.secrets.admin_password and not world.spec.plain:
        raise ActionError(
            f"the password of {plan.admin_email} is not known here",
            "dftui verify asks for it, and shows who serves, too; or put the secrets file back, if it was lost",
        )
    if count is None:
        serving = sum(server.serving for server in (await look(world)).states.values())
        count = rotation.EACH * max(1, serving)
    progress = Progress("probe", world.report, total=count)
    headers = {PROBE_HEADER: plan.probe_nonce()}
    http = Line(world.engine, world.name("balancer"), "127.0.0.1", PORT)
    try:
        with progress.step(f"{count} requests for the Host through the balancer", work=count):
            if world.spec.plain:
                ask = rotation.by_balancer(http, world.spec.web.health, headers)
                turns, silent = await rotation.rotate(world, ask, count)
            else:
                turns, silent = await _logged_in(world, http, plan, headers, count)
            settled = await rotation.settled(world)
    except LoginRefused as error:
        raise ActionError(str(error), "the admin's password was changed since; dftui does not try it again") from None
    except (HttpError, EngineError) as error:
        raise ActionError(f"the probe through the balancer failed: {error}", "look at it: dftui status") from None
    finally:
        await http.close()
    names = {c.short: c.name for c in settled.pool.containers}
    rows = tuple(ProbeRow(t.host, names.get(t.host, ""), t.status, t.ms) for t in turns[:count])
    hosts = Counter(row.host for row in rows)
    why = {ref: reason for ref, reason in silent.items() if ref not in settled.moving} | dict(settled.silent)
    result = ProbeResult(
        rows,
        dict(hosts.most_common()),
        {c.name: why[c.id].words for c in settled.pool.containers if c.id in why},
    )
    spread = ", ".join(f"{names.get(h, h) or NO_ANSWER} {n}x" for h, n in result.hosts.items())
    told = "".join(f"; {name} {words}" for name, words in result.silent.items())
    progress.tell(f"{count} requests, {result.answered} hosts: {spread}{told}")
    return result
