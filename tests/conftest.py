"""What every test gets: folders of its own for configuration and state, never the user's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked as long, but for who asks for it."""
    if os.environ.get("DFTUI_LONG") == "1":
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configuration and state in folders of this test; the folder that holds them."""
    root = tmp_path / "own"
    root.mkdir()
    monkeypatch.setenv("DFTUI_CONFIG_DIR", str(root / "config"))
    monkeypatch.setenv("DFTUI_STATE_DIR", str(root / "state"))
    return root
