"""How sure a mean is: bootstrap intervals."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
RESAMPLES = 500
LEAST_QUERIES = 20  # of fewer, resamples say nothing about others
CHUNK = 100  # resamples drawn at a time


def bootstrap_interval(
    values: Array, seed: int, *, level: float = 0.95, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Give the interval of the mean over resampled queries; by default its 2.5% and 97.5% points.

    Parameters
    ----------
    values : float64[n_queries]    at least one
    level : float                  share of the resamples inside, 0 < level < 1
    resamples : int                enough that some fall outside of the level

    Source: Efron, Annals of Statistics 7(1), 1979; percentile method.
    """
    low, high = bootstrap_intervals(values[None, :], seed, level=level, resamples=resamples)[0]
    return float(low), float(high)


def bootstrap_intervals(
    values: Array, seed: int, *, level: float = 0.95, resamples: int = RESAMPLES
) -> Array:
    """Give the intervals of several means over the same resampled queries: float64[n, 2].

    Parameters
    ----------
    values : float64[n, n_queries]
    """
    n_queries = values.shape[1]
    means = np.empty((resamples, len(values)))
    for first in range(0, resamples, CHUNK):
        drawn = _drawn(n_queries, seed, first, min(CHUNK, resamples - first)).astype(np.float64)
        # Not by matrix product: that adds up in another order with another number of threads.
        means[first : first + CHUNK] = np.einsum("rq,mq->rm", drawn, values) / n_queries
    outside = (1 - level) / 2
    return np.asarray(np.quantile(means, [outside, 1 - outside], axis=0).T)


@lru_cache(maxsize=8)
def _drawn(n_queries: int, seed: int, chunk: int, resamples: int) -> Array:
    """Give how often each query is drawn in some resamples: int16[resamples, n_queries]."""
    rng = np.random.default_rng([seed, chunk])
    query = rng.integers(0, n_queries, (resamples, n_queries))
    query += np.arange(resamples)[:, None] * n_queries
    counts = np.bincount(query.ravel(), minlength=resamples * n_queries)
    drawn: Array = counts.reshape(resamples, n_queries).astype(np.int16)
    return drawn
