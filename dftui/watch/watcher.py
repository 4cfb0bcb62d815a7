"""Keeps the snapshot true: one event stream for containers, one link to the balancer, streams only for what is asked.

All state is changed here, on one event loop, by small tasks; a snapshot is published when something that can be seen
has changed.  When the engine is lost the last facts stay, marked with since when, until it answers again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

from dftui.balancer.link import BalancerLink
from dftui.balancer.pair import link_to
from dftui.balancer.stat import Latency, Table
from dftui.engine.api import Container, Engine, EngineError, EngineUnreachable, Event
from dftui.stack import names
from dftui.stack.spec import StackSpec
from dftui.watch.answers import Answers
from dftui.watch.changes import Story
from dftui.watch.conversations import Conversations
from dftui.watch.datatier import Reading
from dftui.watch.derive import Facts, derive, ever_up, nothing
from dftui.watch.heard import Heard
from dftui.watch.ledger import Ledger
from dftui.watch.loads import Loads
from dftui.watch.logs import LogHub
from dftui.watch.mask import Masker
from dftui.watch.observe import away, engine_facts, held_out, marked, running, standing
from dftui.watch.sanitise import clean
from dftui.watch.snapshot import Drift, EngineFacts, Snapshot
from dftui.watch.traffic import Traffics

Callback = Callable[[Snapshot], None]

RESYNC = 30.0
"""Seconds between looks at everything that no event asked for."""
TABLE_PERIOD = 1.0
ACTING_PERIOD = 0.1
"""While an action of this dftui runs: a replica is shown as serving when it is."""
GRACE = 0.8
"""Seconds that a difference must last to be called drift, and a silent balancer to be called unknown."""
_COALESCE = 0.05
_PATIENCE = 10.0
"""Seconds for the engine to answer a plain question."""
_LATENCY_EVERY, _SETUP_EVERY = 2, 3
_RETRY_FIRST, _RETRY_MOST = 0.2, 3.0
_QUIET_ACTIONS = ("health_status",)


class Watcher:
    """Watches one stack. Everything happens on the loop that runs `run`; callbacks must return at once."""

    def __init__(
        self,
        engine: Engine,
        spec: StackSpec,
        link: BalancerLink | None = None,
        *,
        masker: Masker | None = None,
        logs: LogHub | None = None,
    ) -> None:
        """Without `link` it makes its own; `logs` replaces the hub (other limits)."""
        self.masker = masker or Masker()
        kept = spec.logs
        self.logs = logs or LogHub(
            engine,
            masker=self.masker,
            tail=kept.tail,
            ring_bytes=kept.per_container,
            total_bytes=kept.memory,
        )
        self.ledger = Ledger(self.masker)
        self._engine = engine
        self._spec = spec
        self._link = link or link_to(engine, spec)
        self._own_link = link is None
        self._facts = Facts(engine=EngineFacts(), at=0.0)
        self._snapshot = nothing(spec)
        self._story = Story()
        self._callbacks: list[Callback] = []
        self._loads = Loads(engine, self._load_changed)
        self._stats_for: frozenset[str] = frozenset()
        self._traffics = Traffics()
        self._table_at = 0.0
        self._talks = Conversations(engine, self._figures_told)
        self._dirty = asyncio.Event()
        self._ask_wanted = True
        self._stale = asyncio.Event()
        self._drift_since: dict[Drift, float] = {}
        self._acting = 0
        self._hurry = asyncio.Event()
        self._urgent = asyncio.Event()
        self._events = Heard()
        self._looked = asyncio.Event()
        self._answers = Answers()
        self._balanced = asyncio.Event()

    # ---- for those who draw

    @property
    def snapshot(self) -> Snapshot:
        """The latest; before the first look at the engine an empty one with `at` 0."""
        return self._snapshot

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Be told of each new snapshot (not of the present one); the answer ends it."""
        self._callbacks.append(callback)

        def end() -> None:
            with suppress(ValueError):
                self._callbacks.remove(callback)

        return end

    def watch_stats(self, ids: Iterable[str]) -> None:
        """CPU and memory are wanted for these containers (ids, whole or short) and no others."""
        self._stats_for = frozenset(ids)
        self._follow_stats()

    def refresh(self) -> None:
        """Look at everything again now: an action has just changed something."""
        self._ask_wanted = True
        self._dirty.set()

    def hurry(self) -> None:
        """Read the balancer's table now: a step of an action has just ended."""
        self._hurry.set()

    @contextmanager
    def acting(self) -> Iterator[None]:
        """While an action of this dftui runs, what it is about to put right is no drift."""
        self._acting += 1
        self._hurry.set()
        self._stale.set()
        try:
            yield
        finally:
            self._acting -= 1
            self._know(acting="")
            self._drift_since.clear()
            self.refresh()
            self._stale.set()

    async def first(self) -> Snapshot:
        """The first snapshot that shows the engine (answering or not)."""
        await self._looked.wait()
        return self._snapshot

    # ---- running

    async def run(self) -> None:
        """Watch until cancelled; never ends by itself and raises no engine's error."""
        jobs = (self._connect, self._look, self._read_table, self._read_requests, self._publish, self.logs.run)
        tasks = [asyncio.create_task(job(), name=f"watch {job.__name__}") for job in jobs]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._talks.close()
            await self._loads.close()
            if self._own_link:
                await self._link.close()

    # ---- the engine

    async def _connect(self) -> None:
        """Hold the event stream; without it the engine counts as lost."""
        wait = _RETRY_FIRST
        labels = {names.LABEL_STACK: self._spec.name}
        while True:
            try:
                async with asyncio.timeout(_PATIENCE):
                    info = await self._engine.info()
                lost = self._facts.engine.lost_since is not None
                self._know(engine=replace(engine_facts(info), ms=self._answers.ms(info.host)))
                if lost:
                    self.logs.poke()
                self.refresh()
                stream = self._engine.events(labels, since=self._events.since)
                async for event in stream:
                    wait = _RETRY_FIRST
                    self._heard(event)
                error = "it ended its event stream"
            except (EngineError, TimeoutError) as failed:
                error = clean(self.masker.mask(str(failed)), 300) or "it does not answer"
            self._lost(error)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _RETRY_MOST)

    def _lost(self, error: str) -> None:
        engine = self._facts.engine
        self._know(engine=replace(engine, lost_since=engine.lost_since or time.time(), error=error))
        self._looked.set()

    def _heard(self, event: Event) -> None:
        if not self._events.new(event):
            return
        self.logs.note(event)
        # The wanted number stands in the balancer's file; each change of the table asks for it anyway.
        if event.kind == "container" and event.labels.get(names.LABEL_ROLE) == "balancer":
            self._ask_wanted = not event.action.startswith(_QUIET_ACTIONS) or self._ask_wanted
        self._dirty.set()

    async def _look(self) -> None:
        """List the containers when an event asked for it (many at once are one look), and every so often."""
        labels = {names.LABEL_STACK: self._spec.name}
        while True:
            lost = self._facts.engine.lost_since is not None
            with suppress(TimeoutError):
                # Not wait_for, which in Python 3.11 can lose a cancellation that comes with the event.
                async with asyncio.timeout(_RETRY_MOST if lost else RESYNC):
                    await self._dirty.wait()
                await asyncio.sleep(_COALESCE)
            if not self._dirty.is_set():
                self._ask_wanted = True
            self._dirty.clear()
            try:
                async with asyncio.timeout(_PATIENCE):
                    containers = await self._answers.timed(self._engine.containers(labels))
                self._back()
                before = {(c.id, c.state) for c in self._facts.containers}
                self._seen(containers)
                if before != {(c.id, c.state) for c in containers}:
                    await self._who_acts()
                if self._ask_wanted:
                    self._ask_wanted = False
                    noted = await marked(self._engine, self._link, containers)
                    # Without a balancer the last known number holds, until the stack is gone.
                    if noted is not None or not containers:
                        self._know(wanted=None if noted is None else noted.wanted, held=held_out(noted))
            except EngineUnreachable:
                continue  # the event stream ends too, and says so
            except (EngineError, TimeoutError) as failed:
                self._lost(clean(self.masker.mask(str(failed)), 300) or "it does not answer")
                continue
            self._looked.set()

    def _back(self) -> None:
        """It answers after it did not, though its event stream was never cut (a frozen engine)."""
        was = self._facts.engine
        self._know(engine=replace(was, lost_since=None, error="", ms=self._answers.ms(was.host)))
        if was.lost_since is not None:
            self.logs.poke()

    def _seen(self, containers: tuple[Container, ...]) -> None:
        self.logs.sync(containers)
        webs = [c for c in containers if c.labels.get(names.LABEL_ROLE) == "web"]
        self.ledger.know({c.short: clean(c.name, 128) for c in webs})
        self._know(containers=containers, away=away(self._engine))
        if running(containers, "balancer") is not None:
            self._balanced.set()
        self._follow_stats()
        self._talks.sync(containers)

    # ---- streams for what is asked

    def _follow_stats(self) -> None:
        asked = self._stats_for
        alive = (c for c in self._facts.containers if c.state == "running")
        self._loads.watch(c.id for c in alive if c.id in asked or c.short in asked)
        self._load_changed()

    def _load_changed(self) -> None:
        if self._facts.loads != self._loads.by_id:
            self._know(loads=dict(self._loads.by_id))

    def _figures_told(self, role: str, told: Reading) -> None:
        if not told.figures and self._talks.lasts(role):
            # Most often the engine or the container is on its way down, which is about to be told; the last figures
            # stay until then.
            asyncio.get_running_loop().call_later(GRACE, self._figures_gone, role, self._facts.readings.get(role))
            return
        self._know(readings={**self._facts.readings, role: told})

    def _figures_gone(self, role: str, were: object) -> None:
        if self._facts.engine.lost_since is None and self._facts.readings.get(role) is were:
            self._know(readings={**self._facts.readings, role: Reading()})

    # ---- the balancer

    async def _read_table(self) -> None:
        rounds = 0
        requests = -1
        hurried = False
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            if self._facts.engine.lost_since is None:
                if running(self._facts.containers, "balancer") is None:
                    if self._facts.servers is not None or self._facts.servers_error:
                        self._know(servers=None, servers_error="", readings=self._with_balancer({}))
                else:
                    rounds += 1
                    try:
                        async with asyncio.timeout(5):
                            table = await self._link.table()
                            if rounds % _SETUP_EVERY == 1:
                                self._know(
                                    setup_closed=await self._link.setup_closed(),
                                    certificate=await self._link.certificate(),
                                    standing=await standing(self._link, TABLE_PERIOD),
                                )
                            latencies: dict[str, Latency] = {}
                            if rounds % _LATENCY_EVERY == 0 and table.frontend.requests != requests:
                                latencies = dict(await self._link.latencies())
                                requests = table.frontend.requests
                        self._take_table(table, latencies, loop.time())
                        if self._facts.acting:
                            await self._who_acts()
                    except (EngineError, TimeoutError) as failed:
                        if isinstance(failed, TimeoutError):
                            self._dirty.set()  # is it the balancer, or does the whole engine not answer?
                        if self._facts.engine.lost_since is None and loop.time() - self._table_at > GRACE:
                            error = clean(str(failed), 200) or "it does not answer"
                            self._know(servers=None, servers_error=error)
            self._stale.set()
            if hurried:
                self._urgent.set()
            period = ACTING_PERIOD if self._acting else TABLE_PERIOD
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.05, period - (loop.time() - started))):
                    await self._hurry.wait()
            hurried = self._hurry.is_set()
            self._hurry.clear()

    def _take_table(self, table: Table, latencies: dict[str, Latency], at: float) -> None:
        self._table_at = at
        before = self._facts.servers
        there = {server.name for server in table.servers}
        if before is not None and {server.name for server in before} != there:
            # Every change of the table is followed by a new file, which holds the wanted number.
            asyncio.get_running_loop().call_later(0.5, self.refresh)
        self.ledger.lost = self._link.ring.lost
        self._traffics.update(table, at, latencies, self.ledger.percentiles(), self._link.gone)
        self._know(
            servers=table.servers,
            servers_error="",
            frontend=table.frontend,
            been_up=ever_up(self._facts.been_up, table.servers),
            traffic=self._traffics.by_server,
            total=self._traffics.total,
            readings=self._with_balancer(self._traffics.figures),
        )

    def _with_balancer(self, figures: Mapping[str, str]) -> Mapping[str, Reading]:
        return {**self._facts.readings, "balancer": Reading(figures)}

    async def _read_requests(self) -> None:
        """The link opens its stream again by itself; it is first opened when there is a balancer."""
        await self._balanced.wait()
        async for batch in self._link.requests():
            self.ledger.add(batch)
            self.ledger.lost = self._link.ring.lost

    # ---- publishing

    def _know(self, **facts: object) -> None:
        self._facts = replace(self._facts, **facts)  # type: ignore[arg-type]
        self._stale.set()

    async def _publish(self) -> None:
        """Derive when facts changed (many at once are one), tell when something that can be seen changed."""
        while True:
            await self._stale.wait()
            with suppress(TimeoutError):  # what a step of an action has just changed does not wait for more
                async with asyncio.timeout(_COALESCE):
                    await self._urgent.wait()
            self._urgent.clear()
            self._stale.clear()
            if not self._looked.is_set():
                continue
            now = time.time()
            facts = replace(self._facts, at=now, busy=self._acting > 0)
            found = derive(self._spec, facts, self.masker.mask)
            found = replace(found, drift=self._lasting(found.drift, now))
            if set(found.drift) - set(self._snapshot.drift) and await self._who_acts():
                continue  # what another operator is at is no drift
            if facts.servers is not None:
                # Compared with the last look at the balancer: without its table no replica seems to serve.
                for name, words in self._story.news(found, [server.name for server in facts.servers]):
                    self.logs.tell(name, words)
            if replace(found, at=self._snapshot.at) == self._snapshot:
                continue
            self._snapshot = found
            for callback in tuple(self._callbacks):
                callback(found)

    async def _who_acts(self) -> bool:
        """Learn whether another operator acts, from the lock; whether one does."""
        who = None
        if not self._acting and running(self._facts.containers, "balancer") is not None:
            with suppress(EngineError, TimeoutError):
                async with asyncio.timeout(1.0):
                    who = await self._link.holder()
        self._know(acting=who.words() if who else "")
        return who is not None

    def _lasting(self, drift: tuple[Drift, ...], now: float) -> tuple[Drift, ...]:
        """Only what has been so for a while: between two steps of an action everything differs for a moment."""
        before = self._drift_since
        self._drift_since = {one: before.get(one, now) for one in drift}
        lasting = tuple(one for one in drift if now - self._drift_since[one] >= GRACE)
        if len(lasting) < len(drift):
            youngest = max(self._drift_since.values())
            loop = asyncio.get_running_loop()
            loop.call_later(max(0.05, GRACE - (now - youngest) + 0.01), self._stale.set)
        return lasting
