"""How sure a mean is: bootstrap intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
RESAMPLES = 500


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
    rng = np.random.default_rng(seed)
    n_queries = values.shape[1]
    by_query = np.ascontiguousarray(values.T)
    means = np.array(
        [by_query[rng.integers(0, n_queries, n_queries)].mean(axis=0) for _ in range(resamples)]
    )
    outside = (1 - level) / 2
    return np.asarray(np.quantile(means, [outside, 1 - outside], axis=0).T)
