"""What was seen of a stack's replicas when they were tried against each other: plain facts, no judgement.

Every text in it has passed the sanitiser.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from dftui.dreamfactory.api import Status
from dftui.dreamfactory.causes import UNCHECKED
from dftui.dreamfactory.clock import Bounds
from dftui.dreamfactory.settings import Settings

ALL_PAIRS_UP_TO = 8
"""More replicas than this are tried in a ring, each with the next and the one before."""

MOST_TURNS = 24
"""Turns of the rotation that are spelled out."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Why a replica serves nothing: a `cause` (weight, drained, check, table, stopped, held, idle) and words."""

    cause: str
    words: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One replica. `file` is None when its .env could not be read; `same_database` None when that could not be
    found out; `login` is OK, or why there is no token of it; `setup` is the status of its own /setup, 0 if not
    asked."""

    name: str
    host: str
    image: str
    variables: Settings
    file: Settings | None = None
    file_problem: str = ""
    problem: str = ""
    """Why it cannot be reached, "" when it answers."""
    status: int = 0
    told: Status = field(default_factory=lambda: Status(ready=False, listening=False))
    same_database: bool | None = None
    login: str = UNCHECKED
    own_host: str = ""
    """The Host that it names itself."""
    cache_driver: str = ""
    db_driver: str = ""
    clock: Bounds = field(default_factory=Bounds)
    """Against the engine's."""
    setup: int = 0
    silence: Silence | None = None

    @property
    def settings(self) -> Settings:
        """What the application reads, as far as it is known."""
        return self.file or self.variables

    @property
    def driver(self) -> str:
        """The cache driver really in use: the application's own word, else its file's."""
        return self.cache_driver or self.settings.cache_driver


Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it. `uses` and `logouts` are by (whose token, where it was tried): OK or a cause."""

    replicas: tuple[Seen, ...]
    expected: Settings | None = None
    """What dftui would start a replica with; None when its secrets are not known here."""
    uses: Mapping[Pair, str] = field(default_factory=dict)
    logouts: Mapping[Pair, str] = field(default_factory=dict)
    asked: int = 0
    """Requests through the balancer, `hosts` how often each Host answered, `answers` how often each status came."""
    hosts: Mapping[str, int] = field(default_factory=dict)
    answers: Mapping[int, int] = field(default_factory=dict)
    sequence: tuple[str, ...] = ()
    open_paths: tuple[str, ...] = ()
    """Setup pages that the balancer let through."""
    absent: Mapping[str, Silence] = field(default_factory=dict)
    """Replicas that do not run at all."""
    down: tuple[str, ...] = ()
    """What replicas need and what does not run: database, cache, balancer, each in words."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Replicas that were on their way in or out by somebody's action, and so were not judged."""
    plain: bool = False
    """The web is not DreamFactory."""

    @property
    def admins(self) -> int:
        """How many admins there are, as most of those that know it say."""
        told = [seen.told.admins for seen in self.replicas if seen.told.counts and seen.same_database is not False]
        return max(told, default=0)

    def named(self, host: str) -> str:
        """The replica that has this Host, else the Host itself; "no answer" for none."""
        return next((one.name for one in self.replicas if one.host == host), host) or "no answer"

    def in_turn(self, stack: str = "") -> str:
        """Who served, request by request, as the blog post sees it by reloading; of many the first. Names are
        without that of the `stack`."""
        shown = " ".join(self.named(host).removeprefix(f"{stack}-") for host in self.sequence[:MOST_TURNS])
        return f"{shown} … ({len(self.sequence)} in all)" if len(self.sequence) > MOST_TURNS else shown

    def among(self, names: frozenset[str]) -> Evidence:
        """The same without the replicas that are not in `names`, the pairs in the replicas' order."""
        order = {seen.name: index for index, seen in enumerate(self.replicas)}

        def kept(cells: Mapping[Pair, str]) -> dict[Pair, str]:
            there = [pair for pair in cells if names.issuperset(pair)]
            return {pair: cells[pair] for pair in sorted(there, key=lambda pair: [order[name] for name in pair])}

        return replace(
            self,
            replicas=tuple(seen for seen in self.replicas if seen.name in names),
            uses=kept(self.uses),
            logouts=kept(self.logouts),
        )


def pairs(names: Sequence[str]) -> tuple[Pair, ...]:
    """Whose token is tried where: each with each and itself, or beyond `ALL_PAIRS_UP_TO` with its neighbours in a
    ring (which still joins all of them: a break anywhere shows at two places)."""
    count = len(names)
    if count <= ALL_PAIRS_UP_TO:
        return tuple((a, b) for a in names for b in names)
    return tuple((names[i], names[(i + step) % count]) for i in range(count) for step in (0, 1, -1))
