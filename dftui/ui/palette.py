"""`Ctrl+P`: any action, replica, container, theme or stack by typing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.widgets import Input

from dftui.control.actions import offered
from dftui.ui import finds

if TYPE_CHECKING:
    from dftui.ui.app import DftuiApp


class Find(CommandPalette):
    """The palette, without a blinking cursor."""

    def on_mount(self) -> None:
        """The field is made by then."""
        self.query_one(Input).cursor_blink = False


class Everything(Provider):
    """What can be found."""

    def _all(self) -> Iterator[tuple[str, str, Callable[[], None]]]:
        ui = cast("DftuiApp", self.app)
        context = ui.main.context
        for action in offered(context):
            if action.id != "palette":
                key = ui.shown_keys[action.id]
                twin = f"   {action.twin}" if action.twin else ""
                about = action.help if action.applies(context) else f"Not now: {ui.main.why_not(action, context)}"
                yield f"{action.name}  ({key})", about + twin, partial(ui.main.do, action.id)
        for name, about, twin, call in (*finds.containers(ui), *finds.stacks(ui)):
            yield name, f"{about}   {twin}", call
        for theme in ui.all_themes().values():
            yield f"theme {theme.name}", theme.about, partial(ui.use_theme, theme.name)

    async def discover(self) -> Hits:
        """Everything, before anything is typed."""
        for name, about, call in self._all():
            yield DiscoveryHit(Content(name), call, text=name, help=about)

    async def search(self, query: str) -> Hits:
        """What matches."""
        matcher = self.matcher(query)
        for name, about, call in self._all():
            score = max(matcher.match(name), 0.5 * matcher.match(about))
            if score > 0:
                yield Hit(score, matcher.highlight(name), call, text=name, help=about)
