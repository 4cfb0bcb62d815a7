"""Drawing rows in textual's Line API: a fixed block (`Canvas`) and a scrolling list (`LineView`).

Only cells whose text changed are sent to the terminal.  Uses these private parts of textual 8.2.8, which is pinned:
`Widget._scroll_update` and setting `Widget.virtual_size` without its watchers, because a plain assignment lays the
whole screen out again (it is `Reactive(layout=True)`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from dftui.ui.draw import EMPTY, Row, Span, changed, clip_row, to_ascii
from dftui.watch.sanitise import clean

if TYPE_CHECKING:
    from rich.style import Style

    from dftui.ui.app import DftuiApp
    from dftui.ui.themes import Palette


def to_strip(row: Row, palette: Palette, base: Style, stale: bool = False, width: int = 0) -> Strip:
    """A row as textual draws it, at least `width` cells. Whatever a span holds, no control character leaves here.

    Each segment costs some 45 bytes of colour on the wire, so blanks join the text before them.
    """
    segments: list[tuple[str, Style]] = []
    cells = 0
    for text, role, _ in row:
        safe = text if text.isprintable() else clean(text)
        if palette.ascii and not safe.isascii():
            safe = to_ascii(safe)
        cells += len(safe) if safe.isascii() else cell_len(safe)
        style = base + palette.style(role, stale=stale)
        if segments:
            last, before = segments[-1]
            blank = safe.isspace() and not (before.underline or before.reverse or style.underline or style.reverse)
            if style == before or blank:
                segments[-1] = (last + safe, before)
                continue
        segments.append((safe, style))
    if cells < width:
        last, before = segments.pop() if segments else ("", base)
        if before.underline or before.reverse:
            segments.append((last, before))
            last, before = "", base
        segments.append((last + " " * (width - cells), before))
    return Strip([Segment(text, style) for text, style in segments], max(cells, width))


def in_window(strip: Strip, x: int, width: int, base: Style, ui: DftuiApp, *, empty: bool = False) -> Strip:
    """The `width` cells of a row from `x` on; what goes on to the right, or began to the left, says so. Nothing began
    to the left of an `empty` row."""
    begins = x > 0 and not empty and width > 1
    ends = strip.cell_length - x > width
    inner = strip.crop_extend(x + begins, x + width - ends, base)
    if not begins and not ends:
        return inner
    mark = Segment(ui.glyphs.ellipsis, base + ui.palette.style("muted"))
    return Strip([*([mark] if begins else ()), *inner, *([mark] if ends else ())], width)


def span_at(row: Row, x: int) -> Span | None:
    """The span that covers a cell."""
    for span in row:
        x -= cell_len(span.text)
        if x < 0:
            return span
    return None


class Drawn(Widget):
    """What both have in common: the app's palette and glyphs, staleness, and clicks on spans: on the id of an action,
    on "pane-" and a pane's name, or on "key-" and a key that is as good as pressed."""

    ALLOW_SELECT = False

    class Clicked(Message):
        """A span with an action was clicked."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    stale = False
    _ground: Style | None = None

    def render_lines(self, crop: Region) -> list[Strip]:
        """Textual asks for what is new in a frame."""
        self._ground = None
        return super().render_lines(crop)

    @property
    def ground(self) -> Style:
        """The style where no other is named; found once a frame, because the question costs as much as a line."""
        if self._ground is None:
            self._ground = self.rich_style
        return self._ground

    @property
    def ui(self) -> DftuiApp:
        """The app, with its own type."""
        return cast("DftuiApp", self.app)

    def set_stale(self, stale: bool) -> None:
        """Grey everything: these facts are from before the engine went away."""
        if stale != self.stale:
            self.stale = stale
            self.refresh()


class Canvas(Drawn):
    """A block of rows, redrawn cell by cell."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: list[Row] = []

    @property
    def rows(self) -> Sequence[Row]:
        """What it shows."""
        return self._rows

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show these; sends only what differs."""
        old, self._rows = self._rows, list(rows)
        width, height = self.size
        regions: list[Region] = []
        for y in range(min(height, max(len(old), len(rows)))):
            before = old[y] if y < len(old) else EMPTY
            after = rows[y] if y < len(rows) else EMPTY
            if before == after:
                continue
            ranges = changed(before, after)
            if ranges is None:
                regions.append(Region(0, y, width, 1))
            else:
                regions.extend(Region(x, y, cells, 1) for x, cells in ranges)
        if regions:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        """Textual asks for one line."""
        base = self.ground
        row = self._rows[y] if y < len(self._rows) else EMPTY
        width = self.size.width
        return to_strip(row, self.ui.palette, base, self.stale, width).adjust_cell_length(width, base)

    def on_click(self, event: events.Click) -> None:
        """Do the action of the span under the pointer."""
        if 0 <= event.y < len(self._rows):
            span = span_at(self._rows[event.y], event.x)
            if span is not None and span.action:
                event.stop()
                self.post_message(self.Clicked(span.action))


class LineView(Drawn, ScrollView, can_focus=True):
    """A scrolling list of rows; subclasses say how many there are and what each is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("home,g", "edge(0)", "Start", show=False),
        Binding("end,G", "edge(1)", "End", show=False),
        Binding("right", "side(8)", "Right", show=False),
        Binding("left", "side(-8)", "Left", show=False),
    ]

    class Moved(Message):
        """The view scrolled or its cursor moved, by the user's hand."""

    cursor: int | None = None
    """Index of the row under the cursor; None in a list without one."""
    wide = 0

    def count(self) -> int:
        """How many rows there are."""
        raise NotImplementedError

    def row(self, index: int) -> Row:
        """One row."""
        raise NotImplementedError

    def nothing(self) -> Sequence[str]:
        """Sentences that stand there while there is no row."""
        return ()

    def resize_content(self) -> None:
        """Tell the scrolling that the number of rows changed, without laying out the screen."""
        size = Size(self.wide, self.count())
        if size != self.virtual_size:
            self.set_reactive(Widget.virtual_size, size)
            self._scroll_update(size)

    def render_line(self, y: int) -> Strip:
        """Textual asks for one line of the window."""
        offset_x, offset_y = self.scroll_offset
        width = self.size.width
        base = self.ground
        index = offset_y + y
        if index >= self.count():
            said = self.nothing() if not self.count() else ()
            if not 1 <= y <= len(said):
                return Strip.blank(width, base)
            row = clip_row((Span(f"  {said[y - 1]}", "muted"),), width, self.ui.glyphs.ellipsis)
            return to_strip(row, self.ui.palette, base, self.stale, width)
        if index == self.cursor:
            base = base + self.ui.palette.cursor
        strip = to_strip(self.row(index), self.ui.palette, base, self.stale, offset_x + width)
        if strip.cell_length > self.wide:
            self.wide = strip.cell_length
        return in_window(strip, offset_x, width, base, self.ui)

    def jump(self, y: float) -> None:
        """Scroll to a row at once."""
        self.scroll_to(y=max(0, y), animate=False, immediate=True, force=True)

    @property
    def at_end(self) -> bool:
        """The last row is in sight."""
        return self.scroll_offset.y >= self.max_scroll_y

    @property
    def below(self) -> int:
        """Rows further down than the window shows."""
        return max(0, self.count() - self.scroll_offset.y - self.size.height)

    def show_cursor(self) -> None:
        """Scroll so that the cursor is in sight."""
        if self.cursor is None:
            return
        top, height = self.scroll_offset.y, self.size.height
        if self.cursor < top:
            self.jump(self.cursor)
        elif self.cursor >= top + height:
            self.jump(self.cursor - height + 1)

    def set_cursor(self, index: int) -> None:
        """Move the cursor, within the rows."""
        last = self.count() - 1
        old, new = self.cursor, max(0, min(index, last))
        if old == new:
            return
        self.cursor = new
        self.show_cursor()
        for y in (old, new):
            if y is not None:
                self.refresh_line(y)

    def action_move(self, by: int) -> None:
        """One row, of the cursor where there is one."""
        if self.cursor is not None:
            self.set_cursor(self.cursor + by)
        else:
            self.jump(self.scroll_offset.y + by)
        self.post_message(self.Moved())

    def action_page(self, pages: int) -> None:
        """One window."""
        self.action_move(pages * max(1, self.size.height - 1))

    def action_edge(self, end: int) -> None:
        """To the first or the last row."""
        if self.cursor is not None:
            self.set_cursor(self.count() - 1 if end else 0)
        else:
            self.jump(self.max_scroll_y if end else 0)
        self.post_message(self.Moved())

    def action_side(self, by: int) -> None:
        """Sideways, for lines wider than the window."""
        right = max(0, self.wide - self.size.width)
        x = max(0, min(self.scroll_offset.x + by, right))
        self.resize_content()
        self.scroll_to(x=x, animate=False, immediate=True, force=True)
        self.post_message(self.Moved())

    def on_click(self, event: events.Click) -> None:
        """A click is about the row under the pointer."""
        at = event.get_content_offset(self)
        if at is not None and (index := self.scroll_offset.y + at.y) < self.count():
            self.pointed(index)

    def pointed(self, index: int) -> None:
        """The cursor comes to the row that was clicked, where there is one."""
        if self.cursor is not None:
            self.set_cursor(index)
            self.post_message(self.Moved())

    def _on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.jump(self.scroll_offset.y + 3)
        self.post_message(self.Moved())

    def _on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.jump(self.scroll_offset.y - 3)
        self.post_message(self.Moved())
