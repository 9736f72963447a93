"""The recurrent network that reads when sessions begin and how much time has passed."""

from ._recurrent import learn

__all__ = ["learn"]
