"""`dftui man`: the manual page, from the parser and the registry of keys (roff, as man(7) describes it)."""

from __future__ import annotations

import argparse
import os
import sys

from dftui import __version__
from dftui.cli.exits import Exit
from dftui.cli.parser import COMMANDS, build, subparsers
from dftui.control.actions import ACTIONS, MOVES
from dftui.control.effects import Effect

_ABOUT = (
    "dftui runs a horizontally scaled DreamFactory on one Docker Engine: a database, a cache, any number of "
    "interchangeable web replicas that share one APP_KEY, and a balancer in front.",
    "Without a command it is a screen for a terminal, made for SSH; everything that it does can be done by a "
    "command, too. WHO is a replica's number, name or Host, and where it says so db, cache or balancer.",
)
_EXITS = {
    Exit.DONE: "done",
    Exit.FAILED: "failed",
    Exit.USAGE: "wrong use, a bad file, or refused by read-only: nothing was touched",
    Exit.NO_ENGINE: "no engine answers, or its socket may not be opened",
    Exit.UNTRUE: "checked, and found untrue; of plan: there is something to do",
    Exit.INTERRUPTED: "Ctrl-C; 128 + n after another signal",
}
_FILES = {
    "./dftui.yaml": "the stack file; none is needed, dftui init writes one",
    "~/.config/dftui/config.yaml": "the user's own: keys, theme, mouse, ascii, read_only",
    "~/.config/dftui/themes/*.yaml": "the user's own themes",
    "~/.config/dftui/ENGINE/STACK.env": "the stack's secrets",
    "~/.local/state/dftui/ENGINE/STACK.history.jsonl": "what was done",
    "/etc/dftui/config.yaml": "the same for everybody on this machine; read_only: true cannot be lifted by a user",
}
_VARIABLES = {
    "DOCKER_HOST": "the engine, as for Docker's own client",
    "DFTUI_READ_ONLY": "anything but 0: read-only, as by --read-only",
    "DFTUI_CONFIG_DIR, DFTUI_STATE_DIR": "in place of ~/.config/dftui and ~/.local/state/dftui",
    "NO_COLOR": "no colours",
    "DFTUI_DEBUG": "errors show where they come from",
}
_READ_ONLY = (
    "Under --read-only dftui changes nothing and hands out no shell, secret or copy, on the screen and by commands. "
    "--stack, --docker and --engine count only before it. To give somebody nothing but a look, in authorized_keys:",
    'command="dftui --stack /srv/df/dftui.yaml --read-only",restrict,pty ssh-ed25519 AAAA… name',
    "What the client asks for (SSH_ORIGINAL_COMMAND) is ignored. `restrict` matters: a forwarded socket would be a "
    "way round. All of this holds in dftui; it does not hold against someone who can reach the engine's socket.",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing of its own."""


def run(args: argparse.Namespace) -> int:
    """Print the page; at a terminal through man, if there is one."""
    text = page()
    # Not under read-only: man's pager opens a shell on request.
    if sys.stdout.isatty() and not args.json and not args.read_only:
        import shutil
        import subprocess

        if viewer := shutil.which("man"):
            env = {**os.environ, "MANROFFOPT": os.environ.get("MANROFFOPT", "-c")}
            return subprocess.run([viewer, "-l", "-"], input=text.encode(), check=False, env=env).returncode
    print(text, end="")
    return Exit.DONE


def _safe(text: str) -> str:
    """Text that roff takes for text."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in text)
    return "\\&" + text if text[:1] in ".'" else text


def _section(title: str) -> str:
    return f".SH {title.upper()}\n"


def _item(head: str, text: str) -> str:
    return f".TP\n{head}\n{_safe(text)}\n"


def _option(action: argparse.Action) -> str:
    """`-n, --number N` in bold and italics."""
    value = f" \\fI{_safe(str(action.metavar or action.dest.upper()))}\\fR" if action.nargs != 0 else ""
    if not action.option_strings:
        name = f"\\fI{_safe(str(action.metavar or '|'.join(action.choices or (action.dest,))))}\\fR"
        return f"[{name}{' ...' if action.nargs == '*' else ''}]" if action.nargs in ("?", "*") else name
    return ", ".join(f"\\fB{_safe(name)}\\fR" for name in action.option_strings) + value


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")


def page() -> str:
    """The whole page."""
    parser = build()
    parts = [f'.TH DFTUI 1 "" "dftui {__version__}" "User Commands"\n', _section("name")]
    parts.append("dftui \\- runs a scaled DreamFactory on Docker, in a terminal\n")
    parts.append(_section("synopsis") + "\\fBdftui\\fR [\\fIoptions\\fR] [\\fIcommand\\fR [\\fIarguments\\fR]]\n")
    parts.append(_section("description") + "\n.PP\n".join(map(_safe, _ABOUT)) + "\n")
    parts.append(_section("options"))
    common = [a for a in parser._actions if a.option_strings]
    parts += [_item(_option(action), _help(action)) for action in common]
    parts.append(_section("commands"))
    known = {name for action in common for name in action.option_strings}
    for name, sub in subparsers(parser).items():
        sub.fill()
        own = [a for a in sub._actions if not known & set(a.option_strings)]
        line = " ".join(_option(action) for action in own if not action.option_strings)
        rest = " [\\-\\- \\fICOMMAND\\fR ...]" if sub.rest else ""
        text = COMMANDS[name][1]
        parts.append(_item(f"\\fBdftui {_safe(name)}\\fR {line}{rest}".rstrip(), text[0].upper() + text[1:] + "."))
        if own:
            parts += [".RS\n", *(_item(_option(action), _help(action)) for action in own), ".RE\n"]
    parts.append(_section("keys") + "On the screen; in brackets the name by which config.yaml and the stack file\n")
    parts.append("can give another key (keys: {scale\\-up: i}).\n")
    for key in ACTIONS:
        does = "" if key.effect is Effect.LOOK else " Not under \\-\\-read\\-only."
        twin = f" The same: {_safe(key.twin)}." if key.twin else ""
        parts.append(f".TP\n\\fB{_safe(key.show)}\\fR  [{_safe(key.id)}]\n{_safe(key.help)}.{does}{twin}\n")
    parts += [_item(f"\\fB{_safe(shown)}\\fR", text) for shown, text in MOVES]
    parts.append(_section("read-only") + f"{_safe(_READ_ONLY[0])}\n.PP\n.nf\n{_safe(_READ_ONLY[1])}\n.fi\n.PP\n")
    parts.append(f"{_safe(_READ_ONLY[2])}\n")
    parts.append(_section("files") + "".join(_item(f"\\fI{_safe(k)}\\fR", v) for k, v in _FILES.items()))
    parts.append(_section("environment") + "".join(_item(f"\\fB{_safe(k)}\\fR", v) for k, v in _VARIABLES.items()))
    parts.append(_section("exit status"))
    parts += [_item(f"\\fB{int(code)}\\fR", text) for code, text in _EXITS.items()]
    return "".join(parts)
