"""How sure a mean is: bootstrap intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
RESAMPLES = 500


def bootstrap_interval(values: Array, seed: int) -> tuple[float, float]:
    """Give the 2.5% and 97.5% points of the mean over resampled queries.

    Parameters
    ----------
    values : float64[n_queries]    at least one

    Source: Efron, Annals of Statistics 7(1), 1979; percentile method, 500 resamples.
    """
    rng = np.random.default_rng(seed)
    means = np.array(
        [values[rng.integers(0, len(values), len(values))].mean() for _ in range(RESAMPLES)]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
