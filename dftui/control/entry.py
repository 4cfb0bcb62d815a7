"""One action as the history has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One action: `who` is the user, and with it the address that their SSH session came from; `outcome` is "done",
    "interrupted" or "failed: " and the error's sentence; `receipt` is what the action gave back."""

    time: float
    who: str
    action: str
    outcome: str
    seconds: float
    steps: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    receipt: dict[str, Any] = field(default_factory=dict)
    session: str = ""

    @property
    def failed(self) -> bool:
        """It did not do what was asked."""
        return self.outcome != "done"

    def receipt_words(self) -> str:
        """The receipt in a few words; "" when it has none."""
        parts: list[str] = []
        counted = self.receipt.get("receipt")
        if isinstance(counted, dict) and "requests" in counted:
            parts.append(f"{counted['requests']:,} requests, {counted.get('failed', 0)} failed")
        if self.receipt.get("rolled_back"):
            parts.append("went back")
        if code := self.receipt.get("exit_code"):
            parts.append(f"exit code {code}")
        return ", ".join(parts)
