"""Small dialogues: one key to confirm, a number to set, the stack's name typed before its data goes."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from rich.text import Text
from textual import events, on
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


class Unseen(Input):
    """A password is stars, which every terminal has. `_value` is private to textual 8.2.8, which is pinned."""

    @property
    def _value(self) -> Text:
        return (
            Text("*" * len(self.value), no_wrap=True, overflow="ignore", end="") if self.password else super()._value
        )


class Keys(Static):
    """The last line of a dialogue: each key and what it does, as in the last line of the screen. A click on one is as
    good as the key."""

    NAMES: ClassVar[dict[str, str]] = {"Esc": "escape", "Enter": "enter", "Space": "space"}

    def __init__(self, *pairs: tuple[str, str], before: str = "") -> None:
        parts: list[tuple[str, str]] = [(f"{before}    ", "")] if before else []
        self.places: list[tuple[range, str]] = []
        at = sum(len(text) for text, _ in parts)
        for key, what in pairs:
            parts += [(key, "bold $accent"), (f" {what}    ", "")]
            name = key.split(", ")[0]
            end = at + len(key) + 1 + len(what)
            self.places.append((range(at, end), self.NAMES.get(name, name)))
            at = end + 4
        super().__init__(Content.assemble(*parts), classes="keys", markup=False)

    def on_click(self, event: events.Click) -> None:
        """The key under the pointer."""
        for place, key in self.places:
            if event.y == 0 and event.x in place:
                self.app.simulate_key(key)


def field(value: str = "", **more: object) -> Input:
    """An input without a blinking cursor."""
    made = Unseen(value, compact=True, select_on_focus=True, **more)  # type: ignore[arg-type]
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
            yield Keys(("y", "yes"), ("n, Esc", "no"))


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
            yield Keys(("Enter", "set"), ("Esc", "leave it"), before=f"{self.low} to {self.high}")

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.isdigit() and self.low <= int(event.value) <= self.high:
            self.dismiss(int(event.value))
        else:
            self.problem.update(Content(f"{event.value or 'Nothing'} is not from {self.low} to {self.high}."))


class PasswordScreen(ModalScreen[tuple[str, str] | None]):
    """Whose password, and the password, unseen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel")]

    def __init__(self, why: str, email: str) -> None:
        super().__init__()
        self.why = why
        self.email = field(email, placeholder="email", max_length=200)
        self.password = field(password=True, placeholder="password", max_length=1000)
        self.problem = plain("", "problem")

    def compose(self) -> ComposeResult:
        """Why, both fields, keys."""
        with Vertical(classes="dialogue"):
            yield plain("Log in to verify", "question")
            yield plain(self.why)
            yield plain("One login on each replica, ended again afterwards. The password is not written down.")
            yield self.email
            yield self.password
            yield self.problem
            yield Keys(("Enter", "go on"), ("Esc", "leave it"))

    def on_mount(self) -> None:
        """The password is what is missing."""
        self.password.focus()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        email, password = self.email.value.strip(), self.password.value
        if event.input is self.email and not password:
            self.password.focus()
        elif email and password:
            self.dismiss((email, password))
        else:
            self.problem.update(Content("Both are needed."))


class BackupScreen(ModalScreen[str]):
    """`B`: into which file."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('')", "Cancel")]

    def __init__(self, stack: str) -> None:
        super().__init__()
        from dftui.control.backup import default_name

        self.stack = stack
        self.input = field(default_name(stack))
        self.problem = plain("", "problem")

    def compose(self) -> ComposeResult:
        """What it is, field, keys."""
        with Vertical(classes="dialogue"):
            yield plain(f"Back up {self.stack} into which file?", "question")
            yield plain("It holds the database, the files, the APP_KEY and all passwords; only you can read it.")
            yield self.input
            yield self.problem
            yield Keys(("Enter", "write it"), ("Esc", "leave it"))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        path = event.value.strip()
        if path and not Path(path).expanduser().exists():
            self.dismiss(path)
        else:
            self.problem.update(Content("That is there already." if path else "A file needs a name."))


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
            yield Keys(("y", "take down"), ("v", "delete its data, too"), ("Esc", "leave it"))


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
            yield Keys(("Enter", "delete"), ("Esc", "leave it"))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == self.stack:
            self.dismiss(True)
        else:
            self.problem.update(Content(f"That is not {self.stack}: nothing was done."))
