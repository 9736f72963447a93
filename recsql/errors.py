"""The errors a user can meet, each a sentence that ends with the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RecsqlError(Exception):
    """Anything recsql refuses to do."""


class BindError(RecsqlError, ValueError):
    """A source table, column or expression cannot be bound."""


class ParameterError(RecsqlError, ValueError):
    """A parameter is outside of its range."""


class UnknownNameError(RecsqlError, LookupError):
    """A task, model, setting or column that does not exist."""


class NotBoundError(RecsqlError, RuntimeError):
    """A source has to be bound first."""


class NotTrainedError(RecsqlError, RuntimeError):
    """A task has to be trained first."""


class StateError(RecsqlError, RuntimeError):
    """The stored state cannot be used: newer, damaged, read-only or busy."""


class TrainingError(RecsqlError, ArithmeticError):
    """A model could not learn, or what it learned could not be brought into its stored form."""


class MissingExtraError(RecsqlError, ImportError):
    """An optional part is not installed."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Give ' Did you mean …?' with the nearest known names, or '' when none is near."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), list(by_lower), n=3, cutoff=0.5)
    if not near:
        return ""
    return f" Did you mean {' or '.join(repr(by_lower[match]) for match in near)}?"
