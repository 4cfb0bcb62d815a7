"""`scale`: replicas come and go, and no request is lost.

Up: created in parallel, admitted by the balancer only after its own health check has passed.  Down: drained, taken
out of the balancer's table and file, and only then stopped and removed.  The target may change while it is worked on
(keys pressed quickly are one plan), and a drain may be undone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dftui.control import ground, replicas, specs
from dftui.control.admission import HeldOut
from dftui.control.counters import read_counters, receipt
from dftui.control.errors import ActionError
from dftui.control.history import note_receipt
from dftui.control.pool import HELD_KEPT, Pool, look
from dftui.control.receipts import Drained, ScaleResult, Served, summary
from dftui.control.specs import Plan
from dftui.control.steps import Progress
from dftui.control.turnover import Turnover
from dftui.control.world import PARALLEL, bounded, turn
from dftui.engine.api import Container, EngineError
from dftui.stack import names
from dftui.watch.derive import number_of

BOOT = 3.0
"""Seconds for which a replica that starts and boots keeps the next one waiting; a slower one boots beside it."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a change needs to know, as it was `at` (monotonic seconds)."""

    at: float
    plan: Plan
    wanted: int


@dataclass(slots=True)
class Scaler(Turnover):
    """Works towards a target number of replicas; one for each operator, so that targets add up."""

    target: int | None = None
    _making: set[str] = field(default_factory=set)
    _discard: list[str] = field(default_factory=list)
    """Replicas outside that are to go, by name."""
    _victims: list[str] = field(default_factory=list)
    _task: asyncio.Task[ScaleResult] | None = None
    _deciding: asyncio.Lock = field(default_factory=asyncio.Lock)
    _ahead: asyncio.Task[Ahead] | None = None
    _forced: bool = False
    _asked: list[float] = field(default_factory=list)
    """When each replica that is to be added was asked for (monotonic seconds), the first one first."""
    _served: list[Served] = field(default_factory=list)
    _relative: bool = False
    """The target was counted from the number that was wanted before."""

    async def change(
        self, *, to: int | None, by: int | None, victim: str | None, below_min: bool = False, why: str = ""
    ) -> ScaleResult:
        """Set or shift the target and wait until it is reached; `why` is told first. Raises ActionError, and then
        nothing was changed or the message says what was."""
        async with self._deciding:  # two keys at once would both start from the same number
            task = await self._decide(to, by, victim, below_min, why)
        return await asyncio.shield(task)

    @property
    def asked(self) -> bool:
        """Keys have asked for a number that is not reached yet."""
        return self.target is not None

    async def settle(self, to: int) -> None:
        """Bring the number to `to`, for a repair, which holds the lock. Keys that have asked for another meanwhile
        wait for that lock: theirs will be done then, and to wait for them here would be for ever."""
        async with self._deciding:
            if self.asked:
                return
            task = await self._decide(to, None, None, below_min=True, why="")
        await asyncio.shield(task)

    async def _decide(
        self, to: int | None, by: int | None, victim: str | None, below_min: bool, why: str
    ) -> asyncio.Task[ScaleResult]:
        now = time.monotonic()
        while True:
            self.prepare()
            asked = self._ahead
            assert asked is not None
            # One that is let in, or has gone, while this looks is not to be thrown out.
            busy = {*self._making, *self._discard}
            ahead, pool = await asyncio.gather(asked, look(self.world))
            if self._ahead is asked:
                break  # else the plan in which that was seen has ended meanwhile
        marked = self.target if self.target is not None else ahead.wanted
        thrown_out = list(self._discard)
        by = self._discarding(pool, to, by, victim, {*busy, *self._making, *self._discard})
        if to is not None:
            target = to
        elif by is not None and by < 0:
            base = self.target if self.target is not None else max(marked, len(pool.counted()))
            target = base + by
        else:
            target = marked + (by or 0)
        try:
            self._check(target, pool, below_min)
        except ActionError:
            self._discard = thrown_out
            raise
        begins = self.target is None
        self._asked += [now] * (target - marked)
        self._relative = to is None and (begins or self._relative)
        self.target = target
        if victim is not None and victim not in self._discard:
            self._victims.append(victim)
        if by is not None and by > 0:
            for name in list(self.draining)[::-1][:by]:
                self.undo.add(name)
        if begins or self._task is None:
            self._ahead = None
            self._task = asyncio.create_task(self._run(marked, ahead.plan, why))
        return self._task

    def _discarding(
        self, pool: Pool, to: int | None, by: int | None, victim: str | None, busy: set[str]
    ) -> int | None:
        """Those that are held out (not those that are `busy`: in the making, or going already) go before any that
        serves does, and their going changes no number: what is left of `by`."""
        out = [c.name for c in pool.containers if pool.outside(c) and c.name not in busy]
        if to == 0:
            self._discard += out
        if by is None or by >= 0:
            return by
        gone = [victim] if victim in out else [] if victim is not None else out[by:]
        self._discard += [name for name in gone if name]
        return by + len(gone)

    def prepare(self) -> None:
        """Look ahead: what a change needs to know is asked for while the operator's fingers are still on the keys.
        Changes nothing; holds for a second."""
        ahead = self._ahead
        if ahead is None or (ahead.done() and (ahead.exception() or time.monotonic() - ahead.result().at > 1.0)):
            self._ahead = asyncio.create_task(self._look_ahead())
            # Nobody may come for it (`+-` is nothing); its failure is told to whoever does.
            self._ahead.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _look_ahead(self) -> Ahead:
        at = time.monotonic()
        plan, wanted = await asyncio.gather(ground.current_plan(self.world), self.world.wanted())
        return Ahead(at, plan, wanted)

    def _check(self, target: int, pool: Pool, below_min: bool) -> None:
        web = self.world.spec.web
        if target > web.max:
            raise ActionError(f"{target} replicas are more than web.max allows ({web.max})", "raise web.max")
        if target < 0:
            raise ActionError("there is no replica left to remove")
        if target < web.min and not below_min and target < len(pool.counted()):
            raise ActionError(
                f"that would leave {target} replicas, fewer than web.min ({web.min}); nothing was done",
                "scale 0 --yes empties the stack on purpose" if target == 0 else "lower web.min in dftui.yaml",
            )
        self._forced = below_min

    async def cancel(self) -> None:
        """Stop working; what is half done is taken back by the steps themselves."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, before: int, plan: Plan, why: str) -> ScaleResult:
        begin = time.monotonic()
        progress = Progress("scale", self.world.report)
        added: list[str] = []
        removed: list[Drained] = []
        finished = False
        try:
            async with self.locked(f"scale to {self.target}"):
                if why:
                    Progress("autoscale", self.world.report).tell(why)
                pool, start, wanted = await asyncio.gather(
                    self._clear_created(), read_counters(self.world), self.world.wanted()
                )
                before = self._count_anew(before, wanted, pool)
                while True:
                    while await self._one_round(progress, plan, pool, added, removed):
                        pool = await look(self.world)
                    after = self.target
                    counters = await read_counters(self.world)
                    if after == self.target and not self._discard:
                        break  # else a key was pressed meanwhile
                    pool = await look(self.world)
                assert after is not None
                result = ScaleResult(
                    before=before,
                    after=after,
                    added=tuple(added),
                    removed=tuple(d.name for d in removed),
                    seconds=time.monotonic() - begin,
                    receipt=receipt(start, counters, removed, self._served),
                )
                self._forget_target()  # from here on a key begins a plan of its own
                finished = True
                progress.tell(summary(result))
                note_receipt(result.to_json())
            return result
        except EngineError as error:
            raise ActionError(str(error), error.hint) from None
        finally:
            if not finished:
                self._forget_target()

    def _count_anew(self, before: int, wanted: int, pool: Pool) -> int:
        """One more than another operator has just made of it, if that one had the lock first; the number to count
        from."""
        if not self._relative or self.target is None or wanted == before:
            return before
        target = self.target + wanted - before
        self._check(target, pool, self._forced)
        self.target = target
        return wanted

    def _forget_target(self) -> None:
        self.target = None
        self._ahead = None  # what was seen while this plan was worked on is not so any more
        self._victims.clear()
        self._discard.clear()
        self.undo.clear()
        self._asked.clear()
        self._served.clear()

    async def _clear_created(self) -> Pool:
        """What there is, without the replicas that an interrupted dftui created and never started: each holds a
        number and serves nothing."""
        pool = await look(self.world)
        left = [c for c in pool.containers if c.state == "created"]
        for container in left:
            await self.world.engine.remove(container.id, force=True)
        return await look(self.world) if left else pool

    async def _one_round(
        self, progress: Progress, plan: Plan, pool: Pool, added: list[str], removed: list[Drained]
    ) -> bool:
        """Do what the target asks of what there is; False when there is nothing left to do."""
        target = self.target
        assert target is not None
        if self._discard:
            await self._throw_out(progress, plan, pool, target, removed)
            return True
        in_table = pool.in_table()
        if len(in_table) < target:
            count = target - len(in_table)
            progress.total = progress.done + 2 * count
            await self._add(progress, plan, pool, count, target, added)
            return True
        if len(pool.counted()) > target:
            victims = pool.victims(len(pool.counted()) - target, self._victims[-1] if self._victims else None)
            self._refuse_last(pool, victims)
            progress.total = progress.done + 2 * len(victims)
            await self._remove(progress, plan, pool, victims, target, removed)
            return True
        await self.keep(plan, target)
        return False

    async def _throw_out(
        self, progress: Progress, plan: Plan, pool: Pool, target: int, removed: list[Drained]
    ) -> None:
        """Remove those that are held out: nothing has to be drained. One that was let in meanwhile goes as any other
        that serves does."""
        going = tuple(self._discard)
        for container in (c for c in pool.containers if c.name in going):
            if container.short in pool.states:
                self._victims.append(container.name)
                target = self.target = max(0, target - 1)
                continue
            await replicas.dispose(self.world, progress, container)
            removed.append(Drained(container.name, 0, 0.0))
        # Not before they are gone: a key pressed meanwhile would choose them again.
        self._discard = [name for name in self._discard if name not in going]
        await self.keep(plan, target)

    def _refuse_last(self, pool: Pool, victims: list[Container]) -> None:
        before = len(pool.healthy())
        after = sum(pool.serving(c) for c in pool.containers if c not in victims)
        if after < self.world.spec.web.min and after < before and not self._forced:
            raise ActionError(
                f"that would leave {after} replicas serving, fewer than web.min ({self.world.spec.web.min}); "
                "nothing was done",
                "select one that does not serve, or repair those first",
            )

    async def _add(
        self, progress: Progress, plan: Plan, pool: Pool, count: int, target: int, added: list[str]
    ) -> None:
        # A dead server at the address that the new replica will have would come to life again under a wrong name.
        for dead in set(pool.states) - {c.short for c in pool.containers}:
            await replicas.forget(self.world, dead)
        numbers = names.lowest_free((number_of(c) for c in pool.containers), count)
        failures: list[ActionError | EngineError] = []
        created = asyncio.Event()
        starting = asyncio.Semaphore(await self.world.at_once() if count > 1 else 1)

        async def add(number: int) -> None:
            place = len(pool.in_table()) + numbers.index(number)

            def still() -> bool:
                created.set()
                return place < (self.target or 0)

            try:
                await self._add_one(progress, plan, pool, number, target, added, starting, still)
            except (ActionError, EngineError) as error:
                failures.append(error)  # its siblings go on
            finally:
                created.set()

        async def intent() -> None:
            # While the first one starts: before, it would keep it waiting.  A dftui that is killed until then has a
            # replica too many, which the next one takes back.
            await created.wait()
            await self.keep(plan, target)

        await asyncio.gather(intent(), bounded(PARALLEL, add, numbers))
        if failures:
            await self._prune(progress)
            await self.keep(plan, len((await look(self.world)).in_table()))
            raise failures[0]

    async def _add_one(
        self,
        progress: Progress,
        plan: Plan,
        pool: Pool,
        number: int,
        target: int,
        added: list[str],
        starting: asyncio.Semaphore,
        still: Callable[[], bool],
    ) -> None:
        """Create one, in its turn, unless it is not wanted any more (`still`), and admit it."""
        asked = self._asked.pop(0) if self._asked else time.monotonic()
        spec = specs.web(plan, number)
        self._making.add(spec.name)
        try:
            async with turn(starting, BOOT):
                ref = await replicas.create(self.world, progress, spec, still=still)
                if not ref:
                    progress.tell(f"{spec.name} is not wanted any more; it was never started")
                    return
                fresh = await replicas.started(self.world, spec, ref)
                await self._admit(progress, plan, pool, fresh)
            added.append(spec.name)
            await asyncio.gather(self._first_request(fresh, asked), self.keep(plan, target))
        finally:
            self._making.discard(spec.name)

    async def _admit(self, progress: Progress, plan: Plan, pool: Pool, fresh: Container) -> None:
        self.admitting.add(fresh.short)
        try:
            await replicas.admit(self.world, progress, plan, fresh, known=pool.knows(fresh))
        except HeldOut as error:
            self.held[fresh.short] = error.why
            raise
        except asyncio.CancelledError:
            await asyncio.shield(self.world.engine.remove(fresh.id, force=True))
            raise
        finally:
            self.admitting.discard(fresh.short)

    async def _first_request(self, fresh: Container, asked: float) -> None:
        when = await replicas.first_request(self.world, fresh.short)
        self._served.append(Served(fresh.name, None if when is None else round(when - asked, 3)))

    async def _prune(self, progress: Progress) -> None:
        """Keep the last few of those that are held out; who adds by itself would else fill the machine with them."""
        pool = await look(self.world)
        out = sorted((c for c in pool.containers if pool.outside(c)), key=lambda c: c.created)
        for container in out[:-HELD_KEPT]:
            await replicas.dispose(self.world, progress, container)

    async def _remove(
        self,
        progress: Progress,
        plan: Plan,
        pool: Pool,
        victims: list[Container],
        target: int,
        removed: list[Drained],
    ) -> None:
        await self.keep(plan, target, without=victims)

        async def remove(container: Container) -> None:
            why = "selected" if container.name in self._victims else "youngest"
            if not pool.serving(container):
                why = "it does not serve"
            drained = await self.drain_out(progress, pool, container, why)
            if drained is None:
                progress.tell(f"{container.name} serves again: its drain was undone")
                self._lift(container.name)
                return
            await self.keep(plan, target, without=victims)
            await replicas.dispose(self.world, progress, container)
            removed.append(drained)

        await bounded(PARALLEL, remove, victims)

    def _lift(self, name: str) -> None:
        """An undone drain keeps one replica more, unless a key has raised the target for it already."""
        if name in self.undo:
            self.undo.discard(name)
        elif self.target is not None:
            self.target += 1
