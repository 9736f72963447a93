"""The recurrent network that reads earlier ratings and time, and foretells the next."""

from ._ratings import learn

__all__ = ["learn"]
