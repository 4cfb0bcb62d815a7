"""Small dialogues: one key to confirm, a number to set, the stack's name typed before its data goes."""

from __future__ import annotations

from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.validation import Integer
from textual.widgets import Input, Static


def plain(text: str, classes: str = "") -> Static:
    """Text that is never markup."""
    return Static(Content(text), classes=classes, markup=False)


def field(value: str = "", **more: object) -> Input:
    """An input without a blinking cursor."""
    made = Input(value, compact=True, select_on_focus=True, **more)  # type: ignore[arg-type]
    made.cursor_blink = False
    return made


class ConfirmScreen(ModalScreen[bool]):
    """One key: y does it, anything else does not."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,Y", "dismiss(True)", "Yes"),
        Binding("n,N,escape,q", "dismiss(False)", "No"),
    ]

    def __init__(self, question: str, consequence: str) -> None:
        super().__init__()
        self.question, self.consequence = question, consequence

    def compose(self) -> ComposeResult:
        """Question, what it means, keys."""
        with Vertical(classes="dialogue"):
            yield plain(self.question, "question")
            yield plain(self.consequence)
            yield plain("y  yes        n, Esc  no", "keys")


class NumberScreen(ModalScreen[int | None]):
    """`=`: how many replicas."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel")]

    def __init__(self, now: int, low: int, high: int) -> None:
        super().__init__()
        self.now, self.low, self.high = now, low, high
        self.input = field(
            str(now), restrict=r"[0-9]*", max_length=4, validators=[Integer(low, high)], validate_on=["submitted"]
        )
        self.problem = plain("", "problem")

    def compose(self) -> ComposeResult:
        """Question, field, keys."""
        with Vertical(classes="dialogue"):
            yield plain("How many replicas?", "question")
            yield self.input
            yield self.problem
            yield plain(f"{self.low} to {self.high}        Enter  set        Esc  leave it", "keys")

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.isdigit() and self.low <= int(event.value) <= self.high:
            self.dismiss(int(event.value))
        else:
            self.problem.update(Content(f"{event.value or 'Nothing'} is not from {self.low} to {self.high}."))


Down = Literal["keep", "volumes", ""]


class DownScreen(ModalScreen[Down]):
    """`D`: y removes the containers; v asks on, about the data."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,Y", "dismiss('keep')", "Take down"),
        Binding("v,V", "dismiss('volumes')", "Delete the data"),
        Binding("n,N,escape,q", "dismiss('')", "Cancel"),
    ]

    def __init__(self, stack: str, containers: int) -> None:
        super().__init__()
        self.stack, self.containers = stack, containers

    def compose(self) -> ComposeResult:
        """What goes, what stays, keys."""
        with Vertical(classes="dialogue"):
            yield plain(f"Take down {self.stack}: {self.containers} containers and two networks?", "question")
            yield plain("Its data is kept: the next 'bring up' finds everything again.")
            yield plain("y  take down     v  delete its data, too     Esc  leave it", "keys")


class NameScreen(ModalScreen[bool]):
    """What cannot be undone: the stack's name is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(False)", "Cancel")]

    def __init__(self, stack: str) -> None:
        super().__init__()
        self.stack = stack
        self.input = field(placeholder="the stack's name")
        self.problem = plain("", "problem")

    def compose(self) -> ComposeResult:
        """What goes, field, keys."""
        with Vertical(classes="dialogue"):
            yield plain(f"Take down {self.stack} and delete its database, files and secrets?", "question")
            yield plain("There is no way back.", "danger")
            yield plain(f"Type {self.stack} to do it.")
            yield self.input
            yield self.problem
            yield plain("Enter  delete        Esc  leave it", "keys")

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == self.stack:
            self.dismiss(True)
        else:
            self.problem.update(Content(f"That is not {self.stack}: nothing was done."))
