"""The ledger on the screen: a request is picked, filtered for, and leads to what its replica logged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .conftest import words
from .fake_backend import FakeBackend, busy, settle, stack
from .fake_streams import NOW
from .seat import Seat, seat


def rows(s: Seat) -> list[str]:
    """What the pane holds."""
    return [request.path for request in s.app.main.requests.lines.items]


async def test_up_picks_the_newest_and_it_stays_picked_while_others_come() -> None:
    async with seat() as s:
        await s.press("t")
        lines = s.app.main.requests.lines
        assert lines.picked is None
        await s.press("up", "up")
        picked = lines.picked
        assert picked is not None and picked.id == "r58"
        await s.see("r58")
        await s.see("queue 0  connect 0  response 8 ms   from 192.0.2.7")
        assert f"▸{' '}" not in words(s.app).splitlines()[-4]
        for n in range(200):
            s.fake.requests.feed(1, f"/later/{n}")
        await s.see("200 new")
        assert lines.picked is picked
        await s.press("escape")
        assert lines.picked is None
        await s.see("/later/199")
        await s.see("follow")


async def test_down_from_the_newest_follows_again() -> None:
    async with seat() as s:
        await s.press("t", "up")
        await s.see("held")
        await s.press("down")
        await s.gone("held")
        s.fake.requests.feed(2, "/the-newest")
        await s.see("/the-newest")


async def test_what_is_picked_stays_in_sight_when_the_terminal_is_resized() -> None:
    async with seat(size=(80, 24)) as s:
        await s.press("t", "up", "up")
        for size in ((120, 40), (200, 50), (120, 40), (80, 24), (80, 50), (80, 20)):
            await s.pilot.resize_terminal(*size)
            await s.see("▸11:07:38")
            await s.see("11:07:39")


async def test_the_oldest_that_is_dropped_does_not_move_what_is_picked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with seat() as s:
        await s.press("t")
        lines = s.app.main.requests.lines
        lines.limit = 80
        await s.press("up", "up", "up")
        picked = lines.picked
        for n in range(40):
            s.fake.requests.feed(1, f"/later/{n}")
        await s.see("40 new")
        assert lines.picked is picked


async def test_enter_shows_what_the_replica_logged_at_that_time() -> None:
    async with seat(FakeBackend()) as s:
        for n in range(300):
            s.fake.logs.feed("df-web2", f"line of second {n}", at=NOW + n)
            s.fake.logs.feed("df-web1", f"another's line of second {n}", at=NOW + n)
        for n in range(300):
            s.fake.requests.feed(2, f"/second/{n}")
        await s.press("t", "up", *["up"] * 100, "enter")
        await s.see("line of second 199")
        shown = words(s.app)
        assert "another's line" not in shown
        assert "line of second 299" not in shown, "around the request, not at the end"


async def test_enter_goes_to_the_requests_id_where_the_application_logs_it() -> None:
    async with seat(FakeBackend()) as s:
        for n in range(300):
            word = "REQUEST id=0b5a-77" if n == 40 else f"line of second {n}"
            s.fake.logs.feed("df-web2", word, at=NOW + n)
        s.fake.requests.feed(2, "/late", id="0b5a-77", time=NOW + 200)
        await s.press("t", "enter")
        await s.see("REQUEST id=0b5a-77")


async def test_a_request_that_no_replica_served_has_no_log() -> None:
    async with seat(FakeBackend()) as s:
        s.fake.requests.feed(1, "/setup", 403, replica="", host="")
        await s.press("t", "enter")
        await s.see("the balancer answered it itself")


async def test_a_request_of_a_replica_that_is_gone_says_so() -> None:
    async with seat(FakeBackend()) as s:
        s.fake.requests.feed(1, "/long-ago", replica="", host="0123456789ab")
        await s.press("t", "enter")
        await s.see("The replica that served this request (0123456789ab) is gone, and its log with it.")


async def test_of_a_long_name_the_number_stays() -> None:
    async with seat(FakeBackend(), size=(80, 24)) as s:
        s.fake.requests.feed(1, "/here", replica="production-web12")
        await s.press("t")
        await s.see("web12")
        assert "producti" not in words(s.app)


async def test_slash_in_the_requests_filters_them_and_escape_shows_all() -> None:
    async with seat() as s:
        await s.press("t", "slash")
        await s.press(*"5xx web1", "enter")
        found = s.app.main.requests.lines.items
        assert found
        assert {(r.status, r.replica) for r in found} == {(503, "df-web1")}
        await s.see(f"/5xx web1  {len(found)} of")
        s.fake.requests.feed(1, "/fails-too", 500)
        s.fake.requests.feed(1, "/is-fine", 200)
        await s.see("/fails-too")
        assert "/is-fine" not in words(s.app)
        await s.press("escape")
        await s.see("/is-fine")
        assert len(rows(s)) == 62
        # The logs' filter is another.
        assert not s.app.main.logs.wanted.search


async def test_nothing_that_passes_is_said() -> None:
    async with seat() as s:
        await s.press("t", "slash", *"nowhere", "enter")
        await s.see("No request holds nowhere; Esc shows all.")


async def test_totals_are_the_balancers_and_sampling_is_said() -> None:
    async with seat() as s:
        await s.press("t")
        await s.see("3,642 requests")
        s.fake.requests.sampling = 20
        s.fake.requests.lost = 7
        traffic = replace(stack().traffic, requests=1_000_000)
        s.fake.set(stack(traffic=traffic))
        await s.see("1,000,000 requests  1 in 20 shown  7 missed")


async def test_shares_stand_there_while_none_is_picked() -> None:
    async with seat(busy(FakeBackend(stack())), size=(80, 24)) as s:
        await s.press("t")
        await s.see("share of the last minute  df-web1 33%   df-web2 33%   df-web3 33%")


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 40), (200, 50)])
async def test_every_size_shows_path_code_and_host(size: tuple[int, int]) -> None:
    async with seat(FakeBackend(), size=size) as s:
        s.fake.requests.feed(2, "/p/ath", 404, id="6f1c2d3e-aaaa-4bbb-8ccc-ddddeeeeffff")
        await s.press("t", "z")
        await settle(s.pilot)
        line = next(line for line in words(s.app).splitlines() if "/p/ath" in line)
        assert "404" in line
        assert "df-web2" in line
        assert ("6f1c2d3e-aaaa-4bbb-8ccc-ddddeeeeffff" in line) == (size[0] >= 200)
        await s.press("up")
        await s.see("6f1c2d3e-aaaa-4bbb-8ccc-ddddeeeeffff")
