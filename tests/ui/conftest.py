"""Snapshots of screens: the exported picture without what differs from run to run."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from dftui.ui.app import DftuiApp


class SvgExtension(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "svg"


@pytest.fixture
def svg(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(SvgExtension)


def picture(app: DftuiApp) -> str:
    """The screen as SVG: no font from a CDN, no random class names."""
    text = app.export_screenshot()
    text = re.sub(r"@font-face\s*\{[^}]*\}\s*", "", text)
    return re.sub(r"terminal-\d+", "terminal", text)


def words(app: DftuiApp) -> str:
    """The screen as plain text, as a terminal without colours shows it."""
    rows = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in row).rstrip() for row in rows)


@pytest.fixture(autouse=True)
def _calm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The same terminal and the same time zone everywhere, and no docker contexts of this user's."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for name in ("NO_COLOR", "SSH_CONNECTION", "SSH_TTY", "TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    old = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    if old is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = old
    time.tzset()
