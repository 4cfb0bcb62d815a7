"""The headless twins of the keys."""
