"""Each key of the registry, pressed where it applies, does something that is seen. What exactly, other tests tell."""

from __future__ import annotations

from dataclasses import replace

from dftui.control.actions import ACTIONS, BY_ID
from dftui.ui.options import Options

from .conftest import words
from .fake_backend import FakeBackend, busy, nothing
from .fake_verify import broken
from .seat import Seat, seat
from .test_gate import where_all_apply

ELSEWHERE = {
    "meter": "bytes go out only to a terminal: test_flow",
    "redraw": "needs a terminal: test_terminal",
    "background": "needs a shell below: test_aside",
    "up": "where there is no stack: the last test here",
    "quit": "the last test here",
    "pause-roll": "while a roll runs: test_keys",
    "nodes": "in a swarm: test_nodes",
    "drain-node": "in a swarm: test_nodes",
}
LOGS = (
    ("logs", ""),
    ("filter", "filter", "escape"),
    ("filter-regex", "a regular expression"),
    ("filter-inverse", "lines without it"),
    ("filter-case", "exact case"),
    ("filter-mark", "only marked"),
    ("level", "warnings and worse"),
    ("times", ""),
    ("wrap", ""),
    ("unfold", "Stack traces are unfolded."),
    ("mark", "Marking from here"),
    ("copy", "went to the terminal's clipboard"),
    ("next-match", ""),
    ("previous-match", ""),
    ("choose", "Whose lines?", "escape"),
    ("since", "Read the logs from when on?", "escape"),
    ("jump", "Go to which time?", "escape"),
    ("save", "Save to which file?", "escape"),
    ("follow", ""),
)
STACK = (
    ("help", "Esc close", "escape"),
    ("palette", "do it", "escape"),
    ("theme", "Theme "),
    ("requests", ""),
    ("actions", ""),
    ("graphs", ""),
    ("zoom", "", "z", "2"),
    ("verify", "5 of 11 hold", "2"),
    ("repair", "11 of 11 hold", "2"),
    ("probe", "probes were served by", "2"),
    ("scale-up", "4 of 4 serving"),
    ("scale-down", "3 of 3 serving"),
    ("scale-to", "How many replicas?", "escape"),
    ("drain", "drained"),
    ("remove", "Remove df-web1?", "n"),
    ("roll", "Replace what is not up to date", "n"),
    ("shell", "needs a terminal of its own"),
    ("database", "client in df-mysql needs a terminal"),
    ("cache", "client in df-redis needs a terminal"),
    ("admin", "Who is the first admin?", "escape"),
    ("backup", "into which file?", "escape"),
    ("down", "Take down df", "escape"),
)


async def press(s: Seat, action: str, text: str, *then: str) -> None:
    """The action's key; then its text is there, or anything has changed; then what leaves it again."""
    before = s.app.export_screenshot()
    await s.press(BY_ID[action].key.split(",")[0])
    if text:
        await s.see(text)
    else:
        for _ in range(200):
            if s.app.export_screenshot() != before:
                break
            await s.pilot.pause(0.02)
        else:
            raise AssertionError(f"{action}: nothing is seen of it\n{words(s.app)}")
    await s.press(*then)


def test_each_key_has_its_turn() -> None:
    assert {name for name, *_ in (*LOGS, *STACK)} | set(ELSEWHERE) == {action.id for action in ACTIONS}


async def test_the_keys_of_the_stack() -> None:
    fake = where_all_apply()
    assert fake.snapshot is not None
    fake.set(replace(fake.snapshot, admin="no admin"))
    fake.verdicts = [broken()]
    async with seat(fake) as s:
        for name, text, *then in STACK:
            await press(s, name, text, *then)


async def test_the_keys_of_the_logs() -> None:
    async with seat(busy(FakeBackend()), options=Options(fence=False, hz=50)) as s:
        for name, text, *then in LOGS:
            if name == "next-match":
                await s.press("slash", *"sql", "enter")
            await press(s, name, text, *then)


async def test_the_first_and_the_last_key() -> None:
    async with seat(FakeBackend(nothing())) as s:
        await press(s, "up", "3 of 3 serving")
        await s.press("q")
    assert s.app.return_code == 0
