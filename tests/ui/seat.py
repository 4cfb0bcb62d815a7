"""Someone sitting at a screen with a stack behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from textual.pilot import Pilot

from dftui.stack.spec import StackSpec
from dftui.ui.app import DftuiApp
from dftui.ui.options import Options

from .conftest import words
from .fake_backend import FakeBackend, app_of, busy, settle


@dataclass
class Seat:
    """Someone sitting at the screen."""

    app: DftuiApp
    fake: FakeBackend
    pilot: Pilot[None]

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await settle(self.pilot)

    async def see(self, text: str) -> None:
        """Wait until a text is on the screen."""
        for _ in range(200):
            if text in words(self.app):
                return
            await self.pilot.pause(0.02)
        raise AssertionError(f"{text!r} never came on the screen:\n{words(self.app)}")

    async def gone(self, text: str) -> None:
        for _ in range(200):
            if text not in words(self.app):
                return
            await self.pilot.pause(0.02)
        raise AssertionError(f"{text!r} stayed on the screen:\n{words(self.app)}")

    def scaled(self) -> list[tuple[object, ...]]:
        return [call for call in self.fake.calls if call[0] == "scale"]


@asynccontextmanager
async def seat(
    fake: FakeBackend | None = None,
    size: tuple[int, int] = (120, 40),
    options: Options | None = None,
    spec: StackSpec | None = None,
) -> AsyncIterator[Seat]:
    fake = fake or busy(FakeBackend())
    app = app_of(fake, options, spec)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        yield Seat(app, fake, pilot)
