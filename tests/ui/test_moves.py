"""From pane to pane and within them: keys that move, the mouse, what stays where it is."""

from __future__ import annotations

from dataclasses import replace

from .conftest import words
from .fake_backend import FakeBackend, settle, stack
from .seat import seat


async def test_l_t_a_and_numbers_change_the_pane() -> None:
    async with seat() as s:
        for key, pane in (("t", "requests"), ("a", "actions"), ("l", "logs"), ("1", "services"), ("2", "replicas")):
            await s.press(key)
            assert s.app.main.pane is not None
            assert s.app.main.pane.pane == pane
        await s.press("4")
        assert "/api/v2/system/admin/session" in words(s.app)
        assert "probe" in words(s.app)


async def test_l_again_shows_only_the_selected_and_then_all() -> None:
    async with seat() as s:
        await s.press("j", "l", "l")
        await s.see("only df-web2")
        assert "df-mysql  [Note]" not in words(s.app)
        await s.press("l")
        await s.gone("only df-web2")


async def test_enter_on_a_service_shows_its_logs() -> None:
    async with seat() as s:
        await s.press("1", "right", "enter")
        await s.see("only df-redis")
        await s.press("escape")
        await s.gone("only df-redis")


async def test_tab_walks_the_panes() -> None:
    async with seat() as s:
        seen = []
        for _ in range(4):
            await s.press("tab")
            assert s.app.main.pane is not None
            seen.append(s.app.main.pane.pane)
        assert seen == ["logs", "services", "replicas", "logs"]
        await s.press("shift+tab")
        assert s.app.main.pane is not None
        assert s.app.main.pane.pane == "replicas"


async def test_brackets_walk_the_tabs_and_tab_walks_all_panes_of_a_zoom() -> None:
    async with seat() as s:

        async def walk(key: str, count: int) -> list[str]:
            seen = []
            for _ in range(count):
                await s.press(key)
                assert s.app.main.pane is not None
                assert s.app.main.pane.region.height, "it is in sight"
                seen.append(s.app.main.pane.pane)
            return seen

        assert await walk("right_square_bracket", 4) == ["requests", "actions", "graphs", "logs"]
        assert await walk("left_square_bracket", 1) == ["graphs"]
        await s.press("h")
        await s.see("9 requests, 3 hosts")
        assert await walk("left_square_bracket", 1) == ["actions"]
        await s.press("2", "z")
        assert await walk("tab", 7) == ["logs", "requests", "actions", "probe", "graphs", "services", "replicas"]
        assert await walk("shift+tab", 2) == ["services", "graphs"]
        await s.press("z")
        await s.see("df-web2")


async def test_zoom_and_back() -> None:
    async with seat() as s:
        await s.press("l", "z")
        await s.gone("df-redis  ●")
        assert "sess" not in words(s.app)
        await s.press("2")
        await s.see("sess")
        assert "GET system/x" not in words(s.app)
        await s.press("z")
        await s.see("GET system/x")
        await s.see("database  df-mysql")


async def test_follow_lets_go_when_scrolled_and_counts_what_came() -> None:
    async with seat() as s:
        await s.press("l", "k", "k")
        before = s.app.main.logs.lines.scroll_offset
        s.fake.logs.feed("df-web1", *(f"later {n}" for n in range(7)))
        await s.see("7 new")
        assert s.app.main.logs.lines.scroll_offset == before
        assert "later 0" not in words(s.app)
        await s.press("f")
        await s.see("later 6")
        await s.see("follow")
        await s.press("space")
        assert not s.app.main.logs.lines.follow
        await s.press("G")
        assert s.app.main.logs.lines.follow


async def test_times_and_sideways() -> None:
    async with seat(size=(80, 24)) as s:
        await s.press("l")
        assert ".795 " in words(s.app) or ".083 " in words(s.app)
        await s.press("T")
        await s.see("11-18 11:06:")
        await s.press("T")
        await s.gone("11-18 11:06:")
        assert "[2026-11-18T11:06:40" in words(s.app)
        s.fake.logs.feed("df-web1", "x" * 100 + "THE-END")
        await settle(s.pilot)
        assert "THE-END" not in words(s.app)
        for _ in range(8):
            await s.press("right")
        await s.see("THE-END")


async def test_only_visible_rows_have_stats() -> None:
    fake = FakeBackend(stack(60))
    async with seat(fake, size=(80, 24)) as s:
        assert 0 < len(fake.watched) < 12
        first = fake.watched
        await s.press("2", "G")
        assert fake.watched != first
        assert s.app.main.replicas.table.replicas[-1].id in fake.watched


async def test_the_cursor_stays_on_its_replica_when_others_go() -> None:
    async with seat() as s:
        await s.press("j", "j")
        snapshot = s.fake.snapshot
        assert snapshot is not None
        s.fake.set(replace(snapshot, web=snapshot.web[1:]))
        await s.gone("df-web1   3f2c")
        assert s.app.main.replicas.table.selected is not None
        assert s.app.main.replicas.table.selected.name == "df-web3"


async def test_a_small_terminal_is_told_in_a_sentence() -> None:
    async with seat(size=(50, 12)) as s:
        assert "This terminal is 50x12." in words(s.app)
        await s.pilot.resize_terminal(80, 24)
        await s.see("3 of 3 serving")


async def test_clicks_do_what_keys_do() -> None:
    async with seat() as s:
        footer = words(s.app).splitlines()[39]
        await s.pilot.click(offset=(footer.index("+ add"), 39))
        await s.see("4 of 4 serving")
