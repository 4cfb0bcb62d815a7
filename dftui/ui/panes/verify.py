"""What verify found: what does not hold and what puts it right, whose token is good where, and what holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.widget import Widget

from dftui.control.actions import offered
from dftui.dreamfactory.causes import WORDS
from dftui.ui.draw import Glyphs, Row, Span, fit
from dftui.ui.panes.history import HistoryLines
from dftui.ui.panes.pane import TabPane
from dftui.watch.format import clock
from dftui.watch.sanitise import clean

if TYPE_CHECKING:
    from dftui.control.verify import VerifyResult
    from dftui.dreamfactory.checks import Check

WIDE = 100
"""Columns from which a check's sentences stand beside its name."""
_CELL = 8
_NAMES = 17
"""Room for the name of a check."""


def cell_span(cause: str | None, glyphs: Glyphs) -> Span:
    """One place of the matrix: a sign and a word."""
    if cause is None:
        return Span(" " * _CELL)
    sign, role = {"ok": (glyphs.good, "good"), "unchecked": (glyphs.dot, "muted")}.get(cause, (glyphs.bad, "bad"))
    return Span(fit(f"{sign} {WORDS[cause]}", _CELL, mark=glyphs.ellipsis), role)


def matrix_rows(result: VerifyResult, stack: str, glyphs: Glyphs) -> list[Row]:
    """Rows: whose token; columns: where it was used. In a ring, each with its neighbours."""
    names = [seen.name for seen in result.evidence.replicas]
    short = {name: name.removeprefix(f"{stack}-") for name in names}
    width = max((len(label) for label in short.values()), default=0) + 2
    cells = result.cells
    rows: list[Row] = []
    if any((a, b) not in cells for a in names for b in names):
        rows.append((Span(f"  token of     used on ({len(names)} replicas, each with its neighbours)", "head"),))
        for a in names:
            tried = [(b, cells[a, b]) for b in names if (a, b) in cells]
            parts = [(Span(fit(short[b], width)), cell_span(cause, glyphs)) for b, cause in tried]
            rows.append((Span("  "), Span(fit(short[a], 13), "strong"), *(span for part in parts for span in part)))
        return rows
    head = "  token of ".ljust(width + 2)
    rows.append(
        (Span(head, "head"), *(Span(fit(short[name], _CELL, mark=glyphs.ellipsis), "head") for name in names))
    )
    for a in names:
        label = fit(short[a], len(head) - 2, mark=glyphs.ellipsis)
        rows.append((Span("  "), Span(label, "strong"), *(cell_span(cells.get((a, b)), glyphs) for b in names)))
    return rows


def turn_rows(result: VerifyResult, stack: str, width: int) -> list[Row]:
    """Who served through the balancer, request by request."""
    head = "  served in turn  "
    lines = wrap(clean(result.evidence.in_turn(stack), 2000), max(20, width - len(head) - 1))
    return [(Span(" " * len(head) if n else head, "head"), Span(line)) for n, line in enumerate(lines)]


def odd_rows(result: VerifyResult, width: int, glyphs: Glyphs) -> list[Row]:
    """Each replica that is not like the others, with the one thing that mostly explains the rest."""
    from dftui.dreamfactory.oddities import first_of_each

    rows: list[Row] = []
    for one in first_of_each(result.odd).values():
        indent = 5 + len(one.name)
        first, *rest = wrap(clean(one.words, 500), max(20, width - indent - 1)) or [""]
        rows.append((Span(f"  {glyphs.bad} {one.name} ", "bad-strong"), Span(first, "bad")))
        rows += [(Span(" " * indent), Span(line, "bad")) for line in rest]
    return [*rows, ()] if rows else rows


def check_rows(check: Check, width: int, glyphs: Glyphs, keys: Mapping[str, str]) -> list[Row]:
    """One check; one that does not hold with what breaks for users, and what puts it right. Where there is little
    room, the sentences of such a one stand under its name."""
    sign, word, role = (glyphs.good, "holds", "good") if check.ok else (glyphs.bad, "wrong", "bad")
    if check.unchecked:
        sign, word, role = glyphs.warn, "untried", "warning"
    elif check.aside:
        sign, word, role = glyphs.dot, "aside", "muted"
    under = width < WIDE and not check.ok and not check.unchecked
    indent = 4 if under else 4 + 8 + _NAMES
    room = max(20, width - indent - 1)
    says = wrap(clean(check.says, 2000), room) or [""]
    text = "" if check.ok else role
    head = (Span(f"  {sign} {word:<7} ", role), Span(fit(check.name, _NAMES), "strong"))
    rows: list[Row] = [head] if under else [(*head, Span(says.pop(0), text))]
    rows += [(Span(" " * indent), Span(line, text)) for line in says]
    if check.ok:
        return rows
    users = () if check.unchecked else wrap(f"For users: {check.breaks}.", room)
    rows += [(Span(" " * indent), Span(line, "muted")) for line in users]
    for repair in check.repairs:
        words = clean(f"{repair.words[:1].upper()}{repair.words[1:]}", 500)
        key = (Span(f"{keys[repair.key]} ", "key"),) if repair.key in keys else ()
        command = f"   {clean(repair.command, 300)}" if repair.command else ""
        rows.append((Span(" " * indent), *key, Span(words), Span(command, "muted")))
    return rows


def verify_rows(result: VerifyResult, stack: str, width: int, glyphs: Glyphs, keys: Mapping[str, str]) -> list[Row]:
    """Who is odd, the matrix, then what does not hold before what does. `keys` has what is pressed here by the key
    that the registry has; one that is not offered here is left out."""
    rows = odd_rows(result, width, glyphs)
    if result.cells:
        rows += [*matrix_rows(result, stack, glyphs), ()]
    if result.evidence.sequence:
        rows += [*turn_rows(result, stack, width), ()]
    for check in result.checks:
        if not check.ok:
            rows += [*check_rows(check, width, glyphs, keys), ()]
    for check in result.checks:
        if check.ok:
            rows += check_rows(check, width, glyphs, keys)
    for name, why in result.evidence.left_out.items():
        rows.append((Span(f"  {glyphs.dot} {clean(f'{name} was left out {why}')}", "muted"),))
    return rows


class VerifyPane(TabPane):
    """Title and findings."""

    pane = "verify"
    number = "8"

    def __init__(self) -> None:
        super().__init__()
        self.lines = HistoryLines(2000)
        self.result: VerifyResult | None = None

    def compose(self) -> ComposeResult:
        """Title, rows."""
        yield self.heading
        yield self.lines

    @property
    def body(self) -> Widget:
        """The rows."""
        return self.lines

    @property
    def replaces(self) -> tuple[str, ...]:
        """Replicas that repair should replace."""
        return self.result.replaces if self.result else ()

    @property
    def fixable(self) -> bool:
        """Repair would put something right."""
        checks = self.result.checks if self.result else ()
        return any(repair.key == "R" for check in checks for repair in check.repairs)

    def figures(self) -> Sequence[Span]:
        """In a nutshell."""
        if self.result is None:
            return ()
        good = sum(check.ok for check in self.result.tried)
        role = "good" if self.result.ok else "bad"
        hold = Span(f"{good} of {len(self.result.tried)} hold", role)
        return [*self.lines.more(), hold, Span(f"  {clock(self.result.at)}", "muted")]

    def show(self, result: VerifyResult) -> None:
        """Draw a result, from its top."""
        self.result = result
        self.draw()

    def draw(self) -> None:
        """Make the rows for this width."""
        width = self.lines.size.width
        if self.result is not None and width:
            ui = self.lines.ui
            keys = {action.show: ui.shown_keys[action.id] for action in offered(ui.main.context)}
            self.lines.replace(verify_rows(self.result, ui.spec.name, width, ui.glyphs, keys))
            self.lines.set_follow(False)
            self.lines.jump(0)
            self.draw_title()

    def on_resize(self) -> None:
        """Sentences are wrapped anew."""
        super().on_resize()
        self.draw()
