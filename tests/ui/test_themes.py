"""Themes: every packaged one is readable, and a bad one is a sentence."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from textual.color import Color
from textual.pilot import Pilot

from dftui.stack.paths import themes_dir
from dftui.ui.app import DftuiApp
from dftui.ui.draw import STATE_ROLES
from dftui.ui.options import Options
from dftui.ui.themes import BACKGROUNDS, DEFAULT, INKS, Palette, ThemeError, load_themes, parse_theme
from dftui.watch.format import BLOCKS

from .colour import apart, contrast
from .conftest import words
from .fake_backend import FakeBackend, app_of, busy, remember, settle
from .looks import still
from .test_pictures import every_state

PACKAGED, PROBLEMS = load_themes((themes_dir(),))
OPAQUE = [name for name, theme in PACKAGED.items() if not theme.ansi]
GOOD = """
name: mine
dark: true
colours:
  background: "#000000"
  surface: "#000000"
  panel: "#111111"
  cursor: "#222222"
  foreground: white
  muted: "#cccccc"
  accent: "#ffff00"
  good: "#00ff00"
  info: "#00ffff"
  warning: "#ffff00"
  bad: "#ff8888"
  sources: ["#ffffff"]
"""


def test_there_are_dark_and_light_ones_and_all_are_sound() -> None:
    assert PROBLEMS == []
    assert len(PACKAGED) >= 8
    assert {"night", "day", "contrast", "colour-safe", "tritan-safe", "terminal"} <= set(PACKAGED)
    assert all(theme.about for theme in PACKAGED.values())
    assert {theme.dark for theme in PACKAGED.values()} == {True, False}


def test_the_built_in_default_is_the_file() -> None:
    packaged, _ = load_themes((themes_dir(),))
    assert packaged["night"] == DEFAULT
    assert list(packaged["night"].colours) == list(DEFAULT.colours)


@pytest.mark.parametrize("name", OPAQUE)
def test_contrast(name: str) -> None:
    theme = PACKAGED[name]
    inks = {key: theme.colours[key] for key in INKS} | {f"source {n}": v for n, v in enumerate(theme.sources)}
    # WCAG 2.2: 1.4.3 asks 4.5:1 of text, 1.4.6 ("enhanced") 7:1.
    least = 7 if name == "contrast" else 4.5
    for under in BACKGROUNDS:
        for key, ink in inks.items():
            ratio = contrast(Color.parse(theme.colours[under]), Color.parse(ink))
            assert ratio >= least, f"{name}: {key} on {under} is {ratio:.2f}"


@pytest.mark.parametrize("name", OPAQUE)
def test_curves_stand_out(name: str) -> None:
    theme = PACKAGED[name]
    curve = Palette(theme).style("curve").color
    assert curve is not None
    for under in ("surface", "cursor"):
        # WCAG 2.2, 1.4.11: 3:1 of graphics.
        assert contrast(Color.parse(theme.colours[under]), Color.from_rich_color(curve)) >= 3, under


@pytest.mark.parametrize(
    ("name", "deficiency"),
    [("colour-safe", "protanopia"), ("colour-safe", "deuteranopia"), ("tritan-safe", "tritanopia")],
)
def test_states_stay_apart_for_every_kind_of_colour_vision(name: str, deficiency: str) -> None:
    theme = PACKAGED[name]
    states = {role: Color.parse(theme.colours[role]) for role in set(STATE_ROLES.values())}
    for one, other in combinations(sorted(states), 2):
        for kind in ("", deficiency):
            assert apart(states[one], states[other], kind) >= 20, f"{one} and {other} with {kind or 'all cones'}"


def test_a_theme_that_is_not_made_for_it_fails_that_test() -> None:
    theme = PACKAGED["night"]
    good, bad = Color.parse(theme.colours["good"]), Color.parse(theme.colours["bad"])
    assert apart(good, bad) > 50
    assert apart(good, bad, "deuteranopia") < 10


def test_the_terminals_own_palette_is_used_and_nothing_else() -> None:
    theme = PACKAGED["terminal"]
    assert theme.ansi
    assert all(colour.startswith("ansi_") for colour in (*theme.colours.values(), *theme.sources))


def unreadable(app: DftuiApp) -> list[str]:
    """Text on the screen (in the dialogue, if there is one) that has too little contrast with what it stands on."""
    screen = app.screen
    dialogues = screen.query(".dialogue")
    region = dialogues.first().region if dialogues else screen.region
    found: list[str] = []
    for strip in screen._compositor.render_strips()[region.y : region.bottom]:
        for segment in strip.crop(region.x, region.right):
            style = segment.style
            if not segment.text.strip() or style is None or style.color is None or style.bgcolor is None:
                continue
            ratio = contrast(Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor))
            drawn = set(segment.text) <= set(BLOCKS) | {" ", "─", "│", "┤", "└", "┴"}
            if ratio < (3 if drawn else 4.5):
                found.append(f"{segment.text.strip()!r} {ratio:.2f}")
    return found


@pytest.mark.parametrize(
    "keys",
    [["slash", "s", "q"], ["question_mark"], ["D"], ["ctrl+p"]],
    ids=" ".join,
)
async def test_all_that_is_drawn_can_be_read(keys: list[str]) -> None:
    app = app_of(busy(FakeBackend(every_state())), Options(fence=False, hz=50))
    remember(app)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        app.all_themes()
        await pilot.press(*keys)
        for name in OPAQUE:
            app.use_theme(name)
            await still(pilot)
            assert unreadable(app) == [], name


async def test_the_palette_tries_a_theme_on_and_esc_puts_the_old_one_back() -> None:
    app = app_of(busy(FakeBackend()), Options(fence=False, hz=50))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+p", *"paper")
        await settle(pilot)
        assert app.palette.theme.name == "paper"
        paper = Color.parse(PACKAGED["paper"].colours["surface"]).rich_color
        assert app.main.logs.lines.rich_style.bgcolor == paper
        await pilot.press("escape")
        await settle(pilot)
        assert app.palette.theme.name == "night"
        assert app.main.logs.lines.rich_style.bgcolor != paper
        await pilot.press("ctrl+p", *"paper", "enter")
        await settle(pilot)
        assert app.palette.theme.name == "paper"
        await pilot.press("ctrl+p", *"ember", *(["backspace"] * 5))
        await settle(pilot)
        assert app.palette.theme.name == "paper"


async def until(pilot: Pilot[None], wanted: Callable[[], object]) -> None:
    for _ in range(400):
        if wanted():
            return
        await pilot.pause(0.02)
    raise AssertionError(words(pilot.app))  # type: ignore[arg-type]


async def test_a_users_own_theme_is_drawn_anew_when_its_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DFTUI_CONFIG_DIR", str(tmp_path))
    monkeypatch.setattr("dftui.ui.app.SLOW_TICKS", 0.05)
    (tmp_path / "themes").mkdir()
    file = tmp_path / "themes" / "mine.yaml"
    file.write_text(GOOD)
    app = app_of(busy(FakeBackend()), Options(theme="mine", fence=False, hz=50))
    async with app.run_test(size=(200, 40)) as pilot:
        await settle(pilot)
        assert app.palette.theme.name == "mine"

        def surface() -> str:
            colour = app.main.logs.lines.rich_style.bgcolor
            return Color.from_rich_color(colour).hex if colour else ""

        assert surface() == "#000000"
        file.write_text(GOOD.replace('surface: "#000000"', 'surface: "#101820"'))
        await until(pilot, lambda: surface() == "#101820")
        file.write_text(GOOD.replace("white", "whitish"))
        await until(pilot, lambda: app.palette.theme.name == "night")
        screen = " ".join(words(app).split())
        assert "mine.yaml: colours.foreground is 'whitish'" in screen
        file.write_text(GOOD)
        await until(pilot, lambda: app.palette.theme.name == "mine" and surface() == "#000000")
        file.unlink()
        await until(pilot, lambda: app.palette.theme.name == "night")


@pytest.mark.parametrize("name", list(PACKAGED))
def test_every_role_of_every_state_has_a_style(name: str) -> None:
    palette = Palette(PACKAGED[name])
    for role in {*STATE_ROLES.values(), "title", "tab", "match", "good-strong", "warning-strong", "bad-strong"}:
        assert palette.style(role) != palette.style("")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"#00ff00"', '"#00ffzz"', "colours.good is '#00ffzz'; a colour such as"),
        ('"#00ff00"', "7", "colours.good is 7; a colour"),
        ('"#00ff00"', '"#00ff0080"', "colours.good is '#00ff0080'; it must not be transparent"),
        ("  muted:", "  mutedd:", "unknown key colours.mutedd; allowed are background"),
        ('  muted: "#cccccc"\n', "", "colours.muted is missing"),
        ("name: mine", "name: [1]", "name is [1]; a short word"),
        ("dark: true", "dark: maybe", "dark is 'maybe'; true or false"),
        ('sources: ["#ffffff"]', "sources: []", "colours.sources is []; a list"),
        ('sources: ["#ffffff"]', "sources: [nope]", "colours.sources[0] is 'nope'"),
        ("colours:", "colours: [", "line "),
        ("dark: true", "dark: true\nfoo: 1", "unknown key 'foo'"),
    ],
)
def test_a_bad_theme_is_one_sentence_with_file_key_and_value(old: str, new: str, said: str) -> None:
    assert parse_theme(GOOD, "mine.yaml").name == "mine"
    with pytest.raises(ThemeError) as error:
        parse_theme(GOOD.replace(old, new), "mine.yaml")
    assert str(error.value).startswith("mine.yaml")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_bad_file_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(GOOD.replace("white", "whiter-than-white"))
    found, problems = load_themes((themes_dir(), tmp_path))
    assert "mine" in found
    assert len(problems) == 1
    assert "bad.yaml: colours.foreground is 'whiter-than-white'" in problems[0]
