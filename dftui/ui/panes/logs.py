"""The logs: every container's lines merged, or one container's; follow, filter, search, honest figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from zlib import crc32

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Label

from dftui.ui.backend import Logs
from dftui.ui.draw import Glyphs, Row, Span, fit
from dftui.ui.panes.logmodel import LogModel, Tally, level_role
from dftui.ui.panes.pane import TabPane
from dftui.ui.panes.ring import RingView
from dftui.watch.format import clock, count
from dftui.watch.lines import Line, Record

WHO_WIDTH = 10
MARKER = re.compile(r"(\d+)$")


def source_role(who: str, sources: int) -> str:
    """A container's colour: the same every time, and different for neighbouring numbers."""
    found = MARKER.search(who)
    number = int(found.group(1)) if found else crc32(who.encode())
    return f"source{number % max(1, sources)}"


def log_row(line: Line, *, times: bool, who_width: int, sources: int, needle: str, glyphs: Glyphs) -> Row:
    """One line: time, who, text; a late one is marked, matches stand out."""
    spans: list[Span] = [Span(" ")]
    if times:
        spans += [Span(clock(line.time, millis=True), "muted"), Span(" ")]
    spans += [Span(fit(line.who, who_width, mark=glyphs.ellipsis), source_role(line.who, sources)), Span(" ")]
    if line.late:
        spans.append(Span("late ", "warning"))
    role = level_role(line)
    text = f"{glyphs.rule * 2} {line.text}" if line.kind in ("event", "gap") else line.text
    if not needle:
        return (*spans, Span(text, role))
    flags = re.NOFLAG if needle != needle.lower() else re.IGNORECASE
    at = 0
    for found in re.finditer(re.escape(needle), text, flags):
        if found.start() > at:
            spans.append(Span(text[at : found.start()], role))
        spans.append(Span(found.group(), "match"))
        at = found.end()
    spans.append(Span(text[at:], role))
    return tuple(spans)


def tally_spans(tally: Tally, width: int, follow: bool, unseen: int, glyphs: Glyphs) -> list[Span]:
    """The header's figures, all four wherever they fit; what was lost is never left out."""
    lost = "bad" if tally.dropped else "muted"
    long: list[Span] = []
    for number, word in ((tally.received, "received"), (tally.shown, "shown"), (tally.filtered, "filtered")):
        long += [Span(count(number)), Span(f" {word}  ", "muted")]
    long.append(Span(f"{count(tally.dropped)} dropped", lost))
    if width < 100:
        long = [Span(f"{count(tally.shown)}/{count(tally.received)}"), Span(" shown", "muted")]
        if tally.filtered:
            long += [Span(f" {count(tally.filtered)} filt.", "muted")]
        long += [Span(f" {count(tally.dropped)} dropped", lost)]
    if width >= 100 or tally.lag >= 1:
        lag = "<0.5 s" if tally.lag < 0.5 else f"{tally.lag:.0f} s" if tally.lag >= 9.5 else f"{tally.lag:.1f} s"
        long += [Span(f"  lag {lag}", "warning" if tally.lag >= 2 else "muted")]
    if follow:
        long.append(Span("  follow", "good"))
    else:
        long.append(Span(f"  {glyphs.down} {count(unseen)} new" if unseen else "  held", "warning-strong"))
    return long


class LogLines(RingView[Record]):
    """The lines themselves."""

    def __init__(self, limit: int = 10_000) -> None:
        super().__init__(limit)
        self.logs: Logs | None = None
        self.times = True
        self.needle = ""
        self.who_width = WHO_WIDTH

    def draw(self, item: Record) -> Row:
        """Only what is in sight is ever masked, cleaned and parsed."""
        assert self.logs is not None
        line = self.logs.line(item)
        return log_row(
            line,
            times=self.times,
            who_width=self.who_width,
            sources=self.ui.palette.sources,
            needle=self.needle,
            glyphs=self.ui.glyphs,
        )

    def nothing(self) -> Sequence[str]:
        """No line, or none that is let through."""
        if self.needle:
            return (f"No line holds {self.needle!r}. Esc ends the filter.",)
        return ("No line yet. What the containers write comes here as they write it.",)


class FilterInput(Input):
    """The filter's field: no blinking cursor, which would cost 2 KB/s."""

    def __init__(self) -> None:
        super().__init__(compact=True, select_on_focus=False)
        self.cursor_blink = False


class LogsPane(TabPane):
    """Title with the figures, lines, and the filter's field while it is used."""

    pane = "logs"
    number = "3"

    def __init__(self) -> None:
        super().__init__()
        self.lines = LogLines()
        self.field = FilterInput()
        self.model: LogModel | None = None

    def compose(self) -> ComposeResult:
        """Title, lines, filter."""
        yield self.heading
        yield self.lines
        with Horizontal(classes="filter"):
            yield Label("/", markup=False)
            yield self.field

    @property
    def body(self) -> Widget:
        """The lines."""
        return self.lines

    def connect(self, logs: Logs) -> None:
        """Take lines from here from now on."""
        self.lines.logs = logs
        self.model = LogModel(logs)
        self._restart(None, self.field.value)

    @property
    def who(self) -> frozenset[str] | None:
        """Whose lines are shown; None is everybody's."""
        return self.model.who if self.model else None

    def figures(self) -> Sequence[Span]:
        """The tally; of whom, when it is not all."""
        if self.model is None:
            return ()
        width = self.heading.size.width
        spans = tally_spans(self.model.tally(), width, self.lines.follow, self.lines.unseen, self.lines.ui.glyphs)
        if self.model.needle and not self.field.has_focus:
            spans = [Span(f"/{self.model.needle}", "info"), Span("  "), *spans]
        if self.model.who:
            spans = [Span(f"only {', '.join(sorted(self.model.who))}", "info"), Span("  "), *spans]
        return spans

    def _restart(self, who: frozenset[str] | None, needle: str) -> None:
        if self.model is None:
            return
        self.lines.needle = needle
        records = self.model.restart(who, needle)
        self.fit_names(records)
        self.lines.replace(records)
        self.draw_title()

    def fit_names(self, records: Sequence[Record]) -> None:
        """Room for the longest name seen, up to 16."""
        longest = max((len(record.who) for record in records), default=0)
        if longest > self.lines.who_width:
            self.lines.who_width = min(16, longest)
            self.lines.redraw()

    def show_only(self, who: frozenset[str] | None) -> None:
        """Lines of these, or of all."""
        self._restart(who, self.lines.needle)

    def flush(self) -> bool:
        """Take what came since; whether anything in sight changed."""
        if self.model is None:
            return False
        records = self.model.pull()
        if records:
            self.fit_names(records)
            self.lines.append(records)
        return bool(records)

    # -- the filter -------------------------------------------------------------------------------------------
    def open_filter(self) -> None:
        """Type a text; the lines follow as it is typed."""
        self.add_class("filtering")
        self.field.focus()
        self.draw_title()

    def close_filter(self, keep: bool) -> None:
        """Back to the lines, filtered or not."""
        self.remove_class("filtering")
        if not keep:
            self.field.value = ""
        self.lines.focus()
        self.draw_title()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self.lines.needle:
            self._restart(self.who, event.value)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.close_filter(keep=True)

    def on_key(self, event: events.Key) -> None:
        """Escape takes the filter away."""
        if event.key == "escape" and (self.field.has_focus or self.lines.needle):
            event.stop()
            self.close_filter(keep=False)

    # -- what keys do ------------------------------------------------------------------------------------------
    def toggle_times(self) -> None:
        """The time of each line, shown or not."""
        self.lines.times = not self.lines.times
        self.lines.redraw()

    def search(self, direction: int) -> bool:
        """To the next matching line above (-1) or below (1); False when there is none."""
        if self.model is None or not self.model.needle:
            return False
        at = self.lines.scroll_offset.y + direction
        while 0 <= at < self.lines.count():
            if self.model.matches(self.lines.items[at]):
                self.lines.jump(at)
                self.lines.moved()
                self.draw_title()
                return True
            at += direction
        return False
