"""Points in time as a person types them: how long ago, a time of day, or a whole date."""

from __future__ import annotations

import re
from datetime import datetime

ALLOWED = "30s, 10m, 2h, 1d (ago), 14:05, 14:05:30, or 2026-11-23T14:05"
_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_OF_DAY = re.compile(r"\d{1,2}:\d\d(?::\d\d(?:\.\d{1,6})?)?")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def moment(text: str, now: float) -> float:
    """Unix time of `30s`, `10m`, `2h`, `1d` ago, of the last `14:05[:30]`, or of an ISO 8601 time, which is local
    unless it says. Raises ValueError.
    """
    text = text.strip()
    try:
        if found := _AGO.fullmatch(text):
            return datetime.fromtimestamp(now - float(found[1]) * _UNITS[found[2]]).timestamp()
        if _OF_DAY.fullmatch(text):
            clock = datetime.strptime(text.partition(".")[0], "%H:%M:%S" if text.count(":") == 2 else "%H:%M").time()
            today = datetime.combine(datetime.fromtimestamp(now).date(), clock).timestamp()
            # A time of day that is still to come was yesterday.
            return today if today <= now else today - _UNITS["d"]
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is no time; allowed: {ALLOWED}") from None
