"""`dftui help`: the pages of the help as plain text."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys

from dftui.cli.common import coloured, emit
from dftui.cli.exits import UsageError
from dftui.cli.text import paint

_WIDEST = 100
_CODES = {"title": "1", "strong": "1", "key": "1", "accent": "36"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which page."""
    parser.add_argument("topic", nargs="?", help="a topic; without one all topics are listed")


def run(args: argparse.Namespace) -> int:
    """Print a page or the list of topics; with --json the topics, or the page's Markdown."""
    from dftui.help import GROUPS, NoTopic, page, title

    if args.topic is None:
        topics = {topic: title(topic) for group in GROUPS.values() for topic in group}
        if args.json:
            emit([{"topic": topic, "title": words} for topic, words in topics.items()])
            return 0
        wide = max(map(len, topics))
        lines = ["dftui help TOPIC shows a page."]
        for group, names in GROUPS.items():
            lines += ["", group, *(f"  {name:<{wide}}  {topics[name]}" for name in names)]
        _show(lines, args.read_only)
        return 0
    try:
        text = page(args.topic)
    except NoTopic as error:
        raise UsageError(str(error), error.hint) from None
    if args.json:
        emit({"topic": args.topic, "title": title(args.topic), "text": text})
        return 0
    from dftui.help.render import render

    width = min(_WIDEST, shutil.get_terminal_size().columns - 1)
    colour = coloured()
    rows = render(text, width, bare=not colour)
    _show(
        ["".join(paint(piece, _CODES.get(role, ""), colour) for piece, role in row).rstrip() for row in rows],
        args.read_only,
    )
    return 0


def _show(lines: list[str], read_only: str) -> None:
    """By the user's own pager, if there is one, what is shown is longer than the terminal, and someone reads it."""
    text = "\n".join(lines) + "\n"
    # Most pagers open a shell on request, which read-only hands out to nobody.
    pager = "" if read_only else os.environ.get("PAGER", "")
    if pager and sys.stdout.isatty() and len(lines) >= shutil.get_terminal_size().lines:
        try:
            subprocess.run(shlex.split(pager), input=text, text=True, check=False)
            return
        except (OSError, ValueError):
            pass  # A pager that is not there is no reason to show nothing.
    sys.stdout.write(text)
