"""Panes: each draws facts by pure functions; its style sheet is beside it."""
