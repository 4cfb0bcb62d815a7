"""The main screen: feeds its panes facts, and does what keys ask for."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from dftui.control.action import Action, Context
from dftui.control.actions import ACTIONS, BY_ID
from dftui.control.effects import refusal
from dftui.control.entry import Entry
from dftui.engine.api import EngineError
from dftui.ui.backend import Backend
from dftui.ui.canvas import Drawn, LineView
from dftui.ui.conductor import Conductor
from dftui.ui.panes.empty import empty_rows, small_rows
from dftui.ui.panes.footer import Meter, footer_row
from dftui.ui.panes.header import banner_row, header_row
from dftui.ui.panes.history import status_row
from dftui.ui.panes.loglines import LogLines
from dftui.ui.panes.pane import Pane
from dftui.ui.panes.pulse import FOLLOWED, pulse_row
from dftui.ui.panes.ring import RingView
from dftui.ui.perform import perform
from dftui.ui.screens.arrangement import Arrangement
from dftui.watch.records import Request
from dftui.watch.snapshot import Replica, ReplicaState, Service, Snapshot

if TYPE_CHECKING:
    from dftui.control.login import PasswordNeeded
    from dftui.control.probe import ProbeResult
    from dftui.control.verify import VerifyResult

MACHINES_EACH = 2.0
"""Seconds after which the machines of a swarm are asked for again."""


class MainScreen(Arrangement):
    """Everything but the dialogues."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(a.key, f"do('{a.id}')", a.name, show=False, id=a.id) for a in ACTIONS),
        Binding("enter", "open_logs", "Logs of the selected", show=False),
        Binding("escape", "back", "Back", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.conductor = Conductor(self._said, self._probed, self._verified, self._password_needed)
        self.error = ""
        self.handmade: tuple[str, ...] = ()
        self.meter = Meter()
        self._news = asyncio.Event()
        """An action had something to say, which a swarm's machines may show before it is time to ask again."""

    # -- facts --------------------------------------------------------------------------------------------------
    def connect(self, backend: Backend) -> None:
        """Facts come from here from now on."""
        self.conductor.backend = backend
        self.logs.connect(backend.logs)
        self.requests.connect(backend.requests)
        self.error = ""

    def take(self, snapshot: Snapshot) -> None:
        """Draw new facts; cells that did not change are left alone."""
        first = self.snapshot is None or self.snapshot.exists != snapshot.exists
        self.snapshot = snapshot
        stale = snapshot.engine.lost_since is not None
        for pane in (self.services, self.replicas):
            pane.set_stale(stale)
        self.header.set_stale(stale)
        if first:
            self.set_class(not snapshot.exists, "absent")
            self.set_class(snapshot.exists, "present")
            if not snapshot.exists:
                self.run_worker(self._look_for_handmade(), exclusive=True, group="handmade")
        self.fit_replicas()
        self.services.show(snapshot)
        self.replicas.show(snapshot)
        self.requests.show(snapshot)
        if self.machines.table.uses:
            self.machines.show(self.machines.table.uses, snapshot)
        self.draw_chrome()

    async def _look_for_handmade(self) -> None:
        """Where there is no stack, one may be there that was made without dftui."""
        backend = self.conductor.backend
        if backend is not None:
            with suppress(EngineError):
                self.handmade = await backend.handmade()
            self.draw_chrome()

    def _look_at_machines(self) -> None:
        """Ask for a swarm's machines, as long as they are in sight."""
        self._news.set()
        asking = any(worker.name == "machines" and not worker.is_finished for worker in self.workers)
        if self.machines.display and not asking:
            self.run_worker(self._watch_machines(), name="machines")

    async def _watch_machines(self) -> None:
        while (backend := self.conductor.backend) is not None and self.machines.display and self.swarm:
            self._news.clear()
            try:
                self.machines.show(await backend.nodes(), self.snapshot)
            except Exception as error:
                self.machines.fail(f"{error} {getattr(error, 'hint', '')}".strip())
            self.draw_chrome()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), MACHINES_EACH)

    def show_tab(self, name: str, *, focus: bool = True) -> None:
        """Bring one of the tabs forward; the machines are asked for when they come into sight."""
        super().show_tab(name, focus=focus)
        if name == "nodes":
            self._look_at_machines()

    def fail(self, text: str) -> None:
        """No engine yet: say why."""
        self.error = text
        self.draw_chrome()

    def flush(self) -> bool:
        """Bring streams up to date; whether anything in sight changed."""
        logs = self.logs.flush()
        requests = self.requests.flush()
        for pane, changed in ((self.logs, logs), (self.requests, requests)):
            if changed and pane.display:
                pane.draw_title()
        return (logs and self.logs.display) or (requests and self.requests.display)

    @property
    def visible_ids(self) -> frozenset[str]:
        """Containers whose CPU and memory are wanted: all of a small stack, so that its curves have no holes when a
        pane hides another; of a large one those on the screen, because each costs the engine a stream."""
        if self.snapshot is None or self.has_class("absent"):
            return frozenset()
        services = {s.id for s in self.snapshot.services if s.id}
        everything = services | {r.id for r in self.snapshot.web}
        if len(everything) <= FOLLOWED:
            return frozenset(everything)
        return self.replicas.table.visible_ids | services

    def container_names(self) -> list[str]:
        """Of everything that writes logs."""
        if self.snapshot is None:
            return []
        services = [c.name for c in self.snapshot.services if c.id]
        return services + [r.name for r in self.replicas.table.replicas]

    # -- drawing ------------------------------------------------------------------------------------------------
    def draw_all(self) -> None:
        """After a change of size, theme or glyphs."""
        for pane in self.query(Pane):
            pane.draw_title()
        for ring in self.query(RingView):
            ring.redraw()
        self.logs.lines.redraw()
        self.services.draw()
        self.graphs.draw()
        self.replicas.table.draw(everything=True)
        if self.snapshot is not None:
            self.history.redraw()
        self.draw_chrome()

    def draw_chrome(self) -> None:
        """Header, banner, status line, footer, empty state."""
        width, height = self.size
        if not width:
            return
        glyphs = self.ui.glyphs
        now = self.ui.wall()
        read_only = bool(self.ui.options.read_only)
        stack, pending = self.ui.spec.name, self.conductor.pending
        header = header_row(self.snapshot, stack, width, glyphs, pending, self.error, read_only)
        self.header.set_rows([header])
        banner = banner_row(self.snapshot, self.ui.shown_keys, now, width, glyphs, read_only)
        self.set_class(banner is not None, "alarm")
        if banner is not None:
            self.banner.set_rows([banner])
        elif self.snapshot is not None:
            self.banner.set_rows([pulse_row(self.snapshot, self.ui.trends, width)])
        running = list(self.conductor.running.values())
        message = self.conductor.message
        if self.conductor.pending:
            message = (f"{self.conductor.pending:+d} replicas", "")
        self.status.set_rows([status_row(running, message, width, glyphs)])
        self.footer.set_rows([footer_row(self.context, self.ui.shown_keys, width, self.meter.text)])
        if not self.has_class("present"):
            steps, rising = self.history.steps, "up" in self.conductor.running
            keys = self.ui.shown_keys
            rows = empty_rows(
                self.snapshot,
                self.ui.spec,
                self.error,
                steps,
                width,
                height - 3,
                glyphs,
                keys,
                rising,
                read_only,
                self.handmade,
            )
            self.empty.set_rows(rows)
        if width < 60 or height < 16:
            self.small.set_rows(small_rows(width, height, self.ui.shown_keys["quit"]))

    def draw_curves(self) -> None:
        """Time went on: the curves move by a bar."""
        if self.furnished and self.snapshot is not None:
            self.replicas.table.draw()
            self.services.draw()
            self.graphs.draw()
            self.draw_chrome()

    @on(LineView.Moved)
    def _moved(self, event: LineView.Moved) -> None:
        pane = self.pane
        if pane is not None:
            if isinstance(pane.body, RingView):
                pane.body.moved()
            if pane is self.services:
                self.services.draw()
            pane.draw_title()
        self.draw_chrome()

    @on(Drawn.Clicked)
    def _clicked(self, event: Drawn.Clicked) -> None:
        event.stop()
        if event.action.startswith("pane-"):
            self.action_pane(event.action.removeprefix("pane-"))
        else:
            self.do(event.action)

    # -- actions ------------------------------------------------------------------------------------------------
    @property
    def selected(self) -> Replica | Service | None:
        """The container that keys are about."""
        if self.pane is self.services:
            return self.services.selected
        return self.replicas.table.selected

    @property
    def context(self) -> Context:
        """What decides which actions apply."""
        lost = self.snapshot is not None and self.snapshot.engine.lost_since is not None
        return Context(
            snapshot=self.snapshot,
            selected=self.selected,
            pane=self.pane.pane if self.pane else "",
            connected=self.conductor.backend is not None and not lost,
            busy=frozenset(self.conductor.running),
            read_only=self.ui.options.read_only,
            node=use.node if self.pane is self.machines and (use := self.machines.table.selected) else None,
            fixable=self.verify.fixable,
        )

    async def action_do(self, name: str) -> None:
        """A key of the registry. What is typed on waits for the dialogue that it opens, and is not lost."""
        self.do(name)
        await self.ui.dialogue_ready()

    def do(self, name: str) -> None:
        """Do an action if it applies, else say why not."""
        if not self.furnished:
            return
        action = BY_ID[name]
        context = self.context
        if refused := refusal(action.effect, context.read_only):
            self.conductor.say(refused, "warning")
            return
        if action.refused(context):
            self.conductor.say(self.why_not(action, context), "warning")
            return
        perform(self.ui, name, context)

    def why_not(self, action: Action, context: Context) -> str:
        """Why an action does not apply now."""
        if not context.connected:
            return "The engine does not answer; nothing can be changed until it does."
        # What a key would do about it is nothing to someone who may only look.
        refused = action.refused(context)
        why, _, hint = refused.partition(";")
        why = f"{why}." if context.read_only and "{up}" in hint else refused
        return why.format_map(self.ui.shown_keys)

    def go_to(self, name: str) -> None:
        """The cursor on a replica."""
        table = self.replicas.table
        at = next((n for n, r in enumerate(table.replicas) if r.name == name), None)
        if at is not None:
            self.action_pane("replicas")
            table.set_cursor(at)

    def heard(self, entry: Entry) -> None:
        """An action that was done before this screen was there, or by somebody else."""
        self.history.add(entry)
        if self.history.display and self.is_mounted:
            self.history.redraw()

    def _said(self) -> None:
        """The conductor has news."""
        fresh = self.conductor.steps
        if fresh:
            self.conductor.steps = []
            for step in fresh:
                self.history.add(step)
            if self.history.display and self.is_mounted:
                self.history.redraw()
        if self.is_mounted:
            self._news.set()
            self.draw_chrome()

    def _probed(self, result: ProbeResult) -> None:
        self.probe.show(result)
        self.show_tab("probe")
        self._follow_zoom()

    def _verified(self, result: VerifyResult) -> None:
        self.verify.show(result)
        self.show_tab("verify")
        self._follow_zoom()

    def _password_needed(self, needed: PasswordNeeded) -> None:
        from dftui.ui import asking

        asking.password(self.ui, needed)

    def show_logs_of(self, name: str | None) -> None:
        """One container's lines, or everybody's."""
        self.show_tab("logs")
        self.logs.show_only(frozenset((name,)) if name else None)

    def action_open_logs(self) -> None:
        """Enter: the selected container's logs; there, the stack trace at the cursor; on a request, what its replica
        logged around it."""
        if isinstance(self.selected, Replica | Service) and self.pane in (self.services, self.replicas):
            self.show_logs_of(self.selected.name)
        elif self.pane is self.logs:
            self.logs.enter()
        elif self.pane is self.requests and (request := self.requests.lines.meant) is not None:
            self._show_logs_around(request)

    def _show_logs_around(self, request: Request) -> None:
        if not request.replica:
            gone = f"The replica that served this request ({request.host}) is gone, and its log with it."
            itself = "No replica served this request: the balancer answered it itself."
            self.conductor.say(gone if request.host else itself, "warning")
            return
        self.show_tab("logs")
        self.logs.show_around(request.replica, request.time, request.id)

    def action_back(self) -> None:
        """Escape: out of the zoom, back to all lines."""
        if self.has_class("zoomed"):
            self._zoom(False)
        elif self.logs.who is not None:
            self.logs.show_only(None)

    def drain_selected(self) -> None:
        """`d`: out, or back in."""
        replica = self.replicas.table.selected
        if replica is None:
            return
        if replica.state is ReplicaState.SERVING:
            self.conductor.drain(replica.name)
        else:
            self.conductor.undrain(replica.name)

    def toggle_follow(self) -> None:
        """`f`: hold the newest in sight, or let go."""
        pane = self.pane
        if pane is not None and isinstance(pane.body, RingView | LogLines):
            pane.body.set_follow(not pane.body.follow)
            pane.draw_title()
