"""How the screen should behave here: from the command line, else from the environment."""

from __future__ import annotations

from dataclasses import dataclass

from dftui.ui import terminal


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

    @classmethod
    def from_environment(
        cls, *, ascii: bool = False, mouse: bool = True, theme: str | None = None, max_bps: int | None = None
    ) -> Options:
        """Calmer over SSH; a fixed low rate under tmux, whose answers say nothing of the link behind it."""
        import os

        far = terminal.over_ssh()
        muxed = terminal.multiplexed()
        return cls(
            ascii=ascii or not terminal.speaks_unicode(),
            mouse=mouse,
            theme=theme,
            hz=4.0 if muxed and far else 5.0 if far else 10.0,
            fence=not muxed,
            plain=bool(os.environ.get("NO_COLOR")),
            few_colours=terminal.few_colours(),
            max_bps=max_bps,
        )
