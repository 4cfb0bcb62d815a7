"""Panes are arranged for the terminal's size, and what is looked at stays where it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.geometry import Region

from dftui.ui.app import DftuiApp
from dftui.ui.canvas import Canvas
from dftui.ui.draw import row_width
from dftui.ui.options import Options
from dftui.ui.panes.pane import Pane
from dftui.watch.alarms import Alarm
from dftui.watch.snapshot import Drift

from .conftest import words
from .fake_backend import FakeBackend, app_of, busy, remember, settle, stack
from .looks import SIZES

ODD = [
    (60, 16),
    (61, 17),
    (79, 23),
    (80, 21),
    (80, 22),
    (99, 29),
    (100, 30),
    (119, 39),
    (159, 45),
    (160, 50),
    (250, 70),
]
ALARM = (Drift("the cache df-redis is missing", "create df-redis again", Alarm.SERVICE_MISSING),)


def regions(app: DftuiApp) -> dict[str, Region]:
    return {pane.pane: pane.region for pane in app.main.query(Pane) if pane.display}


@pytest.mark.parametrize("size", [*SIZES, *ODD], ids=lambda s: f"{s[0]}x{s[1]}")
async def test_panes_tile_the_screen_and_no_row_is_cut_without_a_mark(size: tuple[int, int]) -> None:
    app = app_of(busy(FakeBackend(replace(stack(12), exposed=True))), Options(fence=False, hz=50))
    remember(app)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        shown = list(regions(app).values())
        for number, one in enumerate(shown):
            assert one.height >= 2
            assert app.main.region.contains_region(one)
            assert not any(one.overlaps(other) for other in shown[number + 1 :])
        bars = sum(app.main.query_one(f"#{name}").region.height for name in ("header", "banner", "status", "footer"))
        rows = {y for one in shown for y in range(one.y, one.bottom)}
        assert len(rows) + bars == size[1], "no row is left over"
        for canvas in app.screen.query(Canvas):
            if canvas.size.width:
                wide = [row for row in canvas.rows if row_width(row) > canvas.size.width]
                assert not wide, ["".join(span.text for span in row) for row in wide]
        assert "open to every interface" in words(app)


@pytest.mark.parametrize(
    ("size", "panes"),
    [
        ((80, 24), ["services", "replicas", "logs"]),
        ((120, 40), ["services", "replicas", "logs"]),
        ((200, 50), ["services", "replicas", "logs", "requests"]),
    ],
)
async def test_each_size_has_its_arrangement_and_a_resized_terminal_gets_it_at_once(
    size: tuple[int, int], panes: list[str]
) -> None:
    app = app_of(busy(FakeBackend()), Options(fence=False, hz=50))
    remember(app)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        assert list(regions(app)) == panes
        fresh = words(app)
        for other in ((140, 45), (40, 10)):
            await pilot.resize_terminal(*other)
        await pilot.resize_terminal(*size)
        await settle(pilot)
        assert words(app) == fresh


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_an_alarm_moves_nothing(size: tuple[int, int]) -> None:
    fake = busy(FakeBackend())
    app = app_of(fake, Options(fence=False, hz=50))
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        before = regions(app)
        fake.set(replace(stack(), drift=ALARM, wanted=4))
        await settle(pilot)
        assert "The cache df-redis is missing." in words(app)
        assert regions(app) == before


async def test_the_replica_under_the_cursor_stays_under_it_while_others_come() -> None:
    fake = busy(FakeBackend())
    app = app_of(fake, Options(fence=False, hz=50))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("j")
        before = regions(app)
        fake.set(stack(4))
        await settle(pilot)
        assert regions(app) == before, "the first few have their place beforehand"
        fake.set(replace(stack(9), web=stack(9).web[1:]))
        await settle(pilot)
        selected = app.main.replicas.table.selected
        assert selected is not None
        assert selected.name == "df-web2"


async def test_a_line_that_is_read_stays_where_it_is_while_the_table_grows() -> None:
    fake = busy(FakeBackend(), lines=300)
    app = app_of(fake, Options(fence=False, hz=50))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("l", "pageup", "pageup")
        await settle(pilot)
        before = words(app).splitlines()
        fake.set(stack(12))
        await settle(pilot)
        after = words(app).splitlines()
        top = next(y for y, line in enumerate(after) if "3 logs" in line)
        assert top > next(y for y, line in enumerate(before) if "3 logs" in line)
        assert after[top + 1 : -2] == before[top + 1 : -2]
