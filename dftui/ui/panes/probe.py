"""The host probe's result: how many requests each Host served, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.widget import Widget

from dftui.ui.draw import Glyphs, Row, Span, bar, fit
from dftui.ui.panes.history import HistoryLines
from dftui.ui.panes.logrow import source_role, status_role
from dftui.ui.panes.pane import TabPane
from dftui.watch.format import millis

if TYPE_CHECKING:
    from dftui.control.probe import ProbeResult


def probe_rows(result: ProbeResult, sources: int, glyphs: Glyphs) -> list[Row]:
    """Counts by Host, then the sequence."""
    names = {row.host: row.replica for row in result.rows}
    total = max(1, len(result.rows))
    order = sorted(result.hosts.items(), key=lambda item: (names.get(item[0], ""), item[0]))
    rows: list[Row] = [(Span("  served by   host        served", "head"),)]
    for host, served in order:
        name = names.get(host, "")
        full, empty = bar(served / total, 20, glyphs)
        rows.append(
            (
                Span("  "),
                Span(fit(name or "-", 12, mark=glyphs.ellipsis), source_role(name, sources)),
                Span(fit(host or "no answer", 12), "strong"),
                Span(f"  {served:>4}  "),
                Span(full, "accent"),
                Span(empty, "muted"),
                Span(f" {100 * served / total:.0f}%", "muted"),
            )
        )
    for name, why in result.silent.items():
        rows.append((Span(f"  {glyphs.warn} {name} {why}.", "warning"),))
    rows += [(), (Span("   #  served by   host          code      time", "head"),)]
    for number, row in enumerate(result.rows, 1):
        rows.append(
            (
                Span(f"{number:>4}  ", "muted"),
                Span(fit(row.replica or "-", 12, mark=glyphs.ellipsis), source_role(row.replica, sources)),
                Span(fit(row.host or "no answer", 12)),
                Span(f"  {row.status:>4}", status_role(row.status)),
                Span(fit(millis(row.ms), 10, right=True), "muted"),
            )
        )
    return rows


class ProbePane(TabPane):
    """Title and result."""

    pane = "probe"
    number = "6"

    def __init__(self) -> None:
        super().__init__()
        self.lines = HistoryLines(1000)
        self.result: ProbeResult | None = None

    def compose(self) -> ComposeResult:
        """Title, rows."""
        yield self.heading
        yield self.lines

    @property
    def body(self) -> Widget:
        """The rows."""
        return self.lines

    def figures(self) -> Sequence[Span]:
        """In a nutshell."""
        if self.result is None:
            return ()
        hosts = self.result.answered
        found = Span(f"{len(self.result.rows)} requests, {hosts} host{'s' if hosts != 1 else ''}", "good")
        return [*self.lines.more(), found]

    def show(self, result: ProbeResult) -> None:
        """Draw a result, from its top."""
        self.result = result
        self.lines.replace(probe_rows(result, self.lines.ui.palette.sources, self.lines.ui.glyphs))
        self.lines.set_follow(False)
        self.lines.jump(0)
        self.draw_title()
