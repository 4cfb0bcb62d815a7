"""The one who adopts: an operator whose stack is not there yet."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from dftui.control.adopt.back import Finished, Undone, adoption, finish, undo
from dftui.control.adopt.proposal import Proposal, propose
from dftui.control.adopt.record import Record
from dftui.control.adopt.take import Adopted, adopt
from dftui.control.errors import ActionError
from dftui.control.history import note_receipt
from dftui.control.operator import Operator
from dftui.engine.api import EngineError

R = TypeVar("R", Adopted, Undone, Finished)


class Adopter(Operator):
    """Takes over what was made without dftui, and undoes or finishes that. Each raises ActionError."""

    async def propose(self, which: str = "") -> Proposal:
        """How the stack that is here (`which`: it has a container, or is the compose project, so named) would be
        taken over; changes nothing."""
        with _plainly():
            return await propose(self._world, which)

    async def adoption(self) -> Record:
        """What was taken over."""
        with _plainly():
            return await adoption(self._world)

    async def adopt(self, proposal: Proposal) -> Adopted:
        """Take it over."""
        return await self._done("adopt", adopt(replace(self._world, spec=proposal.spec), proposal))

    async def undo(self) -> Undone:
        """Bring the old containers back, as they were."""
        return await self._done("adopt --undo", undo(self._world))

    async def finish(self) -> Finished:
        """Remove the old containers, with their data."""
        return await self._done("adopt --finish", finish(self._world))

    async def _done(self, what: str, work: Coroutine[Any, Any, R]) -> R:
        """One action; each takes the stack's lock by itself, for there may be no balancer yet to hold it."""
        with _plainly(), closing(work):
            async with self._recorded(what), self._busy:
                result = await work
                note_receipt(result.to_json())
                return result


@contextmanager
def _plainly() -> Iterator[None]:
    """Whatever the engine says becomes an ActionError."""
    try:
        yield
    except EngineError as error:
        raise ActionError(str(error), error.hint) from None
