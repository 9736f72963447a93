"""The recurrent network that reads earlier ratings, time and attributes, and foretells the next."""

from ._ratings import learn

__all__ = ["learn"]
