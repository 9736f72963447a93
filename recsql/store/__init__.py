"""The state of recsql as ordinary tables."""
