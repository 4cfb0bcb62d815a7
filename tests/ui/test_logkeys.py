"""Every key of the logs, and what a reader sees of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from textual import events

from dftui.watch.lines import EVENT, GAP
from dftui.watch.rings import OVERHEAD

from .conftest import words
from .fake_backend import APP, TRACE, FakeBackend, busy, settle
from .fake_streams import NOW, FakeLogs
from .seat import Seat, seat


def log_rows(s: Seat) -> list[str]:
    """The rows of the logs, without title and what is below."""
    screen = words(s.app).splitlines()
    region = s.app.main.logs.lines.region
    return screen[region.y : region.y + region.height]


def logs_in(folder: Path) -> list[Path]:
    return list(folder.glob("*.log"))


def title(s: Seat) -> str:
    return words(s.app).splitlines()[s.app.main.logs.heading.region.y]


def figures(s: Seat) -> dict[str, int]:
    """The header's figures as they are read."""
    found = re.findall(r"([\d,]+) (received|shown|filtered|dropped|gaps?|unaccounted)", title(s))
    return {word: int(number.replace(",", "")) for number, word in found}


async def filled(s: Seat, *lines: str, who: str = "df-web1") -> None:
    s.fake.logs.feed(who, *lines)
    await s.see(lines[-1][:20])


async def test_the_figures_add_up_at_every_paint_also_while_lines_are_lost() -> None:
    fake = FakeBackend()
    fake.logs = FakeLogs(ring_bytes=300 * (8 + OVERHEAD))
    async with seat(fake) as s:
        for burst in range(12):
            fake.logs.feed(f"df-web{burst % 2}", *(f"line {n:03}" for n in range(37 * burst)))
            if burst == 6:
                await s.press("slash", "1")
            await settle(s.pilot)
            found = figures(s)
            assert found["shown"] + found["filtered"] + found["dropped"] == found["received"]
        assert found["received"] == 37 * 66
        assert found["dropped"] > 0
        assert "unaccounted" not in found


async def test_a_line_that_gets_lost_on_its_way_is_said() -> None:
    async with seat() as s:
        s.fake.logs.swallow = 2
        await filled(s, "one", "two", "three", "the last one")
        await s.see("2 unaccounted for")


async def test_gaps_and_what_happened_are_in_the_stream() -> None:
    async with seat() as s:
        s.fake.logs.feed("df-web1", "df-web1 ended with exit code 137", flags=EVENT)
        s.fake.logs.feed("df-web1", "lines between 11:00:00 and 11:00:05 are missing", flags=GAP)
        await s.see("── df-web1 ended with exit code 137")
        await s.see("── lines between 11:00:00")
        # Marks are no lines.
        assert figures(s)["received"] == figures(s)["shown"] == 60


async def test_what_is_typed_behind_the_slash_in_one_go_is_not_lost() -> None:
    async with seat() as s:
        await s.press("l")
        for key, character in (("slash", "/"), *((c if c != " " else "space", c) for c in "got timeout f")):
            s.app.post_message(events.Key(key, character))
        await s.see("/ got timeout f")
        assert s.app.main.logs.field.value == "got timeout f"
        assert s.app.main.logs.lines.follow


async def test_regex_inverse_case_and_only_marking() -> None:
    async with seat() as s:
        await filled(s, "Alpha one", "alpha two", "beta three", "gamma end")
        await s.press("slash", *"alpha")
        await s.gone("beta three")
        await s.press("ctrl+l")
        await s.gone("Alpha one")
        await s.press("ctrl+l")
        await s.see("Alpha one")
        await s.press("ctrl+n")
        await s.see("beta three")
        assert "alpha two" not in words(s.app)
        await s.press("ctrl+n", "ctrl+r")
        await s.pilot.press(*"|be.a")
        await s.see("beta three")
        assert "alpha two" in words(s.app)
        assert "gamma end" not in words(s.app)
        await s.press("ctrl+o")
        await s.see("gamma end")
        await s.press("enter")
        await s.see("/alpha|be.a (regex, any case, marked only)")
        await s.press("escape")
        await s.gone("marked only")


async def test_a_bad_expression_says_so_in_the_field_and_changes_nothing() -> None:
    async with seat() as s:
        await filled(s, "keep (this", "drop that")
        await s.press("slash", "ctrl+r", *"keep")
        await s.gone("drop that")
        await s.press("space", "left_parenthesis")
        await s.see("not a regex: missing ), unterminated subpattern at position 5")
        assert "keep (this" in words(s.app)
        assert "drop that" not in words(s.app)
        await s.press("t", "right_parenthesis")
        await s.gone("not a regex")
        await s.see("No line held is let through.")


async def test_an_expression_that_takes_years_is_given_up_and_keys_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dftui.watch.match.PATIENCE", 0.05)
    async with seat() as s:
        await filled(s, "x" * 3000)
        await s.press("slash", "ctrl+r", *"(x+x+)+y")
        await s.see("takes more than 0.05 s")
        await s.press("escape")
        await s.see("xxxx")


async def test_n_goes_from_match_to_match_and_esc_keeps_the_place() -> None:
    async with seat(size=(120, 40)) as s:
        s.fake.logs.feed("df-web1", *(f"number {n}" if n % 40 else f"needle {n}" for n in range(400)))
        await s.see("number 399")
        await s.press("slash", *"needle", "ctrl+o", "enter")
        await s.press("n")
        await s.see("▸11:06:40.000 df-web1    needle 360")
        await s.press("n")
        await s.see("▸11:06:40.000 df-web1    needle 320")
        await s.press("N")
        await s.see("▸11:06:40.000 df-web1    needle 360")
        await s.press("N", "N")
        await s.see("No further line matches.")
        # Found in the filter, read where it stands.
        await s.press("ctrl+o", "k", "k", "escape")
        await s.see("number 279")
        row = next(row for row in log_rows(s) if row.startswith("▸"))
        assert row.endswith("needle 280")
        assert "number 281" in words(s.app)


async def test_levels_and_their_traces() -> None:
    async with seat() as s:
        assert "GET system/x" in words(s.app)
        await s.press("l", "e")
        await s.see("warnings and worse")
        assert "GET system/x" not in words(s.app)
        assert "WARNING cache store" in words(s.app)
        await s.press("e")
        await s.see("errors only")
        assert "WARNING cache store" not in words(s.app)
        assert "+4 lines ERROR SQLSTATE" in words(s.app)
        await s.press("escape")
        await s.see("GET system/x")


async def test_a_stack_trace_is_one_line_until_it_is_unfolded() -> None:
    async with seat() as s:
        await s.press("l")
        assert TRACE[1] not in words(s.app)
        await s.press("F")
        await s.see(TRACE[1])
        await s.press("F")
        await s.gone(TRACE[1])
        s.fake.logs.feed("df-web9", f"{APP}.ERROR: boom", "#0 mine.php(1)", "#1 {main}")
        await s.see("+2 lines ERROR boom")
        await s.press("k", "k", "enter")
        await s.see("There is no stack trace at this line.")
        await s.press("j", "j", "up", "down", "enter")
        await s.see("#0 mine.php(1)")
        assert "-2 lines ERROR boom" in words(s.app)
        assert TRACE[1] not in words(s.app)
        await s.press("enter")
        await s.gone("#0 mine.php(1)")


async def test_any_set_of_containers_is_chosen() -> None:
    async with seat() as s:
        await s.press("2", "j", "W")
        await s.see("▸ [ ] df-web2")
        await s.press("space", "j", "space", "enter")
        await s.see("only df-web2, df-web3")
        assert {row.split()[1] for row in log_rows(s) if row.strip()} == {"df-web2", "df-web3"}
        assert figures(s)["received"] == 12
        await s.press("W", "escape")
        await s.see("only df-web2, df-web3")
        await s.press("W", "a")
        await s.gone("only df-web2")
        await s.see("df-mysql   [Note]")


async def test_wrap_shows_the_whole_line_and_sideways_keeps_the_name() -> None:
    async with seat(size=(80, 24)) as s:
        await s.press("l")
        await filled(s, f"{'x' * 100}MIDDLE{'y' * 60}END")
        assert "MIDDLE" not in words(s.app)
        await s.press("w")
        await s.see("MIDDLE")
        await s.see("yEND")
        assert log_rows(s)[-1].startswith("                         ")
        await s.press("w")
        await s.gone("MIDDLE")
        for _ in range(30):
            await s.press("right")
        await s.see("yEND")
        # That there is more to the left is said as it is to the right.
        assert log_rows(s)[-1].startswith(" 11:06:40.000 df-web1    …")
        await s.press(*["left"] * 30)
        await s.see("xxx…")


async def test_held_lines_stay_where_they_are_while_others_come_and_go() -> None:
    fake = FakeBackend()
    fake.logs = FakeLogs(ring_bytes=1500 * (9 + OVERHEAD))
    fake.logs.feed("df-web1", *(f"line {n:04}" for n in range(1000)))
    async with seat(fake) as s:
        await s.press("l", "pageup")
        before = log_rows(s)
        for burst in range(5):
            fake.logs.feed("df-web1", *(f"more {n:04}" for n in range(1000)))
            await s.see(f"{1000 * (burst + 1):,} new")
            assert log_rows(s) == before
        assert s.app.main.logs.lines.cursor is not None
        for _ in range(20):
            await s.press("pagedown")
            if "are no longer held" in words(s.app):
                break
        await s.see("lines that came here are no longer held")
        await s.press("G")
        await s.see("more 0999")
        await s.see("follow")


async def test_jump_to_a_time() -> None:
    async with seat() as s:
        s.fake.logs.feed("df-web1", *(f"line {n:03}" for n in range(300)), at=NOW + 60)
        s.fake.logs.feed("df-web1", *(f"late {n:03}" for n in range(300)), at=NOW + 120)
        await s.see("late 299")
        await s.press("l", "at", *"nonsense", "enter")
        await s.see("'nonsense' is no time; allowed: 30s, 10m")
        for _ in range(8):
            await s.press("backspace")
        await s.pilot.press(*"2026-11-18", "T", *"11", "colon", *"08", "colon", *"30", "enter")
        await s.see("▸11:08:40.000 df-web1    late 000")
        await s.press("at", *"2020-01-01", "enter")
        await s.see("The oldest line held is of 11:06:40; S reads older ones from the engine.")


async def test_since_and_tail_read_anew() -> None:
    async with seat() as s:
        await s.press("l", "S", "1", "0", "enter")
        await s.see("last 10 of each")
        assert (10, 0) in s.fake.logs.reopened
        assert figures(s)["received"] == 10
        await s.press("S", *"2026-11-18", "T", *"11", "colon", *"06", "colon", *"43", "enter")
        await s.see("since 11-18 11:06:43")
        assert s.fake.logs.reopened[-1] == (None, int((NOW + 3) * 1e9))
        await s.press("S", "enter")
        await s.gone("since 11-18")
        assert (1000, 0) in s.fake.logs.reopened


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr("textual.app.App.copy_to_clipboard", lambda self, text: found.append(text))
    return found


async def test_copy_takes_the_line_or_the_marked_ones_masked(copied: list[str]) -> None:
    async with seat() as s:
        await filled(s, "one", "two Setting APP_KEY=abcdefghijklmnopqrstuvwxyz012345", "three", "four")
        await s.press("l", "y")
        await s.see("The line went to the terminal's clipboard")
        await s.press("k", "V", "k", "y")
        await s.see("2 lines went to the terminal's clipboard")
        assert copied == ["four", "two Setting APP_KEY=***\nthree"]
        assert s.app.main.logs.lines.marked is None
        await s.press("V", "k", "escape", "y")
        assert copied[-1] == "one"


async def test_a_copied_trace_is_whole_though_it_is_folded(copied: list[str]) -> None:
    async with seat() as s:
        s.fake.logs.feed("df-web9", f"{APP}.ERROR: boom", "#0 mine.php(1)")
        s.fake.logs.feed("df-web8", "between")
        s.fake.logs.feed("df-web9", "#1 {main}")
        await s.see("between")
        await s.press("l", "k", "y")
        assert copied == [f"{APP}.ERROR: boom\n#0 mine.php(1)\n#1 {{main}}"]


async def test_more_than_a_clipboard_takes_is_refused(copied: list[str]) -> None:
    async with seat() as s:
        await filled(s, *("y" * 4000 for _ in range(20)))
        await s.press("l", "V", "g", "y")
        await s.see("too many for a terminal's clipboard; ^s saves them.")
        assert not copied


async def test_save_masks_says_where_and_overwrites_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with seat() as s:
        s.fake.logs.feed("df-web1", "GET /x?token=abc&y=2", 'x {"password":"hunter2"}')
        await s.see('x {"password":"***"}')
        await s.press("l", "ctrl+s")
        await s.see("All lines shown: 62.")
        await s.press("enter")
        await s.see("62 lines are in")
        (saved,) = logs_in(tmp_path)
        assert saved.stat().st_mode & 0o777 == 0o600
        lines = saved.read_text().splitlines()
        assert lines[-2].endswith("df-web1  | GET /x?token=***&y=***")
        assert lines[-1].endswith('x {"password":"***"}')
        assert lines[0].startswith("2026-11-18T11:06:40.000+00:00 df-web1  | ")
        assert s.fake.calls == [("recorded", f"logs --output {saved}")]

        (tmp_path / "mine.json").write_text("mine")
        await s.press("k", "V", "k", "ctrl+s")
        await s.see("The marked lines: 2.")
        await s.pilot.press("ctrl+u", *"mine.json", "enter")
        await s.see("There is already something at")
        assert (tmp_path / "mine.json").read_text() == "mine"
        await s.pilot.press("ctrl+u", *"my.json", "enter")
        await s.see("2 lines are in")
        found = [json.loads(line) for line in (tmp_path / "my.json").read_text().splitlines()]
        assert [line["text"] for line in found][1] == "GET /x?token=***&y=***"

        await s.press("ctrl+s")
        await s.pilot.press("ctrl+u", *"nowhere/x.log", "enter")
        await s.see("There is no folder")


async def test_a_click_puts_the_cursor_and_the_wheel_holds() -> None:
    async with seat() as s:
        region = s.app.main.logs.lines.region
        row = log_rows(s)[3]
        await s.pilot.click(offset=(30, region.y + 3))
        await settle(s.pilot)
        assert log_rows(s)[3] == "▸" + row[1:]
        s.app.main.logs.lines.set_follow(True)
        s.app.main.logs.lines._on_mouse_scroll_up(_Wheel())  # type: ignore[arg-type]
        assert not s.app.main.logs.lines.follow
        s.app.main.logs.lines._on_mouse_scroll_down(_Wheel())  # type: ignore[arg-type]
        assert s.app.main.logs.lines.follow


class _Wheel:
    def stop(self) -> None:
        """Nobody else hears of it."""


async def test_binary_wide_and_long_lines_are_drawn() -> None:
    async with seat(size=(80, 24)) as s:
        s.fake.logs.feed("df-web1", b"\xff\x00\x1b[2Jbin", "日本語" * 40, "x" * 16_384, "the end")
        await s.press("l", "w")
        await s.see("the end")
        await s.press("w")
        await s.see("«\\xff»␀bin")
        await s.see("日本語日本")


async def test_a_filter_over_all_that_is_held_is_looked_through_in_slices() -> None:
    fake = busy(FakeBackend(), lines=0)
    for n in range(30):
        fake.logs.feed(f"df-web{n % 3}", *(f"line {n} {m}" for m in range(1000)))
    async with seat(fake) as s:
        await s.press("slash", *"line 0 7")
        await s.see("line 0 799")
        await s.gone("looking back")
        assert figures(s) == {"received": 30_000, "shown": 111, "filtered": 29_889, "dropped": 0}
