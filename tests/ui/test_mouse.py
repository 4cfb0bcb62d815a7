"""The mouse: what can be pointed at takes the click; nothing needs it."""

from __future__ import annotations

from .conftest import words
from .fake_backend import settle
from .seat import Seat, seat


async def click(s: Seat, text: str) -> None:
    """On the first place where this text stands."""
    rows = words(s.app).splitlines()
    y = next((y for y, row in enumerate(rows) if text in row), None)
    assert y is not None, words(s.app)
    await s.pilot.click(offset=(rows[y].index(text) + 1, y))
    await settle(s.pilot)


async def test_a_click_does_what_the_key_in_the_last_line_does() -> None:
    async with seat() as s:
        await click(s, "+ add")
        await s.see("4 of 4 serving")


async def test_a_click_chooses_a_replica_a_card_and_a_tab() -> None:
    async with seat() as s:
        await click(s, "df-web3   3f2f")
        assert s.app.main.selected is not None
        assert s.app.main.selected.name == "df-web3"
        await click(s, "hits")
        assert s.app.main.pane is not None
        assert s.app.main.pane.pane == "services"
        assert s.app.main.selected.name == "df-redis"
        await click(s, "requests  5")
        assert s.app.main.pane.pane == "requests"
        await s.pilot.resize_terminal(80, 24)
        await settle(s.pilot)
        await click(s, "balancer  ●")
        assert s.app.main.selected.name == "df-lb"


async def test_a_click_answers_a_dialogue() -> None:
    async with seat() as s:
        await s.press("x")
        await click(s, "n, Esc no")
        await s.gone("Remove df-web1?")
        assert s.fake.calls == []
        await s.press("x")
        await click(s, "y yes")
        await s.gone("df-web1   3f2c")
        await s.press("equals_sign", "5")
        await click(s, "Enter set")
        await s.see("5 of 5 serving")


async def test_a_click_in_the_palette_and_the_help() -> None:
    async with seat() as s:
        await s.press("ctrl+p", *"replica")
        await click(s, "replica df-web2")
        assert s.app.screen is s.app.main
        assert s.app.main.replicas.table.selected is not None
        assert s.app.main.replicas.table.selected.name == "df-web2"
        await s.press("question_mark")
        await click(s, "tutorial")
        await s.see("The blog post, in keys")
        await click(s, "Esc close")
        assert s.app.screen is s.app.main
