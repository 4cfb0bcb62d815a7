"""The help is whole and true: every alarm and pane has a page, every key, command and page that one names exists."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from dftui.cli.parser import COMMANDS
from dftui.control.actions import ACTIONS, MOVES
from dftui.help import GROUPS, TOPICS, NoTopic, page, title
from dftui.help.render import render
from dftui.ui.options import Options
from dftui.ui.panes.pane import TABS
from dftui.ui.screens.help import HelpScreen
from dftui.watch.alarms import Alarm
from tests.sources import ROOT

from .conftest import words
from .fake_backend import FakeBackend, app_of, busy, nothing, settle, stack
from .seat import seat
from .test_pictures import every_state

KEYS = {action.show for action in ACTIONS} | {"Shift+Tab"}
KEYS |= {key.strip(",") for shown, _ in MOVES for key in shown.split()}


def test_every_page_has_its_place_and_every_place_its_page() -> None:
    files = {file.name.removesuffix(".md") for file in (resources.files("dftui") / "help").iterdir()}
    assert {name for name in files if not name.startswith("_") and not name.endswith(".py")} == set(TOPICS)
    assert len(set(TOPICS)) == len(TOPICS)
    assert len({title(topic) for topic in TOPICS}) == len(TOPICS)


def test_every_alarm_says_what_it_means_what_users_feel_and_what_to_do() -> None:
    for alarm in Alarm:
        text = page(alarm.value)
        for part in ("**What it means.** ", "**What users feel.** ", "**What to do.** "):
            assert text.count(part) == 1, f"{alarm}: {part}"


def test_every_pane_has_a_page() -> None:
    panes = {"services", "replicas", *(name for name, _ in TABS)}
    assert panes <= set(GROUPS["Panes"])


@pytest.mark.parametrize("topic", TOPICS)
def test_what_a_page_names_exists(topic: str) -> None:
    text = page(topic)
    for key in re.findall(r"<kbd>(.*?)</kbd>", text):
        assert key in KEYS, f"{topic}: no such key {key!r}"
    for command in re.findall(r"`dftui ([a-z]\w*)", text):
        assert command in COMMANDS, f"{topic}: no such command {command!r}"
    for target in re.findall(r"\]\(([^)]*)\)", text):
        assert target.removesuffix(".md") in TOPICS, f"{topic}: no such page {target!r}"
    assert re.match(r"# \S.*\n\n", text)
    assert max(map(len, text.splitlines())) <= 125


@pytest.mark.parametrize("width", [40, 57, 96])
@pytest.mark.parametrize("topic", TOPICS)
def test_a_page_keeps_its_words_in_any_width(topic: str, width: int) -> None:
    lines = render(page(topic), width)
    flat = " ".join("".join(text for text, _ in line) for line in lines)
    for word in re.findall(r"[A-Za-z]{4,}", re.sub(r"\]\([^)]*\)|</?kbd>", " ", page(topic))):
        assert word in flat, word
    code = [line for line in page(topic).splitlines() if len(line) > width - 4]
    for line in lines:
        if [role for _, role in line] != ["accent"] or not code:
            assert sum(len(text) for text, _ in line) <= width + 2, line


def test_keys_are_told_from_text_without_colour() -> None:
    flat = "".join(text for line in render(page("scale"), 80, bare=True) for text, _ in line)
    assert "[+] adds a replica" in flat


def test_a_page_names_the_keys_that_the_user_has_chosen() -> None:
    flat = "".join(text for line in render(page("scale"), 80, {"+": "A"}) for text, _ in line)
    assert "A adds a replica" in flat


def test_an_unknown_topic_is_told_with_the_nearest() -> None:
    with pytest.raises(NoTopic, match="no help topic 'unreachabel'; 'unreachable' is close"):
        page("unreachabel")


def test_the_readme_links_every_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(dftui/help/([a-z-]+)\.md\)", readme))
    assert linked == set(TOPICS)


@pytest.mark.parametrize(
    ("keys", "seen"),
    [
        (["1"], "Database, cache and balancer"),
        (["2"], "One row a replica"),
        (["l"], "The lines of all containers"),
        (["t"], "Each request that went through"),
        (["a"], "What was done, step by step"),
        (["h"], "The host probe"),
        (["o"], "over the last hour"),
    ],
)
async def test_question_mark_explains_the_pane_in_focus(keys: list[str], seen: str) -> None:
    async with seat() as s:
        await s.press(*keys)
        await settle(s.pilot)
        await s.press("question_mark")
        await s.see("Tab list")
        await s.see(seen)


async def test_what_is_wrong_now_comes_first_and_every_page_is_reached_by_key() -> None:
    async with seat(FakeBackend(every_state())) as s:
        await s.press("question_mark", "tab", "home", "down")
        await s.see("Database, cache or balancer is missing")
        screen = s.app.screen
        assert isinstance(screen, HelpScreen)
        seen = {screen.topics.topic}
        await s.press("right")
        assert screen.topics.topic not in seen
        for _ in range(len(TOPICS) + 8):
            screen.action_step(1)
            seen.add(screen.topics.topic)
        assert set(TOPICS) <= seen
        await s.pilot.pause()
        assert title(screen.topics.topic) in words(s.app)


async def test_question_mark_goes_from_the_alarm_to_the_pane_to_every_key_and_on() -> None:
    async with seat(FakeBackend(every_state())) as s:
        await s.press("l", "question_mark")
        for seen in (
            "Database, cache or balancer is missing",
            "The lines of all containers",
            "Add a replica",
            "missing",
        ):
            await s.see(seen)
            await s.press("question_mark")


async def test_it_is_seen_whether_the_list_or_the_page_has_the_keys() -> None:
    async with seat() as s:
        await s.press("l", "question_mark")
        await s.see("▌ logs")
        await s.press("tab")
        await s.see("▌ Help")
        assert "▌ logs" not in words(s.app)
        await s.see("Tab page")
        await s.press("enter")
        await s.see("▌ logs")


async def test_without_a_stack_the_tutorial_is_shown() -> None:
    async with seat(FakeBackend(nothing())) as s:
        await s.press("question_mark")
        await s.see("The blog post, in keys")


async def test_a_long_page_scrolls_and_says_how_much_is_below() -> None:
    app = app_of(busy(FakeBackend(stack())), Options(fence=False, hz=50))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("question_mark")
        await settle(pilot)
        assert "more lines below" in words(app)
        await pilot.press("G")
        await settle(pilot)
        assert "more lines below" not in words(app)
        assert "its row says why" in words(app)
        await pilot.press("g")
        await settle(pilot)
        assert "One row a replica" in words(app)
