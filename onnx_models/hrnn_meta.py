"""The recurrent network that reads feedback and attributes too."""

from ._recurrent import learn

__all__ = ["learn"]
