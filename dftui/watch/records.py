"""What streams past: request records and action steps, immutable and sanitised."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Request:
    """One request through the balancer, as `requests --json` prints it. Times in milliseconds; `status` -1 when
    the client went away; `probe` marks dftui's own; `replica` is the container's name, `host` its short id; `weight`
    says for how many requests it stands (above 1 while only some are recorded singly)."""

    time: float
    client: str
    method: str
    path: str
    status: int
    ms: int
    queue_ms: int
    connect_ms: int
    response_ms: int
    replica: str
    host: str
    id: str
    probe: bool = False
    weight: int = 1

    def to_json(self) -> dict[str, Any]:
        """One line of `requests --json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing an action did or is doing. `action` groups the steps of one action ("up", "scale"); `command` is
    the equivalent docker command, secrets masked, "" where there is none; `done`/`total` count the action's work."""

    at: float
    action: str
    text: str
    state: Literal["running", "ok", "failed"] = "running"
    command: str = ""
    done: int = 0
    total: int = 0
    who: str = ""
