"""Weights of metrics from rankings that people prefer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from recsql.errors import ParameterError

Array = np.ndarray[Any, np.dtype[Any]]
FAITH = 0.05  # how strongly the present weights hold where the rankings say little
MARGIN = 3.0  # log odds of a pair whose scores differ as pairs mostly do


@dataclass(frozen=True)
class Learned:
    """Weights, 1 in total, and the share of preferred pairs in the order of before and of now."""

    weights: Array
    agreed_before: float
    agreed: float


def learn_weights(merit: Array, rank: Sequence[float], present: Array) -> Learned:
    """Learn weights under which the models are scored in the preferred order.

    A logistic regression on pairs, with weights of at least 0, drawn towards the present ones,
    which stay where they agree with more pairs.

    Parameters
    ----------
    merit : float64[n_models, n_metrics]    place on each scale, 1 best
    rank : [n_models]                       preferred place, 1 best; equal: no preference
    present : float64[n_metrics]            present weights, 1 in total

    Raises
    ------
    ParameterError
        No two models have different ranks, the metrics do not tell such two apart, or no weights
        agree with any of them.

    Source: Herbrich, Graepel and Obermayer, 2000 (ordinal regression on differences of pairs).
    """
    from scipy.optimize import minimize

    pairs = [
        (i, j) if rank[i] < rank[j] else (j, i)
        for i, j in combinations(range(len(rank)), 2)
        if rank[i] != rank[j]
    ]
    better, worse = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    difference = merit[better] - merit[worse]
    if not difference.any():
        raise ParameterError(
            "The rankings must prefer one of two models that differ in a metric, got none."
        )
    # Of a metric whose values lie close together a large weight says no more than a small one of
    # another: what is drawn to the present is how much of a typical difference a metric makes up.
    spread = np.abs(difference).mean(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    unlike = difference / spread
    size = np.abs(unlike).sum(axis=1)
    unit = MARGIN / float(np.median(size[size > 0]))
    start = present * spread
    if start.any():
        start *= unit / float(start.sum())

    def loss(parts: Array) -> tuple[float, Array]:
        odds = unlike @ parts
        drawn = (parts - start) / unit
        value = np.logaddexp(0, -odds).mean() + FAITH * (drawn @ drawn)
        slope = -(unlike * np.exp(-np.logaddexp(0, odds))[:, None]).mean(axis=0)
        return value, slope + 2 * FAITH * drawn / unit

    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start))
    weights = found.x / spread
    weights /= max(float(weights.sum()), 1e-300)
    before, agreed = (float((difference @ w > 0).mean()) for w in (present, weights))
    if max(before, agreed) == 0:
        raise ParameterError(
            "The rankings must prefer models that are better in some metric, got the opposite: "
            "no weights agree with them. Is rank 1 the best?"
        )
    if before > agreed:
        weights, agreed = present / present.sum(), before
    return Learned(weights, before, agreed)
