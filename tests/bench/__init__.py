"""Measurements against their baselines, in the same run on the same machine; `python -m tests.bench`."""
