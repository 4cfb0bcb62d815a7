"""The replicas table: one row a replica, as many columns as the screen has room for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.geometry import Region
from textual.widget import Widget

from dftui.ui.canvas import Canvas, LineView
from dftui.ui.draw import STATE_ROLES, Glyphs, Row, Span, changed, fit, row_width
from dftui.ui.panes.pane import Pane
from dftui.ui.panes.pulse import CELLS, CPU, FIGURES, MEMORY, P95, RATE, Figure, highest
from dftui.watch.format import count, millis, percent, rate, size, spark
from dftui.watch.snapshot import Replica, ReplicaState, Snapshot
from dftui.watch.trends import SPAN, Trends

GAP = 2
WORST_FIRST = (
    ReplicaState.FAILED,
    ReplicaState.UNREACHABLE,
    ReplicaState.HELD,
    ReplicaState.STOPPED,
    ReplicaState.STARTING,
    ReplicaState.DRAINING,
    ReplicaState.DRAINED,
    ReplicaState.SERVING,
)
Cell = tuple[str, str]
Curves = Mapping[tuple[str, str], str]
"""Bars by figure and container id."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its cells' text and role by replica; `rank` says which go first when there is no room (highest)."""

    head: str
    width: int
    cell: Callable[[Replica], Cell]
    rank: int
    right: bool = False
    curve: Figure | None = None
    """The last minutes of this figure instead of a text; it stands close to the figure."""

    @property
    def gap(self) -> int:
        """Blank cells before it."""
        return 1 if self.curve else GAP


def _errors(replica: Replica) -> Cell:
    return count(replica.traffic.errors), "bad" if replica.traffic.errors else "muted"


def _plain(text: str) -> Cell:
    return text, "muted" if text in ("-", "0", "0%") else ""


def _curve(figure: Figure, rank: int) -> Column:
    return Column(f"{figure.name} curve", CELLS, lambda r: ("", ""), rank, curve=figure)


def _share(replica: Replica) -> str:
    share = replica.traffic.share
    return percent(None if share is None else 100 * share)


def _image(name: str) -> str:
    """Without the registry and the folders, which are the same for all."""
    return name.rpartition("/")[2] if len(name) > IMAGE_WIDTH else name


IMAGE_WIDTH = 24
MINUTES = f"{CELLS * SPAN / 60:g} min"
COLUMNS: tuple[Column, ...] = (
    Column("host", 12, lambda r: (r.host, ""), 1),
    Column("state", 13, lambda r: ("", ""), 0),
    Column("node", 12, lambda r: (r.node or "-", "muted"), 1),
    Column("cpu", 4, lambda r: _plain(percent(r.load.cpu)), 4, True),
    _curve(CPU, 14),
    Column("mem", 5, lambda r: _plain(size(r.load.memory)), 5, True),
    _curve(MEMORY, 16),
    Column("req/s", 5, lambda r: _plain(rate(r.traffic.rate)), 2, True),
    _curve(RATE, 8),
    Column("share", 5, lambda r: _plain(_share(r)), 9, True),
    Column("p50", 5, lambda r: _plain(millis(r.traffic.p50_ms)), 11, True),
    Column("p95", 5, lambda r: _plain(millis(r.traffic.p95_ms)), 3, True),
    _curve(P95, 12),
    Column("sess", 4, lambda r: _plain(str(r.traffic.sessions)), 6, True),
    Column("key", 8, lambda r: (r.key or "-", "muted"), 7),
    Column("requests", 9, lambda r: _plain(count(r.traffic.requests)), 13, True),
    Column("errors", 6, _errors, 10, True),
    Column("queue", 5, lambda r: _plain(str(r.traffic.queue)), 17, True),
    Column("image", IMAGE_WIDTH, lambda r: (_image(r.image) or "-", "muted"), 15),
    Column("address", 15, lambda r: (r.address or "-", "muted"), 18),
)
SILENT = (
    ReplicaState.STARTING,
    ReplicaState.HELD,
    ReplicaState.STOPPED,
    ReplicaState.FAILED,
    ReplicaState.UNREACHABLE,
)
"""States in which the reason matters more than figures."""


def choose_columns(width: int, name_width: int, *, nodes: bool = False) -> tuple[Column, ...]:
    """Those that fit beside the name, a blank at either edge; that of the `nodes` only where there are any."""
    room = width - 3 - name_width
    kept: set[str] = set()
    for column in sorted(COLUMNS, key=lambda c: c.rank):
        if column.head == "node" and not nodes:
            continue
        if column.width + column.gap > room:
            break
        room -= column.width + column.gap
        kept.add(column.head)
    return tuple(c for c in COLUMNS if c.head in kept)


def name_width(replicas: Sequence[Replica]) -> int:
    """Room for the longest name, within reason."""
    return max(8, min(20, max((len(r.name) for r in replicas), default=0)))


def head_row(columns: Sequence[Column], name_cells: int) -> Row:
    """The line above the table; over each curve stands how much time it shows."""
    spans = [Span("  "), Span(fit("name", name_cells), "head")]
    for column in columns:
        head = MINUTES if column.curve else column.head
        spans += [Span(" " * column.gap), Span(fit(head, column.width, right=column.right), "head")]
    return tuple(spans)


def replica_row(
    replica: Replica,
    columns: Sequence[Column],
    name_cells: int,
    width: int,
    glyphs: Glyphs,
    selected: bool,
    curves: Curves,
) -> Row:
    """One replica. Where it does not serve and a reason is known, the reason takes the place of its figures."""
    role = STATE_ROLES[replica.state]
    spans = [
        Span(f"{glyphs.cursor if selected else ' '} ", "accent"),
        Span(fit(replica.name, name_cells, mark=glyphs.ellipsis), "strong" if selected else ""),
    ]
    used = 2 + name_cells
    for column in columns:
        spans.append(Span(" " * column.gap))
        used += column.gap
        if column.head == "state":
            spans.append(Span(fit(f"{glyphs.states[replica.state]} {replica.state.value}", column.width), role))
            used += column.width
            if replica.why and replica.state in SILENT:
                spans += [Span(" " * GAP), Span(fit(replica.why, width - used - GAP, mark=glyphs.ellipsis), role)]
                return tuple(spans)
            continue
        if column.curve is not None:
            spans.append(Span(fit(curves.get((column.curve.name, replica.id), ""), column.width), "curve"))
            used += column.width
            continue
        text, cell_role = column.cell(replica)
        spans.append(Span(fit(text, column.width, right=column.right, mark=glyphs.ellipsis), cell_role))
        used += column.width
    if replica.why and width - used - GAP > 8:
        spans += [Span(" " * GAP), Span(fit(replica.why, width - used - GAP, mark=glyphs.ellipsis), role)]
    return tuple(spans)


def curves_of(replicas: Sequence[Replica], columns: Sequence[Column], trends: Trends, cells: int) -> Curves:
    """The last minutes of each replica; all bars of a figure have one scale, so that they can be compared."""
    found: dict[tuple[str, str], str] = {}
    for figure in (f for f in FIGURES if any(column.curve is f for column in columns)):
        values = {r.id: figure.series(trends.of(r.id)).until(trends.bucket, cells) for r in replicas}
        top = highest(figure, values.values())
        found |= {(figure.name, ref): spark(curve, top) for ref, curve in values.items()}
    return found


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

    def nothing(self) -> Sequence[str]:
        """None is there."""
        if self.ui.options.read_only:
            return ("There is no replica.",)
        return (f"There is no replica; {self.ui.shown_keys['scale-up']} adds one.",)

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
        columns = choose_columns(width, cells, nodes=any(r.node for r in self.replicas))
        everything = everything or columns != self.columns
        self.columns = columns
        old = self._rows
        glyphs = self.ui.glyphs
        curves = curves_of(self.replicas, columns, self.ui.trends, CELLS)
        self._rows = [
            replica_row(r, columns, cells, width, glyphs, n == self.cursor, curves)
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
        """Which rows are in sight where not all are, and how many replicas are in which state, the worst first."""
        if self.snapshot is None:
            return ()
        shown, there = self.table.size.height, len(self.snapshot.web)
        spans: Row = ()
        rows: Row = ()
        if there > shown:
            top = self.table.scroll_offset.y
            rows = (Span(f"rows {top + 1}-{top + shown} of {there}", "muted"),)
        room = self.heading.size.width - len("  2 replicas   ") - row_width(rows)
        counts = Counter(replica.state for replica in self.snapshot.web)
        for state in (state for state in WORST_FIRST if counts[state]):
            sign = Span(f"{self.heading.ui.glyphs.states[state]} ", STATE_ROLES[state])
            piece = (sign, Span(f"{counts[state]} {state.value}", "muted"))
            if row_width((*spans, *piece)) + 3 <= room:
                spans = (*spans, *piece, Span("   "))
        return (*spans, *rows) if rows else spans[:-1]

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
            nodes = any(r.node for r in self.table.replicas)
            self.heads.set_rows([head_row(choose_columns(width, cells, nodes=nodes), cells)])
