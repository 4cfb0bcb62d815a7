"""Pictures of every screen, compared with those that were looked at and found good."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion

from dftui.ui.options import Options
from dftui.watch.alarms import Alarm
from dftui.watch.snapshot import Drift, ReplicaState, Snapshot

from .conftest import picture, words
from .fake_backend import FakeBackend, app_of, busy, nothing, replica, settle, stack

SIZES = [(80, 24), (120, 40), (200, 50)]


def every_state() -> Snapshot:
    web = [
        replica(1),
        replica(2, ReplicaState.DRAINING),
        replica(3, ReplicaState.FAILED, why="exited with 1: APP_KEY has a wrong length"),
        replica(4, ReplicaState.HELD, why="another APP_KEY (77ab01cd)"),
        replica(5, ReplicaState.STARTING, why="waiting for its first good check"),
        replica(6, ReplicaState.UNREACHABLE, why="L4CON: no route to host"),
        replica(7, ReplicaState.STOPPED),
        replica(8, ReplicaState.DRAINED),
    ]
    drift = (Drift("the cache df-redis is missing", "create df-redis again", Alarm.SERVICE_MISSING),)
    return stack(web, wanted=6, exposed=True, drift=drift)


def options(theme: str = "night", plain: bool = False) -> Options:
    return Options(theme=theme, plain=plain, ascii=plain, fence=False, hz=50)


@pytest.mark.parametrize("theme", ["night", "day"])
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_main(svg: SnapshotAssertion, size: tuple[int, int], theme: str) -> None:
    app = app_of(busy(FakeBackend()), options(theme))
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        assert picture(app) == svg


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_every_state_without_colour(
    snapshot: SnapshotAssertion, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = app_of(busy(FakeBackend(every_state())), options(plain=True))
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        screen = words(app)
        for state in ReplicaState:
            shown = state.value in screen
            assert shown or size[1] == 24, state
        for strip in app.screen._compositor.render_strips():
            for segment in strip:
                style = segment.style
                for colour in (style.color, style.bgcolor) if style else ():
                    assert colour is None or colour.is_default, segment
        assert screen == snapshot


@pytest.mark.parametrize("theme", ["night", "day", "terminal"])
async def test_every_state(svg: SnapshotAssertion, theme: str) -> None:
    app = app_of(busy(FakeBackend(every_state())), options(theme))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        assert picture(app) == svg


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("help", ["question_mark"]),
        ("requests", ["t"]),
        ("probe", ["h"]),
        ("number", ["equals_sign"]),
        ("remove", ["x"]),
        ("down", ["D"]),
        ("filter", ["slash", *"sql"]),
        ("zoomed-logs", ["l", "z"]),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
async def test_after_keys(svg: SnapshotAssertion, size: tuple[int, int], name: str, keys: list[str]) -> None:
    app = app_of(busy(FakeBackend()), options())
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press(*keys)
        await settle(pilot)
        assert picture(app) == svg


@pytest.mark.parametrize("size", SIZES[:2], ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("whose", ["W", "j", "space"]),
        ("since", ["l", "S"]),
        ("wrapped", ["l", "w", "k", "V", "k"]),
        ("unfolded", ["l", "k", "k", "k", "k", "k", "k", "enter"]),
        ("bad-regex", ["slash", "ctrl+r", *"sql", "left_parenthesis"]),
        ("levels", ["l", "e"]),
        ("marked-matches", ["slash", *"system", "ctrl+o", "enter", "n"]),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
async def test_logs(svg: SnapshotAssertion, size: tuple[int, int], name: str, keys: list[str]) -> None:
    app = app_of(busy(FakeBackend()), options())
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press(*keys)
        await settle(pilot)
        assert picture(app) == svg


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_no_stack(svg: SnapshotAssertion, size: tuple[int, int]) -> None:
    app = app_of(FakeBackend(nothing()), options())
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        assert picture(app) == svg


async def test_work_in_progress(svg: SnapshotAssertion) -> None:
    fake = busy(FakeBackend(nothing()))
    fake.hold = asyncio.Event()
    app = app_of(fake, options())
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("u")
        command = "docker run -d --name df-mysql --network df-back -v df-db:/var/lib/mysql dftui/db:1f2e3d4c5b6a"
        fake.step("up", "networks and volumes", "ok", done=1, total=7)
        fake.step("up", "start df-mysql", "ok", command=command, done=2, total=7)
        fake.step("up", "wait until df-mysql is healthy", done=2, total=7)
        await settle(pilot)
        assert picture(app) == svg
        fake.hold.set()


async def test_engine_lost(svg: SnapshotAssertion) -> None:
    import time

    snapshot = stack()
    lost = replace(snapshot.engine, lost_since=time.time() - 95, error="Connection refused")
    app = app_of(busy(FakeBackend(replace(snapshot, engine=lost))), options())
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        banner = words(app).splitlines()[1]
        assert "(1 min); what you see is from then. Connection refused" in banner
        # The time of day in it differs from run to run.
        app.main.banner.set_rows([()])
        await settle(pilot)
        assert picture(app) == svg
