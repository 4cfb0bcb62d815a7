"""`A`: who the first admin is, checked here before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from dftui.dreamfactory.admin import NewAdmin, problems
from dftui.stack.spec import AdminSpec
from dftui.ui.screens.dialogues import Keys, field, plain


@dataclass(frozen=True, slots=True)
class Answer:
    """What the form holds; `keep`: the password was made here and must be kept."""

    admin: NewAdmin
    keep: bool


class AdminScreen(ModalScreen[Answer | None]):
    """A field a line; Enter goes to the next and, from the last, sends."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel"),
        Binding("down", "app.focus_next", "Next", show=False, priority=True),
        Binding("up", "app.focus_previous", "Previous", show=False, priority=True),
    ]

    def __init__(self, spec: AdminSpec) -> None:
        super().__init__()
        self.fields: dict[str, tuple[str, Input]] = {
            "email": ("email", field(spec.email)),
            "first_name": ("first name", field(spec.first_name)),
            "last_name": ("last name", field(spec.last_name)),
            "phone": ("phone", field(spec.phone)),
            "username": ("user name", field(placeholder="the email")),
            "password": ("password", field(placeholder="dftui makes one and keeps it", password=True)),
            "again": ("again", field(password=True)),
        }
        self.problem = plain("", "problem")

    def compose(self) -> ComposeResult:
        """Question, fields, what is wrong, keys."""
        with Vertical(classes="dialogue form"):
            yield plain("Who is the first admin?", "question")
            for label, entry in self.fields.values():
                with Horizontal(classes="line"):
                    yield plain(label, "label")
                    yield entry
            yield self.problem
            yield plain("One replica gets the form; then it is closed for everybody.", "keys")
            yield Keys(("Enter", "next, then make it"), ("Esc", "leave it"))

    def value(self, name: str) -> str:
        """What a field holds; a password keeps its spaces."""
        text = self.fields[name][1].value
        return text if name in ("password", "again") else text.strip()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        names = list(self.fields)
        at = next(n for n, name in enumerate(names) if self.fields[name][1] is event.input)
        if at + 1 < len(names):
            self.fields[names[at + 1]][1].focus()
        else:
            self._send()

    def _send(self) -> None:
        from dftui.stack.appkey import new_password

        told = {name: self.value(name) for name in self.fields if name != "again"}
        admin = NewAdmin(**told)
        made = not admin.password and not self.value("again")
        if made:
            admin = replace(admin, password=new_password())
        wrong = problems(admin)
        if not made and admin.password != self.value("again"):
            wrong["again"] = "the two passwords differ"
        if not wrong:
            self.dismiss(Answer(admin, made))
            return
        name, sentence = next(iter(wrong.items()))
        more = f" ({len(wrong) - 1} more)" if len(wrong) > 1 else ""
        self.problem.update(Content(f"{sentence}{more}"))
        self.fields[name][1].focus()
