"""The sign of each state, the same on the screen and in what commands print; never without its word."""

from __future__ import annotations

from collections.abc import Mapping

from dftui.watch.snapshot import ReplicaState

SIGNS: Mapping[ReplicaState, str] = {
    ReplicaState.STARTING: "◌",
    ReplicaState.HELD: "◇",
    ReplicaState.SERVING: "●",
    ReplicaState.DRAINING: "◑",
    ReplicaState.DRAINED: "○",
    ReplicaState.STOPPED: "□",
    ReplicaState.FAILED: "✗",
    ReplicaState.UNREACHABLE: "≠",
}
ASCII_SIGNS: Mapping[ReplicaState, str] = {
    ReplicaState.STARTING: "~",
    ReplicaState.HELD: "=",
    ReplicaState.SERVING: "*",
    ReplicaState.DRAINING: "%",
    ReplicaState.DRAINED: "o",
    ReplicaState.STOPPED: "#",
    ReplicaState.FAILED: "X",
    ReplicaState.UNREACHABLE: "?",
}
ROLES: Mapping[ReplicaState, str] = {
    ReplicaState.STARTING: "info",
    ReplicaState.HELD: "warning",
    ReplicaState.SERVING: "good",
    ReplicaState.DRAINING: "warning",
    ReplicaState.DRAINED: "muted",
    ReplicaState.STOPPED: "muted",
    ReplicaState.FAILED: "bad",
    ReplicaState.UNREACHABLE: "bad",
}
"""What colour says, in one word; a theme gives each its colour."""
