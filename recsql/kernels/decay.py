"""Age as an integer weight: sums of whole numbers are the same in any order."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
ONE = 1 << 20
EPOCH_HALF_LIVES = 8


def epoch_day(today: int, half_life_days: float) -> int:
    """Give the day that ages are counted to: it stays the same for eight half-lives.

    Weights that followed the present would all change every day; relative to a fixed day they
    only change when their row does.
    """
    period = max(1, round(EPOCH_HALF_LIVES * half_life_days))
    return (today // period + 1) * period


def root_weights(day: Array, epoch: int, half_life_days: float) -> Array:
    """Give the square root of each decayed weight, so that a pair's weight is a product of two.

    Parameters
    ----------
    day : int64[n]            days since 1970, at most ``epoch``
    half_life_days : float    days, > 0; a pair whose two purchases are this old on average
        counts half of one of today

    Returns
    -------
    int64[n]    round(2**20 * 2 ** (-(epoch - day) / (2 * half_life_days)))
    """
    if len(day) == 0:
        return np.empty(0, dtype=np.int64)
    first = int(day.min())
    ages = epoch - np.arange(first, int(day.max()) + 1, dtype=np.float64)
    by_day = np.rint(ONE * np.power(2.0, -ages / (2.0 * half_life_days))).astype(np.int64)
    weights: Array = by_day[day - first]
    return weights


def now_factor(today: int, epoch: int, half_life_days: float) -> float:
    """Give what a sum of products is multiplied by to count in pairs of today."""
    return float(2.0 ** ((epoch - today) / half_life_days)) / float(ONE) ** 2
