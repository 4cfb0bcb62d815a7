"""A row of a benchmark says everything that makes it a row."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bench.rows import Row, Sample, interleaved, save, saved, table


def row(met: bool | None = True) -> Row:
    measured, baseline = Sample((3.0, 1.0, 2.0), "s"), Sample((1.0, 2.0, 3.0, 4.0), "s")
    return Row("`+` to serving", "dftui | +", 3, measured, baseline, "docker run", "≤ 1.25 x", met)


def test_a_row_has_its_figures_spread_baseline_and_ratio() -> None:
    text = table([row(), row(False)])
    assert (
        "| `+` to serving | `dftui \\| +` | 3 | 2 s (1-3) | 2.5 s (1-4), docker run | 0.80 | ≤ 1.25 x | yes |" in text
    )
    assert text.rstrip().endswith("| NO |")


def test_rows_are_kept_and_shown_again_with_where_and_when(tmp_path: Path) -> None:
    text = save("main", [row()], "a machine", tmp_path)
    again = saved(tmp_path)
    assert text in again
    assert f"- main {json.loads((tmp_path / 'main.json').read_text())['date']}: a machine" in again
    kept = json.loads((tmp_path / "main.json").read_text())
    assert kept["machine"] == "a machine"
    assert kept["rows"][0]["ratio"] == 0.8
    assert kept["rows"][0]["measured"]["values"] == [3.0, 1.0, 2.0]


def test_measures_take_turns() -> None:
    order: list[str] = []

    def measure(name: str) -> float:
        order.append(name)
        return float(len(order))

    found = interleaved(2, lambda: measure("ours"), lambda: measure("theirs"))
    assert order == ["ours", "theirs", "ours", "theirs"]
    assert found == [[1.0, 3.0], [2.0, 4.0]]
