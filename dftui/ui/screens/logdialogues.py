"""Dialogues of the logs: whose lines, from when on, to which time, into which file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from dftui.ui.canvas import LineView
from dftui.ui.draw import Row, Span, fit
from dftui.ui.panes.logtools import jump, save, save_name, to_save
from dftui.ui.screens.dialogues import Keys, field, plain
from dftui.watch.format import count
from dftui.watch.sanitise import clean
from dftui.watch.times import ALLOWED, moment

if TYPE_CHECKING:
    from dftui.ui.panes.logs import LogsPane

T = TypeVar("T")
Chosen = tuple[frozenset[str] | None]
"""The containers that were chosen (None: all), wrapped, because a dialogue that is left answers None."""


class AskScreen(ModalScreen[T | None], Generic[T]):
    """One field; `read` makes the answer of what was typed, or raises ValueError with a sentence."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel")]

    def __init__(self, question: str, about: str, value: str, read: Callable[[str], T]) -> None:
        super().__init__()
        self.question, self.about, self.read = question, about, read
        self.input = field(value)
        self.problem = plain("", "problem")

    def compose(self) -> ComposeResult:
        """Question, what may be typed, field, keys."""
        with Vertical(classes="dialogue"):
            yield plain(self.question, "question")
            yield plain(self.about)
            yield self.input
            yield self.problem
            yield Keys(("Enter", "do it"), ("Esc", "leave it"))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        try:
            self.dismiss(self.read(event.value))
        except ValueError as error:
            self.problem.update(Content(clean(str(error), 300)))


class ContainerList(LineView):
    """Containers with a box each."""

    def __init__(self, names: Sequence[tuple[str, str]], chosen: frozenset[str], at: str) -> None:
        super().__init__()
        self.names = names
        self.chosen = set(chosen)
        self.cursor = next((n for n, (name, _) in enumerate(names) if name == at), 0)

    def count(self) -> int:
        """Containers."""
        return len(self.names)

    def row(self, index: int) -> Row:
        """A box, the name, how much it wrote."""
        name, about = self.names[index]
        box = "[x]" if name in self.chosen else "[ ]"
        sign = self.ui.glyphs.cursor if index == self.cursor else " "
        wide = max(len(one) for one, _ in self.names)
        return (
            Span(f" {sign} ", "accent"),
            Span(f"{box} ", "info" if name in self.chosen else "muted"),
            Span(fit(name, min(40, wide), mark=self.ui.glyphs.ellipsis)),
            Span(f"  {about}", "muted"),
        )

    def on_mount(self) -> None:
        """The list is as long as it is."""
        self.resize_content()
        self.call_after_refresh(self.show_cursor)

    def pointed(self, index: int) -> None:
        """A click on a container chooses it, or not."""
        self.set_cursor(index)
        self.toggle()

    def toggle(self) -> None:
        """The one under the cursor, in or out."""
        if self.names and self.cursor is not None:
            self.chosen ^= {self.names[self.cursor][0]}
            self.refresh()


class ChooseScreen(ModalScreen[Chosen | None]):
    """Any set of containers; none of them means all."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,x", "in_or_out", "In or out"),
        Binding("a", "all", "All"),
        Binding("enter", "done", "Show", priority=True),
        Binding("escape,q", "dismiss(None)", "Cancel"),
    ]

    def __init__(self, names: Sequence[tuple[str, int]], chosen: frozenset[str], at: str) -> None:
        """`names`: each with the lines that it wrote so far; `at`: where the cursor begins."""
        super().__init__()
        self.list = ContainerList([(name, f"{count(lines)} lines") for name, lines in names], chosen, at)

    def compose(self) -> ComposeResult:
        """Question, list, keys."""
        with Vertical(classes="dialogue"):
            yield plain("Whose lines?", "question")
            yield self.list
            yield Keys(("Space", "in or out"), ("a", "all"), ("Enter", "show"), ("Esc", "leave it"))

    def on_mount(self) -> None:
        """As high as it has to be."""
        self.list.styles.height = max(1, min(len(self.list.names), self.app.size.height - 10))
        self.list.focus()

    def action_in_or_out(self) -> None:
        """Space."""
        self.list.toggle()

    def action_all(self) -> None:
        """`a`: everyone's."""
        self.list.chosen.clear()
        self.action_done()

    def action_done(self) -> None:
        """Enter."""
        chosen = frozenset(self.list.chosen)
        everyone = {name for name, _ in self.list.names}
        self.dismiss((None if not chosen or chosen >= everyone else chosen,))


def act(pane: LogsPane, name: str, current: Sequence[str], at: str) -> None:
    """An action of the logs: some ask first. `current` are the containers that there are, `at` the selected one."""
    match name:
        case "choose":
            ask_whose(pane, current, at)
        case "since":
            ask_since(pane)
        case "jump":
            ask_time(pane)
        case "save":
            ask_file(pane)
        case _:
            pane.act(name)


def ask_whose(pane: LogsPane, current: Sequence[str], at: str) -> None:
    """`W`: any set of containers; those of `current` come first, then those that are gone."""
    model = pane.model
    if model is None:
        return
    counts = model.logs.counts.by_name
    names = [*current, *(name for name in model.logs.names() if name not in current)]

    def chosen(answer: Chosen | None) -> None:
        if answer is not None:
            pane.show_only(answer[0])

    lines = [(name, counts[name].received if name in counts else 0) for name in names]
    pane.app.push_screen(ChooseScreen(lines, pane.who or frozenset(), at), chosen)


def ask_since(pane: LogsPane) -> None:
    """`S`: from when on, or how many lines."""

    def read(text: str) -> tuple[int | None, float, str]:
        text = text.strip()
        if not text:
            return pane.tail, 0.0, ""
        if text.isdigit():
            return int(text), 0.0, f"last {count(int(text))} of each"
        at = moment(text, time.time())
        return None, at, f"since {_when(at)}"

    def asked(answer: tuple[int | None, float, str] | None) -> None:
        if answer is not None:
            pane.read_from(*answer)

    about = f"{ALLOWED}; or a number: the last lines of each container. Nothing: the last {count(pane.tail)}."
    pane.app.push_screen(AskScreen("Read the logs from when on?", about, "", read), asked)


def ask_time(pane: LogsPane) -> None:
    """`@`: to which time."""

    def asked(answer: float | None) -> None:
        if answer is not None:
            pane.run_worker(jump(pane, answer), group="find", exclusive=True)

    screen = AskScreen("Go to which time?", ALLOWED, "", lambda text: moment(text, time.time()))
    pane.app.push_screen(screen, asked)


def ask_file(pane: LogsPane) -> None:
    """`^s`: into which file."""
    records = to_save(pane)
    if not records:
        pane.say("There are no lines to save.")
        return

    def read(text: str) -> Path:
        if not text.strip():
            raise ValueError("A file needs a name.")
        path = Path(text.strip()).expanduser().absolute()
        if path.exists():
            raise ValueError(f"There is already something at {path}; choose another name.")
        if not path.parent.is_dir():
            raise ValueError(f"There is no folder {path.parent}.")
        return path

    def asked(path: Path | None) -> None:
        if path is not None:
            pane.run_worker(save(pane, path, records), group="save")

    what = "The marked lines" if pane.lines.marked is not None else "All lines shown"
    about = f"{what}: {count(len(records))}. Secrets are masked; only you can read the file. .json makes JSON lines."
    pane.app.push_screen(AskScreen("Save to which file?", about, save_name(pane), read), asked)


def _when(at: float) -> str:
    local = time.localtime(at)
    today = time.localtime()[:3] == local[:3]
    return time.strftime("%H:%M:%S" if today else "%m-%d %H:%M:%S", local)
