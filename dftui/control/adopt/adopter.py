"""The one who adopts: an operator whose stack is not there yet."""

from __future__ import annotations

from dataclasses import replace

from dftui.control.adopt.back import Finished, Undone, adoption, finish, undo
from dftui.control.adopt.proposal import Proposal, propose
from dftui.control.adopt.record import Record
from dftui.control.adopt.take import Adopted, adopt
from dftui.control.errors import ActionError
from dftui.control.history import note_receipt
from dftui.control.operator import Operator
from dftui.engine.api import EngineError


class Adopter(Operator):
    """Takes over what was made without dftui, and undoes or finishes that. Each raises ActionError."""

    async def propose(self, which: str = "") -> Proposal:
        """How the stack that is here (`which`: it has a container, or is the compose project, so named) would be
        taken over; changes nothing."""
        try:
            return await propose(self._world, which)
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    async def adopt(self, proposal: Proposal) -> Adopted:
        """Take it over."""
        try:
            async with self._recorded("adopt"), self._busy:
                result = await adopt(replace(self._world, spec=proposal.spec), proposal)
                note_receipt(result.to_json())
                return result
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    async def adoption(self) -> Record:
        """What was taken over."""
        try:
            return await adoption(self._world)
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    async def undo(self) -> Undone:
        """Bring the old containers back, as they were."""
        try:
            async with self._recorded("adopt --undo"), self._busy:
                result = await undo(self._world)
                note_receipt(result.to_json())
                return result
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None

    async def finish(self) -> Finished:
        """Remove the old containers, with their data."""
        try:
            async with self._recorded("adopt --finish"), self._busy:
                result = await finish(self._world)
                note_receipt(result.to_json())
                return result
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None
