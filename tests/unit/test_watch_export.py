"""Times as they are typed, and files of lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dftui.watch.export import NewFile, SaveError, save
from dftui.watch.lines import EVENT, LATE, STDERR, Record
from dftui.watch.mask import Masker
from dftui.watch.paint import Painter
from dftui.watch.times import moment

APP = b"[2026-11-23T12:54:41+00:00] local"
RECORDS = [
    Record(1, 1_700_000_000_000_000_000, "df-web1", 0, b"Setting APP_KEY=abcdefgh"),
    Record(2, 1_700_000_001_500_000_000, "df-mysql", STDERR | LATE, b"[Warning] \x1b[31mlate\xff"),
    Record(3, 1_700_000_002_000_000_000, "df-web1", EVENT, b"df-web1 started"),
    Record(4, 1_700_000_003_000_000_000, "df-web1", 0, APP + b'.INFO: [REQUEST] {"Method":"GET","Service":"system"}'),
    Record(5, 1_700_000_003_000_000_000, "df-web1", 0, APP + b'.INFO: [RESPONSE] {"Status Code":200}'),
]


def test_lines_are_saved_as_text_only_for_their_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dftui.watch.export.stamp", lambda at: f"{at:.3f}")
    path = tmp_path / "x.log"
    assert save(path, RECORDS[:3], Painter(Masker())) == 3
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().splitlines() == [
        "1700000000.000 df-web1  | Setting APP_KEY=***",
        "1700000001.500 df-mysql | (late) [Warning] late«\\xff»",
        "1700000002.000 df-web1  | df-web1 started",
    ]


@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_lines_are_saved_as_json_with_what_is_known_of_them(tmp_path: Path, name: str) -> None:
    save(tmp_path / name, RECORDS, Painter(Masker()))
    found = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
    assert found[0]["text"] == "Setting APP_KEY=***"
    assert (found[1]["late"], found[1]["stream"], found[1]["level"]) == (True, "stderr", "warning")
    assert (found[3]["kind"], found[3]["method"], found[3]["path"]) == ("request", "GET", "system")
    assert (found[4]["kind"], found[4]["status"]) == ("response", 200)
    assert "method" not in found[0]
    assert "body" not in found[3]


def test_nothing_is_overwritten_and_what_fails_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("mine")
    with pytest.raises(SaveError, match="already a file"):
        save(path, RECORDS, Painter(Masker()))
    assert path.read_text() == "mine"
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SaveError, match="already a file"):
        NewFile(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(SaveError, match=r"No such file or directory: .*nowhere/x\.log was not written"):
        NewFile(tmp_path / "nowhere" / "x.log")
    with pytest.raises(SaveError, match="null byte"):
        NewFile(tmp_path / "a\0b")


def test_a_time_is_a_span_a_time_of_day_or_a_date() -> None:
    now = 1_795_435_200.0  # 2026-11-23T12:00:00+00:00
    assert moment("90s", now) == now - 90
    assert moment(" 2h ", now) == now - 7200
    assert moment("1d", now) == now - 86_400
    assert moment("2026-11-23T12:00:00+00:00", 0.0) == now
    an_hour_ago, in_an_hour = now - 3600, now + 3600
    from datetime import datetime

    assert moment(datetime.fromtimestamp(an_hour_ago).strftime("%H:%M"), now) == an_hour_ago
    assert moment(datetime.fromtimestamp(an_hour_ago + 5).strftime("%H:%M:%S"), now) == an_hour_ago + 5
    # A time of day that is still to come was yesterday.
    assert moment(datetime.fromtimestamp(in_an_hour).strftime("%H:%M"), now) == in_an_hour - 86_400


@pytest.mark.parametrize("text", ["", "10 minutes", "25:00", "1:2", "yesterday", "99999999999999999999d", "-1h"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no time; allowed: 30s, 10m"):
        moment(text, 0.0)
