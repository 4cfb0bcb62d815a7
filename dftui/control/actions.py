"""Everything a key can do, as data: footer, help, palette, read-only gate, man page and README come from this list.

An action whose work is not there is not in the list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dftui.control.action import NOTHING, Action, Context, present
from dftui.control.effects import Effect, refusal
from dftui.control.logactions import LOG_ACTIONS
from dftui.control.nodeactions import NODE_ACTIONS
from dftui.watch.snapshot import ReplicaState, Service


def _stack(context: Context) -> bool:
    return context.stack


def _rolling(context: Context) -> bool:
    return context.connected and "roll" in context.busy


def _serving(context: Context) -> bool:
    return context.stack and bool(context.snapshot and context.snapshot.serving)


def _incomplete(context: Context) -> bool:
    """Nothing there yet, or something of it missing or not running."""
    snapshot = context.snapshot
    if not context.connected or snapshot is None or "up" in context.busy:
        return False
    well = all(service.state == "running" or service.unused for service in snapshot.services)
    return not well or len(snapshot.web) < snapshot.wanted


def _no_admin(context: Context) -> bool:
    """There is none, for certain."""
    return context.stack and context.snapshot is not None and context.snapshot.admin not in ("", "ready")


def _drainable(context: Context) -> bool:
    replica = context.replica
    states = (ReplicaState.SERVING, ReplicaState.DRAINING, ReplicaState.DRAINED)
    return context.connected and replica is not None and (replica.state in states or replica.held_out)


def _drifted(context: Context) -> bool:
    """Something is missing, stopped, not as the balancer believes, or not as verify would have it."""
    return context.stack and (context.fixable or bool(context.snapshot and context.snapshot.drift))


def _replica(context: Context) -> bool:
    return context.connected and context.replica is not None


def _inside(context: Context) -> bool:
    """A container is selected, and may run."""
    chosen = context.selected
    if isinstance(chosen, Service):
        return context.connected and chosen.state == "running"
    return context.connected and chosen is not None and chosen.state is not ReplicaState.STOPPED


def _runs(role: str) -> Callable[[Context], bool]:
    """That service runs, and its own client can be opened in it."""

    def applies(context: Context) -> bool:
        services = context.snapshot.services if context.snapshot else ()
        return context.connected and any(s.role == role and s.state == "running" for s in services)

    return applies


def _following(context: Context) -> bool:
    return context.pane in ("logs", "requests", "actions")


_NO_STACK = "There is no running stack to act on yet; {up} brings it up."

ACTIONS: tuple[Action, ...] = (
    Action(
        "scale-up",
        "plus",
        "+",
        "add",
        "Add a replica, at once; quick presses add up to one plan",
        "Replicas",
        _stack,
        _NO_STACK,
        "dftui scale +1",
        rank=10,
        effect=Effect.CHANGE,
    ),
    Action(
        "scale-down",
        "minus",
        "-",
        "remove",
        "Drain the newest replica, then remove it; quick presses add up",
        "Replicas",
        _stack,
        _NO_STACK,
        "dftui scale -1",
        rank=11,
        effect=Effect.CHANGE,
    ),
    Action(
        "scale-to",
        "equals_sign",
        "=",
        "set",
        "Set the number of replicas",
        "Replicas",
        _stack,
        _NO_STACK,
        "dftui scale N",
        rank=12,
        effect=Effect.CHANGE,
    ),
    Action(
        "drain",
        "d",
        "d",
        "drain",
        "Take the selected replica out of rotation, or put it back",
        "Replicas",
        _drainable,
        "Select a replica that serves, drains or is held out first.",
        "dftui drain WHO, dftui undrain WHO",
        rank=13,
        effect=Effect.CHANGE,
    ),
    Action(
        "remove",
        "x",
        "x",
        "remove this",
        "Drain the selected replica, then remove that one",
        "Replicas",
        _replica,
        "Select a replica first.",
        "dftui remove WHO",
        dangerous=True,
        effect=Effect.CHANGE,
    ),
    Action(
        "roll",
        "r",
        "r",
        "roll",
        "Replace replicas one by one with what the stack file says; goes back if a new one fails",
        "Replicas",
        _stack,
        _NO_STACK,
        "dftui roll",
        dangerous=True,
        effect=Effect.CHANGE,
    ),
    Action(
        "pause-roll",
        "p",
        "p",
        "pause roll",
        "Hold a roll before its next replica, or let it go on",
        "Replicas",
        _rolling,
        "No roll is running here.",
        "dftui roll --hold, dftui roll --go-on",
        rank=8,
        effect=Effect.CHANGE,
    ),
    Action(
        "repair",
        "R",
        "R",
        "repair",
        "Put right what differs between wanted, existing and the balancer's table, or what verify found",
        "Replicas",
        _drifted,
        "Nothing has drifted: there is nothing to repair.",
        "dftui repair",
        rank=9,
        effect=Effect.CHANGE,
    ),
    Action(
        "probe",
        "h",
        "h",
        "host probe",
        "Send requests through the balancer and show which Host serves each",
        "Look",
        _serving,
        "No replica is serving, so there is nothing to probe.",
        "dftui probe",
        rank=14,
        effect=Effect.LOOK,
    ),
    Action(
        "verify",
        "v",
        "v",
        "verify",
        "Try every replica against every other: keys, tokens, backends, clocks, who serves",
        "Look",
        _serving,
        "No replica is serving, so there is nothing to verify.",
        "dftui verify",
        rank=15,
        effect=Effect.LOOK,
    ),
    Action(
        "logs",
        "l",
        "l",
        "logs",
        "Go to the logs; there, change between all containers and the selected one",
        "Look",
        applies=present,
        why_not=NOTHING,
        twin="dftui logs -f",
        rank=20,
        effect=Effect.LOOK,
    ),
    Action(
        "requests",
        "t",
        "t",
        "requests",
        "Go to the requests and the Host that served each",
        "Look",
        applies=present,
        why_not=NOTHING,
        twin="dftui requests -f",
        rank=21,
        effect=Effect.LOOK,
    ),
    Action(
        "actions",
        "a",
        "a",
        "actions",
        "Go to what was done, step by step, with the docker command that would do it",
        "Look",
        applies=present,
        why_not=NOTHING,
        twin="dftui history",
        rank=22,
        effect=Effect.LOOK,
    ),
    Action(
        "graphs",
        "o",
        "o",
        "graphs",
        "Go to the curves of the last hour, with what was done marked on them",
        "Look",
        applies=present,
        why_not=NOTHING,
        twin="dftui stats",
        rank=23,
        effect=Effect.LOOK,
    ),
    *NODE_ACTIONS,
    Action(
        "shell",
        "s",
        "s",
        "shell",
        "Open a shell in the selected container; leaving it comes back to this screen",
        "Containers",
        _inside,
        "Select a container that runs first.",
        "dftui shell WHO",
        rank=25,
        effect=Effect.REVEAL,
    ),
    Action(
        "database",
        "m",
        "m",
        "database client",
        "Open the database's own client on DreamFactory's database",
        "Containers",
        _runs("db"),
        "The database does not run.",
        "dftui shell db --client",
        dreamfactory=True,
        effect=Effect.REVEAL,
    ),
    Action(
        "cache",
        "c",
        "c",
        "cache client",
        "Open the cache's own client",
        "Containers",
        _runs("cache"),
        "The cache does not run.",
        "dftui shell cache --client",
        dreamfactory=True,
        effect=Effect.REVEAL,
    ),
    Action(
        "zoom",
        "z",
        "z",
        "zoom",
        "Give the whole screen to the pane in focus, and back",
        "Look",
        present,
        NOTHING,
        rank=24,
        effect=Effect.LOOK,
    ),
    *LOG_ACTIONS,
    Action(
        "follow",
        "f,space",
        "f",
        "follow",
        "Keep the newest line in sight, or let go; scrolling up lets go too",
        "Logs",
        _following,
        "That works in logs, requests and actions.",
        "dftui logs -f",
        effect=Effect.LOOK,
    ),
    Action(
        "up",
        "u",
        "u",
        "bring up",
        "Create whatever the stack lacks",
        "Stack",
        _incomplete,
        "Nothing to bring up: the stack is complete, or on its way.",
        "dftui up",
        rank=1,
        effect=Effect.CHANGE,
    ),
    Action(
        "admin",
        "A",
        "A",
        "first admin",
        "Make the first admin, and close the setup form",
        "Stack",
        _no_admin,
        "There is an admin, or it is not known yet; further ones are made in DreamFactory.",
        "dftui admin create",
        rank=2,
        dreamfactory=True,
        effect=Effect.CHANGE,
    ),
    Action(
        "backup",
        "B",
        "B",
        "back up",
        "Write database, secrets and files into one file, while the stack serves",
        "Stack",
        _stack,
        _NO_STACK,
        "dftui backup",
        dreamfactory=True,
        effect=Effect.REVEAL,
    ),
    Action(
        "down",
        "D",
        "D",
        "take down",
        "Remove the stack's containers, after one key; its data only when its name is typed",
        "Stack",
        _stack,
        _NO_STACK,
        "dftui down",
        dangerous=True,
        effect=Effect.CHANGE,
    ),
    Action(
        "meter",
        "b",
        "b",
        "bytes",
        "Show or hide how many bytes a second the terminal is sent, and the cap if there is one",
        "Screen",
        effect=Effect.LOOK,
    ),
    Action(
        "redraw",
        "f5",
        "F5",
        "redraw",
        "Draw the whole screen anew, after something else wrote on it",
        "Screen",
        effect=Effect.LOOK,
    ),
    Action("theme", "ctrl+t", "^t", "theme", "Change the colours to the next theme", "Screen", effect=Effect.LOOK),
    Action(
        "help",
        "question_mark,f1",
        "?",
        "help",
        "Explain the pane in focus and what is wrong now; once more: every key",
        "Screen",
        twin="dftui help",
        rank=30,
        effect=Effect.LOOK,
    ),
    Action(
        "palette",
        "ctrl+p,colon",
        "^p",
        "palette",
        "Find an action, a replica, a container, a theme, a stack or an engine by typing",
        "Screen",
        rank=40,
        effect=Effect.LOOK,
    ),
    Action(
        "background",
        "ctrl+z",
        "^z",
        "step aside",
        "Step aside for the shell that dftui was started from; fg there comes back",
        "Screen",
        effect=Effect.LOOK,
    ),
    Action("quit", "q", "q", "quit", "Leave; the stack keeps running", "Screen", rank=31, effect=Effect.LOOK),
)
BY_ID: Mapping[str, Action] = {action.id: action for action in ACTIONS}

MOVES: tuple[tuple[str, str], ...] = (
    ("↑ ↓  j k", "Move by a row"),
    ("PgUp PgDn", "Move by a page"),
    ("g G", "To the first, to the last row"),
    ("← →", "Sideways in long lines; from card to card"),
    ("Tab, Shift+Tab", "To the next pane, to the one before"),
    ("[ ]", "To the tab before, to the next"),
    ("1 2 3 4 5 7", "To services, replicas, logs, requests, actions, graphs"),
    ("6 8 9", "To what the host probe and verify found, before the first time they are done; a swarm's machines"),
    ("Enter", "Logs of the container, or around the request; in the logs, unfold a stack trace"),
    ("Esc", "End marking, a filter, a zoom or a dialogue"),
)
"""Keys that move; they belong to the panes and are not remapped."""


def offered(context: Context) -> list[Action]:
    """Every action that is not hidden by read-only, whether it applies now or not."""
    return [a for a in ACTIONS if not refusal(a.effect, context.read_only)]


def footer_actions(context: Context) -> list[Action]:
    """What the footer offers now, the most useful first: what the pane in focus is about, then the rest."""
    apply = (a for a in offered(context) if a.rank and not a.refused(context))
    return sorted(apply, key=lambda a: (a.group.lower() != context.pane, a.rank))
