"""What dftui does by itself while the screen or `dftui watch` runs: repair and autoscale, if the stack file asks;
and the setup form closed behind the first admin."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from dftui.control.autoscale import Autoscaler
from dftui.control.errors import ActionError
from dftui.control.operator import Operator
from dftui.control.steps import Progress, Report
from dftui.stack.spec import StackSpec
from dftui.watch.snapshot import Snapshot

PERIOD = 0.5
REST_AFTER_FAILURE = 15.0
"""Seconds before a repair that failed is tried again."""


class Autopilot:
    """Looks at snapshots and acts; off unless the stack file says `repair: auto`, `admin: none` or a target."""

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
        self._closes = spec.admin.mode == "none"
        web = spec.web
        self._scaler: Autoscaler | None = None
        self._by_cpu = web.target_cpu is not None
        if web.target_cpu is not None:
            self._scaler = Autoscaler(web.target_cpu, "% CPU", web.min, web.max)
        elif web.target_rps is not None:
            self._scaler = Autoscaler(web.target_rps, "requests/s", web.min, web.max)

    @property
    def on(self) -> bool:
        """Whether it has anything to do."""
        return self._repairs or self._closes or self._scaler is not None

    async def run(self) -> None:
        """Until cancelled; a failed action is told and tried again later."""
        while self.on:
            await asyncio.sleep(PERIOD)
            snapshot = self._snapshot()
            if not snapshot.at or not snapshot.exists or snapshot.engine.lost_since is not None:
                continue
            try:
                if self._closes and snapshot.setup_open:
                    with self._acting():
                        await self._operator.close_setup()
                elif self._repairs and snapshot.drift:
                    with self._acting():
                        done = await self._operator.repair()
                    if not done.findings:  # what no repair helps, or what the next look will not show any more
                        await asyncio.sleep(REST_AFTER_FAILURE)
                elif self._scaler is not None:
                    await self._autoscale(self._scaler, snapshot)
            except ActionError as error:
                Progress("repair", self._report).tell(f"{error} ({error.hint})", state="failed")
                await asyncio.sleep(REST_AFTER_FAILURE)

    async def _autoscale(self, scaler: Autoscaler, snapshot: Snapshot) -> None:
        load = sum(r.load.cpu or 0.0 for r in snapshot.web) if self._by_cpu else snapshot.traffic.rate
        advice = scaler.look(time.monotonic(), snapshot.serving, snapshot.wanted, load)
        if advice is None:
            return
        Progress("autoscale", self._report).tell(f"{snapshot.wanted} → {advice.to}: {advice.why}")
        with self._acting():
            await self._operator.scale(to=advice.to)
