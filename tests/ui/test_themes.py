"""Themes: every packaged one is readable, and a bad one is a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.color import Color

from dftui.stack.paths import themes_dir
from dftui.ui.draw import STATE_ROLES
from dftui.ui.themes import BACKGROUNDS, DEFAULT, INKS, Palette, ThemeError, load_themes, parse_theme

PACKAGED, PROBLEMS = load_themes((themes_dir(),))
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
    assert {"night", "day", "contrast", "colour-safe", "terminal"} <= set(PACKAGED)
    assert {theme.dark for theme in PACKAGED.values()} == {True, False}


def test_the_built_in_default_is_the_file() -> None:
    packaged, _ = load_themes((themes_dir(),))
    assert packaged["night"] == DEFAULT
    assert list(packaged["night"].colours) == list(DEFAULT.colours)


@pytest.mark.parametrize("name", [n for n, t in PACKAGED.items() if not t.ansi])
def test_contrast(name: str) -> None:
    theme = PACKAGED[name]
    inks = {key: theme.colours[key] for key in INKS} | {f"source {n}": v for n, v in enumerate(theme.sources)}
    for under in BACKGROUNDS:
        for key, ink in inks.items():
            ratio = contrast(theme.colours[under], ink)
            assert ratio >= 4.5, f"{name}: {key} on {under} is {ratio:.2f}"


def contrast(one: str, other: str) -> float:
    """WCAG 2: relative luminance."""

    def luminance(text: str) -> float:
        parts = [c / 255 for c in Color.parse(text).rgb]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


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
