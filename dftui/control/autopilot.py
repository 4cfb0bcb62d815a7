"""What dftui does by itself while the screen or `dftui watch` runs: repair and autoscale, if the stack file asks; the
setup form closed behind the first admin; a renewed certificate taken up; and what a crash of the engine left stopped
started again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from dftui.control.autoscale import Autoscaler
from dftui.control.errors import ActionError, NotUp
from dftui.control.lock import Busy
from dftui.control.operator import Operator
from dftui.control.steps import Progress, Report
from dftui.control.tls import Renewals
from dftui.stack.spec import StackSpec
from dftui.watch.snapshot import Drift, ReplicaState, Snapshot

PERIOD = 0.5
FILES_PERIOD = 10.0
"""Seconds between two looks at the certificate's files."""
REST_AFTER_FAILURE = 15.0
"""Seconds before a repair that failed, or found nothing to do, is tried again for the same drift."""
RETURN = 30.0
"""Seconds after the engine's return in which what does not run is laid to its crash."""


class Autopilot:
    """Looks at snapshots and acts; unless the stack file says `repair: auto`, `admin: none` or a target, only after
    the engine was lost."""

    def __init__(
        self,
        operator: Operator,
        spec: StackSpec,
        snapshot: Callable[[], Snapshot],
        report: Report,
        *,
        acting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """`acting` is entered around each action, so that the watcher knows of it."""
        self._acting = acting
        self._operator = operator
        self._snapshot = snapshot
        self._report = report
        self._repairs = spec.repair == "auto"
        # The form is open on purpose until there is an admin, and then closed without being asked for.
        self._closes = not spec.plain and not spec.makes_admin
        self._renewals = Renewals(spec)
        self._renews = spec.balancer.tls is not None
        self._files_at = 0.0
        self._in_vain: tuple[Drift, ...] = ()
        self._again_at = 0.0
        self._ran: frozenset[str] = frozenset()
        self._back_at: float | None = None
        web = spec.web
        self._scaler: Autoscaler | None = None
        self._by_cpu = web.target_cpu is not None
        if web.target_cpu is not None:
            self._scaler = Autoscaler(web.target_cpu, "% CPU", web.min, web.max, web.cool_down)
        elif web.target_rps is not None:
            self._scaler = Autoscaler(web.target_rps, "requests/s", web.min, web.max, web.cool_down)

    @property
    def on(self) -> bool:
        """Whether the stack file gives it anything to do."""
        return self._repairs or self._closes or self._renews or self._scaler is not None

    async def run(self) -> None:
        """Until cancelled; a failed action is told and tried again later."""
        while True:
            await asyncio.sleep(PERIOD)
            snapshot = self._snapshot()
            if snapshot.engine.lost_since is not None:
                self._back_at = time.monotonic()
                continue
            if not snapshot.at or not snapshot.exists:
                continue
            try:
                if stopped := self._left_stopped(snapshot):
                    Progress("up", self._report).tell(
                        f"the engine is back and has left stopped: {', '.join(stopped)}"
                    )
                    with self._acting():
                        await self._operator.up()
                elif self._renews and await self._renewed(snapshot):
                    with self._acting():
                        await self._operator.renew_certificate()
                elif self._closes and snapshot.setup_open:
                    with self._acting():
                        await self._operator.close_setup()
                elif self._repairs and self._worth_it(snapshot.drift):
                    with self._acting():
                        done = await self._operator.repair()
                    if not done.findings:  # what no repair helps, or what the next look will not show any more
                        self._in_vain = snapshot.drift
                        self._again_at = time.monotonic() + REST_AFTER_FAILURE
                elif self._scaler is not None:
                    await self._autoscale(self._scaler, snapshot)
            except (Busy, NotUp):
                continue  # somebody acts, perhaps on the same: the next look tells
            except ActionError as error:
                Progress("repair", self._report).tell(f"{error} ({error.hint})", state="failed")
                await asyncio.sleep(REST_AFTER_FAILURE)

    def _worth_it(self, drift: tuple[Drift, ...]) -> bool:
        """Anything but what a repair has just found nothing to do about."""
        return bool(drift) and (drift != self._in_vain or time.monotonic() >= self._again_at)

    async def _renewed(self, snapshot: Snapshot) -> bool:
        """Whether the certificate's files hold another one than is served; looked at now and then."""
        if snapshot.certificate is None or time.monotonic() - self._files_at < FILES_PERIOD:
            return False
        self._files_at = time.monotonic()
        return self._renewals.changed() and (await self._operator.certificate()).files != "same"

    def _left_stopped(self, snapshot: Snapshot) -> list[str]:
        """After the engine's return: names of what ran before and does not now. An engine that crashed (20.10) does
        not start again what it finds dead, whatever its restart policy says."""
        services = snapshot.services
        names = {s.id: s.name for s in services} | {r.id: r.name for r in snapshot.web}
        running = {s.id for s in services if s.state == "running"}
        running |= {r.id for r in snapshot.web if r.state not in (ReplicaState.STOPPED, ReplicaState.FAILED)}
        if self._back_at is None or time.monotonic() - self._back_at > RETURN:
            self._ran = frozenset(running)
            self._back_at = None
            return []
        stopped = sorted(names[ref] for ref in self._ran & names.keys() - running)
        return stopped if snapshot.drift else []  # drift has lasted a while: the engine itself may be at it

    async def _autoscale(self, scaler: Autoscaler, snapshot: Snapshot) -> None:
        load = sum(r.load.cpu or 0.0 for r in snapshot.web) if self._by_cpu else snapshot.traffic.rate
        advice = scaler.look(time.monotonic(), snapshot.serving, snapshot.wanted, load)
        if advice is None:
            return
        with self._acting():
            await self._operator.scale(to=advice.to, why=f"{snapshot.wanted} → {advice.to}: {advice.why}")
