"""What keys do in the logs."""

from __future__ import annotations

from dftui.control.action import NOTHING, Action, Context, present
from dftui.control.effects import Effect

_LOGS_ONLY = "That works in the logs; {logs} goes there."


def _in_logs(context: Context) -> bool:
    return context.pane == "logs"


def _logs(
    id: str,
    key: str,
    show: str,
    name: str,
    help: str,
    twin: str = "",
    rank: int = 0,
    effect: Effect = Effect.LOOK,
) -> Action:
    return Action(id, key, show, name, help, "Logs", _in_logs, _LOGS_ONLY, twin, rank=rank, effect=effect)


LOG_ACTIONS: tuple[Action, ...] = (
    Action(
        "filter",
        "slash",
        "/",
        "filter",
        "Show only the log lines, or the requests, that hold a text, as it is typed; Esc ends it",
        "Logs",
        present,
        NOTHING,
        "dftui logs -F --grep TEXT, dftui requests --filter WORDS",
        rank=25,
        effect=Effect.LOOK,
    ),
    _logs("next-match", "n", "n", "next match", "Go to the next older line that matches"),
    _logs("previous-match", "N", "N", "match below", "Go to the next newer line that matches"),
    _logs(
        "filter-regex",
        "ctrl+r",
        "^r",
        "regex",
        "Take the filter as a regular expression, or as plain text",
        "dftui logs --grep RE",
    ),
    _logs(
        "filter-inverse",
        "ctrl+n",
        "^n",
        "inverse",
        "Show the lines that do not match, or those that do",
        "dftui logs -v --grep RE",
    ),
    _logs(
        "filter-case",
        "ctrl+l",
        "^l",
        "case",
        "Let capitals count where the filter has some, always, or never",
        "dftui logs -i --grep RE",
    ),
    _logs("filter-mark", "ctrl+o", "^o", "only mark", "Hide what does not match, or only mark what does"),
    _logs(
        "level",
        "e",
        "e",
        "errors",
        "Show warnings and worse, then errors only, then all",
        "dftui logs --level warning",
        rank=27,
    ),
    Action(
        "choose",
        "W",
        "W",
        "whose",
        "Choose the containers whose log lines are shown",
        "Logs",
        present,
        NOTHING,
        "dftui logs WHO…",
        rank=26,
        effect=Effect.LOOK,
    ),
    _logs(
        "since",
        "S",
        "S",
        "since",
        "Read the logs anew: from a time on, or the last lines of each",
        "dftui logs --since T",
    ),
    _logs("jump", "at", "@", "go to time", "Go to a time in the logs", "dftui logs --since T"),
    _logs(
        "times",
        "T",
        "T",
        "times",
        "Show the time of each log line, with its date, or neither",
        "dftui logs --timestamps",
    ),
    _logs("wrap", "w", "w", "wrap", "Wrap long lines, or cut them at the edge", rank=28),
    _logs("unfold", "F", "F", "unfold", "Unfold all stack traces, or fold them", "dftui logs --fold"),
    _logs("mark", "V", "V", "mark", "Mark lines from here to where you move, or end it"),
    _logs("copy", "y", "y", "copy", "Copy this line, or the marked ones, to the terminal (OSC 52)", rank=29),
    _logs(
        "save",
        "ctrl+s",
        "^s",
        "save",
        "Save the lines shown, or the marked ones, to a new file; secrets masked",
        "dftui logs --output FILE",
        rank=30,
        effect=Effect.CHANGE,
    ),
)
