"""Which log lines are shown: of whom, and that hold which text. Pure; the pane draws what this keeps."""

from __future__ import annotations

from dataclasses import dataclass

from dftui.ui.backend import Logs
from dftui.watch.lines import Line, Record


@dataclass(frozen=True, slots=True)
class Tally:
    """The four figures of a log header, each counted at its own place: `received` where lines come from the engine,
    `shown` and `filtered` where the filter decides, `dropped` where lines were gone before they could be shown.
    `lag` is in seconds."""

    received: int
    shown: int
    filtered: int
    dropped: int
    lag: float


class LogModel:
    """Reads the hub from where it stopped, filters, counts."""

    def __init__(self, logs: Logs) -> None:
        self.logs = logs
        self.who: frozenset[str] | None = None
        self.needle = ""
        self.shown = 0
        self.filtered = 0
        self.lost = 0
        self._last = 0

    def restart(self, who: frozenset[str] | None, needle: str) -> list[Record]:
        """Another choice: everything that the hub still holds is looked at again."""
        self.who, self.needle = who, needle
        self.shown = self.filtered = self.lost = self._last = 0
        if who is not None:
            # For some containers only, the hub cannot tell from the numbers what is gone: their rings can.
            by_name = self.logs.counts.by_name
            self.lost = sum(by_name[name].evicted for name in who if name in by_name)
        return self.pull()

    def pull(self) -> list[Record]:
        """The new records that are to be shown."""
        batch = self.logs.lines_since(self._last, self.who)
        self._last = batch.last
        self.lost += batch.lost
        if not self.needle:
            self.shown += sum(record.is_line for record in batch.records)
            return list(batch.records)
        kept: list[Record] = []
        for record in batch.records:
            if self.matches(record):
                kept.append(record)
                self.shown += record.is_line
            elif record.is_line:
                self.filtered += 1
        return kept

    def matches(self, record: Record) -> bool:
        """Whether what is shown of a record holds the text; capitals count only if the text has some."""
        needle = self.needle
        if not needle:
            return True
        exact = needle != needle.lower()
        # What is shown differs from the raw bytes only where secrets were masked or characters replaced; for plain
        # text the bytes rule most lines out at a fraction of the cost.
        if needle.isascii() and needle.isalnum() and record.is_line:
            data = record.data if exact else record.data.lower()
            if needle.encode() not in data:
                return needle.lower() in record.who.lower()
        text = self.logs.text(record)
        if exact:
            return needle in text or needle in record.who
        return needle in text.lower() or needle in record.who.lower()

    def tally(self) -> Tally:
        """The header's figures."""
        counts = self.logs.counts
        if self.who is None:
            chosen = [counts.total]
        else:
            chosen = [counts.by_name[name] for name in self.who if name in counts.by_name]
        return Tally(
            received=sum(c.received - c.repeated for c in chosen),
            shown=self.shown,
            filtered=self.filtered,
            dropped=self.lost + sum(c.dropped for c in chosen),
            lag=max((c.lag for c in chosen), default=0.0),
        )


def level_role(line: Line) -> str:
    """The role in which a line's text is drawn."""
    if line.kind in ("event", "gap"):
        return "info"
    match line.level:
        case "error" | "critical":
            return "bad"
        case "warning":
            return "warning"
        case "debug":
            return "muted"
    return "muted" if line.folds else ""
