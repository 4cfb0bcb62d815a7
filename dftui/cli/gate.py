"""Read-only from outside: what the surroundings impose on whoever runs dftui, before a word of theirs is read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dftui.stack.config import Config

VARIABLE = "DFTUI_READ_ONLY"


def load_config() -> Config | None:
    """The machine's and the user's config; None when neither file is there. Raises StackFileError."""
    from dftui.stack import paths

    if not (paths.SYSTEM_CONFIG_FILE.exists() or paths.user_config_file().exists()):
        return None
    from dftui.stack.config import load

    return load()


def imposed(config: Config | None) -> str:
    """What makes this dftui read-only besides its own command line; "" when nothing does. Nothing here lifts it."""
    if os.environ.get(VARIABLE, "0") not in ("", "0"):
        return VARIABLE
    return config.read_only if config else ""
