"""What an action gives back: plain values that the screen shows and `--json` prints."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Drained:
    """One replica's way out: sessions that were cut (0 for a clean drain) and how long it took."""

    name: str
    sessions_left: int
    seconds: float

    @property
    def text(self) -> str:
        """In words."""
        if not self.sessions_left:
            return f"drained in {self.seconds:.2f} s"
        cut = "1 session was" if self.sessions_left == 1 else f"{self.sessions_left} sessions were"
        return f"{cut} cut after {self.seconds:.0f} s of drain"


@dataclass(frozen=True, slots=True)
class Served:
    """One replica's way in: seconds from the key that asked for it to the first request it had answered, None when
    none came to it before the action ended."""

    name: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """From the balancer's own counters between the first and the last moment of the action."""

    requests: int = 0
    failed: int = 0
    retries: int = 0
    redispatches: int = 0
    drained: tuple[Drained, ...] = ()
    served: tuple[Served, ...] = ()

    @property
    def text(self) -> str:
        """What it cost, in words."""
        return (
            f"{self.requests} requests, {self.failed} failed, {self.retries} retries, "
            f"{self.redispatches} redispatches"
        )


@dataclass(frozen=True, slots=True)
class ScaleResult:
    """`scale --json`."""

    before: int
    after: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    seconds: float
    receipt: Receipt

    def to_json(self) -> dict[str, Any]:
        """The documented shape: `from` and `to` for before and after."""
        return {
            "from": self.before,
            "to": self.after,
            "added": list(self.added),
            "removed": list(self.removed),
            "seconds": round(self.seconds, 3),
            "receipt": {
                **{k: v for k, v in asdict(self.receipt).items() if k not in ("drained", "served")},
                "drained": [asdict(d) for d in self.receipt.drained],
                "served": [asdict(s) for s in self.receipt.served],
            },
        }


def summary(result: ScaleResult) -> str:
    """The receipt in one line."""
    got = result.receipt
    parts = [f"{result.before} → {result.after} replicas in {result.seconds:.1f} s"]
    if result.added:
        after = {s.name: f" (first request after {s.seconds:.2f} s)" for s in got.served if s.seconds is not None}
        parts.append("added " + ", ".join(name + after.get(name, "") for name in result.added))
    if result.removed:
        ways = {d.name: f" ({d.text})" for d in got.drained}
        parts.append("removed " + ", ".join(name + ways.get(name, "") for name in result.removed))
    parts.append(got.text)
    return "; ".join(parts)
