"""The screen in front of containers that write: nothing lost, all counted, and few bytes for it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.bench.logs import screen
from tests.bench.writers import Writers
from tests.stacks import Stack

COUNTS = re.compile(r"([\d,]+) (received|shown|filtered|dropped)")


def counts(text: str) -> dict[str, int]:
    return {word: int(count.replace(",", "")) for count, word in COUNTS.findall(text)}


def test_every_line_of_a_flood_is_counted_and_shown(tmp_path: Path, tiny_image: str) -> None:
    with (
        Stack(tmp_path / "stack") as stack,
        Writers(stack.name, tiny_image, tmp_path / "writers", 4, 2000) as writers,
        screen(stack, watch=True) as run,
    ):
        writers.go()
        run.wait_until(lambda text: counts(text).get("received", 0) > 3000, what="3000 lines")
        run.send("j")
        run.wait_text(f"▸ {stack.name}-web2")
        written = writers.stop()
        run.wait_until(lambda text: counts(text).get("received") == written, what=f"{written} lines")
        assert counts(run.text()) == {"received": written, "shown": written, "filtered": 0, "dropped": 0}
        # What each of these lines would be by itself; the screen shows but a few of them.
        assert run.total < written * len("line 1 of those that a usual container writes, neither long nor short\r\n")
