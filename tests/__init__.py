"""Tests: unit, ui, engine (a real Docker Engine), bench."""
