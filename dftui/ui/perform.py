"""What each key of the registry does on the screen."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from dftui.control.action import Context
from dftui.control.actions import offered

if TYPE_CHECKING:
    from dftui.ui.app import DftuiApp


def perform(ui: DftuiApp, name: str, context: Context) -> None:
    """Do an action that applies, by its id."""
    main = ui.main
    conductor = main.conductor
    match name:
        case "scale-up":
            conductor.add(1)
        case "scale-down":
            conductor.add(-1)
        case "scale-to" | "remove" | "roll" | "admin" | "backup" | "down" | "drain-node":
            from dftui.ui import asking

            asking.ask(ui, name, context)
        case "drain":
            main.drain_selected()
        case "pause-roll":
            conductor.pause_roll(ui.shown_keys["pause-roll"])
        case "repair":
            conductor.repair(main.verify.replaces, verify=main.verify.fixable)
        case "probe":
            conductor.probe()
        case "verify":
            conductor.verify()
        case "logs" if context.pane == "logs":
            selected = main.replicas.table.selected
            main.show_logs_of(selected.name if main.logs.who is None and selected else None)
        case "logs" | "requests" | "actions" | "graphs" | "nodes":
            main.action_pane(name)
        case "shell" | "database" | "cache":
            from dftui.ui.visit import go_inside

            go_inside(ui, _whose(name, context), client=name != "shell")
        case "zoom":
            main.toggle_zoom()
        case "filter" if context.pane == "requests":
            main.requests.open_filter()
        case "follow":
            main.toggle_follow()
        case "up":
            conductor.up()
        case "theme":
            names = sorted(ui.all_themes())
            ui.choose_theme(names[(names.index(ui.palette.theme.name) + 1) % len(names)])
        case "meter":
            main.meter.toggle()
            main.draw_chrome()
        case "redraw":
            if ui.wire is not None:
                ui.wire.redraw()
        case "help":
            _help(ui, context)
        case "palette":
            from dftui.ui.screens.find import FindScreen

            ui.push_screen(FindScreen())
        case "background":
            _step_aside(ui)
        case "quit":
            ui.exit(return_code=0)
        case _:
            from dftui.ui.screens import logdialogues

            if name == "filter":
                main.show_tab("logs", focus=False)
            at = context.selected.name if context.selected else ""
            logdialogues.act(main.logs, name, main.container_names(), at)


def _whose(name: str, context: Context) -> str:
    """The container that a shell or a client is for."""
    if name == "shell":
        return context.selected.name if context.selected else ""
    services = context.snapshot.services if context.snapshot else ()
    return next((s.name for s in services if s.role == ("db" if name == "database" else name)), "")


def _help(ui: DftuiApp, context: Context) -> None:
    from dftui.ui.screens.help import HelpScreen
    from dftui.watch.alarms import raised

    snapshot = ui.main.snapshot
    there = snapshot is not None and snapshot.exists
    topic = context.pane if there and context.pane else "tutorial"
    alarms = raised(snapshot) if snapshot else ()
    banner = alarms[0] if ui.main.has_class("alarm") and alarms else ""
    ui.push_screen(HelpScreen(topic, alarms, offered(context), ui.shown_keys, banner))


def _step_aside(ui: DftuiApp) -> None:
    from dftui.ui.terminal import job_control

    if ui.is_headless or ui.is_web or not job_control():
        leave = ui.shown_keys["quit"]
        ui.main.conductor.say(f"There is no shell below that could bring dftui back; {leave} leaves.", "warning")
        return
    # To the whole group: what started dftui (make, sh -c) must stop with it. The driver gives the terminal back.
    os.kill(0, signal.SIGTSTP)
