"""The help: the page of the pane in focus, what is wrong now, every other page, and every key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen

from dftui.control.action import Action
from dftui.control.actions import ACTIONS, BY_ID, MOVES
from dftui.help import GROUPS, page
from dftui.help.render import render
from dftui.ui.canvas import Canvas, LineView
from dftui.ui.draw import STATE_ROLES, Glyphs, Row, Span, fit, row_width, spread
from dftui.ui.panes.history import HistoryLines

if TYPE_CHECKING:
    from dftui.ui.app import DftuiApp

KEYS = "keys"
"""The topic that is made from the registry."""
TWINS_FROM, TWINS_AT = 88, 66
"""Cells from which the commands that do the same are shown, and their column."""
LIST = 27
"""Cells of the list of pages, as its style has it."""
READABLE = 96
"""Cells of a line at most: longer ones are hard to follow."""


def help_rows(actions: Sequence[Action], shown_keys: Mapping[str, str], width: int, glyphs: Glyphs) -> list[Row]:
    """Every key, grouped as in the registry: key, what it does, the command that does the same; then the signs."""
    wide = width >= TWINS_FROM
    rows: list[Row] = []
    group = ""
    for action in actions:
        if action.group != group:
            group = action.group
            rows += [(), (Span(f"  {group}", "title"),)]
        keys = max(5, len(shown_keys[action.id]) + 2)
        twins = action.twin.split(", ") if wide and action.twin else []
        words = wrap(action.help, max(20, (TWINS_AT if wide else width) - keys - 4))
        for at, (line, twin) in enumerate(zip_longest(words, twins, fillvalue="")):
            shown = fit(shown_keys[action.id], keys) if at == 0 else " " * keys
            gap = " " * max(2, TWINS_AT - keys - len(line) - 2) if twin else ""
            rows.append((Span("  "), Span(shown, "key"), Span(line), Span(gap), Span(twin, "muted")))
    rows += [(), (Span("  Moving", "title"),)]
    rows += [(Span("  "), Span(fit(keys, 16), "key"), Span(text)) for keys, text in MOVES]
    rows += [(), (Span("  States", "title"),)]
    states = [(f"{glyphs.states[state]} {state.value}", role) for state, role in STATE_ROLES.items()]
    half = -(-len(states) // 2)
    for left, right in zip(states[:half], [*states[half:], ("", "")], strict=False):
        rows.append((Span("  "), Span(fit(left[0], 16), left[1]), Span(*right)))
    return rows[1:]


def page_rows(topic: str, shown_keys: Mapping[str, str], width: int, glyphs: Glyphs) -> list[Row]:
    """A page; where the user has changed a key, the page names the new one."""
    changed = {action.show: shown_keys[action.id] for action in ACTIONS}
    lines = render(page(topic), min(READABLE, width - 4), changed, bullet=glyphs.dot)
    return [(Span("  "), *(Span(text, role) for text, role in line)) for line in lines]


class Topics(LineView):
    """The list of topics; the cursor skips the names of groups."""

    def __init__(self, alarms: Sequence[str]) -> None:
        super().__init__()
        now = {"Now": tuple(alarms)} if alarms else {}
        self.entries: list[tuple[str, bool]] = [(KEYS, True)]
        for group, topics in (now | dict(GROUPS)).items():
            self.entries += [("", False), (group, False), *((topic, True) for topic in topics)]
        self.alarms = len(alarms)
        self.cursor = 0

    def count(self) -> int:
        """Topics, names of groups, blanks."""
        return len(self.entries)

    def row(self, index: int) -> Row:
        """One of them."""
        text, is_topic = self.entries[index]
        here = Span(f"{self.ui.glyphs.cursor if index == self.cursor else ' '} ", "accent")
        if not is_topic:
            return (Span("  "), Span(text, "muted"))
        role = "strong" if index == self.cursor else "warning" if 0 < index - 2 <= self.alarms else ""
        return (here, Span(fit(text, max(1, self.size.width - 3), mark=self.ui.glyphs.ellipsis), role))

    @property
    def topic(self) -> str:
        """Under the cursor."""
        return self.entries[self.cursor or 0][0]

    def set_cursor(self, index: int) -> None:
        """Move it, on in the same direction where there is no topic."""
        last = len(self.entries) - 1
        by = 1 if index >= (self.cursor or 0) else -1
        index = max(0, min(index, last))
        while not self.entries[index][1]:
            index += by
        super().set_cursor(index)
        self.refresh()

    def go(self, topic: str) -> None:
        """To that topic; where it stands twice, to the first."""
        found = next((n for n, entry in enumerate(self.entries) if entry == (topic, True)), 0)
        self.set_cursor(found)


class HelpScreen(ModalScreen[None]):
    """`?`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Close"),
        # By its id it is remapped with the key that opens the help.
        Binding(BY_ID["help"].key, "keys", "All keys", id="help"),
        Binding("tab,shift+tab", "change", "List or page", priority=True),
        Binding("right", "step(1)", "Next page", priority=True),
        Binding("left", "step(-1)", "Page before", priority=True),
        Binding("enter", "read", "Read"),
    ]

    def __init__(
        self,
        topic: str,
        alarms: Sequence[str],
        actions: Sequence[Action],
        shown_keys: Mapping[str, str],
        banner: str = "",
    ) -> None:
        """`topic` is the pane's page, `alarms` what is raised now, `banner` the one that stands in the alarm line."""
        super().__init__()
        self.actions = actions
        self.shown_keys = shown_keys
        # What stands in the alarm line comes before the pane: it is what is asked about then.
        self.turn: list[str] = [*((banner,) if banner else ()), topic, KEYS]
        self.topics = Topics(alarms)
        self.lines = HistoryLines(2000)
        self.heading = Canvas(classes="title")
        self.foot = Canvas(classes="foot")

    @property
    def ui(self) -> DftuiApp:
        """The app, with its own type."""
        return cast("DftuiApp", self.app)

    def compose(self) -> ComposeResult:
        """Title, list and page, keys."""
        with Vertical(classes="dialogue wide-dialogue"):
            yield self.heading
            with Horizontal():
                yield self.topics
                yield self.lines
            yield self.foot

    def on_mount(self) -> None:
        """The page is read first; the list is a Tab away."""
        self.lines.focus()

    def on_resize(self) -> None:
        """Draw for this width."""
        self.call_after_refresh(
            self.show, self.topics.topic if self.is_current and self.lines.count() else self.turn[0]
        )

    def show(self, topic: str) -> None:
        """That page, from its top."""
        self.topics.resize_content()
        self.topics.go(topic)
        self.topics.refresh()
        self._draw()

    def _draw(self) -> None:
        glyphs, topic, width = self.ui.glyphs, self.topics.topic, self.lines.size.width
        rows = help_rows(self.actions, self.shown_keys, width, glyphs) if topic == KEYS else []
        self.lines.replace(rows or page_rows(topic, self.shown_keys, width, glyphs))
        self.lines.set_follow(False)
        self.lines.jump(0)
        self._draw_frame()

    def _draw_frame(self) -> None:
        lines, glyphs = self.lines, self.ui.glyphs
        more = (Span(f"{lines.below} more lines below  " if lines.below else "", "muted"),)
        more_topics = f"{self.topics.below} more {glyphs.down}" if self.topics.below else ""
        mark, listed = glyphs.mark, self.topics.has_focus
        title = (
            Span(mark if listed else " ", "accent"),
            *spread([Span(" Help", "title")], [Span(f"{more_topics} " if more_topics else "", "muted")], LIST - 1),
            Span(" " if listed else mark, "accent"),
            Span(f" {self.topics.topic}", "strong"),
        )
        self.heading.set_rows([spread(title, (), self.heading.size.width)])
        then = "all keys" if self.then == KEYS else self.then
        keys = (
            ("Esc", "close", "key-escape"),
            (self.shown_keys["help"], then, "turn"),
            ("Tab", "page" if listed else "list", "key-tab"),
            ("← →", "other pages", "key-right"),
            ("↑ ↓", "scroll", "key-down"),
        )
        foot: Row = (Span("  "),)
        for key, what, does in keys:
            piece = (Span(key, "key", does), Span(f" {what}   ", "muted", does))
            if row_width((*foot, *piece, *more)) < self.foot.size.width:
                foot = (*foot, *piece)
        self.foot.set_rows([spread(foot, more, self.foot.size.width)])

    def on_descendant_focus(self) -> None:
        """The mark above goes where the keys go."""
        self._draw_frame()

    @on(Canvas.Clicked)
    def _clicked(self, event: Canvas.Clicked) -> None:
        if event.action == "turn":
            event.stop()
            self.action_keys()

    @on(LineView.Moved)
    def _moved(self, event: LineView.Moved) -> None:
        event.stop()
        if self.topics.has_focus:
            self._draw()
        self._draw_frame()

    @property
    def then(self) -> str:
        """The next of what `?` stands for: the alarm, the pane, every key; from any other page every key."""
        at = self.turn.index(self.topics.topic) if self.topics.topic in self.turn else -2
        return self.turn[(at + 1) % len(self.turn)]

    def action_keys(self) -> None:
        """There."""
        self.show(self.then)

    def action_step(self, by: int) -> None:
        """The page after, or before."""
        self.topics.set_cursor((self.topics.cursor or 0) + by)
        self._draw()

    def action_change(self) -> None:
        """From the page to the list, and back."""
        (self.lines if self.topics.has_focus else self.topics).focus()

    def action_read(self) -> None:
        """From the list to the page."""
        self.lines.focus()
