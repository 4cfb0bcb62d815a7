"""Turns keys into actions of the backend, one task each, and keeps what there is to say about them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dftui.control.receipts import ScaleResult
from dftui.ui.backend import Backend
from dftui.ui.draw import short_path
from dftui.watch.format import size
from dftui.watch.records import Step
from dftui.watch.sanitise import clean

if TYPE_CHECKING:
    from dftui.control.admin import AdminResult
    from dftui.control.backup import BackupResult
    from dftui.control.login import Login, PasswordNeeded
    from dftui.control.probe import ProbeResult
    from dftui.control.repair import RepairResult
    from dftui.control.roll import RollResult
    from dftui.control.verify import VerifyResult
    from dftui.dreamfactory.admin import NewAdmin


GATHER = 0.0
"""Seconds in which presses of + and - are held together here; those that come later join the plan in `control`,
where nothing is started before the last look at what is wanted."""


def scale_words(result: ScaleResult) -> str:
    """A scale's receipt in one sentence."""
    receipt = result.receipt
    lost = f"{receipt.failed} of {receipt.requests:,} requests failed"
    if receipt.failed == 0:
        lost = f"no request lost of {receipt.requests:,}" if receipt.requests else "no requests meanwhile"
    return f"{result.before} to {result.after} replicas in {result.seconds:.1f} s, {lost}."


class Conductor:
    """Starts actions and reports. `changed` is called whenever there is something new to draw."""

    def __init__(
        self,
        changed: Callable[[], None],
        probed: Callable[[ProbeResult], None],
        verified: Callable[[VerifyResult], None],
        asked: Callable[[PasswordNeeded], None],
    ) -> None:
        """`changed` when there is something new to draw, the others when there is a result, or a password to type."""
        self._changed = changed
        self._probed = probed
        self._verified = verified
        self._asked = asked
        self.backend: Backend | None = None
        self.message: tuple[str, str] = ("", "")
        self.running: dict[str, Step] = {}
        self.steps: list[Step] = []
        self.pending = 0
        self._told_of: object = None
        self._failed: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathering: asyncio.TimerHandle | None = None

    # -- what is said -----------------------------------------------------------------------------------------
    def say(self, text: str, role: str = "") -> None:
        """One line, until something else is said."""
        self.message = (clean(text, 500), role)
        self._changed()

    def step(self, step: Step) -> None:
        """A step of some action."""
        self.steps.append(step)
        if step.state == "failed":
            self._failed.add(step.action)
        if step.state == "running" and step.action in self.running:
            self.running[step.action] = step
        self._changed()

    # -- what is done -----------------------------------------------------------------------------------------
    def _start(self, name: str, work: Callable[[Backend], Awaitable[Any]], words: Callable[[Any], str]) -> None:
        backend = self.backend
        if backend is None:
            self.say("No engine is connected yet.", "warning")
            return

        async def run() -> None:
            try:
                result = await work(backend)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                hint = getattr(error, "hint", "")
                text = str(error) or type(error).__name__
                # The steps of the action are told by the one who acts; a refusal has none.
                if name not in self._failed:
                    self.step(Step(time.time(), name, clean(text), "failed"))
                self.say(f"{text} {hint}".strip(), "bad")
            else:
                # Presses that joined one plan are all given its one receipt.
                if (result is None or result is not self._told_of) and (said := words(result)):
                    self._told_of = result
                    self.say(said, "good")
            finally:
                # Two that wait for one plan end in the same turn: the first is done, but still in the set.
                others = (t for t in self._tasks if t is not asyncio.current_task() and not t.done())
                if not any(task.get_name() == name for task in others):
                    self.running.pop(name, None)
                self._changed()

        self._failed.discard(name)
        self.message = ("", "")  # it was about what is past now
        self.running.setdefault(name, Step(time.time(), name, "starting"))
        task = asyncio.create_task(run(), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._changed()

    def add(self, by: int) -> None:
        """`+` or `-`: presses in quick succession are one plan."""
        self.pending += by
        if self.backend is not None and self._gathering is None:
            self.backend.prepare_scale()
        if self._gathering is not None:
            self._gathering.cancel()
        self._gathering = asyncio.get_running_loop().call_later(GATHER, self.flush)
        self._changed()

    def flush(self) -> None:
        """Do now what the presses add up to."""
        if self._gathering is not None:
            self._gathering.cancel()
        self._gathering = None
        by, self.pending = self.pending, 0
        if by:
            self._start("scale", lambda backend: backend.scale(by=by), scale_words)
        self._changed()

    def scale_to(self, number: int) -> None:
        """`=`."""
        self._start("scale", lambda backend: backend.scale(to=number), scale_words)

    def remove(self, who: str) -> None:
        """That replica goes."""
        self._start("scale", lambda backend: backend.scale(by=-1, victim=who), scale_words)

    def roll(self) -> None:
        """Replace replicas one by one."""

        def words(result: RollResult) -> str:
            if result.rolled_back:
                return f"The roll went back: {result.why}"
            if not result.replaced:
                return "Every replica is already what it should be; nothing was replaced."
            lost = f"{result.receipt.failed} of {result.receipt.requests:,} requests failed"
            kept = f" The data as it was before: {result.backup}" if result.backup else ""
            return f"{len(result.replaced)} replicas replaced in {result.seconds:.1f} s, {lost}.{kept}"

        self._start("roll", lambda backend: backend.roll(), words)

    def pause_roll(self, key: str) -> None:
        """Hold a roll before its next replica, or let it go on by the same key."""
        if self.backend is not None:
            held = self.backend.pause_roll()
            self.say(f"The roll waits before its next replica; {key} lets it go on." if held else "The roll goes on.")

    def repair(self, who: Sequence[str] = (), *, verify: bool = False) -> None:
        """Put right what drifted, replacing `who`; then `verify` again, where that asked for it."""

        def words(result: RepairResult) -> str:
            if verify:
                self.verify()
            if not result.findings:
                return "Nothing to repair."
            return f"Put right: {'; '.join(f.what for f in result.findings)}."

        self._start("repair", lambda backend: backend.repair(who), words)

    def verify(self, login: Login | None = None) -> None:
        """Try every replica against every other."""

        async def work(backend: Backend) -> VerifyResult | None:
            from dftui.control.login import PasswordNeeded

            try:
                return await backend.verify(login)
            except PasswordNeeded as needed:
                self._asked(needed)
                return None

        def words(result: VerifyResult | None) -> str:
            if result is None:
                return ""
            self._verified(result)
            bad = [check.name for check in result.checks if not check.ok]
            if bad:
                self.say(f"Not interchangeable: {', '.join(bad)}.", "bad")
                return ""
            return f"All {len(result.tried)} checks hold: the replicas are interchangeable."

        self._start("verify", work, words)

    def drain(self, who: str) -> None:
        """Out of rotation."""
        self._start("drain", lambda backend: backend.drain(who), lambda _: f"{who} gets no new requests.")

    def undrain(self, who: str) -> None:
        """And back."""
        self._start("undrain", lambda backend: backend.undrain(who), lambda _: f"{who} serves again.")

    def drain_node(self, node: str) -> None:
        """What runs on a machine has to leave."""
        self._start("nodes", lambda backend: backend.drain_node(node), lambda receipt: str(receipt.text))

    def activate_node(self, node: str) -> None:
        """Tasks may come to it again."""
        self._start("nodes", lambda backend: backend.activate_node(node), lambda receipt: str(receipt.text))

    def up(self) -> None:
        """Bring the stack up."""

        def words(file: str) -> str:
            return f"The stack is up; ADMIN_PASSWORD is in {short_path(file, 200)}" if file else "The stack is up."

        self._start("up", lambda backend: backend.up(), words)

    def down(self, volumes: bool) -> None:
        """Take the stack down."""
        kept = "and its data" if volumes else "its data is kept"
        self._start("down", lambda backend: backend.down(volumes=volumes), lambda _: f"The stack is gone; {kept}.")

    def create_admin(self, admin: NewAdmin, *, keep: bool) -> None:
        """Make the first admin."""

        def words(result: AdminResult) -> str:
            kept = f"; the password is ADMIN_PASSWORD in {result.file}" if result.file else ""
            return f"{result.email} is the first admin{kept}; the setup form is closed."

        self._start("admin", lambda backend: backend.create_admin(admin, keep=keep), words)

    def backup(self, path: str) -> None:
        """Everything that cannot be made anew, into one file."""

        def words(result: BackupResult) -> str:
            left = f"; left out: {', '.join(result.left_out[:3])}" if result.left_out else ""
            return f"Backed up, {size(result.size)} with key and passwords in it: {result.file}{left}"

        self._start("backup", lambda backend: backend.backup(Path(path).expanduser()), words)

    def probe(self) -> None:
        """A few requests for each replica."""

        def words(result: ProbeResult) -> str:
            self._probed(result)
            hosts = result.answered
            return f"{len(result.rows)} probes were served by {hosts} host{'s' if hosts != 1 else ''}."

        self._start("probe", lambda backend: backend.probe(), words)

    async def close(self) -> None:
        """Stop what still runs here; the stack stays as it is."""
        if self._gathering is not None:
            self._gathering.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
