"""Every key of the registry, pressed on a screen with a stack behind it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from dftui.control.actions import ACTIONS
from dftui.stack.spec import StackSpec
from dftui.ui.app import DftuiApp
from dftui.ui.options import Options
from dftui.watch.alarms import Alarm
from dftui.watch.snapshot import Drift, ReplicaState

from .conftest import words
from .fake_backend import FakeBackend, Sorry, app_of, nothing, settle, stack
from .fake_streams import NOW
from .seat import Seat, seat


async def test_plus_adds_at_once_and_quick_presses_are_one_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    # However slow this machine is, both presses are quick.
    monkeypatch.setattr("dftui.ui.conductor.GATHER", 600)
    async with seat() as s:
        s.fake.hold = asyncio.Event()
        await s.pilot.press("plus", "plus")
        await s.see("+2 replicas")
        assert not s.scaled()
        s.app.main.conductor.flush()
        await s.see("df-web5")
        assert s.scaled() == [("scale", None, 2, None)]
        assert "◌ starting" in words(s.app)
        assert "3 of 5 serving" in words(s.app)
        s.fake.hold.set()
        await s.see("5 of 5 serving")
        await s.see("no request lost of 1,234")


async def test_minus_removes_and_plus_and_minus_cancel_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async with seat() as s:
        await s.pilot.press("minus")
        await s.see("2 of 2 serving")
        assert s.scaled() == [("scale", None, -1, None)]
        monkeypatch.setattr("dftui.ui.conductor.GATHER", 600)
        await s.pilot.press("plus", "minus")
        s.app.main.conductor.flush()
        await settle(s.pilot)
        assert len(s.scaled()) == 1


async def test_refusal_is_a_sentence_with_a_hint_and_in_the_actions() -> None:
    async with seat() as s:
        s.fake.fails = Sorry("That would leave 0 replicas serving, fewer than web.min (1).")
        await s.pilot.press("minus")
        await s.see("fewer than web.min (1). Add a replica first.")
        await s.press("a")
        await s.see("failed scale")


async def test_equals_sets_a_number_and_refuses_what_is_none() -> None:
    async with seat() as s:
        await s.press("equals_sign", "5")
        await s.press("enter")
        await s.see("5 of 5 serving")
        assert s.scaled() == [("scale", 5, None, None)]
        await s.press("equals_sign", "0", "enter")
        await s.see("0 is not from 1 to 200.")
        await s.press("escape")
        await s.gone("How many replicas?")
        assert len(s.scaled()) == 1


async def test_d_drains_the_selected_and_takes_it_back() -> None:
    async with seat() as s:
        await s.press("j", "d")
        await s.see("○ drained")
        assert ("drain", "df-web2") in s.fake.calls
        await s.press("d")
        await s.gone("○ drained")
        assert ("undrain", "df-web2") in s.fake.calls


async def test_x_asks_one_key_and_removes_the_selected() -> None:
    async with seat() as s:
        await s.press("x")
        await s.see("Remove df-web1?")
        await s.press("n")
        assert not s.scaled()
        await s.press("x", "y")
        await s.gone("df-web1   3f2c")
        assert s.scaled() == [("scale", None, -1, "df-web1")]


async def test_h_shows_the_rotation_in_order_and_counts() -> None:
    async with seat() as s:
        await s.press("h")
        await s.see("9 requests, 3 hosts")
        assert ("probe",) in s.fake.calls
        screen = words(s.app)
        for host in (r.host for r in s.fake.snapshot.web if s.fake.snapshot):  # type: ignore[union-attr]
            assert any(host in line and " 3  " in line and "33%" in line for line in screen.splitlines())
        assert "1  df-web1" in screen


async def test_r_rolls_and_p_holds_it() -> None:
    async with seat() as s:
        await s.press("p")
        await s.see("No roll is running here.")
        s.fake.hold = asyncio.Event()
        await s.press("r", "n")
        assert not [call for call in s.fake.calls if call[0] == "roll"]
        await s.press("r", "y")
        await s.see("p pause roll")
        await s.press("p")
        assert s.fake.calls == [("roll",), ("pause_roll",)]
        s.fake.hold.set()
        await s.gone("p pause roll")


async def test_capital_r_repairs_what_drifted() -> None:
    async with seat() as s:
        await s.press("R")
        await s.see("Nothing has drifted")
        snapshot = s.fake.snapshot
        assert snapshot is not None
        s.fake.set(
            replace(snapshot, wanted=4, drift=(Drift("df-web4 is missing", "it is started again", Alarm.TOO_FEW),))
        )
        await s.see("df-web4 is missing")
        await s.press("R")
        await s.gone("df-web4 is missing")
        assert s.fake.calls == [("repair",)]


async def test_filter_as_you_type_search_and_escape() -> None:
    async with seat() as s:
        await s.press("slash", *"sqlstate")
        await s.see("filtered")
        assert "Background saving" not in words(s.app)
        assert "SQLSTATE" in words(s.app)
        await s.press("enter")
        assert s.app.main.pane is s.app.main.logs
        await s.press("g", "n", "N")
        await s.press("escape")
        await s.see("Background saving")


async def test_u_only_when_something_is_missing() -> None:
    async with seat() as s:
        await s.press("u")
        await s.see("Nothing to bring up")
        assert not s.fake.calls
    fake = FakeBackend(nothing())
    async with seat(fake) as s:
        assert "There is no stack named df" in words(s.app)
        assert "u bring up" in words(s.app)
        await s.press("u")
        await s.see("3 of 3 serving")
        assert fake.calls == [("up",)]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_where_there_is_none_one_made_by_hand_is_named(size: tuple[int, int]) -> None:
    fake = FakeBackend(nothing())
    fake.strangers = ("df-mysql", "df-redis", "df-web1", "df-lb")
    async with seat(fake, size=size) as s:
        await s.see("A stack made without dftui is here: df-mysql … df-lb.")
        assert "dftui adopt takes it over" in words(s.app)
        assert "u  bring it up" in words(s.app)


async def test_down_keeps_data_on_y_and_deletes_it_only_for_the_name() -> None:
    async with seat() as s:
        await s.press("D", "n", "D", "y")
        await s.see("There is no stack named df")
        assert s.fake.calls == [("down", False)]
        s.fake.set(stack())
        await s.see("3 of 3 serving")
        await s.press("D", "v", *"dx", "enter")
        await s.see("That is not df: nothing was done.")
        await s.press("backspace", "f", "enter")
        await s.see("There is no stack named df")
        assert s.fake.calls[-1] == ("down", True)


async def test_question_mark_explains_and_then_shows_every_key() -> None:
    async with seat(size=(140, 130)) as s:
        await s.press("question_mark")
        await s.see("One row a replica")
        await s.press("question_mark")
        await s.see("Esc close")
        screen = " ".join(words(s.app).split())
        for action in ACTIONS:
            assert action.help.split()[0] in screen, action.id
            assert all(twin in screen for twin in action.twin.split(", ")), action.id
        await s.press("question_mark")
        await s.see("One row a replica")
        await s.press("escape")
        await s.gone("Esc close")


async def test_palette_finds_actions_containers_and_themes() -> None:
    async with seat() as s:
        await s.press("ctrl+p", *"logs of df-redis")
        await s.press("enter")
        await s.see("only df-redis")


async def test_theme_key_goes_through_them_all() -> None:
    async with seat() as s:
        seen = set()
        for _ in range(len(s.app.all_themes())):
            await s.press("ctrl+t")
            seen.add(s.app.palette.theme.name)
        assert seen == set(s.app.all_themes())


async def test_q_leaves_and_touches_nothing() -> None:
    fake = FakeBackend()
    app = app_of(fake)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("q")
    assert app.return_code == 0
    assert not fake.calls
    assert fake.closed


async def test_keys_that_do_not_apply_say_why() -> None:
    async with seat(FakeBackend(nothing())) as s:
        await s.press("plus")
        await s.see("There is no running stack")
        assert not s.fake.calls


async def test_lost_engine_is_said_facts_stay_and_keys_are_refused() -> None:
    async with seat() as s:
        assert s.fake.snapshot is not None
        lost = replace(s.fake.snapshot.engine, lost_since=NOW, error="Connection refused")
        s.fake.set(replace(s.fake.snapshot, engine=lost))
        await s.see("The engine does not answer since")
        assert "df-web2" in words(s.app)
        assert s.app.main.replicas.table.stale
        await s.press("plus")
        await s.see("nothing can be changed until it does")
        s.fake.set(stack())
        await s.gone("The engine does not answer since")


async def test_keys_can_be_changed_and_mistakes_are_told() -> None:
    async with seat(spec=StackSpec(keys={"scale-up": "Y"})) as s:
        assert "Y add" in words(s.app)
        await s.pilot.press("Y")
        await s.see("4 of 4 serving")
    async with seat(spec=StackSpec(keys={"scale-upp": "Y"})) as s:
        await s.see("keys: there is no action 'scale-upp'")
    async with seat(spec=StackSpec(keys={"scale-up": "d"})) as s:
        await s.see("the key of drain; it keeps")


async def test_nothing_foreign_acts() -> None:
    evil = "[@click=app.quit]x[/] [/nope] \x1b]52;c;aGk=\x07 \x1b[2J \u202e"
    snapshot = stack()
    web = tuple(replace(r, name=f"df-web{r.number}{evil}", why=evil, state=ReplicaState.HELD) for r in snapshot.web)
    fake = FakeBackend(replace(snapshot, web=web, url=evil))
    fake.logs.feed(evil, evil)
    fake.requests.feed(1, evil, client=evil, replica=evil, host=evil)
    async with seat(fake) as s:
        fake.step("scale", evil, "ok", command=evil)
        for key in ("t", "a", "l", "x", "escape", "question_mark", "escape", "ctrl+p"):
            await s.press(key)
        assert s.app.is_running
        for strip in s.app.screen._compositor.render_strips():
            for segment in strip:
                assert segment.text.isprintable(), repr(segment.text)


async def test_a_silent_replica_is_named() -> None:
    from dftui.control.probe import ProbeResult, ProbeRow
    from dftui.ui.draw import UNICODE
    from dftui.ui.panes.probe import probe_rows

    result = ProbeResult(
        (ProbeRow("aa", "df-web1", 200, 5.0),), {"aa": 1}, {"df-web2": "is drained: it takes no new requests"}
    )
    said = ["".join(span.text for span in row) for row in probe_rows(result, 8, UNICODE)]
    assert any("df-web2 is drained: it takes no new requests." in line for line in said)


async def test_a_missing_engine_is_told_and_tried_again() -> None:
    from dftui.stack.spec import StackSpec
    from dftui.ui.backend import Backend

    tries = 0
    fake = FakeBackend()

    async def connect() -> Backend:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise Sorry("No engine answers at unix:///nowhere.sock.")
        return fake

    app = DftuiApp(connect, StackSpec(), Options(fence=False, hz=50))
    async with app.run_test(size=(80, 24)) as pilot:
        s = Seat(app, fake, pilot)
        await s.see("No container engine answers.")
        await s.see("unix:///nowhere.sock. Add a replica first.")
        await s.see("3 of 3 serving")
