"""Metrics of when customers buy again."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def recurrence_rate(times: Array) -> float:
    """Give the share of purchases that are repeats: 0 to 1; 0 without purchases.

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

    Parameters
    ----------
    predicted, actual : float64[n]    days

    Source: unified recommendation framework for a CRM, section 2.4.
    """
    return float(np.abs(predicted - actual).mean()) if len(actual) else float("nan")


def interval_mse(predicted: Array, actual: Array) -> float:
    """Give the mean squared difference of intervals, in their unit squared; NaN for none.

    Parameters
    ----------
    predicted, actual : float64[n]    days

    Source: unified recommendation framework for a CRM, section 2.4.
    """
    return float(((predicted - actual) ** 2).mean()) if len(actual) else float("nan")


def interval_coverage(low: Array, high: Array, actual: Array) -> float:
    """Give the share of actual values from low to high, both included; NaN for none.

    Parameters
    ----------
    low, high, actual : float64[n]    on one scale
    """
    return float(((low <= actual) & (actual <= high)).mean()) if len(actual) else float("nan")
