"""HAProxy: its configuration, its runtime API, its request records."""
