"""The version of this recsql."""

__version__ = "0.1.0"
