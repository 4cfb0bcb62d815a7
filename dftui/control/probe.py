"""The Host probe: what the blog post does by reloading Config, done through the balancer and counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dftui.balancer.config import PROBE_HEADER
from dftui.control import ground
from dftui.control.errors import ActionError
from dftui.control.steps import Progress
from dftui.control.world import World, webs
from dftui.dreamfactory.api import LoginRefused, login, logout, server_host
from dftui.dreamfactory.http import HttpConnection, HttpError, connect_through
from dftui.engine.api import EngineError
from dftui.watch.sanitise import clean


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """One request: the Host that DreamFactory named, and the replica that has it ("" when none of ours has)."""

    host: str
    replica: str
    status: int
    ms: float


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The rotation in order, and how often each Host answered; `silent` names replicas that serve and never did."""

    rows: tuple[ProbeRow, ...]
    hosts: Mapping[str, int]
    silent: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """`probe --json`."""
        return {"rows": [asdict(r) for r in self.rows], "hosts": dict(self.hosts), "silent": list(self.silent)}


async def probe(world: World, count: int) -> ProbeResult:
    """Ask the balancer `count` times, with one fresh token, which Host serves. Raises ActionError."""
    progress = Progress("probe", world.report, total=count)
    plan = await ground.current_plan(world)
    if not plan.secrets.admin_password:
        raise ActionError(
            f"the password of {world.spec.admin.email} is not known here: its file was lost",
            "see which Host serves each request in `dftui requests`, or put the secrets file back",
        )
    headers = {PROBE_HEADER: plan.probe_nonce()}
    try:
        with progress.step(f"{count} requests for the Host through the balancer", work=count):
            http = await connect_through(world.engine, world.name("balancer"), "127.0.0.1", 80)
            try:
                rows = await _ask(world, http, headers, count, plan.secrets.admin_password)
            finally:
                await http.close()
    except LoginRefused as error:
        raise ActionError(str(error), "the admin's password was changed since; dftui does not try it again") from None
    except (HttpError, EngineError) as error:
        raise ActionError(f"the probe through the balancer failed: {error}", "look at it: dftui status") from None
    pool = webs(await world.containers())
    by_host = {c.short: c.name for c in pool}
    named = tuple(ProbeRow(clean(host), by_host.get(host, ""), status, ms) for host, status, ms in rows)
    hosts = Counter(row.host for row in named)
    states = {s.name: s for s in await world.link.servers()}
    serving = [c for c in pool if c.short in states and states[c.short].admin == "ready"]
    silent = tuple(c.name for c in serving if c.short not in hosts) if count >= 2 * len(serving) else ()
    result = ProbeResult(named, dict(sorted(hosts.items(), key=lambda item: -item[1])), silent)
    spread = ", ".join(f"{by_host.get(h, h)} {n}x" for h, n in result.hosts.items())
    progress.tell(
        f"{count} requests, {len(result.hosts)} Hosts: {spread}" + (f"; silent: {silent}" if silent else "")
    )
    return result


async def _ask(
    world: World, http: HttpConnection, headers: Mapping[str, str], count: int, password: str
) -> list[tuple[str, int, float]]:
    token = await login(http, world.spec.admin.email, password, headers)
    rows: list[tuple[str, int, float]] = []
    for _ in range(count):
        begin = time.monotonic()
        status, host = await server_host(http, token, headers)
        rows.append((host, status, round(1000 * (time.monotonic() - begin), 1)))
    await logout(http, token, headers)
    return rows
