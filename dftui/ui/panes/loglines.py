"""The window on the log lines: it follows the end, or holds still while others come.

Only what is in sight is ever cleaned, masked, parsed and wrapped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual import events
from textual.binding import BindingType
from textual.cache import LRUCache
from textual.filter import ANSIToTruecolor
from textual.geometry import Region
from textual.strip import Strip

from dftui.ui.canvas import Drawn, LineView, in_window, to_strip
from dftui.ui.draw import EMPTY, Row, Span, row_width
from dftui.ui.panes.logmodel import LogModel
from dftui.ui.panes.logrow import TIMES, Look, body_spans, body_width, head_spans, wrap_row
from dftui.ui.panes.logwindow import Window
from dftui.watch.lines import Record
from dftui.watch.match import BadPattern, Matcher

WHO_WIDTH, WIDEST_WHO = 10, 16


class Shown(NamedTuple):
    """One row of the window: `head` (when, who) stays while `body` is scrolled sideways."""

    head: Row
    body: Row
    sign: str = ""
    cursor: bool = False


BLANK = Shown(EMPTY, EMPTY)


class LogLines(Drawn, can_focus=True):
    """Follows until the user moves up; then there is a cursor, and what comes meanwhile is counted in `unseen`."""

    BINDINGS: ClassVar[list[BindingType]] = LineView.BINDINGS

    def __init__(self) -> None:
        super().__init__()
        self.model: LogModel | None = None
        self.follow = True
        self.unseen = 0
        self.times = TIMES[0]
        self.wrap = False
        self.search = Matcher()
        self.who_width = WHO_WIDTH
        self.cursor: int | None = None
        """Number of the record under the cursor; None while the end is followed."""
        self.marked: int | None = None
        """Number of the record where marking began; up to the cursor, all are marked."""
        self.left = 0
        self.at = Window(self.height_of)
        self._drawn: dict[int, tuple[Shown, tuple[object, ...], Strip]] = {}
        self._height = 0
        self._window: list[Shown] = []
        self._places: list[int] = []
        self._cache: LRUCache[tuple[int, int, bool], list[Row]] = LRUCache(512)

    # -- drawing ----------------------------------------------------------------------------------------------------
    @property
    def look(self) -> Look:
        """How lines are drawn now."""
        return Look(self.times, self.who_width, self.ui.palette.sources, self.search, self.ui.glyphs)

    def redraw(self) -> None:
        """How lines look has changed."""
        self._cache.clear()
        self.fill()
        self.refresh()

    def rows_of(self, index: int) -> list[Row]:
        """A record as rows: the first is time and name, the others its text."""
        model = self.model
        assert model is not None
        record = model.items[index]
        folded = model.folded[record.seq]
        open_ = (record.seq in model.flipped) != model.unfold_all
        key = (record.seq, folded, open_)
        rows = self._cache.get(key)
        if rows is None:
            line = model.logs.line(record)
            look = self.look
            head = head_spans(line, look)
            try:
                body = body_spans(line, look, folded, open_)
            except BadPattern:
                body = (Span(line.text),)
            bodies = wrap_row(body, body_width(self.size.width, head)) if self.wrap else [body]
            rows = self._cache[key] = [head, *bodies]
        return rows

    def height_of(self, index: int) -> int:
        """How many rows a record takes."""
        return len(self.rows_of(index)) - 1 if self.wrap else 1

    def fill(self) -> None:
        """Make the window's rows anew and send those that differ."""
        model, height = self.model, self.size.height
        if model is None or not height:
            return
        self.at.model, self.at.rows = model, height
        if self.follow:
            self.at.to_end()
        rows: list[Shown] = []
        places: list[int] = []
        marks = self.marks()
        skip = self.at.skip
        for index in self.at.walk(model.index(self.at.top)):
            head, *bodies = self.rows_of(index)
            seq = model.items[index].seq
            sign = "cursor" if seq == self.cursor else "mark" if seq in marks else ""
            blank = (Span(" " * row_width(head)),)
            for number, body in enumerate(bodies):
                if number >= skip:
                    rows.append(Shown(blank if number else head, body, sign, seq == self.cursor))
                    places.append(index)
            skip = 0
            if len(rows) >= height:
                break
        if not places and not model.looking:
            rows = [BLANK, *(Shown(EMPTY, (Span(f"  {line}", "muted"),)) for line in self.nothing())]
        rows = (rows + [BLANK] * height)[:height]
        old, self._window, self._places = self._window, rows, places[:height]
        if len(old) != len(rows):
            self.refresh()
            return
        regions = [Region(0, y, self.size.width, 1) for y, (a, b) in enumerate(zip(old, rows, strict=True)) if a != b]
        if regions:
            self.refresh(*regions)

    def nothing(self) -> Sequence[str]:
        """Sentences that stand there while there is no line."""
        if self.search or (self.model is not None and self.model.choice):
            return ("No line held is let through. Esc ends the filter.",)
        return ("No line yet. What the containers write comes here as they write it.",)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Textual asks for what is in sight, many times a second in a flood: without the borders, paddings and tints
        that textual 8.2.8 looks for in each line, and only rows that are not as they were."""
        self._ground = None
        if self.gutter or self.styles.opacity != 1:
            return super().render_lines(crop)
        # The palette's colours are what the terminal is to get.
        filters = [one for one in self.get_line_filters() if not isinstance(one, ANSIToTruecolor)]
        ground, width = self.background_colors[1], self.size.width
        look = (self.ground, width, self.left, self.stale, self.ui.palette)
        strips: list[Strip] = []
        for y in crop.line_range:
            shown = self._window[y] if y < len(self._window) else BLANK
            found = self._drawn.get(y)
            if found is None or found[0] != shown or found[1] != look:
                strip = self._strip(shown, width)
                for one in filters:
                    strip = strip.apply_filter(one, ground)
                found = self._drawn[y] = (shown, look, strip)
            strips.append(found[2])
        if crop.column_span != (0, width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def render_line(self, y: int) -> Strip:
        """Textual asks for one row of the window."""
        return self._strip(self._window[y] if y < len(self._window) else BLANK, self.size.width)

    def _strip(self, shown: Shown, width: int) -> Strip:
        base, ui = self.ground, self.ui
        if shown.cursor:
            base = base + ui.palette.cursor
        sign = {"cursor": ui.glyphs.cursor, "mark": ui.glyphs.mark}.get(shown.sign, " ")
        head = to_strip((Span(sign, "accent"), *shown.head), ui.palette, base, self.stale)
        room = width - head.cell_length
        if room <= 0:
            return head.crop(0, width)
        body = to_strip(shown.body, ui.palette, base, self.stale, self.left + room)
        return Strip.join([head, in_window(body, self.left, room, base, ui, empty=not shown.body)])

    def on_resize(self) -> None:
        """The window changed its height, at its upper edge: what is read stays where it is on the screen, and
        the cursor in sight."""
        taller, self._height = self.size.height - self._height, self.size.height
        if self.wrap:
            self._cache.clear()
        if not self.follow and self.model is not None and self.model.items:
            self.at.rows = self.size.height
            self.at.scroll(-taller)
            if self.cursor is not None:
                self.at.show(self.at_cursor() or 0)
        self.fill()

    @property
    def places(self) -> tuple[int, int]:
        """Where the first and the last record in sight are."""
        return (self._places[0], self._places[-1]) if self._places else (0, 0)

    @property
    def window(self) -> tuple[int, int] | None:
        """Numbers of the first and last record in sight, while the window is held."""
        if self.follow or self.model is None or not self._places:
            return None
        first, last = self.places
        items = self.model.items
        return (items[first].seq, items[last].seq) if last < len(items) else None

    # -- what comes -------------------------------------------------------------------------------------------------
    def arrived(self, lines: int) -> None:
        """There is more, or less, than before."""
        if not self.follow:
            self.unseen += lines
        self.fill()

    def restart(self) -> None:
        """Other lines altogether, at their end."""
        self.unseen = 0
        self.cursor = self.marked = None
        self.follow = True
        self.left = 0
        self._cache.clear()
        self.fill()

    def set_follow(self, follow: bool) -> None:
        """Hold the end in sight, or let go."""
        self.follow = follow
        self.unseen = 0
        self.marked = None
        self.cursor = None
        if not follow and self.model is not None and self._places:
            self.cursor = self.model.items[self.places[1]].seq
        self.fill()

    # -- moving -----------------------------------------------------------------------------------------------------
    def go(self, index: int, *, far: bool = False) -> None:
        """Put the cursor on a record, in sight; one that is `far` comes with what is around it."""
        model = self.model
        if model is None or not model.items:
            return
        if model.hidden(index):
            model.flipped ^= {model.heads[index]}
        if self.follow:
            self.unseen = 0
        self.follow = False
        self.cursor = model.items[index].seq
        first, last = self.places
        if far and not first <= index < last:
            self.at.around(index)
        else:
            self.at.show(index)
        self.fill()

    def at_cursor(self) -> int | None:
        """Where the cursor's record is; without a cursor, the last one."""
        model = self.model
        if model is None or not model.items:
            return None
        if self.cursor is None:
            return model.step(len(model.items), -1)
        return min(model.index(self.cursor), len(model.items) - 1)

    def action_move(self, by: int) -> None:
        """One line up or down; moving down past the last one follows again."""
        model, at = self.model, self.at_cursor()
        if model is None or at is None:
            return
        to = model.step(at, 1 if by > 0 else -1)
        if by > 0 and self.marked is None and (to is None or model.step(to, 1) is None):
            self.set_follow(True)
        elif to is not None:
            self.go(to)
        self.post_message(LineView.Moved())

    def action_page(self, pages: int) -> None:
        """One window."""
        self._by_rows(pages * max(1, self.size.height - 1))

    def _by_rows(self, rows: int) -> None:
        model = self.model
        if model is None or not model.items:
            return
        if self.follow:
            if rows > 0:
                return
            self.set_follow(False)
        moved = self.at.scroll(rows)
        self.fill()
        first, last = self.places
        if not moved:
            self.go(first if rows < 0 else last)
        # The cursor comes along, at the edge that it would have left by.
        at = model.index(self.cursor) if self.cursor is not None else last
        self.cursor = model.items[max(first, min(at, last))].seq
        newest = model.step(len(model.items), -1)
        end = len(self.rows_of(last)) - 1 if self.wrap else 1
        shown = self._places.count(last) + (self.at.skip if first == last else 0)
        if rows > 0 and self.marked is None and last == newest and shown >= end:
            self.set_follow(True)
        self.fill()
        self.post_message(LineView.Moved())

    def action_edge(self, end: int) -> None:
        """To the first line, or to the end, which is followed."""
        if self.model is not None and self.model.items:
            if not end:
                self.go(self.model.step(-1, 1) or 0)
            elif self.marked is None:
                self.set_follow(True)
            else:
                self.go(len(self.model.items) - 1)
        self.post_message(LineView.Moved())

    def action_side(self, by: int) -> None:
        """Sideways, as far as the widest line in sight."""
        if self.wrap or not self._window:
            return
        room = self.size.width - 1
        widest = max(row_width(row.body) - (room - row_width(row.head)) for row in self._window)
        self.left = max(0, min(self.left + by, max(0, widest, self.left if by < 0 else 0)))
        self.refresh()
        self.post_message(LineView.Moved())

    def _on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._by_rows(3)

    def _on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._by_rows(-3)

    def on_click(self, event: events.Click) -> None:
        """The line under the pointer gets the cursor."""
        if self.model is not None and 0 <= event.y < len(self._places):
            self.go(self._places[event.y])
            self.post_message(LineView.Moved())

    # -- marking and folding ----------------------------------------------------------------------------------------
    def mark(self) -> bool:
        """Begin to mark at the cursor, or end; whether it began."""
        at = self.at_cursor()
        if self.marked is not None or at is None:
            self.marked = None
        else:
            self.go(at)
            self.marked = self.cursor
        self.fill()
        return self.marked is not None

    def marks(self) -> range:
        """Numbers from the mark to the cursor."""
        if self.marked is None or self.cursor is None:
            return range(0)
        return range(min(self.marked, self.cursor), max(self.marked, self.cursor) + 1)

    def chosen(self) -> list[Record]:
        """The marked records with what is folded under them; without marks, that of the cursor."""
        model, at = self.model, self.at_cursor()
        if model is None or at is None:
            return []
        marks = self.marks() or range(model.items[at].seq, model.items[at].seq + 1)
        first, last = model.index(marks.start), model.index(marks.stop)
        heads = {record.seq for record in model.items[first:last]}
        # Other containers' lines may stand between a line and those under it.
        end = last + 5000 if any(model.folded[head] for head in heads) else last
        return [
            record
            for record, head in zip(model.items[first:end], model.heads[first:end], strict=True)
            if record.seq in marks or head in heads
        ]

    def fold(self) -> bool:
        """Unfold the trace at the cursor, or fold it; False where there is none."""
        model, at = self.model, self.at_cursor()
        head = model.head_of(at) if model is not None and at is not None else None
        if model is None or head is None:
            return False
        model.flipped ^= {head}
        at = min(model.index(head), len(model.items) - 1)
        self.go(at)
        near = range(at + 1, min(len(model.items), at + 1000))
        under = [n for n in near if model.heads[n] == head and not model.hidden(n)]
        if under:
            # As much of it as there is room for, its first line in any case.
            self.at.show(under[min(len(under), max(1, self.at.rows - 1)) - 1])
            self.go(at)
        return True

    def fold_all(self) -> bool:
        """Unfold every trace, or fold them; whether they are unfolded now."""
        model = self.model
        if model is None:
            return False
        model.unfold_all = not model.unfold_all
        model.flipped.clear()
        at = self.at_cursor()
        if self.cursor is not None and at is not None and model.hidden(at):
            self.go(model.index(model.heads[at]))
        self.fill()
        return model.unfold_all

    def fit_names(self, longest: int) -> None:
        """Room for names of so many cells, within reason."""
        wanted = min(WIDEST_WHO, max(self.who_width, longest))
        if wanted != self.who_width:
            self.who_width = wanted
            self.redraw()
