"""Read-only on the screen; what asks before it acts; what others did; what the palette finds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dftui.control.actions import ACTIONS, BY_ID
from dftui.control.effects import Effect
from dftui.control.entry import Entry
from dftui.control.known import OtherStack
from dftui.ui.options import Options
from dftui.ui.panes.pane import Pane
from dftui.ui.screens.find import FindScreen
from dftui.watch.alarms import Alarm
from dftui.watch.snapshot import Drift

from .conftest import words
from .fake_backend import FakeBackend, Sorry, busy, nothing
from .fake_streams import NOW
from .seat import Seat, seat

READ_ONLY = Options(fence=False, hz=50, read_only="--read-only", sealed=True)
MORE_THAN_LOOKS = [a for a in ACTIONS if a.effect is not Effect.LOOK]


def where_all_apply() -> FakeBackend:
    """A stack on which nearly every action applies."""
    fake = busy(FakeBackend())
    assert fake.snapshot is not None
    fake.set(
        replace(fake.snapshot, wanted=4, drift=(Drift("df-web4 is missing", "it is started again", Alarm.TOO_FEW),))
    )
    fake.others = [OtherStack("shop", 6, "/srv/shop/dftui.yaml")]
    return fake


async def test_read_only_refuses_every_key_that_does_more_than_look() -> None:
    async with seat(where_all_apply(), options=READ_ONLY) as s:
        assert "read-only" in words(s.app).splitlines()[0]
        for action in MORE_THAN_LOOKS:
            await s.press(action.key.split(",")[0])
            assert "This dftui is read-only (--read-only)" in words(s.app), action.id
            assert s.app.screen is s.app.main, action.id
            s.app.main.conductor.say("next")
        assert s.fake.calls == []


async def test_read_only_hides_them_from_footer_help_and_palette() -> None:
    async with seat(where_all_apply(), size=(200, 90), options=READ_ONLY) as s:
        footer = words(s.app).splitlines()[-1]
        assert "+ add" not in footer
        assert "df-web4 is missing" in words(s.app)
        assert "R repair" not in words(s.app)
        assert "l logs" in footer
        await s.press("question_mark", "question_mark", "question_mark")  # the alarm, the pane, every key
        await s.see("▌ keys")
        shown = words(s.app)
        for action in ACTIONS:
            assert (action.help[:50] in shown) is (action.effect is Effect.LOOK), action.id
        await s.press("escape", "ctrl+p")
        assert isinstance(s.app.screen, FindScreen)
        names = {entry.name for entry in s.app.screen.everything}
        assert {"replica df-web1", "logs of df-mysql", "theme day", "zoom"} <= names
        assert not [name for name in names if name.startswith(("shell", "stack"))]
        assert not names & {BY_ID[a.id].name for a in MORE_THAN_LOOKS}


async def test_read_only_looks_all_the_same() -> None:
    async with seat(options=READ_ONLY) as s:
        await s.press("h")
        await s.see("9 requests, 3 hosts")
        await s.press("t")
        await s.see("/api/v2/system/admin/session")
    async with seat(FakeBackend(nothing()), options=READ_ONLY) as s:
        assert "it cannot bring one up" in words(s.app)
        await s.press("l")
        await s.see("There is nothing to look at yet.")


ASKS = [a for a in ACTIONS if a.dangerous and a.id != "drain-node"]  # which needs a swarm: test_nodes


@pytest.mark.parametrize("action", ASKS, ids=lambda a: a.id)
async def test_what_is_dangerous_asks_and_does_nothing_after_no(action: object) -> None:
    key = BY_ID[getattr(action, "id", "")].key
    async with seat(where_all_apply()) as s:
        await s.press(key)
        assert s.app.screen is not s.app.main
        await s.press("n")
        assert s.app.screen is s.app.main
        await s.press(key, "escape")
        assert s.app.screen is s.app.main
        assert s.fake.calls == []


@pytest.mark.parametrize(("key", "call"), [("minus", "scale"), ("d", "drain")])
async def test_what_can_be_undone_does_not_ask(key: str, call: str) -> None:
    async with seat() as s:
        await s.press(key)
        assert s.fake.calls[0][0] == call


async def test_what_was_done_before_and_by_others_is_in_the_actions() -> None:
    fake = FakeBackend()
    receipt = {"receipt": {"requests": 1234, "failed": 0}}
    commands = tuple(f"docker run df-web{n}" for n in range(20))
    fake.past = [
        Entry(NOW - 90_000, "ada@203.0.113.9", "scale +1", "done", 1.9, (), ("docker run df-web4",), receipt),
        Entry(NOW, "root", "up", "done", 40.0, (), commands),
    ]
    async with seat(fake, size=(120, 60)) as s:
        await s.press("a")
        await s.see("scale +1  by ada@203.0.113.9  1.9 s  1,234 requests, 0 failed")
        assert "$ docker run df-web4" in words(s.app)
        assert "and 8 more: dftui history --verbose" in words(s.app)
        s.fake.done_elsewhere(Entry(NOW, "bob", "roll", "failed: the disk is full", 3.0))
        await s.see("failed roll  by bob  3.0 s  the disk is full")
        s.fake.done_elsewhere(Entry(NOW - 80_000, "eve", "drain 2", "done", 3.0))
        await s.see("by eve")
        screen = words(s.app)
        assert screen.index("by ada") < screen.index("by eve") < screen.index("by root"), "each where it belongs"
        assert "4 steps" in words(s.app)


async def test_a_shell_that_cannot_be_had_is_a_sentence() -> None:
    async with seat() as s:
        await s.press("s")
        await s.see("needs a terminal of its own")  # a test's screen has none
        await s.press("m", "c")
        assert s.fake.calls == [
            ("inside", "df-web1", "web", False),
            ("inside", "df-mysql", "db", True),
            ("inside", "df-redis", "cache", True),
        ]
        s.fake.fails = Sorry("df-web1 is not running.")
        await s.press("s")
        await s.see("df-web1 is not running. Add a replica first.")
        assert not s.app.away


async def find(s: Seat, text: str) -> None:
    """Type a name into the palette, and choose it."""
    await s.press("ctrl+p", *text)
    screen = s.app.screen
    assert isinstance(screen, FindScreen)
    assert screen.lines.chosen is not None
    assert screen.lines.chosen.name == text
    await s.press("enter")


async def test_the_palette_goes_to_a_replica() -> None:
    async with seat() as s:
        await s.press("l")
        await find(s, "replica df-web3")
        assert s.app.main.pane is s.app.main.replicas
        assert s.app.main.replicas.table.selected is not None
        assert s.app.main.replicas.table.selected.name == "df-web3"


async def test_the_palette_has_actions_that_do_not_apply_and_says_why() -> None:
    async with seat() as s:
        await s.press("ctrl+p", *"pause roll")
        await s.see("Not now: No roll is running here.")


async def test_the_palette_opens_another_stack(tmp_path: Path) -> None:
    fake = FakeBackend()
    file = tmp_path / "dftui.yaml"
    fake.others = [OtherStack("shop", 6, str(file)), OtherStack("toys", 4)]
    file.write_text("name: other\n")
    async with seat(fake) as s:
        await find(s, "stack shop")
        await s.see("is the file of other now")
        file.write_text("name: shop\nweb: {min: 2}\n")
        await find(s, "stack shop")
    assert s.app.next_stack is not None
    assert (s.app.next_stack[0].name, s.app.next_stack[0].web.min, s.app.next_stack[1]) == ("shop", 2, "")
    async with seat(fake) as s:
        await find(s, "stack toys")
    assert s.app.next_stack is not None
    assert s.app.next_stack[1] == "its stack file is not known here"


@pytest.mark.parametrize("plain", [False, True])
async def test_the_pane_in_focus_is_marked_by_more_than_colour(plain: bool) -> None:
    async with seat(size=(120, 40), options=Options(fence=False, hz=50, plain=plain, ascii=plain)) as s:
        for key in "12345":
            await s.press(key)
            mark = s.app.glyphs.mark
            marked = [p.pane for p in s.app.main.query(Pane) if p.display and p.heading.rows[0][0].text == mark]
            assert s.app.main.pane is not None
            assert marked == [s.app.main.pane.pane]
        await s.press("x")
        assert "y yes" in words(s.app)
        await s.press("n", "1")
        await s.pilot.resize_terminal(80, 24)
        await s.see(f"{mark} database")
        await s.press("2")
        await s.gone(f"{mark} database")
