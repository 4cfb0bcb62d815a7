"""A bare Textual dashboard: what start-up costs with the toolkit alone, with panes like dftui's and no facts."""

from __future__ import annotations

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import DataTable, Footer, Header, Log, Static, TabbedContent, TabPane


class Bare(App[None]):
    """Header, three panes, a table, two tabs, footer."""

    CSS = """
    Horizontal { height: 5; }
    Static { border: round $primary; height: 5; width: 1fr; }
    DataTable { height: 10; }
    Log { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("q", "quit", "Quit"), ("l", "logs", "Logs"), ("d", "drain", "Drain")]

    def compose(self) -> ComposeResult:
        """The widgets."""
        yield Header()
        with Horizontal():
            yield Static("database")
            yield Static("cache")
            yield Static("balancer")
        yield DataTable()
        with TabbedContent():
            with TabPane("Logs"):
                yield Log()
            with TabPane("Requests"):
                yield Log()
        yield Footer()

    def on_mount(self) -> None:
        """A few rows."""
        table: DataTable[str] = self.query_one(DataTable)
        table.add_columns("name", "Host", "state")
        for number in range(3):
            table.add_row(f"web{number}", "-", "starting")


if __name__ == "__main__":
    Bare().run()
