"""Live facts: the snapshot, log rings, request ledger, stats; the one sanitiser."""
