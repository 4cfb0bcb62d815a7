"""The benchmark's churn in short: each kind once under open-loop load, POSTs too; what must not be lost is not."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.bench.churn import GETS, MANY, SHORT, measure, rows
from tests.bench.rows import table
from tests.stacks import Stack
from tests.tinyweb import text, tiny_image


def test_scale_and_roll_lose_nothing_and_a_killed_replica_no_get(tmp_path: Path) -> None:
    with Stack(tmp_path, text(tiny_image(), MANY)) as stack:
        stack.ok("up")
        measured = asyncio.run(measure(stack, SHORT, tiny=True))
        stack.ok("down", "--volumes", "--yes")
    parts = measured.parts
    for name in ("quiet", "scale", "roll"):
        total = parts[name].total
        assert total.failures == parts[name].receipts == 0, total.lost
        assert total.ok == total.sent > 0
    assert parts["kill"].unanswered(*GETS) == 0, parts["kill"].total.lost
    # Both baselines ran, and the table says what each cost.
    assert all(parts[name].total.sent and parts[name].times for name in ("restart", "reload", "stop"))
    said = table(rows(measured, 1, ""))
    assert "scale 1 → 8 → 1, 1 cycles" in said
    assert "`docker stop` without a drain" in said
