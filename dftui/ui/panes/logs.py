"""The logs: any containers' lines merged; follow, filter, search, fold, copy, save; honest figures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Label

from dftui.ui.backend import Logs
from dftui.ui.canvas import Canvas
from dftui.ui.draw import Span, row_width
from dftui.ui.panes.logfilter import LEAST, FilterInput, Wanted, choice_spans, how_row, how_words
from dftui.ui.panes.loglines import LogLines
from dftui.ui.panes.logmodel import LogModel
from dftui.ui.panes.logrow import TIMES, tally_spans
from dftui.ui.panes.logtools import REST, around, copy, find
from dftui.ui.panes.pane import TabPane, title_room
from dftui.watch.match import CASES, BadPattern, Matcher

SLICE = 0.005
"""Seconds of looking back at a time."""
_TITLE_EVERY = 0.1


class LogsPane(TabPane):
    """Title with the figures, lines, and below them what is left out, or the filter's field while it is used."""

    pane = "logs"
    number = "3"

    def __init__(self) -> None:
        super().__init__()
        self.lines = LogLines()
        self.field = FilterInput()
        self.how = Canvas(classes="how")
        self.left_out = Canvas(classes="left-out")
        self.model: LogModel | None = None
        self.wanted = Wanted()
        self.since = ""
        self.problem = ""
        self._seek: int | None = None
        self.looked = asyncio.Event()
        """Set whenever a piece more of what is held has been looked at."""

    def compose(self) -> ComposeResult:
        """Title, lines, filter."""
        yield self.heading
        yield self.lines
        yield self.left_out
        with Horizontal(classes="filter"):
            yield Label("/", markup=False)
            yield self.field
            yield self.how

    @property
    def body(self) -> Widget:
        """The lines."""
        return self.lines

    @property
    def tail(self) -> int:
        """Last lines of each container that are read at first."""
        return self.lines.ui.spec.logs.tail

    @property
    def who(self) -> frozenset[str] | None:
        """Whose lines are shown; None is everybody's."""
        return self.wanted.who

    def connect(self, logs: Logs) -> None:
        """Take lines from here from now on."""
        self.model = self.lines.model = LogModel(logs)
        self.restart(self.wanted)

    # -- what is shown ----------------------------------------------------------------------------------------------
    def restart(self, wanted: Wanted, seek: int | None = None) -> None:
        """Show this, from the end back, or with the cursor on the record `seek`. An expression that takes for ever
        changes nothing."""
        if self.model is None:
            self.wanted = wanted
            return
        before, self.wanted = self.wanted, wanted
        self.lines.search = wanted.search
        try:
            self.model.restart(wanted.who, wanted.choice)
            self.problem = ""
        except BadPattern as error:
            self.problem = str(error)
            self.wanted = before if before.search != wanted.search else replace(before, search=Matcher())
            self.lines.search = self.wanted.search
            self.model.restart(self.wanted.who, self.wanted.choice)
        self._seek = seek
        self.lines.restart()
        self._reached()
        if self.model.looking:
            self.run_worker(self._look_back(), group="look back", exclusive=True)
        self.draw_title()

    async def _look_back(self) -> None:
        """The rest of what is held, in slices between which keys are answered."""
        drawn = time.monotonic()
        while self.model is not None and self.model.looking:
            try:
                added = self.model.look(SLICE)
            except BadPattern as error:
                self._give_up(error)
                return
            if added:
                self.lines.fill()
                self._reached()
            self.looked.set()
            if time.monotonic() - drawn > _TITLE_EVERY:
                drawn = time.monotonic()
                self.draw_title()
            await asyncio.sleep(REST)
        self.draw_title()

    def _give_up(self, error: BadPattern) -> None:
        """An expression that was good so far takes for ever on some line."""
        self.restart(replace(self.wanted, search=Matcher()))
        self.problem = str(error)
        self.say(f"The filter was given up: {error}.", "bad")
        self.draw_title()

    def _reached(self) -> None:
        """Put the cursor where it was before the filter changed, once that line is there again."""
        model = self.model
        if self._seek is None or model is None or not model.items:
            return
        if model.items[0].seq <= self._seek or not model.looking:
            seek, self._seek = self._seek, None
            self.lines.go(min(model.index(seek), len(model.items) - 1), far=True)

    def show_only(self, who: frozenset[str] | None) -> None:
        """Lines of these, or of all."""
        self.restart(replace(self.wanted, who=who), self.lines.cursor)

    def show_around(self, name: str, time: float, text: str) -> None:
        """This container's lines, all of them, at the first that holds `text`, else at a time (unix seconds)."""
        self.restart(Wanted(who=frozenset((name,))))
        self.run_worker(around(self, time, text), group="find", exclusive=True)

    def flush(self) -> bool:
        """Take what came since; whether anything did."""
        model = self.model
        if model is None:
            return False
        if model.outdated:
            self.restart(self.wanted)
            return True
        try:
            records, lines = model.pull()
        except BadPattern as error:
            self._give_up(error)
            return True
        swept = model.sweep(self.lines.window)
        if records or swept:
            self.lines.fit_names(max(map(len, model.logs.names()), default=0))
            self.lines.arrived(lines)
        return bool(records)

    # -- title ------------------------------------------------------------------------------------------------------
    def figures(self) -> Sequence[Span]:
        """The tally."""
        if self.model is None:
            return ()
        lines = self.lines
        room = title_room(self.names(), self.heading.size.width)
        return tally_spans(self.model.tally(), room, lines.follow, lines.unseen, lines.ui.glyphs)

    def draw_title(self) -> None:
        """The title, and what is left out."""
        super().draw_title()
        wanted, model = self.wanted, self.model
        looked = model.looked if model is not None and model.looking else 1.0
        spans = choice_spans(wanted, self.since, looked)
        if self.problem and not self.field.has_focus:
            spans += [Span("   " if spans else " "), Span(self.problem, "bad")]
        self.set_class(bool(spans), "chosen")
        self.left_out.set_rows([tuple(spans)])
        self._draw_how()

    def _draw_how(self) -> None:
        """How the field's text is taken, or what is wrong with it."""
        row = how_row(self.wanted, self.lines.ui.shown_keys, self.problem)
        self.how.styles.width = min(row_width(row), max(20, self.size.width - 16))
        self.how.set_rows([row])

    # -- the filter -------------------------------------------------------------------------------------------------
    def open_filter(self) -> None:
        """Type a text; the lines follow as it is typed."""
        self.add_class("filtering")
        self.field.value = self.wanted.search.needle
        self.field.cursor_position = len(self.field.value)
        # At once: what is typed behind the / must not be taken for keys.
        self.screen.set_focus(self.field)
        self.call_after_refresh(self.draw_title)

    def close_filter(self, keep: bool) -> None:
        """Back to the lines, filtered or not; the line under the cursor stays in sight."""
        self.remove_class("filtering")
        self.problem = ""
        if not keep and self.wanted.search:
            search = replace(self.wanted.search, needle="")
            self.restart(replace(self.wanted, search=search), self.lines.cursor)
        self.lines.focus()
        self.draw_title()

    def search_for(self, **changes: object) -> None:
        """Change the filter's text or how it is taken. A bad expression says so and changes nothing."""
        wanted = self.wanted
        hides = bool(changes.pop("hides", wanted.hides))
        try:
            search = replace(wanted.search, **changes)  # type: ignore[arg-type]
        except BadPattern as error:
            self.problem = str(error)
            self.draw_title()
            return
        self.problem = ""
        self.restart(replace(wanted, search=search, hides=hides), None if hides else self.lines.cursor)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self.has_class("filtering") and event.value != self.wanted.search.needle:
            self.search_for(needle=event.value)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.close_filter(keep=True)

    def on_key(self, event: events.Key) -> None:
        """Escape ends, one after the other, marking, the filter and the level."""
        if event.key != "escape":
            return
        if self.lines.marked is not None and self.lines.has_focus:
            self.lines.mark()
            self.say("Marking has ended.")
        elif self.field.has_focus or self.wanted.search:
            self.close_filter(keep=False)
        elif self.wanted.least:
            self.restart(replace(self.wanted, least=""), self.lines.cursor)
        else:
            return
        event.stop()

    # -- what keys do -----------------------------------------------------------------------------------------------
    def say(self, text: str, role: str = "") -> None:
        """On the status line."""
        self.lines.ui.main.conductor.say(text, role)

    def _take(self, **how: object) -> None:
        """Take the filter in another way; where there is none yet, say how the next one will be taken."""
        self.search_for(**how)
        if not self.wanted.search and not self.has_class("filtering"):
            self.say(f"The next filter: {how_words(self.wanted)}.")

    def act(self, name: str) -> None:
        """An action of the registry."""
        lines, search = self.lines, self.wanted.search
        match name:
            case "filter":
                self.open_filter()
            case "next-match" | "previous-match":
                if search:
                    self.run_worker(find(self, -1 if name == "next-match" else 1), group="find", exclusive=True)
                else:
                    self.say(f"There is no filter: {lines.ui.shown_keys['filter']} sets one.")
            case "filter-regex":
                self._take(regex=not search.regex)
            case "filter-inverse":
                self._take(inverse=not search.inverse)
            case "filter-case":
                self._take(case=CASES[(CASES.index(search.case) + 1) % len(CASES)])
            case "filter-mark":
                self._take(hides=not self.wanted.hides)
            case "level":
                least = LEAST[(LEAST.index(self.wanted.least) + 1) % len(LEAST)]
                self.restart(replace(self.wanted, least=least), lines.cursor)
            case "times":
                lines.times = TIMES[(TIMES.index(lines.times) + 1) % len(TIMES)]
                lines.redraw()
            case "wrap":
                lines.wrap, lines.left = not lines.wrap, 0
                lines.redraw()
            case "unfold":
                self.say("Stack traces are unfolded." if lines.fold_all() else "Stack traces are folded.")
            case "mark":
                if lines.mark():
                    keys = lines.ui.shown_keys
                    saves = "" if lines.ui.options.read_only else f" {keys['save']} saves,"
                    self.say(f"Marking from here to where you move; {keys['copy']} copies,{saves} Esc ends it.")
            case "copy":
                copy(self)
            case _:
                raise ValueError(name)
        self.draw_title()

    def enter(self) -> None:
        """Enter: unfold the trace at the cursor, or fold it."""
        if not self.lines.fold():
            self.say("There is no stack trace at this line.")

    def read_from(self, tail: int | None, since: float, words: str) -> None:
        """Read the engine's logs anew from another point."""
        if self.model is not None:
            self.since = words
            self.model.logs.reopen(tail=tail, since_ns=int(since * 1e9))
            self.flush()
