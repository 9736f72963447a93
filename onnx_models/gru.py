"""The gated recurrent network that reads nothing but items: see ``_recurrent``."""

from ._recurrent import learn

__all__ = ["learn"]
