"""dftui: a terminal UI that runs a scaled DreamFactory on Docker."""

__version__ = "0.1.0"
