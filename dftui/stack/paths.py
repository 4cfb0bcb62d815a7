"""Where dftui keeps things of its own: secrets (config), history (state), themes (package)."""

from __future__ import annotations

import os
import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import platformdirs

CONFIG_VARIABLE = "DFTUI_CONFIG_DIR"
SYSTEM_CONFIG_FILE = Path("/etc/dftui/config.yaml")
"""What the machine's owner wants of everybody's dftui. No variable names another: read-only is imposed by it."""
STATE_VARIABLE = "DFTUI_STATE_DIR"


def engine_folder(engine_id: str) -> str:
    """An engine's id as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", engine_id).strip(".") or "engine"


def config_dir() -> Path:
    """The user's config folder of dftui (secrets, own themes); `DFTUI_CONFIG_DIR` takes its place. Not made here."""
    own = os.environ.get(CONFIG_VARIABLE)
    return Path(own) if own else platformdirs.user_config_path("dftui")


def user_config_file() -> Path:
    """What the user wants of every dftui (keys, theme); may be missing."""
    return config_dir() / "config.yaml"


def state_dir() -> Path:
    """The user's state folder of dftui (receipts, history); `DFTUI_STATE_DIR` takes its place. Not made here."""
    own = os.environ.get(STATE_VARIABLE)
    return Path(own) if own else platformdirs.user_state_path("dftui")


def themes_dir() -> Traversable:
    """The packaged themes (`*.yaml`), in a source tree (where dftui/themes is a link) as in an installed wheel."""
    return resources.files("dftui") / "themes"


def user_themes_dir() -> Path:
    """The user's own themes; the folder may be missing."""
    return config_dir() / "themes"
