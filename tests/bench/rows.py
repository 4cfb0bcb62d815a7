"""A measured row, its table, and where tables are kept.

A row without command, date, machine, number of runs and spread is not a row: all of them are required fields.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.stacks import docker

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Sample:
    """What several runs gave: median, and smallest and largest as the spread."""

    values: tuple[float, ...]
    unit: str

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    def text(self) -> str:
        """`median unit (smallest-largest)`."""
        return f"{_figure(self.median)} {self.unit} ({_figure(min(self.values))}-{_figure(max(self.values))})"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `goal` is in words; `met` says whether it was reached, None where there is none."""

    what: str
    command: str
    runs: int
    measured: Sample
    baseline: Sample | None
    baseline_is: str
    goal: str
    met: bool | None

    @property
    def ratio(self) -> float | None:
        """Measured to baseline, by their medians."""
        if self.baseline is None or not self.baseline.median:
            return None
        return self.measured.median / self.baseline.median

    def cells(self) -> list[str]:
        """Its cells, as `HEAD` names them."""
        baseline = f"{self.baseline.text()}, {self.baseline_is}" if self.baseline else "-"
        met = {True: "yes", False: "NO", None: "-"}[self.met]
        ratio = f"{self.ratio:.2f}" if self.ratio is not None else "-"
        return [self.what, f"`{self.command}`", str(self.runs), self.measured.text(), baseline, ratio, self.goal, met]


HEAD = ("what", "command", "runs", "measured: median (spread)", "baseline: median (spread)", "ratio", "goal", "met")


def at_most(value: float | None, limit: float) -> bool:
    """Whether a goal of the form ≤ is met."""
    return value is not None and value <= limit


def machine() -> str:
    """What it was measured on, without any host's name."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory = next((int(line.split()[1]) >> 20 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    engine = docker("version", "--format", "{{.Server.Version}}", check=False) or "no engine"
    load = os.getloadavg()[0]
    return (
        f"{model}, {os.cpu_count()} CPUs, {memory} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, engine {engine}, load before {load:.1f}"
    )


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def table(rows: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row.cells()) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def save(name: str, rows: Sequence[Row], where: str, folder: Path = RESULTS) -> str:
    """Keep what one name of the command measured as NAME.json, in place of what it measured before; gives back its
    Markdown."""
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    folder.mkdir(exist_ok=True)
    data = {"date": date, "machine": where, "rows": [{**asdict(row), "ratio": row.ratio} for row in rows]}
    (folder / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")
    return table(rows)


def saved(folder: Path = RESULTS) -> str:
    """Every kept row in one table, and beneath it when and on what each was measured; "" when there is none."""
    found: list[Row] = []
    notes: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.json")):
        data = json.loads(path.read_text())
        found += [_row(row) for row in data["rows"]]
        notes.setdefault(data["machine"], []).append(f"{path.stem} {data['date']}")
    if not found:
        return ""
    lines = [f"- {', '.join(names)}: {where}" for where, names in notes.items()]
    return table(found) + "\nMeasured:\n\n" + "\n".join(lines) + "\n"


def _row(data: dict[str, Any]) -> Row:
    """A row as `save` kept it."""
    data = {key: value for key, value in data.items() if key != "ratio"}
    for key in ("measured", "baseline"):
        if data[key] is not None:
            data[key] = Sample(tuple(data[key]["values"]), data[key]["unit"])
    return Row(**data)


def interleaved(runs: int, *measures: Callable[[], float]) -> list[list[float]]:
    """Each measure `runs` times, taking turns, so that what else the machine does meets all alike."""
    found: list[list[float]] = [[] for _ in measures]
    for _ in range(runs):
        for values, measure in zip(found, measures, strict=True):
            values.append(measure())
    return found
