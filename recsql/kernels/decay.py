"""Age and size of a group as whole weights: their sums are the same in any order."""

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


def root_decay(day: Array, epoch: int, half_life_days: float) -> Array:
    """Give the square root of what age leaves, so that a pair's weight is a product of two.

    Parameters
    ----------
    day : int64[n]            days since 1970, at most ``epoch``
    half_life_days : float    days, > 0; a pair whose two purchases are this old on average
        counts half of one of today

    Returns
    -------
    float64[n]    2 ** (-(epoch - day) / (2 * half_life_days))
    """
    if len(day) == 0:
        return np.empty(0)
    first = int(day.min())
    ages = epoch - np.arange(first, int(day.max()) + 1, dtype=np.float64)
    by_day = np.power(2.0, -ages / (2.0 * half_life_days))
    decay: Array = by_day[day - first]
    return decay


def root_size(ptr: Array, size_power: float) -> Array:
    """Give the square root of what the size of its group leaves of an entry.

    Returns
    -------
    float64[n_entries]    size ** (-size_power / 2)
    """
    size = np.diff(ptr)
    by_size = np.power(
        np.arange(1, int(size.max(initial=1)) + 1, dtype=np.float64), -size_power / 2
    )
    return np.repeat(by_size[np.maximum(size, 1) - 1], size)


def whole(weight: Array) -> Array:
    """Give weights as whole numbers: int64[n], round(2**20 * weight)."""
    rounded: Array = np.rint(ONE * weight).astype(np.int64)
    return rounded


def now_factor(today: int | None, epoch: int, half_life_days: float | None) -> float:
    """Give what a sum of products is multiplied by to count in pairs of today."""
    decay = 1.0
    if half_life_days is not None:
        assert today is not None  # ages are counted to it
        decay = float(2.0 ** ((epoch - today) / half_life_days))
    return decay / float(ONE) ** 2
