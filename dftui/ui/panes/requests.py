"""The requests through the balancer as they happen, and the Host that served each."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.widget import Widget

from dftui.ui.backend import Requests
from dftui.ui.canvas import Canvas
from dftui.ui.draw import Glyphs, Row, Span, fit
from dftui.ui.panes.logrow import source_role, status_role
from dftui.ui.panes.pane import TabPane
from dftui.ui.panes.ring import RingView
from dftui.watch.format import clock, count
from dftui.watch.records import Request


def widths(width: int) -> tuple[int, int]:
    """Room for the client (0: not shown) and for the path."""
    # The path tells more than the client, which is the same for all where another proxy stands in front.
    client = 15 if width >= 110 else 0
    fixed = 8 + 1 + (client + 1 if client else 0) + 6 + 1 + 4 + 8 + 2 + 10 + 1 + 12 + 6
    return client, max(10, width - fixed - 2)


def head_row(width: int) -> Row:
    """Names of the columns."""
    client, path = widths(width)
    text = fit("time", 9) + (fit("client", client + 1) if client else "") + fit("method", 7) + fit("path", path + 1)
    text += fit("code", 4, right=True) + fit("ms", 7, right=True) + "  " + fit("replica", 11) + "host"
    return (Span(" "), Span(text, "head"))


def request_row(request: Request, width: int, sources: int, glyphs: Glyphs) -> Row:
    """One request; dftui's own are marked."""
    client, path = widths(width)
    role = "muted" if request.probe else ""
    spans = [Span(" "), Span(clock(request.time), "muted"), Span(" ")]
    if client:
        spans += [Span(fit(request.client, client, mark=glyphs.ellipsis), role), Span(" ")]
    status = "gone" if request.status < 0 else str(request.status)
    spans += [
        Span(fit(request.method, 6), role),
        Span(" "),
        Span(fit(request.path, path, mark=glyphs.ellipsis), role),
        Span(" "),
        Span(fit(status, 4, right=True), status_role(request.status)),
        Span(fit(f"{request.ms}", 7, right=True), role),
        Span("  "),
        Span(fit(request.replica or "-", 10, mark=glyphs.ellipsis), source_role(request.replica, sources)),
        Span(" "),
        Span(fit(request.host or "-", 12, mark=glyphs.ellipsis), role),
    ]
    if request.probe:
        spans.append(Span(" probe", "info"))
    return tuple(spans)


class RequestLines(RingView[Request]):
    """The rows."""

    def draw(self, item: Request) -> Row:
        """One request."""
        return request_row(item, self.size.width, self.ui.palette.sources, self.ui.glyphs)

    def nothing(self) -> Sequence[str]:
        """Before the first request."""
        return ("No request has come through the balancer yet.", "A host probe sends some, and shows them here.")

    def on_resize(self) -> None:
        """Columns depend on the width."""
        super().on_resize()
        self.redraw()


class RequestsPane(TabPane):
    """Title, heads, rows."""

    pane = "requests"
    number = "4"

    def __init__(self) -> None:
        super().__init__()
        self.heads = Canvas(classes="heads")
        self.lines = RequestLines(5_000)
        self.source: Requests | None = None
        self._last = 0

    def compose(self) -> ComposeResult:
        """Title, heads, rows."""
        yield self.heading
        yield self.heads
        yield self.lines

    @property
    def body(self) -> Widget:
        """The rows."""
        return self.lines

    def connect(self, source: Requests) -> None:
        """Take requests from here from now on."""
        self.source = source
        self._last = 0
        self.lines.replace([])

    def figures(self) -> Sequence[Span]:
        """How many, and whether the newest is in sight."""
        total = self.source.total if self.source else 0
        spans = [Span(count(total)), Span(" requests", "muted")]
        if self.lines.follow:
            spans.append(Span("  follow", "good"))
        else:
            new = self.lines.unseen
            spans.append(Span(f"  {count(new)} new" if new else "  held", "warning-strong"))
        return spans

    def flush(self) -> bool:
        """Take what came since; whether anything did."""
        if self.source is None:
            return False
        new, self._last = self.source.since(self._last)
        self.lines.append(new)
        return bool(new)

    def draw_title(self) -> None:
        """Title and column heads."""
        super().draw_title()
        if width := self.heads.size.width:
            self.heads.set_rows([head_row(width)])
