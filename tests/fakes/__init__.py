"""Stand-ins that behave as the real thing does, for tests that need none of it."""
