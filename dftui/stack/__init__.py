"""What is wanted: the stack file, names, APP_KEY and passwords; nothing here does I/O on an engine."""
