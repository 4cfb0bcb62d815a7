"""What the screen needs of the rest of dftui: facts to draw and actions to start, as Protocols.

The real one is `dftui.ui.live`; tests bring their own.  All calls come from the UI's event loop; callbacks may be
called in it at any time and must return at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from dftui.control.entry import Entry
from dftui.control.receipts import ScaleResult
from dftui.watch.lines import Line, LogCounts, Record
from dftui.watch.records import Request, Step
from dftui.watch.rings import Reader
from dftui.watch.snapshot import Snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from dftui.control.admin import AdminResult
    from dftui.control.backup import BackupResult
    from dftui.control.history import Recording
    from dftui.control.known import OtherStack
    from dftui.control.login import Login
    from dftui.control.nodes import NodeReceipt
    from dftui.control.probe import ProbeResult
    from dftui.control.repair import RepairResult
    from dftui.control.roll import RollResult
    from dftui.control.verify import VerifyResult
    from dftui.dreamfactory.admin import NewAdmin
    from dftui.engine.api import Session
    from dftui.engine.nodes import NodeUse

Unsubscribe = Callable[[], None]


class Logs(Protocol):
    """Rings of lines, one a container (see `dftui.watch.lines` and `dftui.watch.rings`)."""

    @property
    def counts(self) -> LogCounts:
        """What came, was kept and was lost so far, in all and by container."""
        ...

    @property
    def generation(self) -> int:
        """Grows when everything is read anew: readers begin again."""
        ...

    def reader(self, who: frozenset[str] | None = None) -> Reader:
        """Reads these containers' records (by name; None: all), once each."""
        ...

    def line(self, record: Record) -> Line:
        """A record as it may be shown: safe and masked."""
        ...

    def lines(self, records: Sequence[Record]) -> list[Line]:
        """`line` of each; for many at a fraction of the cost."""
        ...

    def texts(self, records: Sequence[Record]) -> list[str]:
        """Only the text of each."""
        ...

    def names(self) -> tuple[str, ...]:
        """Containers that have lines or are followed, sorted."""
        ...

    def oldest(self) -> Mapping[str, int]:
        """The number of each container's oldest record that is held."""
        ...

    @property
    def freed_bytes(self) -> int:
        """Memory of the records that are no longer held."""
        ...

    def lag_of(self, record: Record) -> float | None:
        """Seconds since a line was written; None of one that was there before we looked."""
        ...

    def reopen(self, *, tail: int | None, since_ns: int) -> None:
        """Read everything anew: the `tail` last lines of each container (None: all) from `since_ns` on."""
        ...


class Requests(Protocol):
    """The ledger of requests through the balancer."""

    @property
    def total(self) -> int:
        """Requests seen since the start."""
        ...

    @property
    def sampling(self) -> int:
        """N while only one request in N is recorded singly, else 1."""
        ...

    @property
    def lost(self) -> int:
        """Requests that were recorded and never arrived here."""
        ...

    def since(self, seq: int) -> tuple[Sequence[Request], int]:
        """Requests after `seq` (0: all that are held), oldest first, and what to ask with next time."""
        ...

    def find(self, text: str, limit: int) -> Sequence[Request]:
        """The newest that are held and pass a filter of this text, oldest first."""
        ...


class Backend(Protocol):
    """Facts and actions. Actions raise an exception whose text is one sentence, and whose `hint` (if any) says
    what to do."""

    @property
    def snapshot(self) -> Snapshot | None:
        """The latest facts; None before there are any."""
        ...

    @property
    def logs(self) -> Logs:
        """Every container's lines."""
        ...

    @property
    def requests(self) -> Requests:
        """Every request through the balancer."""
        ...

    def subscribe(self, callback: Callable[[Snapshot], None]) -> Unsubscribe:
        """Be told of each new snapshot."""
        ...

    def on_step(self, callback: Callable[[Step], None]) -> Unsubscribe:
        """Be told of each step of any action."""
        ...

    def on_entry(self, callback: Callable[[Entry], None]) -> Unsubscribe:
        """Be told of each action that was done earlier, then of each that another dftui has done."""
        ...

    def watch_stats(self, ids: frozenset[str]) -> None:
        """CPU and memory are wanted for these containers only."""
        ...

    async def up(self) -> str:
        """Create what is missing; the file with the first admin's password, if it was made by this."""
        ...

    def prepare_scale(self) -> None:
        """A key that scales was pressed; others may follow before `scale` is called."""
        ...

    async def scale(self, *, to: int | None = None, by: int | None = None, victim: str | None = None) -> ScaleResult:
        """Change the number of replicas; `victim` names the one to go."""
        ...

    async def roll(self) -> RollResult:
        """Replace replicas one by one to what they should be now."""
        ...

    def pause_roll(self) -> bool:
        """Hold a roll before its next replica or let it go on; whether it waits now."""
        ...

    async def repair(self, who: Sequence[str] = ()) -> RepairResult:
        """Put right what differs between wanted, existing and believed; `who` are replaced first."""
        ...

    async def drain(self, who: str) -> None:
        """Take a replica out of rotation and keep it."""
        ...

    async def undrain(self, who: str) -> None:
        """And put it back."""
        ...

    async def down(self, *, volumes: bool) -> None:
        """Remove the stack; its data too when `volumes`."""
        ...

    async def create_admin(self, admin: NewAdmin, *, keep: bool) -> AdminResult:
        """Make the first admin and close the setup form; `keep` the password for dftui's own logins."""
        ...

    async def backup(self, path: Path) -> BackupResult:
        """Write database, secrets and files into one file."""
        ...

    async def probe(self) -> ProbeResult:
        """Send a few requests for each replica through the balancer and note each Host."""
        ...

    async def handmade(self) -> tuple[str, ...]:
        """The containers of a stack that was made without dftui and can be taken over; none if there is no such."""
        ...

    async def stacks(self) -> list[OtherStack]:
        """The other stacks on this engine."""
        ...

    async def nodes(self) -> Sequence[NodeUse]:
        """The machines of the swarm, and what runs on each."""
        ...

    async def drain_node(self, node: str) -> NodeReceipt:
        """What runs on a machine has to leave; by its id."""
        ...

    async def activate_node(self, node: str) -> NodeReceipt:
        """Tasks may come to it again."""
        ...

    def recorded(self, action: str) -> AbstractAsyncContextManager[Recording]:
        """What the screen does without the engine, as an action of the history."""
        ...

    def inside(
        self, name: str, role: str, *, client: bool, size: tuple[int, int]
    ) -> AbstractAsyncContextManager[Session]:
        """A shell in the container `name`, or its role's own client, at a terminal of `size` (columns, rows)."""
        ...

    async def verify(self, login: Login | None = None) -> VerifyResult:
        """Try every replica against every other; PasswordNeeded when the admin's password has to be typed."""
        ...

    async def close(self) -> None:
        """Let go of the engine; the stack stays as it is."""
        ...
