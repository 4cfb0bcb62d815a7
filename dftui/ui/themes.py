"""Themes: colours by role, from YAML files, each checked before it is used.

A theme file has `name`, `dark` (true or false), `about`, and `colours` with every name of `COLOURS` and a list
`sources` (colours that tell containers apart).  A colour is anything that textual's `Color.parse` takes; a theme
with `ansi: true` uses the terminal's own palette (`ansi_green`, `ansi_default`, …).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from rich.style import Style
from textual.color import Color, ColorParseError
from textual.theme import Theme as TextualTheme

from dftui.ui.draw import clip, short_path

BACKGROUNDS = ("background", "surface", "panel", "cursor")
INKS = ("foreground", "muted", "accent", "good", "info", "warning", "bad")
CURVE = 0.25
"""How far a curve's colour is from the accent towards the background."""
VALUE = 40
"""Cells of a value that is told in a sentence."""
COLOURS = (*BACKGROUNDS, *INKS)


class ThemeError(Exception):
    """A theme cannot be used; the text is one sentence naming file, key and value."""


@dataclass(frozen=True)
class ThemeSpec:
    """A checked theme: `colours` by name (all of `COLOURS`), `sources` at least one."""

    name: str
    dark: bool
    about: str
    colours: Mapping[str, str]
    sources: tuple[str, ...]
    ansi: bool = False


# The default theme is here as well as in themes/night.yaml (a test holds the two equal): nothing has to be read,
# and no YAML parser imported, before the first paint.
DEFAULT = ThemeSpec(
    name="night",
    dark=True,
    about="Calm dark blue; the default",
    colours={
        "background": "#14171f",
        "surface": "#191d27",
        "panel": "#232936",
        "cursor": "#2c3649",
        "foreground": "#d5dae4",
        "muted": "#97a1b5",
        "accent": "#7fb4ff",
        "good": "#7fd29a",
        "info": "#74c7ec",
        "warning": "#f0c674",
        "bad": "#ff8f8f",
    },
    sources=("#7fb4ff", "#8fd5a6", "#e5b97a", "#d6a5e8", "#79d0d0", "#e8a0b4", "#b6c77b", "#b0b8f5"),
)
TERMINAL = "terminal"


def parse_theme(text: str, file: str) -> ThemeSpec:
    """Check a theme file's text. Raises ThemeError."""
    import yaml

    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ThemeError(f"{file}{where}: not valid YAML.") from None
    if not isinstance(data, dict):
        raise ThemeError(f"{file}: a theme is a mapping with name, dark, about and colours.")
    for key in data:
        if key not in ("name", "dark", "about", "ansi", "colours"):
            raise ThemeError(f"{file}: unknown key {_told(key)}; allowed are name, dark, about, ansi, colours.")
    name = data.get("name")
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= 30:
        raise ThemeError(f"{file}: name is {_told(name)}; a short word is wanted.")
    for key in ("dark", "ansi"):
        if not isinstance(data.get(key, False), bool):
            raise ThemeError(f"{file}: {key} is {_told(data[key])}; true or false is wanted.")
    colours = data.get("colours")
    if not isinstance(colours, dict):
        raise ThemeError(f"{file}: colours is missing or not a mapping.")
    for key in colours:
        if key != "sources" and key not in COLOURS:
            allowed = ", ".join((*COLOURS, "sources"))
            raise ThemeError(f"{file}: unknown key colours.{clip(str(key), VALUE)}; allowed are {allowed}.")
    for key in COLOURS:
        if key not in colours:
            raise ThemeError(f"{file}: colours.{key} is missing.")
        _check(file, f"colours.{key}", colours[key])
    sources = colours.get("sources")
    if not isinstance(sources, list) or not sources:
        raise ThemeError(f"{file}: colours.sources is {_told(sources)}; a list of colours is wanted.")
    for index, value in enumerate(sources):
        _check(file, f"colours.sources[{index}]", value)
    about = data.get("about", "")
    return ThemeSpec(
        name=name,
        dark=data.get("dark", True),
        about=about if isinstance(about, str) and about.isprintable() else "",
        colours={key: colours[key] for key in COLOURS},
        sources=tuple(sources),
        ansi=data.get("ansi", False),
    )


def _told(value: object) -> str:
    return clip(repr(value), VALUE)


def _check(file: str, key: str, value: object) -> None:
    """An invalid colour would be accepted by textual and end the program later, when it is drawn."""
    wanted = "a colour such as '#7fb4ff' is wanted."
    if not isinstance(value, str):
        raise ThemeError(f"{file}: {key} is {_told(value)}; {wanted}")
    try:
        colour = Color.parse(value)
    except ColorParseError:
        raise ThemeError(f"{file}: {key} is {_told(value)}; {wanted}") from None
    if colour.a != 1:
        raise ThemeError(f"{file}: {key} is {_told(value)}; it must not be transparent.")


def load_theme(path: Traversable) -> ThemeSpec:
    """Read and check one file. Raises ThemeError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ThemeError(f"{short_path(str(path))}: cannot be read: {reason}.") from None
    return parse_theme(text, short_path(str(path)))


def load_themes(folders: Iterable[Traversable]) -> tuple[dict[str, ThemeSpec], list[str]]:
    """Every theme of these folders by name, a later folder's winning, and a sentence for each bad file."""
    found = {DEFAULT.name: DEFAULT}
    problems: list[str] = []
    for folder in folders:
        files = (
            [path for path in folder.iterdir() if path.name.endswith((".yaml", ".yml"))] if folder.is_dir() else []
        )
        for path in sorted(files, key=lambda path: path.name):
            try:
                theme = load_theme(path)
            except ThemeError as error:
                problems.append(f"{error} The theme is left out.")
            else:
                found[theme.name] = theme
    return found, problems


def look_at(folder: Path) -> object:
    """What changes when a theme of this folder does: names, times and sizes of its files."""
    try:
        files = [entry for entry in os.scandir(folder) if entry.name.endswith((".yaml", ".yml"))]
        return sorted((entry.name, entry.stat().st_mtime_ns, entry.stat().st_size) for entry in files)
    except OSError:
        return []


def variables(theme: ThemeSpec) -> dict[str, str]:
    """The CSS variables that the style sheets use beyond textual's own."""
    own = {"df-muted": theme.colours["muted"], "df-cursor": theme.colours["cursor"]}
    if theme.ansi:
        # textual's style sheets ask for these where a theme uses the terminal's palette.
        own |= {
            "ansi-background": "ansi_black",
            "ansi-foreground": "ansi_white",
            "block-cursor-foreground": "ansi_black",
            "block-cursor-background": "ansi_white",
            "input-cursor-background": "ansi_white",
            "input-cursor-foreground": "ansi_black",
            "input-selection-background": "ansi_bright_blue",
            "input-selection-foreground": "ansi_black",
        }
    return own


def textual_theme(theme: ThemeSpec, name: str) -> TextualTheme:
    """The same for textual's own widgets, under any name."""
    colours = theme.colours
    return TextualTheme(
        name=name,
        primary=colours["accent"],
        secondary=colours["info"],
        accent=colours["accent"],
        foreground=colours["foreground"],
        background=colours["background"],
        surface=colours["surface"],
        panel=colours["panel"],
        success=colours["good"],
        warning=colours["warning"],
        error=colours["bad"],
        dark=theme.dark,
        ansi=theme.ansi,
        variables=variables(theme),
    )


class Palette:
    """Rich styles by role for one theme. `plain` (NO_COLOR) leaves weight and reverse only; `ascii` says that the
    terminal shows nothing else."""

    def __init__(self, theme: ThemeSpec, plain: bool = False, ascii: bool = False) -> None:
        self.theme = theme
        self.ascii = ascii
        self.sources = len(theme.sources)
        ink = {name: Color.parse(value).rich_color for name, value in theme.colours.items()}
        source = [Color.parse(value).rich_color for value in theme.sources]
        styles = {name: Style(color=ink[name]) for name in INKS}
        styles |= {f"source{n}": Style(color=colour) for n, colour in enumerate(source)}
        styles[""] = Style()
        styles["strong"] = Style(color=ink["foreground"], bold=True)
        styles["title"] = Style(color=ink["accent"], bold=True)
        styles["brand"] = Style(color=ink["accent"], bold=True)
        styles["key"] = Style(color=ink["accent"], bold=True)
        styles["head"] = Style(color=ink["muted"])
        # A filled area is heavy: half way to the background it still stands out (3:1, which WCAG 2 asks of graphics).
        half = Color.parse(theme.colours["accent"]).blend(Color.parse(theme.colours["surface"]), CURVE)
        styles["curve"] = Style(color=ink["accent"], dim=True) if theme.ansi else Style(color=half.rich_color)
        styles["rule"] = Style(color=ink["muted"], dim=theme.ansi)
        styles["match"] = Style(reverse=True)
        styles["tab"] = Style(color=ink["accent"], bold=True, underline=True)
        for name in ("good", "warning", "bad", "info"):
            styles[f"{name}-strong"] = Style(color=ink[name], bold=True)
            styles[f"{name}-badge"] = Style(color=ink[name], bold=True, reverse=True)
        if plain:
            styles = {
                name: Style(bold=style.bold, reverse=style.reverse, underline=style.underline)
                for name, style in styles.items()
            }
        self._styles = styles
        self._cursor = Style(reverse=True) if plain or theme.ansi else Style(bgcolor=ink["cursor"])
        self._muted = styles["muted"]

    def style(self, role: str, *, stale: bool = False) -> Style:
        """The style of a role; of stale facts everything is muted. An unknown role is plain text."""
        if stale and role not in ("title", "tab", "brand"):
            return self._muted
        return self._styles.get(role, self._styles[""])

    @property
    def cursor(self) -> Style:
        """Laid under the row that the cursor is on."""
        return self._cursor
