"""Database, cache and balancer: a card each side by side, or a line each where the screen is small."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from dftui.ui.canvas import Canvas, LineView
from dftui.ui.draw import Glyphs, Row, Span, clip_row, fit, row_width, spread
from dftui.ui.panes.pane import Pane
from dftui.ui.panes.pulse import CELLS, CPU, MEMORY, bars
from dftui.watch.format import percent, size
from dftui.watch.snapshot import UNUSED, Service, Snapshot
from dftui.watch.trends import Trends

WORDS = {"db": "database", "cache": "cache", "balancer": "balancer"}
CARD_ROWS = 4
DETAIL = 40
"""The same where all figures are shown."""
DETAIL_FROM = 10
"""Rows of the pane from which all figures are shown: the zoom's."""
CURVES_FROM = 56
"""Cells of a card from which its load has curves."""
COLUMN = 26
"""Cells of a name and its figure at most: further apart the eye loses the line."""


def state_of(service: Service, glyphs: Glyphs) -> tuple[str, str, str]:
    """Glyph, word and role of a service's state."""
    if service.state == "running":
        if service.health == "unhealthy":
            return glyphs.bad, "unhealthy", "bad"
        if service.health == "starting":
            return glyphs.wait, "starting", "info"
        return glyphs.good, "healthy" if service.health == "healthy" else "running", "good"
    if service.state in ("created", "restarting"):
        return glyphs.wait, service.state, "info"
    if service.state in ("missing", UNUSED):
        return glyphs.off, service.state, "muted"
    if service.state == "paused":
        return glyphs.off, "paused", "warning"
    return glyphs.bad, service.state, "bad"


def pad_row(row: Sequence[Span], width: int, mark: str) -> Row:
    """A row of exactly `width` cells."""
    row = clip_row(row, width, mark)
    return (*row, Span(" " * (width - row_width(row))))


def load_spans(service: Service, trends: Trends, wide: bool) -> list[Span]:
    """CPU and memory, on wide cards with their curves."""
    if service.load.memory is None:
        return []
    track = trends.of(service.id)
    spans: list[Span] = []
    for figure, text in ((CPU, percent(service.load.cpu)), (MEMORY, size(service.load.memory))):
        spans += [Span("  " if spans else ""), Span(f"{figure.words} ", "muted"), Span(fit(text, 4, right=True))]
        if wide:
            spans += [Span(" "), Span(bars(figure, track, trends.bucket, CELLS), "curve")]
    return spans


def card(service: Service, width: int, trends: Trends, glyphs: Glyphs) -> list[Row]:
    """A card's body: state, what is wrong, then its figures in two columns."""
    glyph, word, role = state_of(service, glyphs)
    inner = width - 3
    state = (Span("  "), Span(f"{glyph} {word}", f"{role}-strong" if role != "muted" else role))
    load = load_spans(service, trends, inner >= CURVES_FROM)
    rows: list[Row] = [pad_row(spread(state, load, width - 1), width, glyphs.ellipsis)]
    if service.why:
        rows.append(pad_row((Span("  "), Span(service.why, role)), width, glyphs.ellipsis))
    items = list(service.figures.items())
    half = min(inner // 2, COLUMN)
    for index in range(0, len(items), 2):
        spans = [Span("  ")]
        for name, value in items[index : index + 2]:
            figure = fit(value, min(len(value) + 1, half // 2 + 2), right=True)
            label = fit(name, max(1, half - len(figure) - 2))
            spans += [Span(label, "muted"), Span(figure), Span("  ")]
        rows.append(pad_row(spans, width, glyphs.ellipsis))
    while len(rows) < CARD_ROWS:
        rows.append((Span(" " * width),))
    return rows[:CARD_ROWS]


def detail(service: Service, width: int, height: int, trends: Trends, glyphs: Glyphs, named: bool) -> list[Row]:
    """All that is known of a service, a figure a line, as the zoom shows it; `named`: its name stands above."""
    glyph, word, role = state_of(service, glyphs)
    strong = f"{role}-strong" if role != "muted" else role
    name = (Span("  "), Span(WORDS.get(service.role, service.role), "strong"), Span(f"  {service.name}", "muted"))
    rows: list[Row] = [
        *(() if named else (name,)),
        (Span("  "), Span(f"{glyph} {word}", strong)),
        *((Span("  "), Span(text, role)) for text in wrap(service.why, width - 4)),
        (),
    ]
    facts = {
        "cpu": percent(service.load.cpu),
        "memory used": size(service.load.memory),
        **service.figures,
        "id": service.id[:12] or "-",
    }
    for label, value in facts.items():
        room = min(width - 4, DETAIL)
        figure = fit(value, max(1, min(len(value), room - 4)), mark=glyphs.ellipsis)
        rows.append((Span("  "), Span(fit(label, room - len(figure) - 1), "muted"), Span(" "), Span(figure)))
    rows += [(), (Span("  "), Span(service.image or "-", "muted"))]
    rows += [()] * (height - len(rows))
    return [pad_row(row, width, glyphs.ellipsis) for row in rows[:height]]


def line(service: Service, width: int, glyphs: Glyphs, selected: bool) -> Row:
    """A service on one line."""
    glyph, word, role = state_of(service, glyphs)
    row = [
        Span(f"{glyphs.mark if selected else ' '} ", "accent"),
        Span(fit(WORDS.get(service.role, service.role), 10), "strong" if selected else ""),
        Span(fit(f"{glyph} {word}", 12), role),
        Span(fit(service.name, 14, mark=glyphs.ellipsis)),
    ]
    if service.why:
        row.append(Span(service.why, role))
    else:
        for index, (name, value) in enumerate(service.figures.items()):
            piece = (Span(f"{name} ", "muted"), Span(value), Span("  "))
            if index and row_width(row) + row_width(piece) > width:
                break
            row.extend(piece)
    return clip_row(row, width, glyphs.ellipsis)


class ServiceCards(Canvas, can_focus=True):
    """The three, with a selected one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,down,j", "step(1)", show=False),
        Binding("left,up,k", "step(-1)", show=False),
    ]
    chosen = 0

    def on_click(self, event: events.Click) -> None:
        """The card, or the line, under the pointer."""
        self.chosen = min(2, event.y if self.size.height < CARD_ROWS else event.x // max(1, self.size.width // 3))
        self.post_message(LineView.Moved())

    def action_step(self, by: int) -> None:
        """To the next or the previous card."""
        self.chosen = (self.chosen + by) % 3
        self.post_message(LineView.Moved())


class ServicesPane(Pane):
    """Cards under one title bar; at small sizes three lines without it."""

    pane = "services"
    number = "1"

    def __init__(self) -> None:
        super().__init__()
        self.cards = ServiceCards()
        self.snapshot: Snapshot | None = None

    def compose(self) -> ComposeResult:
        """Title, cards."""
        yield self.heading
        yield self.cards

    @property
    def body(self) -> Widget:
        """The cards."""
        return self.cards

    @property
    def selected(self) -> Service | None:
        """The chosen service."""
        return self.snapshot.services[self.cards.chosen] if self.snapshot else None

    def show(self, snapshot: Snapshot | None) -> None:
        """Draw these facts."""
        self.snapshot = snapshot
        self.draw()

    def draw(self) -> None:
        """Bring cards and title up to date."""
        width, height = self.cards.size
        if self.snapshot is None or not width:
            return
        glyphs = self.cards.ui.glyphs
        services = self.snapshot.services
        widths = [width // 3, width // 3, width - 2 * (width // 3)]
        trends = self.cards.ui.trends
        if height >= DETAIL_FROM:
            named = bool(self.heading.size.height)
            details = [detail(s, w, height, trends, glyphs, named) for s, w in zip(services, widths, strict=True)]
            self.cards.set_rows([sum(rows, ()) for rows in zip(*details, strict=True)])
        elif height < CARD_ROWS:
            focused = self.cards.has_focus
            self.cards.set_rows(
                [line(s, width, glyphs, focused and n == self.cards.chosen) for n, s in enumerate(services)]
            )
        else:
            columns = [card(s, w, trends, glyphs) for s, w in zip(services, widths, strict=True)]
            self.cards.set_rows([sum(rows, ()) for rows in zip(*columns, strict=True)])
        self.draw_title()

    def draw_title(self) -> None:
        """Each card's role and name above it."""
        width = self.heading.size.width
        if self.snapshot is None or not width:
            return
        glyphs = self.heading.ui.glyphs
        focused = self.cards.has_focus
        spans: Row = ()
        services = self.snapshot.services
        for index, service in enumerate(services):
            room = width // 3 if index < 2 else width - 2 * (width // 3)
            here = focused and index == self.cards.chosen
            head = (
                Span(glyphs.mark if here else " ", "accent"),
                Span(" "),
                Span(f"{self.number} " if index == 0 else "", "muted"),
                Span(WORDS.get(service.role, service.role), "tab" if here else "strong"),
                Span("  "),
                Span(service.name, "muted"),
            )
            spans = (*spans, *pad_row(head, room, glyphs.ellipsis))
        self.heading.set_rows([spans])

    def on_resize(self) -> None:
        """All depends on the width."""
        self.draw()

    def on_descendant_focus(self) -> None:
        """The chosen card is marked while the pane is in focus."""
        self.draw()

    def on_descendant_blur(self) -> None:
        """And no longer."""
        self.draw()
