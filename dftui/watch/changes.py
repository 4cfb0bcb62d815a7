"""What happened to containers, in words for the stream of the logs: what the engine's events tell, and what only the
balancer knows of the replicas."""

from __future__ import annotations

from collections.abc import Collection

from dftui.engine.api import Event
from dftui.watch.snapshot import Replica, ReplicaState, Snapshot

_EVENT_WORDS = {
    "create": "was created",
    "start": "started",
    "restart": "was restarted",
    "pause": "was paused",
    "unpause": "goes on",
    "oom": "ran out of memory",
    "destroy": "was removed",
}
GONE = "is no longer in the balancer"


def event_words(event: Event) -> str:
    """What a container's event says, to follow its name; "" when it is not worth a line."""
    if event.action == "die":
        return f"ended with exit code {event.exit_code}" if event.exit_code else "ended"
    if event.action.startswith("health_status"):
        return f"is {event.action.partition(':')[2].strip() or 'checked'}"
    return _EVENT_WORDS.get(event.action, "")


def changes(before: Snapshot, after: Snapshot) -> list[tuple[str, str]]:
    """(name, words) of each replica whose state changed in a way worth a line; containers that start, end or go are
    told by the engine itself."""
    if not before.at or before.engine.lost_since is not None or after.engine.lost_since is not None:
        return []
    states = {replica.id: replica.state for replica in before.web}
    found: list[tuple[str, str]] = []
    for replica in after.web:
        was = states.get(replica.id)
        if was is not replica.state and (words := _words(replica, was)):
            found.append((replica.name, words))
    return found


class Story:
    """Tells what is not as it was at the look before.

    A quick scale drains a replica and takes it out of the balancer between two looks: that it is out is told, though
    nobody saw it drained, and not that it runs and gets no requests, which sounds like a fault."""

    def __init__(self) -> None:
        self._last: Snapshot | None = None
        self._in: dict[str, str] = {}
        """Names, by Host, of those that the balancer has let in and knows."""

    def news(self, now: Snapshot, servers: Collection[str]) -> list[tuple[str, str]]:
        """(name, words) of each replica that something is to be said of; `servers` are the names in the balancer's
        table."""
        gone = sorted(self._in.pop(host) for host in self._in.keys() - set(servers))
        found = [(name, words) for name, words in changes(self._last or now, now) if name not in gone]
        self._last = now
        self._in |= {r.host: r.name for r in now.web if r.host in servers and r.state is not ReplicaState.STARTING}
        return found + [(name, GONE) for name in gone]


def _words(replica: Replica, was: ReplicaState | None) -> str:
    match replica.state:
        case ReplicaState.SERVING:
            return "serves again" if was in (ReplicaState.DRAINING, ReplicaState.DRAINED) else "serves"
        case ReplicaState.DRAINING:
            left = replica.traffic.sessions
            return f"is draining, {left} session{'s' * (left != 1)} left"
        case ReplicaState.DRAINED:
            return "is drained"
        case ReplicaState.HELD if was is not None and replica.why:
            return f"gets no requests: {replica.why}"
        case ReplicaState.UNREACHABLE:
            return f"does not answer the balancer: {replica.why}" if replica.why else "does not answer the balancer"
    return ""
