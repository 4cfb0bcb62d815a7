"""How the screen should behave here: from the command line, else from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dftui.ui import terminal

if TYPE_CHECKING:
    from dftui.stack.config import Config


@dataclass(frozen=True, slots=True)
class Options:
    """`hz` frames a second at most; `fence` waits for the terminal's answer between frames; `plain` is NO_COLOR;
    `max_bps` caps the bytes a second to the terminal."""

    ascii: bool = False
    mouse: bool = True
    theme: str | None = None
    hz: float = 10.0
    fence: bool = True
    plain: bool = False
    few_colours: bool = False
    max_bps: int | None = None
    read_only: str = ""
    """Why this screen is read-only, "" when it is not."""
    sealed: bool = False
    """Somebody imposed it: other stacks are not for this screen either."""
    keys: tuple[tuple[str, Mapping[str, str]], ...] = ()
    """Keys by action from the config files, each with its file; they go before those of the stack file."""

    @classmethod
    def from_environment(
        cls,
        *,
        ascii: bool = False,
        mouse: bool = True,
        theme: str | None = None,
        max_bps: int | None = None,
        read_only: str = "",
        config: Config | None = None,
    ) -> Options:
        """Calmer over SSH; a fixed low rate under tmux, whose answers say nothing of the link behind it. What the
        command line leaves open is as `config` has it."""
        import os

        far = terminal.over_ssh()
        muxed = terminal.multiplexed()
        return cls(
            ascii=ascii or bool(config and config.ascii) or not terminal.speaks_unicode(),
            mouse=mouse and (config is None or config.mouse is not False),
            theme=theme or (config.theme if config else None),
            read_only=read_only,
            sealed=bool(read_only),
            keys=config.keys if config else (),
            hz=4.0 if muxed and far else 5.0 if far else 10.0,
            fence=not muxed,
            plain=bool(os.environ.get("NO_COLOR")),
            few_colours=terminal.few_colours(),
            max_bps=max_bps,
        )
