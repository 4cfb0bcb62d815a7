"""The requests through the balancer as they happen, and the Host that served each."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Label

from dftui.ui.backend import Requests
from dftui.ui.canvas import Canvas, LineView
from dftui.ui.draw import Row, Span
from dftui.ui.panes.logfilter import FilterInput
from dftui.ui.panes.pane import TabPane
from dftui.ui.panes.requestrow import head_row, picked_row, request_row, shares_row
from dftui.ui.panes.ring import RingView
from dftui.watch.format import count
from dftui.watch.records import Request
from dftui.watch.requestfilter import Filter
from dftui.watch.snapshot import Snapshot

LIMIT = 5_000
FOOT_FROM = 5
"""Rows of the pane from which its last one tells of the picked request, or of shares."""


class RequestLines(RingView[Request]):
    """The rows. None is picked while the newest is followed; moving picks one, and it stays picked where it is."""

    def __init__(self) -> None:
        super().__init__(LIMIT)
        self.needle = ""

    def draw(self, item: Request) -> Row:
        """One request."""
        return request_row(item, self.size.width, self.ui.palette.sources, self.ui.glyphs)

    def row(self, index: int) -> Row:
        """The picked one has a sign, too."""
        row = super().row(index)
        return (Span(self.ui.glyphs.cursor, "accent"), *row[1:]) if index == self.cursor else row

    def nothing(self) -> Sequence[str]:
        """Before the first request, or when none passes the filter."""
        if self.needle:
            return (f"No request holds {self.needle}; Esc shows all.",)
        return ("No request has come through the balancer yet.", "A host probe sends some, and shows them here.")

    @property
    def picked(self) -> Request | None:
        """The one under the cursor."""
        at = self.cursor
        return self.items[at] if at is not None and at < len(self.items) else None

    @property
    def meant(self) -> Request | None:
        """The one that Enter is about: what is picked, else the newest."""
        return self.picked or (self.items[-1] if self.items else None)

    def append(self, new: Sequence[Request]) -> None:
        """The picked one stays picked."""
        before = self._base
        super().append(new)
        if self.cursor is not None:
            self.cursor = max(0, self.cursor - (self._base - before))

    def replace(self, items: Sequence[Request]) -> None:
        """Others: none of them is picked."""
        self.cursor = None
        super().replace(items)

    def set_follow(self, follow: bool) -> None:
        """To follow is to pick none; to hold is to pick the newest."""
        super().set_follow(follow)
        self.cursor = None if follow or not self.items else len(self.items) - 1
        self.refresh()

    def moved(self) -> None:
        """What is picked is held."""
        if self.cursor is None:
            super().moved()
        elif self.follow:
            self.follow = False
            self.unseen = 0

    def action_move(self, by: int) -> None:
        """Up from the end picks the newest; down from the newest follows again."""
        last = len(self.items) - 1
        if last < 0:
            return
        if self.cursor is None:
            if by < 0:
                self.cursor = min(last, self.scroll_offset.y + max(1, self.size.height) - 1)
                self.refresh()
        elif self.cursor == last and by > 0:
            self.set_follow(True)
        else:
            self.set_cursor(self.cursor + by)
        self.post_message(LineView.Moved())

    def action_edge(self, end: int) -> None:
        """The first is picked; at the end the newest is followed."""
        if end:
            self.set_follow(True)
        elif self.items:
            self.cursor = self.cursor if self.cursor is not None else len(self.items) - 1
            self.set_cursor(0)
        self.post_message(LineView.Moved())

    def pointed(self, index: int) -> None:
        """A click picks, also where none was picked."""
        self.cursor = index
        self.refresh()
        self.post_message(LineView.Moved())

    def on_resize(self) -> None:
        """Columns depend on the width."""
        super().on_resize()
        self.redraw()


class RequestsPane(TabPane):
    """Title, heads, rows, the filter's field while it is used, and a line about the picked one."""

    pane = "requests"
    number = "4"

    def __init__(self) -> None:
        super().__init__()
        self.heads = Canvas(classes="heads")
        self.lines = RequestLines()
        self.field = FilterInput()
        self.foot = Canvas(classes="heads foot")
        self.source: Requests | None = None
        self.snapshot: Snapshot | None = None
        self._last = 0
        self._passes = Filter("")

    def compose(self) -> ComposeResult:
        """Title, heads, rows, field, line."""
        yield self.heading
        yield self.heads
        yield self.lines
        yield self.foot
        with Horizontal(classes="filter"):
            yield Label("/", markup=False)
            yield self.field

    @property
    def body(self) -> Widget:
        """The rows."""
        return self.lines

    def connect(self, source: Requests) -> None:
        """Take requests from here from now on."""
        self.source = source
        self._restart()

    def show(self, snapshot: Snapshot) -> None:
        """These are the facts: totals are the balancer's, whatever is recorded singly."""
        self.snapshot = snapshot
        if self.display:
            self.draw_title()

    def figures(self) -> Sequence[Span]:
        """How many in all, what of them stands here, and whether the newest is in sight."""
        source = self.source
        total = self.snapshot.traffic.requests if self.snapshot else 0
        spans = [Span(count(total)), Span(" requests", "muted")]
        if source is not None and source.sampling > 1:
            spans.append(Span(f"  1 in {source.sampling} shown", "warning"))
        if source is not None and source.lost:
            spans.append(Span(f"  {count(source.lost)} missed", "bad"))
        if self.lines.needle and not self.field.has_focus:
            spans = [Span(f"/{self.lines.needle}", "info"), Span(f"  {count(len(self.lines.items))} of  "), *spans]
        if self.lines.follow:
            spans.append(Span("  follow", "good"))
        else:
            new = self.lines.unseen
            spans.append(Span(f"  {count(new)} new" if new else "  held", "warning-strong"))
        return spans

    def flush(self) -> bool:
        """Take what came since; whether anything did that is shown."""
        if self.source is None:
            return False
        new, self._last = self.source.since(self._last)
        if self.lines.needle:
            new = [request for request in new if self._passes(request)]
        self.lines.append(new)
        return bool(new)

    def draw_title(self) -> None:
        """Title, column heads, last line."""
        super().draw_title()
        if width := self.heads.size.width:
            self.heads.set_rows([head_row(width)])
            self._draw_foot(width)

    def _draw_foot(self, width: int) -> None:
        ui = self.lines.ui
        if picked := self.lines.picked:
            row = picked_row(picked, width, ui.glyphs)
        else:
            row = shares_row(self.snapshot.web if self.snapshot else (), width, ui.palette.sources, ui.glyphs)
        self.foot.display = bool(row) and self.size.height >= FOOT_FROM
        self.foot.set_rows([row])

    # -- the filter -------------------------------------------------------------------------------------------
    def _restart(self) -> None:
        """Everything that is held is looked at again."""
        source = self.source
        if source is None:
            return
        self._passes = Filter(self.lines.needle)
        self._last = source.total
        self.lines.replace(source.find(self.lines.needle, LIMIT))
        self.draw_title()

    def open_filter(self) -> None:
        """Type words; the rows follow as they are typed."""
        self.add_class("filtering")
        self.field.focus()
        self.draw_title()

    def close_filter(self, keep: bool) -> None:
        """Back to the rows, filtered or not."""
        self.remove_class("filtering")
        if not keep:
            self.field.value = ""
        self.lines.focus()
        self.draw_title()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self.lines.needle:
            self.lines.needle = event.value
            self._restart()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.close_filter(keep=True)

    def on_key(self, event: events.Key) -> None:
        """Escape lets go of what is picked, then takes the filter away."""
        if event.key != "escape":
            return
        if self.field.has_focus or (self.lines.cursor is None and self.lines.needle):
            event.stop()
            self.close_filter(keep=False)
        elif self.lines.cursor is not None:
            event.stop()
            self.lines.set_follow(True)
            self.draw_title()
