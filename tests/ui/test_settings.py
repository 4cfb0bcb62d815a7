"""What users set: their keys are named wherever a key is named, and each mistake can be read to its end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dftui.stack.spec import StackSpec
from dftui.ui.draw import short_path
from dftui.ui.options import Options

from .conftest import words
from .fake_backend import FakeBackend, busy, nothing, stack
from .fake_verify import broken
from .seat import seat
from .test_themes import GOOD

LONG = "a-theme-whose-name-is-longer-than-there-is-room.yaml"
OPTIONS = Options(fence=False, hz=50)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("dftui.yaml", "dftui.yaml"),
        ("/home/ada/.config/dftui/themes/mine.yaml", "~/.config/dftui/themes/mine.yaml"),
        ("/home/ada/a/very/long/way/to/my/own/themes/mine.yaml", "~/…/to/my/own/themes/mine.yaml"),
        ("/mnt/users/ada/of/the/old/machine/.config/dftui/themes/mine.yaml", "/…/dftui/themes/mine.yaml"),
        (f"/a/b/{LONG}", f"/…/{LONG}"),
    ],
)
def test_a_path_keeps_its_beginning_and_its_name(monkeypatch: pytest.MonkeyPatch, path: str, shown: str) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert short_path(path) == shown


async def test_a_bad_theme_far_away_is_told_to_its_value_on_80_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "a-folder-with-a-long-name" / "and-another-one-below-it" / ".config" / "dftui"
    (config / "themes").mkdir(parents=True)
    monkeypatch.setenv("DFTUI_CONFIG_DIR", str(config))
    (config / "themes" / "mine.yaml").write_text(GOOD.replace("white", "whitish"))
    async with seat(size=(80, 24), options=replace(OPTIONS, theme="mine")) as s:
        await s.see("/themes/mine.yaml: colours.foreground is 'whitish'")
        await s.see("…")


async def test_a_theme_that_is_bad_is_told_also_when_it_is_first_read_by_the_palette(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DFTUI_CONFIG_DIR", str(tmp_path))
    (tmp_path / "themes").mkdir()
    (tmp_path / "themes" / "mine.yaml").write_text(GOOD.replace("white", "whitish"))
    async with seat() as s:
        assert "whitish" not in words(s.app)
        await s.press("ctrl+p", "escape")
        await s.see("colours.foreground is 'whitish'")


async def test_every_mistake_is_in_the_actions() -> None:
    wrong = {"scale-upp": "Y", "drain": "j", "zoom": "h"}
    async with seat(spec=StackSpec(keys=wrong)) as s:
        await s.see("1 of 3, see a: the stack file: keys: there is no action 'scale-upp'")
        await s.press("a")
        for said in ("drain cannot have 'j', which moves in the panes", "zoom cannot have 'h', the key of probe"):
            await s.see(said)
        await s.see("3 failed")


async def test_sentences_name_the_keys_that_were_chosen() -> None:
    mine = StackSpec(keys={"up": "U", "logs": "L", "quit": "Q", "copy": "Y", "repair": "P", "help": "H"})
    async with seat(FakeBackend(nothing()), spec=mine) as s:
        await s.see("U  bring it up")
        await s.see("H  the tutorial")
        await s.press("H")
        await s.see("H all keys")
        await s.press("H")
        await s.see("▌ keys")
        await s.press("escape")
        await s.press("plus")
        await s.see("There is no running stack to act on yet; U brings it up.")
        await s.pilot.resize_terminal(50, 12)
        await s.see("Q quits")
    fake = busy(FakeBackend(stack(5)))
    fake.verdicts = [broken()]
    async with seat(fake, (120, 60), spec=mine) as s:
        await s.press("e")
        await s.see("That works in the logs; L goes there.")
        await s.press("L", "V")
        await s.see("Y copies, ^s saves, Esc ends it.")
        await s.press("escape", "v")
        await s.see("P Replace df-web2")


async def test_what_verify_found_offers_no_key_to_one_who_may_only_look() -> None:
    fake = busy(FakeBackend(stack(5)))
    fake.verdicts = [broken()]
    async with seat(fake, (120, 60), options=replace(OPTIONS, read_only="--read-only", sealed=True)) as s:
        await s.press("v")
        await s.see("Replace df-web2")
        assert "R Replace" not in words(s.app)
