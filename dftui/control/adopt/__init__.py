"""`adopt`: a stack that was made by hand, or by DreamFactory's compose files, taken over with its data."""
