"""What `Ctrl+P` finds: any action, replica, container, theme, stack or engine, by typing a part of its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual.fuzzy import FuzzySearch

from dftui.control.actions import offered
from dftui.ui import finds

if TYPE_CHECKING:
    from dftui.ui.app import DftuiApp


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that can be chosen; `twin` is the command that does the same, `theme` the one it would show."""

    name: str
    about: str
    call: Callable[[], None]
    key: str = ""
    twin: str = ""
    theme: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that matches, and which letters of its name do."""

    entry: Entry
    letters: frozenset[int] = frozenset()


def entries(ui: DftuiApp) -> Iterator[Entry]:
    """All of them, in the order in which they are shown before anything is typed."""
    main = ui.main
    context = main.context
    for action in offered(context):
        if action.id != "palette":
            about = f"Not now: {main.why_not(action, context)}" if action.refused(context) else action.help
            yield Entry(action.name, about, partial(main.do, action.id), ui.shown_keys[action.id], action.twin)
    for name, about, twin, call in finds.containers(ui):
        yield Entry(name, about, call, twin=twin)
    for theme in ui.all_themes().values():
        choose = partial(ui.choose_theme, theme.name)
        yield Entry(f"theme {theme.name}", theme.about, choose, twin=f"dftui --theme {theme.name}", theme=theme.name)
    # The last: they come when the engine has told them, and then nothing that is read moves.
    for name, about, twin, call in (*finds.stacks(ui), *finds.engines(ui)):
        yield Entry(name, about, call, twin=twin)


def search(everything: Sequence[Entry], query: str) -> list[Found]:
    """What matches, the best first: letters of the name in their order, or words of what is said about it."""
    query = query.strip()
    if not query:
        return [Found(entry) for entry in everything]
    matcher = FuzzySearch()
    scored: list[tuple[float, Found]] = []
    for entry in everything:
        score, letters = matcher.match(query.replace(" ", ""), entry.name)
        if score <= 0 and all(word in entry.about.lower() for word in query.lower().split()):
            score = 0.1
        if score > 0:
            scored.append((score, Found(entry, frozenset(letters))))
    scored.sort(key=lambda one: -one[0])
    return [found for _, found in scored]
