"""Everything that dftui can raise, by name: each has a page in the help that says what it means and what to do."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dftui.watch.snapshot import Snapshot


class Alarm(StrEnum):
    """The name is that of the help page, and `kind` in `status --json`."""

    ENGINE_LOST = "engine-lost"
    LOCK_TAKEN = "lock-taken"

    SERVICE_MISSING = "service-missing"
    SERVICE_STOPPED = "service-stopped"
    SERVICE_PAUSED = "service-paused"
    SERVICE_RESTARTS = "service-restarts"
    SERVICE_UNHEALTHY = "service-unhealthy"

    STANDBY = "standby"
    BALANCER_LOST = "balancer-lost"

    FAILED = "failed"
    UNREACHABLE = "unreachable"
    HELD = "held"
    REPLICA_STOPPED = "replica-stopped"
    REPLICA_PAUSED = "replica-paused"
    TOO_FEW = "too-few-replicas"
    TOO_MANY = "too-many-replicas"
    ANOTHER_KEY = "another-key"
    ANOTHER_IMAGE = "another-image"
    OFF_NETWORK = "off-network"

    TABLE_EMPTY = "table-empty"
    TABLE_UNREADABLE = "table-unreadable"
    SERVER_WITHOUT_CONTAINER = "server-without-container"
    SERVER_ADDRESS = "server-address"
    NOT_IN_BALANCER = "not-in-balancer"
    WEIGHT = "weight"

    PRINTED_KEY = "printed-key"
    SETUP_OPEN = "setup-open"
    CERTIFICATE_ENDS = "certificate-ends"
    OPEN = "open"
    NO_ADMIN = "no-admin"
    STAND_IN = "stand-in"


def raised(snapshot: Snapshot) -> tuple[Alarm, ...]:
    """What stands on the screen now, the gravest first, each once."""
    found: list[Alarm] = []
    if snapshot.engine.lost_since is not None:
        found.append(Alarm.ENGINE_LOST)
    found += (drift.kind for drift in snapshot.drift)
    states = {replica.state.value for replica in snapshot.web}
    found += (alarm for alarm in (Alarm.FAILED, Alarm.UNREACHABLE, Alarm.HELD) if alarm.value in states)
    if snapshot.exists and snapshot.balancer.state == "running" and snapshot.balancer.why.startswith("its table"):
        found.append(Alarm.TABLE_UNREADABLE)
    if snapshot.printed_key:
        found.append(Alarm.PRINTED_KEY)
    if snapshot.certificate_ends is not None:
        found.append(Alarm.CERTIFICATE_ENDS)
    if snapshot.exposed:
        found.append(Alarm.OPEN)
    if snapshot.admin and snapshot.admin != "ready":
        found.append(Alarm.NO_ADMIN)
    if snapshot.source == "bundled" and snapshot.kind != "plain":
        found.append(Alarm.STAND_IN)
    return tuple(dict.fromkeys(found))
