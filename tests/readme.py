"""What README.md and man/dftui.1 take from the program: `python -m tests.readme` writes it anew, a test holds it."""

from __future__ import annotations

import re

from dftui.cli.man import page
from dftui.control.actions import ACTIONS, MOVES
from tests.bench.rows import saved
from tests.sources import ROOT

README = ROOT / "README.md"
MAN = ROOT / "man" / "dftui.1"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def keys() -> str:
    """Every key of the registry, then those that move."""
    rows = ["| key | what it does | without the screen |", "|---|---|---|"]
    for action in ACTIONS:
        twins = ", ".join(f"`{twin}`" for twin in action.twin.split(", ") if twin)
        rows.append(f"| `{_cell(action.show)}` | {_cell(action.help)} | {_cell(twins)} |")
    rows += [f"| {_cell(shown)} | {_cell(text)} | |" for shown, text in MOVES]
    return "\n".join(rows)


def bench() -> str:
    """The kept tables of the benchmark."""
    return saved().strip().replace("## ", "### ") or "No figures are kept yet: `make bench` measures them."


PARTS = {"keys": keys, "bench": bench}


def filled(text: str) -> str:
    """The README with its marked parts made anew."""
    for name, make in PARTS.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        assert pattern.search(text), f"README.md has no {begin} … {end}"
        text = text.replace(pattern.findall(text)[0], f"{begin}\n{make()}\n{end}", 1)
    return text


if __name__ == "__main__":
    MAN.write_text(page(), encoding="ascii")
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
