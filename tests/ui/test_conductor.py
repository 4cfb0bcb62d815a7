"""What the status line keeps saying while actions run, and that it stops."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from dftui.control.receipts import Receipt, ScaleResult
from dftui.ui.backend import Backend
from dftui.ui.conductor import Conductor

from .fake_backend import FakeBackend


class OnePlan:
    """Both presses wait for the same work, as with a real operator."""

    def __init__(self) -> None:
        self.plan: asyncio.Future[ScaleResult] = asyncio.get_running_loop().create_future()

    def prepare_scale(self) -> None:
        pass

    async def scale(self, **_: Any) -> ScaleResult:
        return await asyncio.shield(self.plan)


async def test_two_presses_that_end_together_leave_nothing_running() -> None:
    conductor = Conductor(lambda: None, *[lambda _: None] * 3)
    backend = OnePlan()
    conductor.backend = cast(Backend, backend)
    for _ in range(2):
        conductor.add(1)
        conductor.flush()
        await asyncio.sleep(0)
    assert list(conductor.running) == ["scale"]
    backend.plan.set_result(ScaleResult(3, 5, ("df-web4", "df-web5"), (), 1.0, Receipt(0, 0, 0, 0, ())))
    for _ in range(5):
        await asyncio.sleep(0)
    assert conductor.running == {}


async def test_what_was_said_before_is_not_left_standing_and_an_end_without_a_receipt_is_told() -> None:
    conductor = Conductor(lambda: None, *[lambda _: None] * 3)
    backend = FakeBackend()
    backend.made = "/srv/ada/dftui/ENGINE/df.env"
    conductor.backend = backend
    conductor.say("There is no running stack to act on yet; u brings it up.", "warning")
    conductor.up()
    assert conductor.message == ("", "")
    await _idle(conductor)
    assert conductor.message == (
        "The stack is up; ADMIN_PASSWORD is in /srv/ada/dftui/ENGINE/df.env",
        "good",
    )
    for _ in range(2):
        conductor.drain("df-web2")
        await _idle(conductor)
        assert conductor.message == ("df-web2 gets no new requests.", "good")
        conductor.say("something else")


async def _idle(conductor: Conductor) -> None:
    await asyncio.gather(*conductor._tasks)
    assert conductor.running == {}
