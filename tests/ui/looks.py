"""Screens as text with their styles, so that four looks at three sizes fit into one small file that can be read.

A picture holds the text once, then for each row the runs of its styles, then what each style is in each look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from string import ascii_lowercase, ascii_uppercase
from typing import Any

from rich.style import Style
from textual.pilot import Pilot

from dftui.stack.spec import StackSpec
from dftui.ui.app import DftuiApp
from dftui.ui.backend import Backend
from dftui.ui.draw import ASCII
from dftui.ui.options import Options
from dftui.ui.themes import Palette

from .conftest import words
from .fake_backend import FakeBackend, app_of, busy, nothing, remember, stack
from .fake_streams import NOW

SIZES = ((80, 24), (120, 40), (200, 50))
LOOKS = ("night", "day", "terminal", "mono")
MARKS = ("bold", "dim", "underline", "reverse")
_LETTERS = ascii_lowercase + ascii_uppercase


@dataclass(frozen=True)
class Scene:
    """A screen: what is behind it, the keys that lead there, what else happens."""

    name: str
    fake: Callable[[], FakeBackend] = lambda: busy(FakeBackend(stack(4)))
    keys: tuple[str, ...] = ()
    then: Callable[[DftuiApp], None] | None = None
    connects: str = ""
    """"" at once, "never", or what is wrong."""
    read_only: str = ""


def working(app: DftuiApp) -> None:
    """An action at work, and some that are done."""
    fake: Any = app.backend
    command = "docker run -d --name df-mysql --network df-back -v df-db:/var/lib/mysql dftui/db:1f2e3d4c5b6a"
    fake.step("up", "networks and volumes", "ok", done=1, total=7)
    fake.step("up", "start df-mysql", "ok", command=command, done=2, total=7)
    fake.step("roll", "df-web2: its image cannot be pulled", "failed")
    fake.step("up", "wait until df-mysql is healthy", done=2, total=7)


def rising() -> FakeBackend:
    fake = busy(FakeBackend(nothing()))
    fake.hold = asyncio.Event()
    return fake


def app_for(scene: Scene, options: Options) -> DftuiApp:
    if not scene.connects:
        app = app_of(scene.fake(), options)
        remember(app)
        return app

    async def connect() -> Backend:
        if scene.connects == "never":
            await asyncio.Event().wait()
        raise RuntimeError(scene.connects)

    app = DftuiApp(connect, StackSpec(), options)
    app.wall = lambda: NOW
    return app


async def still(pilot: Pilot[None]) -> None:
    """Until all that was to be drawn is drawn."""
    for _ in range(3):
        await pilot.pause()


async def settled(pilot: Pilot[None], app: DftuiApp, scene: Scene) -> None:
    """Until what is behind the screen is on it and nothing moves any more, however slow the machine is."""
    before, same = "", 0
    for _ in range(1000):
        await pilot.pause(0.02)
        now = words(app)
        same, before = (same + 1 if now == before else 0), now
        working = app.main.conductor.running and scene.then is None
        told = {"": app.main.snapshot is not None, "never": True}.get(scene.connects, bool(app.main.error))
        if same >= 2 and not working and app.main.furnished and told:
            return
    raise AssertionError(before)


async def at_scene(pilot: Pilot[None], app: DftuiApp, scene: Scene) -> None:
    """Go there."""
    await settled(pilot, app, replace(scene, then=None))
    await pilot.press(*scene.keys)
    if scene.then is not None:
        scene.then(app)
    await settled(pilot, app, scene)


Cells = list[list[tuple[str, str]]]


def cells(app: DftuiApp, marks_only: bool = False) -> Cells:
    """Every cell's character and style in words."""
    known: dict[Style | None, str] = {None: ""}
    rows: Cells = []
    for strip in app.screen._compositor.render_strips():
        row: list[tuple[str, str]] = []
        for segment in strip:
            if segment.style not in known:
                known[segment.style] = _words(segment.style, marks_only)
            row += [(letter, known[segment.style]) for letter in segment.text]
        rows.append(row)
    return rows


def _words(style: Style | None, marks_only: bool) -> str:
    if style is None:
        return ""
    marks = [name for name in MARKS if getattr(style, name)]
    if marks_only:
        return " ".join(marks)
    ink, under = (
        "" if colour is None or colour.is_default else colour.triplet.hex if colour.triplet else colour.name
        for colour in (style.color, style.bgcolor)
    )
    return " ".join(filter(None, (ink, f"on {under}" if under else "", *marks)))


def drawn(looks: Sequence[Cells]) -> str:
    """One size: the text, the runs, the styles. All looks must have the same text."""
    texts = ["\n".join("".join(letter for letter, _ in row).rstrip() for row in look) for look in looks]
    for name, text in zip(LOOKS[1:], texts[1:], strict=False):
        assert text == texts[0], f"{name} has another text:\n{text}"
    names: dict[tuple[str, ...], str] = {}
    runs: list[str] = []
    for rows in zip(*looks, strict=True):
        styles = [tuple(cell[1] for cell in column) for column in zip(*rows, strict=True)]
        line = []
        for style, same in groupby(styles):
            name = names.setdefault(style, _LETTERS[len(names)] if len(names) < len(_LETTERS) else f"<{len(names)}>")
            line.append(f"{name}{len(list(same))}")
        runs.append(" ".join(line))
    legend = [f"{name}: {' | '.join(word or '-' for word in style)}" for style, name in names.items()]
    return "\n".join([texts[0], "", *runs, "", *legend])


async def picture_of(scene: Scene, check: Callable[[DftuiApp], None]) -> str:
    """The scene at all sizes, in all looks; `check` looks at every size.

    At the end the terminal loses Unicode: then nothing beyond ASCII may be drawn.
    """
    seen: dict[tuple[int, int], list[Cells]] = {size: [] for size in SIZES}
    app = app_for(scene, Options(theme=LOOKS[0], fence=False, hz=50, read_only=scene.read_only))
    async with app.run_test(size=SIZES[0]) as pilot:
        await at_scene(pilot, app, scene)
        app.all_themes()
        for size in SIZES:
            if size != SIZES[0]:
                await pilot.resize_terminal(*size)
                await still(pilot)
            check(app)
            for look in LOOKS:
                await dress(pilot, app, look)
                seen[size].append(cells(app, marks_only=look == "mono"))
        app.options = replace(app.options, ascii=True)
        app.glyphs, app.palette.ascii = ASCII, True
        app.set_class(True, "-ascii")
        await pilot.resize_terminal(*SIZES[1])
        await pilot.pause()
        for screen in app.screen_stack:
            for widget in (*screen.query("*"), screen):
                widget.refresh()
        await still(pilot)
        letters = {letter for row in cells(app) for letter, _ in row}
        assert all(letter.isascii() for letter in letters), sorted(letters)
    parts = [f"=== {size[0]}x{size[1]}: {' | '.join(LOOKS)}\n{drawn(looks)}" for size, looks in seen.items()]
    return "\n\n".join(parts) + "\n"


async def dress(pilot: Pilot[None], app: DftuiApp, look: str) -> None:
    """A theme; or as under NO_COLOR: the palette draws by weight and reverse alone, and what colours textual's own
    style sheets leave is not looked at."""
    app.options = replace(app.options, plain=look == "mono")
    if look != "mono":
        app.use_theme(look)
    else:
        app.palette = Palette(app.palette.theme, plain=True)
        app.refresh_css(animate=False)
        app.main.draw_all()
    await still(pilot)
