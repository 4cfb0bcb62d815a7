"""Figures as short words: rounded, so that a cell changes only when it says something new."""

from __future__ import annotations

import time
from collections.abc import Sequence


def size(count: int | None) -> str:
    """Bytes as `61M`, `1.2G`; "-" where unknown."""
    if count is None:
        return "-"
    value = float(count)
    for unit in ("B", "K", "M", "G"):
        if value < 1024 or unit == "G":
            return f"{value:.1f}{unit}" if unit == "G" else f"{value:.0f}{unit}"
        value /= 1024
    return ""


def percent(value: float | None) -> str:
    """`12%`; below a half `0%`."""
    return "-" if value is None else f"{value:.0f}%"


def rate(value: float) -> str:
    """Events a second: whole above ten, one digit below, "0" when nothing."""
    if value >= 10_000:
        return f"{value / 1000:.0f}k"
    if value >= 9.95:
        return f"{value:.0f}"
    return "0" if value < 0.05 else f"{value:.1f}"


def millis(value: float | None) -> str:
    """`8ms`, `1.2s`, `14s`; "-" where nothing was measured."""
    if value is None:
        return "-"
    if value >= 9950:
        return f"{value / 1000:.0f}s"
    return f"{value / 1000:.1f}s" if value >= 999.5 else f"{value:.0f}ms"


def days(seconds: float) -> str:
    """`12 days`, `1 day`; below one `5 hours`."""
    number, word = (int(seconds // 86400), "day") if seconds >= 86400 else (int(seconds // 3600), "hour")
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


BLOCKS = "▁▂▃▄▅▆▇█"
"""Heights of a bar. Blocks and not the dots of Braille, which few monospaced fonts have."""


def spark(values: Sequence[float | None], top: float) -> str:
    """A bar a value, a full one for `top`, the lowest for zero; a gap where nothing is known."""
    most = len(BLOCKS) - 1

    def level(value: float) -> str:
        return BLOCKS[max(0, min(most, round(value / top * most))) if top > 0 else 0]

    return "".join(" " if value is None else level(value) for value in values)


def count(value: int) -> str:
    """With thousands apart."""
    return f"{value:,}"


def bytes_rate(value: float) -> str:
    """Bytes a second as `0.3 kB/s`, `12.4 kB/s`, in thousands."""
    return f"{value / 1000:.1f} kB/s"


def clock(at: float, millis: bool = False) -> str:
    """Local time of day, to the second or to the millisecond."""
    local = time.strftime("%H:%M:%S", time.localtime(at))
    return f"{local}.{int(at * 1000) % 1000:03d}" if millis else local


def age(seconds: float) -> str:
    """`4 s`, `50 s`, `12 min`, `3 h`: coarse above ten seconds, so that it does not change each second."""
    if seconds < 10:
        return f"{max(0, int(seconds))} s"
    if seconds < 60:
        return f"{int(seconds) // 10 * 10} s"
    if seconds < 3600:
        return f"{int(seconds) // 60} min"
    return f"{int(seconds) // 3600} h"
