"""What may go to the terminal, and when: the fence, the budget, and frames that wait without queueing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import IO, cast

from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from textual._compositor import LayoutUpdate
from textual.geometry import Offset, Region, Size
from textual.strip import Strip

from dftui.ui.budget import Budget
from dftui.ui.driver import Driver, Outlet
from dftui.ui.fence import LEAST, PATIENCE, QUERY, Fence
from dftui.ui.wire import Wire
from tests.pty_run import PtyRun

from .test_terminal import RUN, start


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def known(clock: Clock, trip: float = 0.001) -> Fence:
    """A fence that has learnt how long the way is."""
    fence = Fence(clock=clock)
    assert fence.blind
    assert fence.sent(0, ask=True)
    clock.now += trip
    fence.answered()
    assert fence.open
    return fence


def test_a_stream_waits_for_the_answer_and_rests_as_long_as_its_frame_took() -> None:
    clock = Clock()
    fence = known(clock)
    assert fence.sent(4000, ask=True)
    assert not fence.open
    clock.now += 0.801
    fence.answered()
    assert not fence.open
    clock.now += 0.79
    assert not fence.open
    clock.now += 0.02
    assert fence.open


def test_a_long_way_is_not_taken_for_a_slow_one() -> None:
    clock = Clock()
    fence = known(clock, trip=0.3)
    for _ in range(8):
        assert fence.sent(fence.window, ask=True)
        clock.now += 0.305
        fence.answered()
        assert fence.open
    assert fence.window > 16 * LEAST


def test_no_more_than_a_window_is_under_way_and_a_slow_link_shrinks_it() -> None:
    clock = Clock()
    fence = known(clock)
    for _ in range(4):
        fence.sent(fence.window, ask=True)
        clock.now += 0.002
        fence.answered()
    wide = fence.window
    fence.sent(wide)
    assert not fence.free
    clock.now += 1.0
    fence.answered()
    assert fence.free
    assert fence.window < wide


def test_small_frames_are_asked_behind_now_and_then() -> None:
    fence = known(Clock())
    asked = [fence.sent(100) for _ in range(60)]
    assert 1 <= sum(asked) <= 10


def test_a_terminal_that_never_answers_is_not_waited_for() -> None:
    clock = Clock()
    fence = Fence(clock=clock)
    fence.sent(0, ask=True)
    assert not fence.open
    clock.now += PATIENCE + 0.1
    assert fence.open
    assert not fence.enabled


def test_a_lost_answer_holds_nothing_up_for_ever() -> None:
    clock = Clock()
    fence = known(clock)
    fence.sent(10_000, ask=True)
    clock.now += PATIENCE + 10.1
    assert fence.open
    assert fence.free
    assert fence.enabled


class Paper:
    """A terminal that notes when what came."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.got: list[tuple[float, str]] = []

    def write(self, text: str) -> None:
        self.got.append((self.clock.now, text))

    def flush(self) -> None:
        """Nothing is held back."""


@given(
    st.integers(1000, 50_000),
    st.lists(st.tuples(st.text(min_size=1, max_size=9000), st.floats(0, 3)), min_size=1, max_size=12),
)
def test_no_second_sees_more_bytes_than_the_budget(rate: int, frames: list[tuple[str, float]]) -> None:
    clock = Clock()
    paper = Paper(clock)

    def wait(seconds: float) -> None:
        clock.now += seconds

    outlet = Outlet(cast(IO[str], paper), lambda: None, budget=Budget(rate, clock), wait=wait)
    for text, pause in frames:
        outlet.write(text.encode("utf-8", "replace").decode())
        clock.now += pause
    sent = [(at, len(text.encode())) for at, text in paper.got]
    assert "".join(text for _, text in paper.got) == "".join(t.encode("utf-8", "replace").decode() for t, _ in frames)
    first = 0
    for last in range(len(sent)):
        while sent[last][0] - sent[first][0] >= 1.0:
            first += 1
        assert sum(size for _, size in sent[first : last + 1]) <= rate
    assert outlet.bytes == sum(size for _, size in sent)


class Slow:
    """A driver whose terminal takes what it is given only when told to."""

    max_bps: int | None = None
    restarted: Callable[[], None] | None = None
    idle = True

    def __init__(self) -> None:
        self.written: list[str] = []
        self.call: Callable[[], None] = lambda: None

    def when_idle(self, call: Callable[[], None]) -> None:
        self.call = call

    def write(self, text: str) -> None:
        self.written.append(text)
        self.idle = False

    def taken(self) -> None:
        self.idle = True
        self.call()


async def test_frames_wait_as_one_and_none_is_torn() -> None:
    slow = Slow()
    wire = Wire(cast(Driver, slow), ColorSystem.TRUECOLOR, ascii=False, fence=False)

    def show(text: str) -> None:
        strips = [[Strip([Segment(text)])] for _ in range(3)]
        wire.show(LayoutUpdate(strips, Region(0, 0, len(text), 3)), Size(8, 3), Offset(0, 0))  # type: ignore[arg-type]

    show("frame--b")
    assert slow.written[0].count("frame--b") == 3
    for number in range(2, 10):
        show(f"frame--{'abcdefghij'[number]}")
    assert len(slow.written) == 1
    slow.taken()
    # One more frame, the newest, whole: the digit that differs, in each line.
    assert len(slow.written) == 2
    assert slow.written[1].count("j") == 3
    assert not set("cdefghi") & set(slow.written[1])


async def test_a_stream_is_asked_behind_and_held_until_the_answer() -> None:
    slow = Slow()
    wire = Wire(cast(Driver, slow), ColorSystem.TRUECOLOR, ascii=False, fence=True)
    assert not wire.may_stream
    assert slow.written == [QUERY]
    slow.taken()
    wire.answered()
    assert wire.may_stream
    wire.streamed(asyncio.get_running_loop().time())
    assert not wire.may_stream
    update = LayoutUpdate([[Strip([Segment("line")])]], Region(0, 0, 4, 1))
    wire.show(update, Size(4, 1), Offset(0, 0))
    assert slow.written[-1].endswith(QUERY)
    slow.taken()
    assert not wire.may_stream
    wire.answered()
    await asyncio.sleep(0)
    assert not wire.page.changed


async def test_a_frame_that_took_long_to_make_is_followed_by_a_rest() -> None:
    quick = Slow()
    wire = Wire(cast(Driver, quick), ColorSystem.TRUECOLOR, ascii=False, fence=False)
    loop = asyncio.get_running_loop()
    wire.streamed(loop.time() - 100)  # as if the machine had been busy with others all that time
    wire.show(LayoutUpdate([[Strip([Segment("line")])]], Region(0, 0, 4, 1)), Size(4, 1), Offset(0, 0))
    quick.taken()
    assert not wire.may_stream
    async with asyncio.timeout(20):
        while not wire.may_stream:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_no_frames_queue_in_front_of_a_key_on_a_slow_link() -> None:
    """By count, not by time: so few bytes reach the terminal between a key and its answer."""
    with PtyRun([*RUN, "2000"], columns=80, rows=24, rate=15_000, screen=False) as run:
        assert run.wait_bytes(b"of the flood", 60) is not None
        waited: list[int] = []
        for number in range(12):
            before = run.total
            run.send("jk"[number % 2])
            assert wait_for(run, before, "▸".encode()), run.output()[-500:]
            waited.append(run.total - before)
    # A frame under way and one more; textual alone would queue thirty of them, of 8 KB each.
    assert sorted(waited)[len(waited) // 2] < 8000, waited


def wait_for(run: PtyRun, before: int, what: bytes) -> bool:
    """Whether this comes behind the first so many bytes, soon or late."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if what in run.output()[before:]:
            return True
        with run._news:
            run._news.wait(0.5)
    return False


def test_a_flood_stays_under_the_cap_and_keys_answer() -> None:
    cap = 6000
    with start(80, 24, None, "2000", f"--max-bps={cap}") as run:
        run.wait_text("of the flood")
        run.send("b")
        run.wait_text(r"kB/s of 6\.0 kB/s")
        run.send("+")
        run.wait_text("4 of 4 serving")
        run.send("q")
        assert run.wait_exit() == 0
    # Second by second it is tried on the outlet above; here on what came out of the program as a whole.
    assert run.total <= cap * (run.chunks[-1][0] - run.chunks[0][0] + 1)
