"""A stack as commands or files that run without dftui: what is gathered, and one writer for each kind."""
