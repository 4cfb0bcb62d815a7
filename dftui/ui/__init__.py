"""The Textual screen; it draws snapshots and turns keys into actions."""
