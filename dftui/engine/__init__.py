"""The container engine behind one Protocol; only this package imports docker."""
