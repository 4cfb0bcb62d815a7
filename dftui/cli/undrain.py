"""`dftui undrain WHO`: the way back from `drain`."""

from __future__ import annotations

from dftui.cli.drain import arguments, run

__all__ = ["arguments", "run"]
