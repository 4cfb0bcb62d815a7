"""The real backend: an engine, the watcher that looks and the operator that acts.

Imported after the first paint. What it needs (the engine's client, YAML, the cryptography package) is imported in a
thread meanwhile, so that keys are answered.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import TYPE_CHECKING

from dftui.control.entry import Entry
from dftui.control.errors import ActionError
from dftui.control.receipts import ScaleResult
from dftui.stack.spec import StackSpec
from dftui.ui.backend import Backend, Unsubscribe
from dftui.watch.mask import Masker
from dftui.watch.records import Step
from dftui.watch.snapshot import Snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from dftui.control.admin import AdminResult
    from dftui.control.backup import BackupResult
    from dftui.control.history import Recording
    from dftui.control.known import OtherStack
    from dftui.control.login import Login
    from dftui.control.nodes import NodeReceipt, Nodes
    from dftui.control.operator import Operator
    from dftui.control.probe import ProbeResult
    from dftui.control.repair import RepairResult
    from dftui.control.roll import RollResult
    from dftui.control.verify import VerifyResult
    from dftui.dreamfactory.admin import NewAdmin
    from dftui.engine.api import Engine, Session
    from dftui.engine.nodes import NodeUse
    from dftui.watch.ledger import Ledger
    from dftui.watch.logs import LogHub
    from dftui.watch.watcher import Watcher

HISTORY_PERIOD = 1.0
"""Seconds between two looks at whether the history has grown."""
NEEDED = (
    "dftui.engine.connect",
    "dftui.engine.docker",
    "dftui.stack.secrets",
    "dftui.watch.watcher",
    "dftui.control.operator",
)


def _import() -> None:
    for module in NEEDED:
        importlib.import_module(module)


async def connect(host: str | None, spec: StackSpec, *, read_only: str = "") -> Backend:
    """A backend on the engine at `host` (None: where the environment says); `read_only` names what imposes that.
    Raises EngineError."""
    await asyncio.to_thread(_import)
    from dftui.watch.logs import calm_collector

    calm_collector()
    from dftui.engine.connect import connect_for

    engine = await connect_for(spec, host)
    try:
        info = await engine.info()
        backend = LiveBackend(engine, spec, info.id, read_only)
        backend.start()
    except BaseException:
        await engine.close()
        raise
    return backend


class LearningMasker(Masker):
    """A masker that can be told of secrets that were made after it."""

    __slots__ = ()

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask these values from now on."""
        super().__init__(secrets)


class LiveBackend:
    """Facts from a Watcher, actions by an Operator, one balancer link for both. Where something imposes `read_only`,
    nothing is done by itself either."""

    def __init__(self, engine: Engine, spec: StackSpec, engine_id: str, read_only: str = "") -> None:
        from dftui.balancer.pair import link_to
        from dftui.control.autopilot import Autopilot
        from dftui.control.operator import Operator
        from dftui.watch.watcher import Watcher

        self._engine = engine
        self._engine_id = engine_id
        self._spec = spec
        self._masker = LearningMasker()
        self._knows = False
        self._values: tuple[str, ...] = ()
        self._typed: Login | None = None
        self._learn()
        self._link = link_to(engine, spec)
        self._watcher: Watcher = Watcher(engine, spec, self._link, masker=self._masker)
        self._operator: Operator = Operator(engine, spec, link=self._link, report=self._report, read_only=read_only)
        self._read_only = read_only
        self._listeners: list[Callable[[Step], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._autopilot = Autopilot(
            self._operator, spec, lambda: self._watcher.snapshot, self._report, acting=self._watcher.acting
        )
        self._own_doing: asyncio.Task[None] | None = None
        self._recovering: asyncio.Task[None] | None = None
        self._readers: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to watch."""
        self._task = asyncio.create_task(self._watcher.run(), name="watcher")
        if self._read_only:
            return
        from dftui.control.known import note

        note(self._engine_id, self._spec)
        self._recovering = asyncio.create_task(self._recover(), name="recover")
        self._own_doing = asyncio.create_task(self._autopilot.run(), name="autopilot")

    async def _recover(self) -> None:
        """What a dftui that was killed left half done is finished or taken back, and said in the actions."""
        with suppress(ActionError):
            await self._operator.recover()

    def _learn(self) -> None:
        """The stack's own secrets are masked by value as soon as there are any."""
        from dftui.stack.secrets import load_secrets

        if self._knows:
            return
        # What is wrong with the file is told by the actions that need it; shapes are masked all the same.
        with suppress(Exception):
            found = load_secrets(self._engine_id, self._spec.name)
            if found is not None:
                self._values = found.values()
                self._masker.learn(self._values)
                self._knows = True

    def _report(self, step: Step) -> None:
        self._learn()
        if step.state != "running":
            self._watcher.hurry()
        for heard in list(self._listeners):
            heard(step)

    @property
    def snapshot(self) -> Snapshot | None:
        """None before the first look."""
        found = self._watcher.snapshot
        return found if found.at else None

    @property
    def logs(self) -> LogHub:
        """Rings of lines."""
        return self._watcher.logs

    @property
    def requests(self) -> Ledger:
        """The ledger."""
        return self._watcher.ledger

    def subscribe(self, callback: Callable[[Snapshot], None]) -> Unsubscribe:
        """Be told of each new snapshot."""
        return self._watcher.subscribe(callback)

    def on_step(self, callback: Callable[[Step], None]) -> Unsubscribe:
        """Be told of each step."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def on_entry(self, callback: Callable[[Entry], None]) -> Unsubscribe:
        """Be told of what was done earlier, then of what others do."""
        from dftui.control.history import SESSION, Reader

        async def read() -> None:
            reader = Reader(self._engine_id, self._spec.name)
            while True:
                # A history that cannot be read is missed, not fatal.
                with suppress(OSError):
                    for entry in await asyncio.to_thread(reader.new):
                        # What this screen did is told step by step, but for what has no steps: a visit, a saved log.
                        if entry.session != SESSION or (entry.commands and not entry.steps):
                            callback(entry)
                await asyncio.sleep(HISTORY_PERIOD)

        task = asyncio.create_task(read(), name="history")
        self._readers.add(task)

        def stop() -> None:
            task.cancel()

        return stop

    def watch_stats(self, ids: frozenset[str]) -> None:
        """CPU and memory for these only."""
        self._watcher.watch_stats(ids)

    async def up(self) -> str:
        """Create what is missing; the file with the first admin's password, if it was made by this."""
        from dftui.stack.secrets import SecretsError, load_secrets, secrets_path

        file = secrets_path(self._engine_id, self._spec.name)
        new = not file.exists()
        with self._watcher.acting():
            await self._operator.up()
        with suppress(SecretsError):
            found = load_secrets(self._engine_id, self._spec.name) if new else None
            if found is not None and found.admin_password and self._spec.admin.mode == "auto":
                return str(file)
        return ""

    def prepare_scale(self) -> None:
        """A key that scales was pressed; others may follow."""
        self._operator.prepare_scale()

    async def scale(self, *, to: int | None = None, by: int | None = None, victim: str | None = None) -> ScaleResult:
        """Change the number of replicas."""
        with self._watcher.acting():
            return await self._operator.scale(to=to, by=by, victim=victim)

    async def roll(self) -> RollResult:
        """Replace replicas one by one to what they should be now."""
        with self._watcher.acting():
            return await self._operator.roll()

    def pause_roll(self) -> bool:
        """Hold a roll or let it go on; whether it waits now."""
        return self._operator.pause_roll()

    async def repair(self, who: Sequence[str] = ()) -> RepairResult:
        """Bring wanted, existing and believed together; `who` are replaced first."""
        with self._watcher.acting():
            return await self._operator.repair(who)

    async def drain(self, who: str) -> None:
        """Out of rotation."""
        with self._watcher.acting():
            await self._operator.drain(who)

    async def undrain(self, who: str) -> None:
        """And back."""
        with self._watcher.acting():
            await self._operator.undrain(who)

    async def down(self, *, volumes: bool) -> None:
        """Remove the stack."""
        with self._watcher.acting():
            await self._operator.down(volumes=volumes)
        if volumes:
            # The secrets went with the data; the next `up` makes others.
            self._knows = False

    async def create_admin(self, admin: NewAdmin, *, keep: bool) -> AdminResult:
        """Make the first admin and close the setup form."""
        with self._watcher.acting():
            return await self._operator.create_admin(admin, keep=keep)

    async def backup(self, path: Path) -> BackupResult:
        """Database, secrets and files in one file."""
        return await self._operator.backup(path)

    async def probe(self) -> ProbeResult:
        """Send requests, note each Host."""
        return await self._operator.probe()

    async def handmade(self) -> tuple[str, ...]:
        """The containers of a stack that was made without dftui."""
        from dftui.control.adopt.proposal import handmade_names

        return await handmade_names(self._engine)

    async def stacks(self) -> list[OtherStack]:
        """The other stacks on this engine."""
        from dftui.control.known import others

        return await others(self._engine, self._engine_id, self._spec.name)

    async def nodes(self) -> Sequence[NodeUse]:
        """The machines of the swarm."""
        from dftui.control.nodes import look
        from dftui.engine.cluster import cluster_of

        return await look(cluster_of(self._engine))

    def _nodes(self) -> Nodes:
        from dftui.control.nodes import Nodes
        from dftui.engine.cluster import cluster_of

        cluster = cluster_of(self._engine)
        replace = self._operator.repair
        return Nodes(self._engine, cluster, self._spec.name, replace, self._operator.told, read_only=self._read_only)

    async def drain_node(self, node: str) -> NodeReceipt:
        """What runs on a machine has to leave."""
        with self._watcher.acting():
            return await self._nodes().drain(node)

    async def activate_node(self, node: str) -> NodeReceipt:
        """Tasks may come to it again."""
        return await self._nodes().activate(node)

    def recorded(self, action: str) -> AbstractAsyncContextManager[Recording]:
        """What the screen does without the engine, as an action of the history."""
        from dftui.control.history import recorded

        return recorded(self._engine, self._spec.name, action)

    def inside(
        self, name: str, role: str, *, client: bool, size: tuple[int, int]
    ) -> AbstractAsyncContextManager[Session]:
        """A shell or a client in a container."""
        return self._operator.inside(name, role, client=client, size=size)

    async def verify(self, login: Login | None = None) -> VerifyResult:
        """Try every replica against every other. A login that was typed and taken holds until the screen ends."""
        chosen = login or self._typed
        if chosen is not None:
            self._masker.learn((*self._values, chosen.password))
        self._typed = None
        result = await self._operator.verify(chosen)
        self._typed = chosen
        return result

    async def close(self) -> None:
        """Let go of the engine; the stack stays as it is."""
        for task in (*self._readers, self._own_doing, self._recovering, self._task):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task
        for part in (self._operator, self._link, self._engine):
            with suppress(Exception):
                await part.close()
