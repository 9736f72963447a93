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

    A logistic regression on pairs, with weights of at least 0, drawn towards the present ones.

    Parameters
    ----------
    merit : float64[n_models, n_metrics]    place on each scale, 1 best
    rank : [n_models]                       preferred place, 1 best; equal: no preference
    present : float64[n_metrics]            present weights, 1 in total

    Raises
    ------
    ParameterError
        No two models have different ranks, or the metrics do not tell such two apart.

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
    size = np.abs(difference).sum(axis=1)
    scale = MARGIN / float(np.median(size[size > 0]))
    start = present * scale

    def loss(weights: Array) -> tuple[float, Array]:
        odds = difference @ weights
        drawn = weights - start
        value = np.logaddexp(0, -odds).mean() + FAITH * (drawn @ drawn) / scale**2
        slope = -(difference * np.exp(-np.logaddexp(0, odds))[:, None]).mean(axis=0)
        return value, slope + 2 * FAITH * drawn / scale**2

    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start))
    if not found.x.sum() > 0:
        raise ParameterError(
            "The rankings must prefer models that are better in some metric, got the opposite: "
            "every weight would be 0. Is rank 1 the best?"
        )
    weights = found.x / found.x.sum()
    return Learned(
        weights,
        float((difference @ present > 0).mean()),
        float((difference @ weights > 0).mean()),
    )
