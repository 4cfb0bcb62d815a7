"""The machines of a swarm: role, state, whether tasks may come, and what of the stack runs on each at what load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.widget import Widget

from dftui.engine.nodes import NodeUse
from dftui.ui.canvas import Canvas, LineView
from dftui.ui.draw import Glyphs, Row, Span, clip_row, fit
from dftui.ui.panes.pane import TabPane
from dftui.watch.format import percent, size
from dftui.watch.sanitise import clean
from dftui.watch.snapshot import Load, Snapshot

WIDE = 110
"""Columns from which what a machine has, and its address, are shown."""
_NAME = 14
_HAS = 10
_ADDRESS = 15


def loads_of(uses: Sequence[NodeUse], snapshot: Snapshot | None) -> dict[str, Load]:
    """CPU and memory of the stack's containers on each node, by the node's id; without those that are not sampled."""
    if snapshot is None:
        return {}
    by_id = {one.id: one.load for one in snapshot.services} | {one.id: one.load for one in snapshot.web}
    found: dict[str, Load] = {}
    for use in uses:
        there = [by_id[ref] for ref in use.containers if ref in by_id]
        cpus = [one.cpu for one in there if one.cpu is not None]
        sizes = [one.memory for one in there if one.memory is not None]
        found[use.node.id] = Load(sum(cpus) if cpus else None, sum(sizes) if sizes else None)
    return found


def head_row(width: int) -> Row:
    """Over the columns."""
    text = f"  {'machine':<{_NAME}} {'role':<8} {'state':<14} {'tasks':>5} {'cpu':>6} {'mem':>6}  "
    if width >= WIDE:
        text += f"{'has':<{_HAS}} {'address':<{_ADDRESS}} "
    return clip_row((Span(f"{text}runs", "head"),), width)


def node_row(use: NodeUse, load: Load, width: int, glyphs: Glyphs, chosen: bool) -> Row:
    """One machine. Its state is told by sign and word, the availability with it where it is not the usual one."""
    node = use.node
    sign, role, word = glyphs.bad, "bad", str(node.state)
    if node.state != "ready":
        word += f", {node.availability}" if node.availability != "active" else ""
    elif node.availability != "active":
        sign, role, word = glyphs.wait, "warning", {"drain": "drained", "pause": "paused"}[node.availability]
    else:
        sign, role = glyphs.good, "good"
    spans = [
        Span(f"{glyphs.cursor if chosen else ' '} ", "accent"),
        Span(fit(clean(node.name), _NAME, mark=glyphs.ellipsis), "strong" if chosen else ""),
        Span(f" {'leader' if node.leader else node.role:<8} ", "muted"),
        Span(fit(f"{sign} {word}", 14, mark=glyphs.ellipsis), role),
        Span(f" {len(use.tasks):>5} {percent(load.cpu):>6} {size(load.memory):>6}  "),
    ]
    if width >= WIDE:
        spans.append(Span(fit(f"{node.cpus:g} x {size(node.memory)}", _HAS), "muted"))
        spans.append(Span(f" {fit(clean(node.address), _ADDRESS)} ", "muted"))
    told = "; ".join(part for part in (node.message, ", ".join(use.tasks)) if part)
    return clip_row((*spans, Span(clean(told), "muted")), width, glyphs.ellipsis)


class NodeTable(LineView):
    """A row a machine; the cursor stays on its machine."""

    def __init__(self) -> None:
        super().__init__()
        self.uses: Sequence[NodeUse] = ()
        self.loads: Mapping[str, Load] = {}
        self.problem = ""
        self.cursor = 0

    def count(self) -> int:
        """Machines."""
        return len(self.uses)

    def row(self, index: int) -> Row:
        """Of one."""
        use = self.uses[index]
        load = self.loads.get(use.node.id, Load())
        return node_row(use, load, self.size.width, self.ui.glyphs, index == self.cursor)

    def nothing(self) -> Sequence[str]:
        """None was told yet, or none can be."""
        return (self.problem or "Asking the swarm for its machines.",)

    @property
    def selected(self) -> NodeUse | None:
        """The machine under the cursor."""
        at = self.cursor or 0
        return self.uses[at] if at < len(self.uses) else None

    def show(self, uses: Sequence[NodeUse], loads: Mapping[str, Load]) -> None:
        """Draw these."""
        chosen = self.selected
        before = (self.uses, self.loads)
        self.uses, self.loads = uses, loads
        if chosen is not None:
            names = [use.node.id for use in uses]
            last = max(0, len(uses) - 1)
            self.cursor = names.index(chosen.node.id) if chosen.node.id in names else min(self.cursor or 0, last)
        if before != (uses, loads):
            self.resize_content()
            self.refresh()

    def set_cursor(self, index: int) -> None:
        """Move the cursor and its mark."""
        super().set_cursor(index)
        self.refresh()


class NodesPane(TabPane):
    """Title, column heads, machines."""

    pane = "nodes"
    number = "9"

    def __init__(self) -> None:
        super().__init__()
        self.heads = Canvas(classes="heads")
        self.table = NodeTable()

    def compose(self) -> ComposeResult:
        """Title, heads, rows."""
        yield self.heading
        yield self.heads
        yield self.table

    @property
    def body(self) -> Widget:
        """The table."""
        return self.table

    def figures(self) -> Sequence[Span]:
        """How many of how many are as they should be."""
        uses = self.table.uses
        if not uses:
            return ()
        ready = sum(use.node.state == "ready" for use in uses)
        managers = sum(use.node.role == "manager" for use in uses)
        role = "good" if ready == len(uses) else "bad"
        return [
            Span(f"{ready} of {len(uses)} ready", role),
            Span(f"  {managers} manager{'s' if managers != 1 else ''}", "muted"),
        ]

    def show(self, uses: Sequence[NodeUse], snapshot: Snapshot | None) -> None:
        """Draw these facts."""
        self.table.problem = ""
        self.table.show(uses, loads_of(uses, snapshot))
        self.draw_title()

    def fail(self, text: str) -> None:
        """They cannot be told."""
        self.table.problem = clean(text, 500)
        self.table.show((), {})
        self.draw_title()

    def draw_title(self) -> None:
        """Title and column heads."""
        super().draw_title()
        if width := self.heads.size.width:
            self.heads.set_rows([head_row(width)])
