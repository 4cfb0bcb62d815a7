"""The replicas table: one row a replica, as many columns as the screen has room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.geometry import Region
from textual.widget import Widget

from dftui.ui.canvas import Canvas, LineView
from dftui.ui.draw import STATE_ROLES, Glyphs, Row, Span, changed, fit
from dftui.ui.format import count, millis, percent, rate, size
from dftui.ui.panes.pane import Pane
from dftui.watch.snapshot import Replica, ReplicaState, Snapshot

Cell = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its cells' text and role by replica; `rank` says which go first when there is no room (highest)."""

    head: str
    width: int
    cell: Callable[[Replica], Cell]
    rank: int
    right: bool = False


def _errors(replica: Replica) -> Cell:
    return count(replica.traffic.errors), "bad" if replica.traffic.errors else "muted"


def _plain(text: str) -> Cell:
    return text, "muted" if text in ("-", "0", "0%") else ""


COLUMNS: tuple[Column, ...] = (
    Column("host", 12, lambda r: (r.host, ""), 1),
    Column("state", 13, lambda r: ("", ""), 0),
    Column("cpu", 4, lambda r: _plain(percent(r.load.cpu)), 4, True),
    Column("mem", 5, lambda r: _plain(size(r.load.memory)), 5, True),
    Column("req/s", 5, lambda r: _plain(rate(r.traffic.rate)), 2, True),
    Column("p95", 6, lambda r: _plain(millis(r.traffic.p95_ms)), 3, True),
    Column("sess", 4, lambda r: _plain(str(r.traffic.sessions)), 6, True),
    Column("key", 8, lambda r: (r.key or "-", "muted"), 7),
    Column("requests", 9, lambda r: _plain(count(r.traffic.requests)), 8, True),
    Column("errors", 6, _errors, 9, True),
    Column("p50", 6, lambda r: _plain(millis(r.traffic.p50_ms)), 10, True),
    Column("queue", 5, lambda r: _plain(str(r.traffic.queue)), 11, True),
    Column("address", 15, lambda r: (r.address or "-", "muted"), 12),
    Column("image", 28, lambda r: (r.image or "-", "muted"), 13),
)
GAP = 2
SILENT = (
    ReplicaState.STARTING,
    ReplicaState.HELD,
    ReplicaState.STOPPED,
    ReplicaState.FAILED,
    ReplicaState.UNREACHABLE,
)
"""States in which the reason matters more than figures."""


def choose_columns(width: int, name_width: int) -> tuple[Column, ...]:
    """Those that fit beside the name."""
    room = width - 2 - name_width
    kept: set[str] = set()
    for column in sorted(COLUMNS, key=lambda c: c.rank):
        if column.width + GAP > room:
            break
        room -= column.width + GAP
        kept.add(column.head)
    return tuple(c for c in COLUMNS if c.head in kept)


def name_width(replicas: Sequence[Replica]) -> int:
    """Room for the longest name, within reason."""
    return max(8, min(20, max((len(r.name) for r in replicas), default=0)))


def head_row(columns: Sequence[Column], name_cells: int) -> Row:
    """The line above the table."""
    spans = [Span("  "), Span(fit("name", name_cells), "head")]
    for column in columns:
        spans += [Span(" " * GAP), Span(fit(column.head, column.width, right=column.right), "head")]
    return tuple(spans)


def replica_row(
    replica: Replica, columns: Sequence[Column], name_cells: int, width: int, glyphs: Glyphs, selected: bool
) -> Row:
    """One replica. Where it does not serve and a reason is known, the reason takes the place of its figures."""
    role = STATE_ROLES[replica.state]
    spans = [
        Span(f"{glyphs.cursor if selected else ' '} ", "accent"),
        Span(fit(replica.name, name_cells, mark=glyphs.ellipsis), "strong" if selected else ""),
    ]
    used = 2 + name_cells
    for column in columns:
        spans.append(Span(" " * GAP))
        used += GAP
        if column.head == "state":
            spans.append(Span(fit(f"{glyphs.states[replica.state]} {replica.state.value}", column.width), role))
            used += column.width
            if replica.why and replica.state in SILENT:
                spans += [Span(" " * GAP), Span(fit(replica.why, width - used - GAP, mark=glyphs.ellipsis), role)]
                return tuple(spans)
            continue
        text, cell_role = column.cell(replica)
        spans.append(Span(fit(text, column.width, right=column.right, mark=glyphs.ellipsis), cell_role))
        used += column.width
    if replica.why and width - used - GAP > 8:
        spans += [Span(" " * GAP), Span(fit(replica.why, width - used - GAP, mark=glyphs.ellipsis), role)]
    return tuple(spans)


class ReplicaTable(LineView):
    """The rows; the cursor stays on its replica while others come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.replicas: tuple[Replica, ...] = ()
        self._rows: list[Row] = []
        self.columns: tuple[Column, ...] = ()
        self.cursor = 0

    def count(self) -> int:
        """Replicas."""
        return len(self._rows)

    def row(self, index: int) -> Row:
        """Of one replica."""
        return self._rows[index]

    @property
    def selected(self) -> Replica | None:
        """The replica under the cursor."""
        at = self.cursor or 0
        return self.replicas[at] if at < len(self.replicas) else None

    @property
    def visible_ids(self) -> frozenset[str]:
        """Containers whose rows are in sight."""
        top = self.scroll_offset.y
        return frozenset(r.id for r in self.replicas[top : top + max(1, self.size.height)])

    def show(self, replicas: tuple[Replica, ...]) -> None:
        """Draw these; sends only the cells that changed."""
        chosen = self.selected
        was = len(self.replicas)
        self.replicas = replicas
        if chosen is not None:
            at = next((n for n, r in enumerate(replicas) if r.id == chosen.id), None)
            self.cursor = at if at is not None else max(0, min(self.cursor or 0, len(replicas) - 1))
        self.draw(everything=was != len(replicas))

    def draw(self, everything: bool = False) -> None:
        """Make the rows anew and send what differs."""
        width = self.size.width
        if not width:
            return
        cells = name_width(self.replicas)
        columns = choose_columns(width, cells)
        everything = everything or columns != self.columns
        self.columns = columns
        old = self._rows
        self._rows = [
            replica_row(r, columns, cells, width, self.ui.glyphs, n == self.cursor)
            for n, r in enumerate(self.replicas)
        ]
        self.wide = width
        self.resize_content()
        if everything or len(old) != len(self._rows):
            self.refresh()
            return
        top, height = self.scroll_offset.y, self.size.height
        regions: list[Region] = []
        for y in range(height):
            index = top + y
            if index >= len(self._rows):
                break
            ranges = changed(old[index], self._rows[index])
            if ranges is None:
                regions.append(Region(0, y, width, 1))
            else:
                regions.extend(Region(x, y, wide, 1) for x, wide in ranges)
        if regions:
            self.refresh(*regions)

    def set_cursor(self, index: int) -> None:
        """Move the cursor and its mark."""
        super().set_cursor(index)
        self.draw()

    def on_resize(self) -> None:
        """Columns depend on the width."""
        self.draw(everything=True)
        self.show_cursor()


class ReplicasPane(Pane):
    """Title, column heads, table."""

    pane = "replicas"
    number = "2"

    def __init__(self) -> None:
        super().__init__()
        self.heads = Canvas(classes="heads")
        self.table = ReplicaTable()
        self.snapshot: Snapshot | None = None

    def compose(self) -> ComposeResult:
        """Title, heads, table."""
        yield self.heading
        yield self.heads
        yield self.table

    @property
    def body(self) -> Widget:
        """The table."""
        return self.table

    def figures(self) -> Sequence[Span]:
        """Totals over all."""
        if self.snapshot is None:
            return ()
        traffic = self.snapshot.traffic
        spans = [Span(rate(traffic.rate)), Span(" req/s", "muted")]
        if traffic.p95_ms is not None:
            spans += [Span("   "), Span(millis(traffic.p95_ms)), Span(" p95", "muted")]
        if traffic.errors:
            spans += [Span("   "), Span(f"{count(traffic.errors)} errors", "bad")]
        shown = self.table.size.height
        if len(self.snapshot.web) > shown:
            top = self.table.scroll_offset.y
            spans += [Span("   "), Span(f"{top + 1}-{top + shown} of {len(self.snapshot.web)}", "muted")]
        return spans

    def show(self, snapshot: Snapshot | None) -> None:
        """Draw these facts."""
        self.snapshot = snapshot
        self.table.show(tuple(sorted(snapshot.web, key=lambda r: r.number)) if snapshot else ())
        self.draw_title()

    def draw_title(self) -> None:
        """Title and column heads."""
        super().draw_title()
        width = self.heads.size.width
        if width:
            cells = name_width(self.table.replicas)
            self.heads.set_rows([head_row(choose_columns(width, cells), cells)])
