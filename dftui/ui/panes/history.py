"""What was done, step by step, with the docker command that would do the same."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from textual.app import ComposeResult
from textual.widget import Widget

from dftui.control.entry import Entry
from dftui.ui.draw import Glyphs, Row, Span, bar, clip_row
from dftui.ui.panes.pane import TabPane
from dftui.ui.panes.ring import RingView
from dftui.watch.format import clock
from dftui.watch.records import Step

KEEP = 1000
COMMANDS_SHOWN = 12
"""Of an action that was done elsewhere; `dftui history --verbose` has them all."""
Item = Step | Entry
"""A step of an action of this screen, or an action that was done earlier or elsewhere."""
STATE = {"running": ("wait", "info"), "ok": ("good", "good"), "failed": ("bad", "bad")}
WORD = {"running": "doing", "ok": "done", "failed": "failed"}


def ended(item: Item) -> float:
    """When it was told, or done."""
    return item.at if isinstance(item, Step) else item.time + item.seconds


def fold(done: list[Item], new: Item) -> None:
    """Put a step in its place: one that goes on replaces its earlier self, any other comes last. An action that was
    done earlier or elsewhere is read a little later than it was done: it comes where it belongs."""
    if isinstance(new, Entry):
        at = len(done)
        while at and ended(done[at - 1]) > ended(new):
            at -= 1
        done.insert(at, new)
        del done[: len(done) - KEEP]
        return
    for index in range(len(done) - 1, max(-1, len(done) - 40), -1):
        old = done[index]
        if not isinstance(old, Step):
            continue
        if old.state == "running" and (old.action, old.who, old.text) == (new.action, new.who, new.text):
            done[index] = replace(new, command=new.command or old.command)
            return
    done.append(new)
    del done[: len(done) - KEEP]


def step_row(step: Step, glyphs: Glyphs) -> Row:
    """One step: when, how it stands, of which action, what."""
    sign, role = STATE[step.state]
    spans = [
        Span(" "),
        Span(clock(step.at), "muted"),
        Span(f"  {getattr(glyphs, sign)} {WORD[step.state]:<6} ", role),
        Span(f"{step.action:<7} ", "accent"),
    ]
    if step.total > 1 and step.state == "running":
        full, empty = bar(step.done / step.total, 8, glyphs)
        spans += [Span(full, "accent"), Span(empty, "muted"), Span(" ")]
    if step.who and step.who not in step.text:
        spans += [Span(step.who, "strong"), Span(" ")]
    return (*spans, Span(step.text, "bad" if step.state == "failed" else ""))


def command_row(command: str) -> Row:
    """The docker command, under its step or its action."""
    return (Span(" " * 11), Span("$ ", "accent"), Span(command, "muted"))


def entry_rows(entry: Entry, now: float, glyphs: Glyphs) -> list[Row]:
    """An action that was done earlier or elsewhere: when, how it ended, what, by whom, its receipt; its commands."""
    sign, role = ("bad", "bad") if entry.failed else ("good", "good")
    word = "failed" if entry.failed else "done"
    today = time.localtime(entry.time)[:3] == time.localtime(now)[:3]
    spans = [
        Span(" "),
        Span(clock(entry.time) if today else time.strftime("%b %d %H:%M", time.localtime(entry.time)), "muted"),
        Span(f"  {getattr(glyphs, sign)} {word:<6} ", role),
        Span(entry.action, "accent"),
        Span(f"  by {entry.who}", "muted"),
        Span(f"  {entry.seconds:.1f} s", "muted"),
    ]
    if words := entry.receipt_words():
        spans.append(Span(f"  {words}"))
    if entry.failed:
        spans.append(Span(f"  {entry.outcome.removeprefix('failed: ')}", "bad"))
    rows: list[Row] = [tuple(spans)]
    rows += [command_row(command) for command in entry.commands[:COMMANDS_SHOWN]]
    if (more := len(entry.commands) - COMMANDS_SHOWN) > 0:
        rows.append((Span(" " * 11), Span(f"and {more} more: dftui history --verbose", "muted")))
    return rows


class HistoryLines(RingView[Row]):
    """Rows that are ready."""

    def draw(self, item: Row) -> Row:
        """As it is."""
        return item

    def more(self) -> list[Span]:
        """For a title: how many rows are below the window, if any."""
        return [Span(f"{self.below} more lines below  ", "muted")] if self.below else []


class StepLines(HistoryLines):
    """The steps of actions."""

    def nothing(self) -> Sequence[str]:
        """Before the first one."""
        return (
            "Nothing was done since dftui was opened. Each step comes here, with the docker command that does it.",
        )


class ActionsPane(TabPane):
    """Title and steps."""

    pane = "actions"
    number = "5"

    def __init__(self) -> None:
        super().__init__()
        self.lines = StepLines(2 * KEEP)
        self.items: list[Item] = []

    def compose(self) -> ComposeResult:
        """Title, steps."""
        yield self.heading
        yield self.lines

    @property
    def body(self) -> Widget:
        """The steps."""
        return self.lines

    def figures(self) -> Sequence[Span]:
        """How many failed here, if any did."""
        failed = sum(step.state == "failed" for step in self.steps)
        return [Span(f"{failed} failed", "bad")] if failed else [Span(f"{len(self.items)} steps", "muted")]

    @property
    def steps(self) -> list[Step]:
        """Of the actions of this screen."""
        return [item for item in self.items if isinstance(item, Step)]

    def add(self, item: Item) -> None:
        """One more step, or one more action of somebody else."""
        fold(self.items, item)

    def redraw(self) -> None:
        """Show the steps as they are now."""
        glyphs = self.lines.ui.glyphs
        rows: list[Row] = []
        for item in self.items:
            if isinstance(item, Entry):
                rows += entry_rows(item, self.lines.ui.wall(), glyphs)
                continue
            rows.append(step_row(item, glyphs))
            if item.command:
                rows.append(command_row(item.command))
        held = None if self.lines.follow else self.lines.scroll_offset.y
        self.lines.replace(rows)
        if held is not None:
            self.lines.set_follow(False)
            self.lines.jump(held)
        self.draw_title()


def status_row(running: Sequence[Step], message: tuple[str, str], width: int, glyphs: Glyphs) -> Row:
    """The line above the footer: work in progress with its measure, or what came of the last."""
    if running:
        step = running[-1]
        others = f"  (+{len(running) - 1} more)" if len(running) > 1 else ""
        spans = [Span(f" {glyphs.wait} ", "info"), Span(step.action, "info-strong"), Span("  ")]
        if step.total > 0:
            full, empty = bar(step.done / step.total, 12, glyphs)
            spans += [Span(full, "accent"), Span(empty, "muted"), Span(f" {step.done}/{step.total}  ")]
        return clip_row((*spans, Span(step.text), Span(others, "muted")), width, glyphs.ellipsis)
    text, role = message
    if not text:
        return ()
    sign = {"good": glyphs.good, "bad": glyphs.bad, "warning": glyphs.warn}.get(role, glyphs.dot)
    return clip_row(
        (Span(f" {sign} ", role), Span(text, role if role in ("bad", "warning") else "")), width, glyphs.ellipsis
    )
