"""What is asked before it is done: one key, a number, a name, a form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dftui.control.action import Context
from dftui.ui.screens.dialogues import (
    BackupScreen,
    ConfirmScreen,
    DownScreen,
    NameScreen,
    NumberScreen,
    PasswordScreen,
)
from dftui.watch.sanitise import clean

if TYPE_CHECKING:
    from dftui.control.login import PasswordNeeded
    from dftui.ui.app import DftuiApp


def ask(ui: DftuiApp, name: str, context: Context) -> None:
    """Ask what the action of this id needs to be told, then do it."""
    match name:
        case "scale-to":
            _number(ui, context)
        case "remove":
            _remove(ui, context)
        case "roll":
            _roll(ui, context)
        case "admin":
            _admin(ui)
        case "backup":
            _backup(ui)
        case "down":
            _down(ui, context)
        case "drain-node":
            _drain_node(ui, context)


def password(ui: DftuiApp, needed: PasswordNeeded) -> None:
    """The admin's, because it is not known here or was refused; then verify goes on."""
    from dftui.control.login import Login

    def chosen(typed: tuple[str, str] | None) -> None:
        if typed is not None:
            ui.main.conductor.verify(Login(*typed))

    ui.push_screen(PasswordScreen(clean(f"{needed}.", 300), clean(needed.email, 200)), chosen)


def _number(ui: DftuiApp, context: Context) -> None:
    def chosen(number: int | None) -> None:
        if number is not None:
            ui.main.conductor.scale_to(number)

    wanted = context.snapshot.wanted if context.snapshot else 1
    ui.push_screen(NumberScreen(wanted, ui.spec.web.min, ui.spec.web.max), chosen)


def _remove(ui: DftuiApp, context: Context) -> None:
    replica = context.replica
    if replica is None:
        return

    def chosen(yes: bool | None) -> None:
        if yes:
            ui.main.conductor.remove(replica.name)

    what = "It is drained first, so that no request is lost; then its container is removed."
    ui.push_screen(ConfirmScreen(f"Remove {replica.name}?", what), chosen)


def _roll(ui: DftuiApp, context: Context) -> None:
    def chosen(yes: bool | None) -> None:
        if yes:
            ui.main.conductor.roll()

    count = len(context.snapshot.web) if context.snapshot else 0
    what = "A new one serves before an old one is drained; if a new one fails, the roll goes back by itself."
    question = f"Replace what is not up to date among {count} replicas, one by one?"
    ui.push_screen(ConfirmScreen(question, what), chosen)


def _admin(ui: DftuiApp) -> None:
    from dftui.ui.screens.admin import AdminScreen, Answer

    def chosen(answer: Answer | None) -> None:
        if answer is not None:
            ui.main.conductor.create_admin(answer.admin, keep=answer.keep)

    ui.push_screen(AdminScreen(ui.spec.admin), chosen)


def _backup(ui: DftuiApp) -> None:
    def chosen(path: str | None) -> None:
        if path:
            ui.main.conductor.backup(path)

    ui.push_screen(BackupScreen(ui.spec.name), chosen)


def _drain_node(ui: DftuiApp, context: Context) -> None:
    node = context.node
    if node is None:
        return
    if node.availability != "active":
        ui.main.conductor.activate_node(node.id)
        return

    def chosen(yes: bool | None) -> None:
        if yes:
            ui.main.conductor.drain_node(node.id)

    what = "What runs on it runs elsewhere then, the stack's replicas by way of the balancer, one by one."
    ui.push_screen(ConfirmScreen(f"Drain the machine {clean(node.name, 60)}?", what), chosen)


def _down(ui: DftuiApp, context: Context) -> None:
    snapshot = context.snapshot
    if snapshot is None:
        return

    def named(yes: bool | None) -> None:
        if yes:
            ui.main.conductor.down(True)

    def chosen(answer: str | None) -> None:
        if answer == "keep":
            ui.main.conductor.down(False)
        elif answer == "volumes":
            ui.push_screen(NameScreen(snapshot.stack), named)

    count = len(snapshot.web) + sum(bool(s.id) for s in snapshot.services)
    ui.push_screen(DownScreen(snapshot.stack, count), chosen)
