"""The application: connects, keeps the frame clock, owns theme and keys. It holds no logic of stacks."""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakKeyDictionary

from rich.console import COLOR_SYSTEMS, RenderableType
from textual import events, on
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.binding import Binding, BindingType
from textual.geometry import Offset
from textual.messages import TerminalSupportsSynchronizedOutput
from textual.screen import Screen
from textual.widgets import Input

from dftui.control.actions import ACTIONS, BY_ID
from dftui.stack.spec import StackSpec
from dftui.ui import themes
from dftui.ui.backend import Backend
from dftui.ui.canvas import Drawn
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
    from dftui.engine.contexts import Context

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
        """On this engine, as they were when the palette was last opened."""
        self.engines: list[Context] = []
        """Those of the docker client's contexts, as they were then."""
        self.next_engine = ""
        """The context that was chosen, whose engine is to be looked at next."""
        self.next_stack: tuple[StackSpec, str] | None = None
        """The stack that was chosen in this one's place, and why it may only be looked at ("" when it may not)."""
        self._typed_on: WeakKeyDictionary[events.Key, Screen[object]] = WeakKeyDictionary()
        self.visit: asyncio.Task[None] | None = None
        """In a container, while one lasts."""
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
        missing = self._chosen_theme != themes.DEFAULT.name and self._chosen_theme not in self.all_themes()
        # A file that is bad is told already.
        if missing and not any(f"/{self._chosen_theme}.y" in problem for problem in self.problems):
            known = ", ".join(self._themes)
            self.problems.append(f"There is no theme {clean(self._chosen_theme, 40)!r}; the themes are {known}.")
        self.use_theme(self._chosen_theme if self._chosen_theme in self._themes else themes.DEFAULT.name)

    def all_themes(self) -> dict[str, themes.ThemeSpec]:
        """Packaged ones and the user's own, read when first asked for."""
        if self._theme_files is None:
            problems = self._read_themes()
            self.problems += problems
            if self.is_running:
                self._tell(problems)
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
            self._tell([f"{problems[0]}{instead}", *problems[1:]])
        elif known:
            self.main.conductor.say(f"Theme {self._chosen_theme}, as its file is now.")
        else:
            self.main.conductor.say(f"Theme {themes.DEFAULT.name}, since {self._chosen_theme} is gone.", "warning")

    def _tell(self, problems: Sequence[str]) -> None:
        """What is wrong with settings: the first in the message line, each of them in the actions."""
        for problem in problems:
            self.main.conductor.step(Step(self.wall(), "settings", problem, "failed"))
        if problems:
            key = self.shown_keys["actions"]
            more = f"1 of {len(problems)}, see {key}: " if len(problems) > 1 else ""
            self.main.conductor.say(more + problems[0], "warning")

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
        self._tell(self.problems)
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
        if self.visit is not None:
            self.visit.cancel()
            await asyncio.gather(self.visit, return_exceptions=True)
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
                elif wire.may_stream:
                    began = loop.time()
                    if self.main.flush():
                        wire.streamed(began)
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

    # -- keys and dialogues ----------------------------------------------------------------------------------------
    @on(Drawn.Clicked)
    def _clicked(self, event: Drawn.Clicked) -> None:
        """The keys in the last line of a dialogue."""
        if event.action.startswith("key-"):
            self.simulate_key(event.action.removeprefix("key-"))

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
