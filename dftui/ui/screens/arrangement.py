"""Panes on the main screen: which are in sight, how they are arranged at this size, which one has the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.screen import Screen

from dftui.ui.canvas import Canvas
from dftui.ui.panes.graphs import GraphsPane
from dftui.ui.panes.history import ActionsPane
from dftui.ui.panes.logs import LogsPane
from dftui.ui.panes.nodes import NodesPane
from dftui.ui.panes.pane import Pane, TabPane
from dftui.ui.panes.probe import ProbePane
from dftui.ui.panes.replicas import ReplicasPane
from dftui.ui.panes.requests import RequestsPane
from dftui.ui.panes.services import ServicesPane
from dftui.ui.panes.verify import VerifyPane
from dftui.watch.snapshot import Snapshot

if TYPE_CHECKING:
    from dftui.ui.app import DftuiApp

WIDE = 160
"""Columns from which logs and the other tabs stand side by side."""
CARDS_FROM = 30
"""Rows from which services are cards."""
NUMBERED = ("services", "replicas", "logs", "requests", "actions", "probe", "graphs", "verify", "nodes")
"""Panes in the order of their number keys."""


class Arrangement(Screen[None]):
    """The panes and the lines above and below them; what they show is the business of who derives from it."""

    # Not annotated: textual declares them as instance variables.
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-compact"), (100, "-normal"), (WIDE, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (16, "-short"), (22, "-even"), (CARDS_FROM, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(n), f"pane('{name}')", name, show=False) for n, name in enumerate(NUMBERED, 1)),
        Binding("tab", "cycle(1)", "Next pane", show=False),
        Binding("shift+tab", "cycle(-1)", "Previous pane", show=False),
        Binding("right_square_bracket", "tab(1)", "Next tab", show=False),
        Binding("left_square_bracket", "tab(-1)", "Previous tab", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.header = Canvas(id="header")
        self.banner = Canvas(id="banner")
        self.services = ServicesPane()
        self.replicas = ReplicasPane()
        self.logs = LogsPane()
        self.requests = RequestsPane()
        self.history = ActionsPane()
        self.probe = ProbePane()
        self.graphs = GraphsPane()
        self.verify = VerifyPane()
        self.machines = NodesPane()
        self.status = Canvas(id="status")
        self.footer = Canvas(id="footer")
        self.empty = Canvas(id="empty")
        self.small = Canvas(id="small")
        self.snapshot: Snapshot | None = None
        self.tab = "logs"
        self.furnished = False
        self._focused_pane = ""

    @property
    def ui(self) -> DftuiApp:
        """The app, with its own type."""
        return cast("DftuiApp", self.app)

    def draw_all(self) -> None:
        """Draw everything anew."""
        raise NotImplementedError

    def draw_chrome(self) -> None:
        """Draw the lines above and below the panes."""
        raise NotImplementedError

    def do(self, name: str) -> None:
        """Do an action of the registry, or say why not."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.header
        yield self.banner
        yield Vertical(id="body")
        yield self.empty
        yield self.small
        yield self.status
        yield self.footer

    def on_mount(self) -> None:
        """Header, footer and a sentence are the first paint; the panes come after it."""
        self.draw_chrome()

    async def furnish(self) -> None:
        """Put the panes in: logs are shown, the replicas have the focus."""
        side = Container(self.requests, self.history, self.probe, self.graphs, self.verify, self.machines, id="side")
        lower = Horizontal(self.logs, side, id="lower")
        await self.query_one("#body").mount(self.services, self.replicas, lower)
        self.furnished = True
        self.show_tab("logs", focus=False)
        self.replicas.body.focus()
        self.draw_all()

    def fit_replicas(self) -> None:
        """As many rows as there are replicas, up to two fifths of the screen; with room for the first few, so that
        what is below stays where it is when one comes or goes."""
        if self.snapshot is None:
            return
        height = self.size.height
        most = max(3, height * 2 // 5 - 2)
        least = 3 if height < CARDS_FROM else height // 10
        rows = max(least, min(len(self.snapshot.web), most))
        if self.has_class("zoomed"):
            self.replicas.styles.height = "1fr"
        elif self.replicas.styles.height is None or self.replicas.styles.height.value != rows + 2:
            self.replicas.styles.height = rows + 2

    def on_resize(self) -> None:
        """Everything is laid out anew."""
        if not self.furnished:
            self.call_after_refresh(self.draw_chrome)
            return
        self.show_tab(self.tab, focus=False)
        self.fit_replicas()
        self.call_after_refresh(self.draw_all)
        self.call_after_refresh(self._keep_focus)

    def _keep_focus(self) -> None:
        """textual takes the focus from what a small terminal hides; as soon as it is shown again it has it back."""
        if self.focused is None and self._focused_pane:
            self.pane_named(self._focused_pane).body.focus()

    @property
    def wide(self) -> bool:
        """Logs and the other tabs are side by side."""
        return self.size.width >= WIDE and not self.has_class("zoomed")

    def pane_named(self, name: str) -> Pane:
        """By its name."""
        return self.query_one(f"#{name}", Pane)

    @property
    def pane(self) -> Pane | None:
        """The one in focus."""
        node = self.focused
        while node is not None and not isinstance(node, Pane):
            node = node.parent  # type: ignore[assignment]
        return node

    @property
    def offered(self) -> list[str]:
        """The tabs that there are: those of the probe and verify once they have found something, that of
        the machines in a swarm."""
        found = [pane.pane for pane in (self.probe, self.verify) if pane.result is not None]
        machines = ["nodes"] if self.swarm else []
        return ["logs", "requests", "actions", *found, "graphs", *machines]

    @property
    def swarm(self) -> bool:
        """The engine is a swarm, and has machines to show."""
        return self.snapshot is not None and self.snapshot.engine.kind == "swarm"

    def show_tab(self, name: str, *, focus: bool = True) -> None:
        """Bring one of the tabs forward."""
        self.tab = name
        offered = self.offered
        for pane in self.query(TabPane):
            if self.wide:
                side = name if name != "logs" else self._side(offered)
                pane.display = pane.pane in ("logs", side)
                pane.shown_tabs = ("logs",) if pane.pane == "logs" else tuple(t for t in offered if t != "logs")
            else:
                pane.display = pane.pane == name
                pane.shown_tabs = tuple(offered)
        self.query_one("#side").display = self.wide or name != "logs"
        chosen = self.pane_named(name)
        if name == "actions":
            self.call_after_refresh(self.history.redraw)
        if self.graphs.display:
            self.call_after_refresh(self.graphs.draw)
        if focus:
            self.set_focus(chosen.body)
        self.call_after_refresh(self._draw_titles)

    def _draw_titles(self) -> None:
        for pane in self.query(Pane):
            if pane.display:
                pane.draw_title()

    def _side(self, offered: list[str]) -> str:
        shown = [p.pane for p in self.query(TabPane) if p.display and p.pane != "logs"]
        return shown[0] if len(shown) == 1 and shown[0] in offered else "requests"

    def action_pane(self, name: str) -> None:
        """A number key."""
        if (name == "probe" and self.probe.result is None) or (name == "verify" and self.verify.result is None):
            self.do(name)
        elif name == "nodes" and not self.swarm:
            self.do(name)  # which says why not
        elif name in ("services", "replicas"):
            self.set_focus(self.pane_named(name).body)
        else:
            self.show_tab(name)
        self._follow_zoom()

    def action_cycle(self, by: int) -> None:
        """Tab: through the panes that are in sight; while one is zoomed, through all."""
        tabs = self.offered if self.has_class("zoomed") else [p.pane for p in self.query(TabPane) if p.display]
        names = ["services", "replicas", *tabs]
        here = names.index(self.pane.pane) if self.pane is not None and self.pane.pane in names else 0
        self.action_pane(names[(here + by) % len(names)])

    def action_tab(self, by: int) -> None:
        """`]` and `[`: to the tab beside."""
        tabs = self.offered
        here = tabs.index(self.tab) if self.tab in tabs else 0
        self.action_pane(tabs[(here + by) % len(tabs)])

    def _follow_zoom(self) -> None:
        """The zoom goes where the focus goes."""
        if self.has_class("zoomed"):
            self.call_after_refresh(self._zoom, True)

    def _zoom(self, on: bool) -> None:
        here = self.pane
        self.set_class(on, "zoomed")
        for pane in self.query(Pane):
            pane.set_class(on and pane is here, "zoom")
        self.query_one("#lower").set_class(on and isinstance(here, TabPane), "zoom")
        if self.size.width >= WIDE:
            # Side by side, or one of them alone.
            self.show_tab(here.pane if on and isinstance(here, TabPane) else self.tab, focus=False)
        self.fit_replicas()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """What the keys mean depends on the pane."""
        if self.pane is not None:
            self._focused_pane = self.pane.pane
        self.draw_chrome()

    def toggle_zoom(self) -> None:
        """`z`."""
        self._zoom(not self.has_class("zoomed"))
