"""Metrics of when customers buy again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from recsql.metrics.registry import NO_TIES, Metric

Array = np.ndarray[Any, np.dtype[Any]]


def recurrence_rate(times: Array) -> float:
    """Give the share of purchases that are repeats: 0 to 1; 0 without purchases.

    Tasks: repeat. Ties: none, nothing is ranked.

    Parameters
    ----------
    times : int[n_pairs]    purchases of each customer and item, >= 1; the first is no repeat

    Source: unified recommendation framework for a CRM, section 2.4, which says only that it
    measures how often a given product is bought by a customer.
    """
    purchases = int(times.sum())
    return (purchases - len(times)) / purchases if purchases else 0.0


def interval_mae(predicted: Array, actual: Array) -> float:
    """Give the mean absolute difference of intervals, in their unit; NaN for none.

    Tasks: repeat. Ties: none, nothing is ranked.

    Parameters
    ----------
    predicted, actual : float64[n]    days

    Source: unified recommendation framework for a CRM, section 2.4.
    """
    return float(np.abs(predicted - actual).mean()) if len(actual) else float("nan")


def interval_mse(predicted: Array, actual: Array) -> float:
    """Give the mean squared difference of intervals, in their unit squared; NaN for none.

    Tasks: repeat. Ties: none, nothing is ranked.

    Parameters
    ----------
    predicted, actual : float64[n]    days

    Source: unified recommendation framework for a CRM, section 2.4.
    """
    return float(((predicted - actual) ** 2).mean()) if len(actual) else float("nan")


def interval_coverage(low: Array, high: Array, actual: Array) -> float:
    """Give the share of actual values from low to high, both included; NaN for none.

    Tasks: repeat. Ties: none, nothing is ranked.

    Parameters
    ----------
    low, high, actual : float64[n]    on one scale
    """
    return float(((low <= actual) & (actual <= high)).mean()) if len(actual) else float("nan")


def _of_repeats(
    name: str, compute: Callable[..., float], low: float, high: float, meaning: str, more: bool
) -> Metric:
    return Metric(name, ("repeat",), more, low, high, NO_TIES, meaning, "dates", compute=compute)


METRICS = (
    _of_repeats(
        "recurrence_rate", recurrence_rate, 0.0, 1.0, "share of purchases that are repeats", True
    ),
    _of_repeats(
        "interval_mae",
        interval_mae,
        0.0,
        100.0,
        "mean absolute error of the days until the next purchase",
        False,
    ),
    _of_repeats(
        "interval_mse",
        interval_mse,
        0.0,
        10_000.0,
        "mean squared error of the days until the next purchase",
        False,
    ),
    _of_repeats(
        "interval_coverage",
        interval_coverage,
        0.0,
        1.0,
        "share of next purchases from due_low to due_high, 80% by intent",
        True,
    ),
)
