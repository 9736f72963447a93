"""Python functions that SQL calls: thin, one file a family."""
