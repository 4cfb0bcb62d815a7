"""Figures in as few characters as they need, and the rates behind them, steady so that a quiet stack redraws none."""

from __future__ import annotations


class Rate:
    """Events per second from a growing counter, smoothed over some seconds; a counter that went back starts anew.

    `weight` is that of a reading one second after the last. What is read more often counts for less (exponential
    smoothing of uneven intervals), else ten requests in a tenth of a second would be a hundred a second.
    """

    def __init__(self, weight: float = 0.3) -> None:
        self._at = 0.0
        self._count: float | None = None
        self._weight = weight
        self.value: float | None = None

    def update(self, count: float, at: float) -> float | None:
        """The rate now, None until there are two readings."""
        before, self._count = self._count, count
        since, self._at = self._at, at
        if before is None or count < before or at <= since:
            if before is not None and count < before:
                self.value = None
            return self.value
        now = (count - before) / (at - since)
        weight = 1 - (1 - self._weight) ** (at - since)
        self.value = now if self.value is None else self.value + weight * (now - self.value)
        return self.value


class Shown:
    """A rate as it stands on the screen: it moves only when the real one has clearly moved, so that the flutter of a
    quiet stack redraws nothing."""

    def __init__(self) -> None:
        self._value: float | None = None

    def text(self, now: float | None) -> str:
        """What to show for `now`."""
        now = None if now is None else max(0.0, now)
        before = self._value
        if now is None or before is None or abs(now - before) > max(1.0, before * 0.15) or (now < 0.05 < before):
            self._value = now
        return rounded(self._value)


def about(count: float) -> str:
    """A count in two or three figures: 999, 1.2k, 340k, 5.6M."""
    for unit in ("", "k", "M", "G"):
        if count < 1000:
            return f"{count:.0f}{unit}" if not unit or count >= 100 else f"{count:.2g}{unit}"
        count /= 1000
    return f"{count:.0f}T"


def rounded(value: float | None) -> str:
    """A rate in two figures, so that it changes on the screen only when it matters."""
    if value is None:
        return "…"
    if value < 0.95:
        return "0" if value < 0.05 else f"{value:.1f}"
    if value < 100:
        return str(round(value))
    digits = len(str(round(value))) - 2
    return f"{round(value / 10**digits) * 10**digits:,}"


def size(count: float) -> str:
    """Bytes in two or three figures."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def span(seconds: float) -> str:
    """Seconds as the largest whole unit, so that an uptime changes rarely."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return "<1 min"
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"
