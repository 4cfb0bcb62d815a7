"""The application: connects, keeps the frame clock, owns theme and keys. It holds no logic of stacks."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakKeyDictionary

from rich.console import COLOR_SYSTEMS, RenderableType
from textual import events
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.binding import Binding, BindingType
from textual.geometry import Offset
from textual.messages import TerminalSupportsSynchronizedOutput
from textual.screen import Screen
from textual.widgets import Input

from dftui.control.action import Context
from dftui.control.actions import ACTIONS, BY_ID, offered
from dftui.control.effects import Effect, refusal
from dftui.stack.spec import StackSpec
from dftui.ui import themes
from dftui.ui.backend import Backend
from dftui.ui.draw import ASCII, UNICODE
from dftui.ui.driver import Driver, survive_hangup
from dftui.ui.keymap import remap, shown
from dftui.ui.options import Options
from dftui.ui.screens.main import MainScreen
from dftui.ui.wire import Wire
from dftui.watch.records import Step
from dftui.watch.sanitise import clean
from dftui.watch.snapshot import Service, Snapshot
from dftui.watch.trends import Trends

if TYPE_CHECKING:
    from dftui.control.known import OtherStack
    from dftui.control.verify import PasswordNeeded

RETRY = 3.0
READY = 2.0
"""Seconds for which keys wait for a dialogue that opens."""
SLOW_TICKS = 1.0
"""Seconds between figures; states are drawn at once."""
Connect = Callable[[], Awaitable[Backend]]


class DftuiApp(App[None]):
    """`connect` is called after the first paint, again and again until it gives a backend."""

    CSS_PATH = [  # noqa: RUF012
        "app.tcss",
        "screens/main.tcss",
        "screens/dialogues.tcss",
        "panes/pane.tcss",
        "panes/services.tcss",
        "panes/replicas.tcss",
        "panes/logs.tcss",
        "panes/requests.tcss",
    ]
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q,ctrl+c", "quit", "Quit", show=False, priority=True)]
    TITLE = "dftui"
    ENABLE_COMMAND_PALETTE = False  # Ctrl+P is an action of the registry.

    def __init__(self, connect: Connect, spec: StackSpec, options: Options | None = None) -> None:
        self.options = options or Options()
        self.spec = spec
        self.glyphs = ASCII if self.options.ascii else UNICODE
        self._themes = {themes.DEFAULT.name: themes.DEFAULT}
        self._theme_files: object = None
        self._theme_name = ""
        self._theme_numbers = itertools.count(1)
        self._chosen_theme = themes.DEFAULT.name
        self._states_changed = asyncio.Event()
        self.problems: list[str] = []
        self.palette = themes.Palette(themes.DEFAULT)
        # Told here, textual takes all colours away under NO_COLOR; else it would turn them into greys.
        super().__init__(ansi_color=True if self.options.plain else None)
        self.animation_level = "none"
        self.set_class(self.options.ascii, "-ascii")
        survive_hangup(self, self.options.max_bps)
        self._connect = connect
        self.backend: Backend | None = None
        self.trends = Trends()
        self.wall: Callable[[], float] = time.time
        self.main = MainScreen()
        self.wire: Wire | None = None
        """The way to the terminal; None where there is none (tests, a browser)."""
        self._synchronised = False
        self._newest: Snapshot | None = None
        self._drawn_at = 0.0
        self._noted_at = 0.0
        self._watched: frozenset[str] | None = None
        self.others: list[OtherStack] = []
        self.next_stack: tuple[StackSpec, str] | None = None
        """The stack that was chosen in this one's place, and why it may only be looked at ("" when it may not)."""
        self._typed_on: WeakKeyDictionary[events.Key, Screen[object]] = WeakKeyDictionary()
        self._visit: asyncio.Task[None] | None = None
        self.away = False
        """The terminal belongs to a shell: nothing may be written to it."""
        keys, problems = remap([(spec.path or "the stack file", spec.keys), *self.options.keys])
        self.problems += problems
        self.set_keymap({id: key for id, key in keys.items() if key != BY_ID[id].key})
        self.shown_keys = {a.id: a.show if keys[a.id] == a.key else shown(keys[a.id]) for a in ACTIONS}
        self._choose_first_theme()

    # -- themes -------------------------------------------------------------------------------------------------
    def get_theme_variable_defaults(self) -> dict[str, str]:
        """So that the style sheets parse whatever the theme is."""
        return themes.variables(themes.DEFAULT)

    def _choose_first_theme(self) -> None:
        wanted = self.options.theme or self.spec.theme
        if self.options.plain or (wanted is None and self.options.few_colours):
            wanted = themes.TERMINAL
        self._chosen_theme = wanted or themes.DEFAULT.name
        if self._chosen_theme != themes.DEFAULT.name and self._chosen_theme not in self.all_themes():
            known = ", ".join(self._themes)
            self.problems.append(f"There is no theme {clean(self._chosen_theme, 40)!r}; the themes are {known}.")
        self.use_theme(self._chosen_theme if self._chosen_theme in self._themes else themes.DEFAULT.name)

    def all_themes(self) -> dict[str, themes.ThemeSpec]:
        """Packaged ones and the user's own, read when first asked for."""
        if self._theme_files is None:
            self.problems += self._read_themes()
        return self._themes

    def _read_themes(self) -> list[str]:
        from dftui.stack.paths import themes_dir, user_themes_dir

        self._theme_files = themes.look_at(user_themes_dir())
        self._themes, problems = themes.load_themes((themes_dir(), user_themes_dir()))
        return [clean(problem) for problem in problems]

    def _reread_themes(self) -> None:
        """The user's own themes, if a file of them changed: what is chosen is drawn anew, or the default instead."""
        from dftui.stack.paths import user_themes_dir

        if self._theme_files is None or self._theme_files == themes.look_at(user_themes_dir()):
            return
        problems = self._read_themes()
        known = self._chosen_theme in self._themes
        self.use_theme(self._chosen_theme if known else themes.DEFAULT.name)
        if problems:
            instead = "" if known else f" Theme {themes.DEFAULT.name} is used until it is right."
            self.main.conductor.say(f"{problems[0]}{instead}", "warning")
        elif known:
            self.main.conductor.say(f"Theme {self._chosen_theme}, as its file is now.")

    def use_theme(self, name: str) -> None:
        """Change all colours, if they are not these."""
        theme = self._themes[name]
        if self.is_running and theme is self.palette.theme:
            return
        self.palette = themes.Palette(theme, plain=self.options.plain, ascii=self.options.ascii)
        # A name of its own each time: textual looks at a theme again only when the name differs.
        before, self._theme_name = self._theme_name, f"dftui-{next(self._theme_numbers)}"
        self.register_theme(themes.textual_theme(theme, self._theme_name))
        self.theme = self._theme_name
        self.unregister_theme(before)
        if self.is_running:
            self.call_after_refresh(self.main.draw_all)

    def choose_theme(self, name: str) -> None:
        """Change all colours because the user says so."""
        self._chosen_theme = name
        self.use_theme(name)
        self.main.conductor.say(f"Theme {name}.")

    # -- life ---------------------------------------------------------------------------------------------------
    def get_default_screen(self) -> MainScreen:
        """The one screen under all dialogues."""
        return self.main

    def on_mount(self) -> None:
        """Signals, then the work that waits for the first paint."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            # textual handles neither: the process would die and leave the terminal in the alternate screen.
            loop.add_signal_handler(number, self._leave, 128 + number)
        # After a stop (Ctrl-Z, SIGCONT) textual 8.2.8 draws only what changes next, on a screen that is blank.
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))
        if self.problems:
            more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
            self.main.conductor.say(self.problems[0] + more, "warning")
        self.call_after_refresh(self._begin)

    async def _begin(self) -> None:
        await self.main.furnish()
        self.run_worker(self._find_backend(), name="connect")
        self.run_worker(self._clock(), name="clock")

    def _leave(self, code: int) -> None:
        self.exit(return_code=code)

    async def on_unmount(self) -> None:
        """Let go of everything; the stack keeps running."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
        if self._visit is not None:
            self._visit.cancel()
            await asyncio.gather(self._visit, return_exceptions=True)
        await self.main.conductor.close()
        if self.backend is not None:
            await self.backend.close()

    async def _find_backend(self) -> None:
        while True:
            try:
                backend = await self._connect()
            except Exception as error:
                hint = getattr(error, "hint", "")
                self.main.fail(clean(f"{error} {hint}".strip()))
                await asyncio.sleep(RETRY)
                continue
            break
        self.backend = backend
        backend.subscribe(self._arrived)
        backend.on_step(self._stepped)
        backend.on_entry(self.main.heard)
        self.main.connect(backend)
        self.run_worker(self._find_stacks(), name="stacks", group="stacks")
        if backend.snapshot is not None:
            self._newest = backend.snapshot
        self.main.draw_chrome()

    def _arrived(self, snapshot: Snapshot) -> None:
        self._newest = snapshot
        if states(snapshot) != states(self.main.snapshot):
            self._states_changed.set()

    def _stepped(self, step: Step) -> None:
        self.trends.step(step)
        self.main.conductor.step(step)

    # -- the frame clock ------------------------------------------------------------------------------------------
    async def _clock(self) -> None:
        """Draw what changed, at most `hz` times a second, and streams only when the terminal keeps up."""
        loop = asyncio.get_running_loop()
        while True:
            # A replica that has just begun to serve does not wait for the next tick, if the last frame is old enough.
            with suppress(TimeoutError):
                async with asyncio.timeout(1 / self.options.hz):
                    await self._states_changed.wait()
            await asyncio.sleep(max(0.0, self._drawn_at + 1 / self.options.hz - loop.time()))
            self._states_changed.clear()
            if self.away:
                continue
            newest = self._newest
            now = loop.time()
            closed = False
            if now - self._noted_at >= SLOW_TICKS:
                self._noted_at = now
                closed = newest is not None and self.trends.take(newest, self.wall())
                self._reread_themes()
            due = now - self._drawn_at >= SLOW_TICKS
            fresh = newest is not None and newest is not self.main.snapshot
            if newest is not None and fresh and (due or states(newest) != states(self.main.snapshot)):
                self._drawn_at = now
                self.main.take(newest)
                closed = False
            if closed:
                self.main.draw_curves()
            if self.backend is not None:
                wire = self.wire
                if wire is None:
                    self.main.flush()
                elif wire.may_stream and self.main.flush():
                    wire.streamed()
                if wire is not None and self.main.meter.look(wire):
                    self.main.draw_chrome()
                ids = self.main.visible_ids
                if ids != self._watched:
                    self._watched = ids
                    self.backend.watch_stats(ids)

    # -- the way to the terminal ------------------------------------------------------------------------------------
    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        # Private to textual 8.2.8, which would write the update itself, whole lines and all frames.
        if not isinstance(renderable, LayoutUpdate | ChopsUpdate) or self._batch_count or self._closed:
            super()._display(screen, renderable)
            return
        if self.wire is None and isinstance(self._driver, Driver):
            colours = COLOR_SYSTEMS[self.console.color_system or "truecolor"]
            self.wire = Wire(self._driver, colours, ascii=self.options.ascii, fence=self.options.fence)
            self.wire.synchronised = self._synchronised
        if self.wire is None or not self._running:
            super()._display(screen, renderable)
            return
        cursor = self.cursor_position if isinstance(self.focused, Input) else Offset(0, 0)
        self.wire.show(renderable, self.size, cursor)
        self.post_display_hook()

    def on_resize(self) -> None:
        """What the terminal shows after a change of its size is not known."""
        if self.wire is not None:
            self.wire.page.forget()

    def on_terminal_supports_synchronized_output(self, message: TerminalSupportsSynchronizedOutput) -> None:
        """The terminal's answer to textual's question, which is the first, or to the fence's."""
        self._synchronised = True
        if self.wire is not None:
            self.wire.synchronised = True
        if isinstance(self._driver, Driver) and self._driver.asked:
            self._driver.asked -= 1
        elif self.wire is not None:
            self.wire.answered()

    def on_key(self, event: events.Key) -> None:
        """A field takes what was typed before it had the focus: a key that is sent behind `/` in one go has gone to
        the list, and would be taken for an action when it comes back from there."""
        field = self.focused
        if isinstance(field, Input) and event.is_printable and event.character:
            event.prevent_default()
            field.insert_text_at_cursor(event.character)

    # -- what keys do ---------------------------------------------------------------------------------------------
    def perform(self, main: MainScreen, name: str, context: Context) -> None:
        """An action that applies; the registry has the list."""
        conductor = main.conductor
        match name:
            case "scale-up":
                conductor.add(1)
            case "scale-down":
                conductor.add(-1)
            case "scale-to":
                self._ask_number(main)
            case "drain":
                main.drain_selected()
            case "remove":
                self._ask_remove(main, context)
            case "roll":
                self._ask_roll(main)
            case "pause-roll":
                conductor.pause_roll()
            case "repair":
                conductor.repair(main.verify.replaces, verify=main.verify.fixable)
            case "probe":
                conductor.probe(main.snapshot.serving if main.snapshot else 1)
            case "verify":
                conductor.verify()
            case "logs":
                if context.pane == "logs":
                    selected = main.replicas.table.selected
                    main.show_logs_of(selected.name if main.logs.who is None and selected else None)
                else:
                    main.action_pane("logs")
            case "requests" | "actions" | "graphs":
                main.action_pane(name)
            case "shell" if context.selected is not None:
                self.visit(context.selected.name)
            case "database" | "cache" if context.snapshot is not None:
                self.visit((context.snapshot.db if name == "database" else context.snapshot.cache).name, client=True)
            case "zoom":
                main.toggle_zoom()
            case "admin":
                self._ask_admin(main)
            case "backup":
                self._ask_backup(main)
            case "filter" if context.pane == "requests":
                main.requests.open_filter()
            case "follow":
                main.toggle_follow()
            case "up":
                conductor.up()
            case "down":
                self._ask_down(main)
            case "theme":
                names = sorted(self.all_themes())
                self.choose_theme(names[(names.index(self.palette.theme.name) + 1) % len(names)])
            case "meter":
                main.meter.toggle()
                main.draw_chrome()
            case "redraw":
                if self.wire is not None:
                    self.wire.redraw()
            case "help":
                from dftui.ui.screens.help import HelpScreen
                from dftui.watch.alarms import raised

                there = main.snapshot is not None and main.snapshot.exists
                topic = context.pane if there and context.pane else "tutorial"
                alarms = raised(main.snapshot) if main.snapshot else ()
                banner = alarms[0] if main.has_class("alarm") and alarms else ""
                self.push_screen(HelpScreen(topic, alarms, offered(context), self.shown_keys, banner))
            case "palette":
                from dftui.ui.screens.find import FindScreen

                self.push_screen(FindScreen())
                self.run_worker(self._find_stacks(), name="stacks", group="stacks")
            case "background":
                self._step_aside()
            case "quit":
                self.exit(return_code=0)
            case _:
                from dftui.ui.screens import logdialogues

                if name == "filter":
                    main.show_tab("logs", focus=False)
                at = context.selected.name if context.selected else ""
                logdialogues.act(main.logs, name, main.container_names(), at)

    async def on_event(self, event: events.Event) -> None:
        """A key that was typed on a screen which a dialogue has covered meanwhile is the dialogue's."""
        if isinstance(event, events.Key):
            # textual 8.2.8 hands keys to the pane in focus as they come, and gets them back one by one.
            typed_on = self._typed_on.setdefault(event, self.screen)
            if event.is_forwarded and typed_on is self.main is not self.screen and self.focused is not None:
                again = events.Key(event.key, event.character)
                self._typed_on[again] = self.screen
                self.focused._forward_event(again)
                return
        await super().on_event(event)

    async def dialogue_ready(self) -> None:
        """Until a dialogue that was just opened can take keys."""
        screen = self.screen
        if screen is self.main:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(READY):
                while not screen.is_mounted or (screen.focused is None and screen.focus_chain):  # noqa: ASYNC110
                    await asyncio.sleep(0.002)

    def _step_aside(self) -> None:
        from dftui.ui.terminal import job_control

        if self.is_headless or not job_control():
            self.main.conductor.say("There is no shell below that could bring dftui back; q leaves.", "warning")
            return
        # To the whole group: what started dftui (make, sh -c) must stop with it. The driver gives the terminal back.
        os.kill(0, signal.SIGTSTP)

    def visit(self, name: str, *, client: bool = False) -> None:
        """A shell in a container, or its role's own client."""
        from dftui.control.attach import terminal_size
        from dftui.ui.visit import visit

        if refused := refusal(Effect.REVEAL, self.options.read_only):
            self.main.conductor.say(refused, "warning")
            return
        snapshot = self.main.snapshot
        if snapshot is None or self.backend is None or (self._visit is not None and not self._visit.done()):
            return
        role = next((s.role for s in (snapshot.db, snapshot.cache, snapshot.balancer) if s.name == name), "web")
        opened = self.backend.inside(name, role, client=client, size=terminal_size())
        what = f"{'client' if client else 'shell'} in {name}"
        # A task, not a worker: the app waits for its end when it ends itself.
        self._visit = asyncio.create_task(visit(self, opened, what), name="visit")

    def switch(self, other: OtherStack) -> None:
        """Leave this stack as it is and open the screen on another one of the same engine."""
        from dftui.stack.file import StackFileError, load

        try:
            spec = load(Path(other.file)) if other.file else StackSpec(name=other.name)
        except StackFileError as error:
            self.main.conductor.say(str(error.errors[0]), "bad")
            return
        if spec.name != other.name:
            self.main.conductor.say(f"{other.file} is the file of {spec.name} now.", "bad")
            return
        self.next_stack = (spec, "" if other.known else "its stack file is not known here")
        self.exit(return_code=0)

    async def _find_stacks(self) -> None:
        with suppress(Exception):  # the palette has none, then; whatever is wrong is told by the rest of the screen
            if self.backend is not None:
                self.others = await self.backend.stacks()

    def _ask_number(self, main: MainScreen) -> None:
        from dftui.ui.screens.dialogues import NumberScreen

        def chosen(number: int | None) -> None:
            if number is not None:
                main.conductor.scale_to(number)

        wanted = main.snapshot.wanted if main.snapshot else 1
        self.push_screen(NumberScreen(wanted, self.spec.web.min, self.spec.web.max), chosen)

    def _ask_remove(self, main: MainScreen, context: Context) -> None:
        from dftui.ui.screens.dialogues import ConfirmScreen

        replica = context.replica
        if replica is None:
            return

        def chosen(yes: bool | None) -> None:
            if yes:
                main.conductor.remove(replica.name)

        what = "It is drained first, so that no request is lost; then its container is removed."
        self.push_screen(ConfirmScreen(f"Remove {replica.name}?", what), chosen)

    def _ask_roll(self, main: MainScreen) -> None:
        from dftui.ui.screens.dialogues import ConfirmScreen

        def chosen(yes: bool | None) -> None:
            if yes:
                main.conductor.roll()

        count = len(main.snapshot.web) if main.snapshot else 0
        what = "A new one serves before an old one is drained; if a new one fails, the roll goes back by itself."
        self.push_screen(
            ConfirmScreen(f"Replace what is not up to date among {count} replicas, one by one?", what), chosen
        )

    def ask_password(self, main: MainScreen, needed: PasswordNeeded) -> None:
        """The admin's, because it is not known here or was refused; then verify goes on."""
        from dftui.control.verify import Login
        from dftui.ui.screens.dialogues import PasswordScreen

        def chosen(typed: tuple[str, str] | None) -> None:
            if typed is not None:
                main.conductor.verify(Login(*typed))

        self.push_screen(PasswordScreen(clean(f"{needed}.", 300), clean(needed.email, 200)), chosen)

    def _ask_admin(self, main: MainScreen) -> None:
        from dftui.ui.screens.admin import AdminScreen, Answer

        def chosen(answer: Answer | None) -> None:
            if answer is not None:
                main.conductor.create_admin(answer.admin, keep=answer.keep)

        self.push_screen(AdminScreen(self.spec.admin), chosen)

    def _ask_backup(self, main: MainScreen) -> None:
        from dftui.ui.screens.dialogues import BackupScreen

        def chosen(path: str | None) -> None:
            if path:
                main.conductor.backup(path)

        self.push_screen(BackupScreen(self.spec.name), chosen)

    def _ask_down(self, main: MainScreen) -> None:
        from dftui.ui.screens.dialogues import DownScreen, NameScreen

        snapshot = main.snapshot
        if snapshot is None:
            return

        def named(yes: bool | None) -> None:
            if yes:
                main.conductor.down(True)

        def chosen(answer: str | None) -> None:
            if answer == "keep":
                main.conductor.down(False)
            elif answer == "volumes":
                self.push_screen(NameScreen(snapshot.stack), named)

        services = (snapshot.db, snapshot.cache, snapshot.balancer)
        self.push_screen(DownScreen(snapshot.stack, len(snapshot.web) + sum(bool(s.id) for s in services)), chosen)


def states(snapshot: Snapshot | None) -> object:
    """What is worth drawing at once: states alone. A sentence beside one may change ten times a second while a
    replica boots, and each frame keeps the next one waiting."""
    if snapshot is None:
        return None

    def service(s: Service) -> tuple[str, str, str]:
        return s.id, s.state, s.health

    return (
        snapshot.wanted,
        snapshot.engine.lost_since,
        service(snapshot.db),
        service(snapshot.cache),
        service(snapshot.balancer),
        tuple((r.id, r.state) for r in snapshot.web),
    )
