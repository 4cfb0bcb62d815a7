"""Between textual and the terminal: what textual draws goes to a page, and the page's difference to the terminal.

textual 8.2.8 sends each changed line whole, 45 bytes of colour before each word, and queues 30 frames.  Here a frame
is made when the terminal can take it, from what should be there by then; what was drawn in between costs nothing.
Uses textual's private `_compositor` updates and `App._display`; textual is pinned and a test compares both pictures.
"""

from __future__ import annotations

import asyncio
from collections import deque

from rich.color import ColorSystem
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Offset, Size

from dftui.ui.driver import Driver
from dftui.ui.fence import PATIENCE, QUERY, Fence
from dftui.ui.page import Page

SYNC_START, SYNC_END = "\x1b[?2026h", "\x1b[?2026l"
SMALL = 256
"""Characters that a terminal takes in one go anyway: no need to ask it to hold the picture."""
SHARE = 0.5
"""The part of a budget that streams may use; the rest is for keys."""
BLIND_REST = 0.5
"""Seconds between a stream's frames on a terminal that does not answer."""
CALM = 3.0
"""Times as long as a stream's frame took to make, nothing of a stream is drawn: on a machine that is busy the rest is
for keys."""
LONGEST_CALM = 0.5
STUCK = 0.5
"""Seconds after which a stream's frame that never came (nothing in sight had changed) is not waited for."""
SPAN = 2.0
"""Seconds over which bytes a second are counted."""


def put_update(page: Page, update: LayoutUpdate | ChopsUpdate) -> None:
    """What textual wants on the screen, put on the page."""
    if isinstance(update, LayoutUpdate):
        for y, line in enumerate(update.strips, update.region.y):
            page.put(update.region.x, y, [segment for strip in line for segment in strip])
        return
    for y, x1, x2 in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is None or x >= x2 or end <= x1:
                continue
            start = max(x, x1)
            if start > x or end > x2:
                strip = strip.crop(start - x, min(end, x2) - x)
            page.put(start, y, strip)


class Wire:
    """Says when a frame may go, makes it, sends it, counts it."""

    def __init__(self, driver: Driver, colours: ColorSystem, *, ascii: bool, fence: bool) -> None:
        self._driver = driver
        self._loop = asyncio.get_running_loop()
        self.page = Page(colours, ascii=ascii)
        self.fence = Fence(enabled=fence, clock=self._loop.time)
        self.synchronised = False
        """The terminal can hold the picture back until a frame is whole."""
        self.lent = False
        """The terminal belongs to another program: nothing is sent. The driver tells when it is back."""
        self._fenced = fence
        self._cursor = Offset(0, 0)
        self._stream_at = -STUCK
        self._streaming = False
        self._rest_until = 0.0
        self._later: asyncio.TimerHandle | None = None
        self._seen: deque[tuple[float, int]] = deque([(self._loop.time(), 0)])
        driver.restarted = self.page.forget

    def show(self, update: CompositorUpdate, size: Size, cursor: Offset) -> None:
        """textual has drawn something."""
        assert isinstance(update, LayoutUpdate | ChopsUpdate)
        if (self.page.width, self.page.height) != size:
            self.page.resize(*size)
        put_update(self.page, update)
        self._cursor = cursor
        self.pump()

    def pump(self) -> None:
        """Send the difference, if there is one and the terminal can take it; else come again when it can."""
        if self.lent or not self.page.changed:
            return
        if not self._driver.idle:
            self._driver.when_idle(self.pump)
            return
        if not self.fence.free:
            # An answer comes here, too; this is for one that never does.
            if self._later is None:
                self._later = self._loop.call_later(PATIENCE, self._again)
            return
        text = self.page.difference()
        if not text:
            return
        if len(text) > SMALL and self.synchronised:
            text = f"{SYNC_START}{text}{SYNC_END}"
        if self._cursor != (0, 0):
            # Where a terminal shows what an input method composes.
            text += f"\x1b[{self._cursor.y + 1};{self._cursor.x + 1}H"
        size = len(text.encode())
        if self._streaming:
            self._streaming = False
            rest = size / (SHARE * self._driver.max_bps) if self._driver.max_bps else 0.0
            if self._fenced and not self.fence.enabled:
                rest = max(rest, BLIND_REST)
            rest = max(rest, min(LONGEST_CALM, CALM * (self._loop.time() - self._stream_at)))
            self._rest_until = self._loop.time() + rest
            ask = self.fence.sent(size, ask=True)
        else:
            ask = self.fence.sent(size)
        self._driver.write(text + QUERY if ask else text)

    def _again(self) -> None:
        self._later = None
        self.pump()

    def redraw(self) -> None:
        """Send the whole picture again."""
        self.page.forget()
        self.pump()

    # -- streams ----------------------------------------------------------------------------------------------
    @property
    def may_stream(self) -> bool:
        """Whether lines that came meanwhile may be drawn now."""
        now = self._loop.time()
        if self._streaming and now - self._stream_at < STUCK:
            return False
        if self.page.changed or now < self._rest_until or not self._driver.idle:
            return False
        if self.fence.blind and self.fence.sent(0, ask=True):
            self._driver.write(QUERY)
        return self.fence.open

    def streamed(self, began: float) -> None:
        """The next frame is a stream's, which was begun at this time of the loop."""
        self._streaming = True
        self._stream_at = began

    def answered(self) -> None:
        """The terminal answered a query of the fence."""
        self.fence.answered()
        self.pump()

    # -- figures ----------------------------------------------------------------------------------------------
    def bytes_per_second(self) -> float:
        """Over the last two seconds; to be asked about once a second."""
        now = self._loop.time()
        seen = self._seen
        seen.append((now, self._driver.outlet.bytes))
        while len(seen) > 2 and now - seen[1][0] >= SPAN:
            seen.popleft()
        (first, before), (last, after) = seen[0], seen[-1]
        return (after - before) / max(0.001, last - first)

    @property
    def max_bps(self) -> int | None:
        """The budget, in bytes a second."""
        return self._driver.max_bps
