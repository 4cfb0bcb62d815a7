"""What every test gets: folders of its own for configuration and state, never the user's."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configuration and state in folders of this test; the folder that holds them."""
    root = tmp_path / "own"
    root.mkdir()
    monkeypatch.setenv("DFTUI_CONFIG_DIR", str(root / "config"))
    monkeypatch.setenv("DFTUI_STATE_DIR", str(root / "state"))
    return root
