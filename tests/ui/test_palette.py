"""`Ctrl+P`: other stacks come when the engine has told them, and disturb nothing that is typed or read."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

import pytest

from dftui.control.known import OtherStack
from dftui.engine.api import EngineUnreachable
from dftui.stack.spec import StackSpec
from dftui.ui.app import DftuiApp
from dftui.ui.backend import Backend
from dftui.ui.options import Options
from dftui.ui.screens.find import FindScreen

from .conftest import words
from .fake_backend import FakeBackend, busy
from .seat import Seat, seat

SHOP = OtherStack("shop", 6, "/srv/shop/dftui.yaml")


def late(*others: OtherStack) -> FakeBackend:
    """An engine that takes its time to tell its stacks."""
    fake = busy(FakeBackend())
    fake.others = list(others)
    fake.hold_stacks = asyncio.Event()
    return fake


def finder(s: Seat) -> FindScreen:
    screen = s.app.screen
    assert isinstance(screen, FindScreen)
    return screen


async def test_stacks_are_asked_for_each_time_it_is_opened_and_not_before() -> None:
    fake = busy(FakeBackend())
    async with seat(fake) as s:
        await s.see("3 of 3 serving")
        assert fake.looks_for_stacks == 0
        await s.press("ctrl+p", *"shop")
        await s.see("Nothing has this in its name.")
        await s.press("escape")
        fake.others = [SHOP]
        await s.press("ctrl+p", *"shop")
        await s.see("stack shop")
        assert fake.looks_for_stacks == 2


async def test_a_colon_opens_it_too_and_q_finds_the_way_out() -> None:
    async with seat() as s:
        await s.press("colon", "q")
        chosen = finder(s).lines.chosen
        assert chosen is not None
        assert chosen.name == "quit"
        await s.press("enter")
    assert s.app.return_code == 0


async def test_they_join_what_is_shown_and_the_cursor_stays_on_its_row() -> None:
    fake = late(SHOP)
    async with seat(fake, (120, 40)) as s:
        await s.press("ctrl+p", *"sh", "down", "down")
        await s.see("shell in")
        screen, before = finder(s), words(s.app).splitlines()
        chosen, row = screen.lines.chosen, (screen.lines.cursor or 0) - screen.lines.scroll_offset.y
        assert "stack shop" not in words(s.app)
        assert fake.hold_stacks is not None
        fake.hold_stacks.set()
        await s.see(f"of {screen.lines.count() + 1}")
        assert screen.lines.chosen is not None
        assert chosen is not None
        assert screen.lines.chosen.name == chosen.name
        assert (screen.lines.cursor or 0) - screen.lines.scroll_offset.y == row
        after = words(s.app).splitlines()
        assert [y for y, line in enumerate(before) if chosen.name in line][:1] == [
            y for y, line in enumerate(after) if chosen.name in line
        ][:1]


async def test_a_stack_that_is_typed_faster_than_the_engine_answers_is_waited_for() -> None:
    fake = late(OtherStack("toys", 4))
    async with seat(fake) as s:
        assert fake.hold_stacks is not None
        asyncio.get_running_loop().call_later(0.5, fake.hold_stacks.set)
        await s.pilot.press("ctrl+p", *"stack toys", "enter")
        for _ in range(200):
            if s.app.next_stack is not None:
                break
            await s.pilot.pause(0.02)
    assert s.app.next_stack is not None
    assert s.app.next_stack[0].name == "toys"


async def test_whoever_may_only_look_here_is_told_of_no_other_stack() -> None:
    fake = busy(FakeBackend())
    fake.others = [SHOP]
    async with seat(fake, options=Options(fence=False, hz=50, read_only="--read-only", sealed=True)) as s:
        await s.press("ctrl+p", *"shop")
        await s.see("Nothing has this in its name.")
        assert fake.looks_for_stacks == 0
        assert s.app.engines == []


def context(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, host: str) -> None:
    """As `docker context create` notes it."""
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    file = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))


async def test_another_engine_is_chosen_by_its_context(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    context(monkeypatch, tmp_path, "attic", "ssh://me@attic")
    async with seat() as s:
        await s.see("3 of 3 serving")
        await s.press("ctrl+p", *"engine")
        await s.see("engine attic")
        assert "ssh://me@attic" in words(s.app)
        # The one whose screen this is, is no choice.
        assert "engine default" not in words(s.app)
        await s.pilot.press("enter")
    assert s.app.next_engine == "attic"


async def test_an_engine_can_be_chosen_while_none_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    context(monkeypatch, tmp_path, "attic", "ssh://me@attic")

    async def nobody() -> Backend:
        raise EngineUnreachable("Nobody answers.")

    app = DftuiApp(nobody, StackSpec(), Options(fence=False, hz=50))
    async with app.run_test(size=(120, 40)) as pilot:
        s = Seat(app, FakeBackend(), pilot)
        await s.see("No container engine answers")
        await s.press("ctrl+p", *"engine default")
        await s.see("unix:///var/run/docker.sock")
        await s.pilot.press("enter")
    assert app.next_engine == "default"


async def test_a_letter_that_opens_it_can_be_typed_in_it() -> None:
    async with seat(spec=StackSpec(keys={"palette": "Y"})) as s:
        await s.press("Y", *"Yes:")
        assert finder(s).input.value == "Yes:"
