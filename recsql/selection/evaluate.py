"""Measure a model on queries that it has not seen, by the kind of its answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recsql.models.base import Model, Recommender
from recsql.models.rating import RatingModel
from recsql.models.repeat import RepeatModel
from recsql.selection.evaluate_lists import evaluate_lists
from recsql.selection.evaluate_ratings import evaluate_ratings
from recsql.selection.evaluate_repeats import evaluate_repeats
from recsql.selection.evaluated import Evaluated
from recsql.splits.split import Split

Array = np.ndarray[Any, np.dtype[Any]]


def evaluate(model: Model, parts: Sequence[Split], eligible: Array, n_calls: int = 0) -> Evaluated:
    """Fit a model on the training part of each split and ask it the queries.

    Parameters
    ----------
    eligible : bool[n_items]    items that may be recommended
    n_calls : queries that are asked alone as well, to see how long one takes; 0: none
    """
    if isinstance(model, RepeatModel):
        return evaluate_repeats(model, parts, n_calls)
    if isinstance(model, RatingModel):
        return evaluate_ratings(model, parts, n_calls)
    assert isinstance(model, Recommender)  # there are no other kinds
    return evaluate_lists(model, parts, eligible, n_calls)
