"""Metrics of predicted ratings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from recsql.errors import ParameterError
from recsql.metrics.registry import NO_TIES, Metric

Array = np.ndarray[Any, np.dtype[Any]]


def rmse(predicted: Array, actual: Array) -> float:
    """Give the square root of the mean squared error.

    Tasks: rating. Ties: none, nothing is ranked.

    Parameters
    ----------
    predicted, actual : float[n]    ratings; finite

    Returns
    -------
    on the scale of the ratings, >= 0; NaN for no rating

    Raises
    ------
    ParameterError
        The lengths differ, or a rating is not finite.
    """
    error = _errors(predicted, actual)
    return math.sqrt(float(np.mean(error * error))) if len(error) else float("nan")


def rmse_parts(error: Array) -> Array:
    """Give what each rating adds to the root of the mean squared error: float64[n], >= 0.

    Their mean is the root. It is as uncertain as they say, to first order: the root grows with a
    squared error by half of its inverse.

    Parameters
    ----------
    error : float64[n]    predicted less actual ratings

    Source: Hampel, "The influence curve and its role in robust estimation", Journal of the
    American Statistical Association 69, 1974.
    """
    square = error * error
    mean = float(square.mean()) if len(square) else 0.0
    root = math.sqrt(mean)
    return np.asarray((square + mean) / (2 * root)) if root > 0 else np.zeros(len(error))


def mae(predicted: Array, actual: Array) -> float:
    """Give the mean absolute error.

    Tasks: rating. Ties: none, nothing is ranked.

    Parameters
    ----------
    predicted, actual : float[n]    ratings; finite

    Returns
    -------
    on the scale of the ratings, >= 0; NaN for no rating

    Raises
    ------
    ParameterError
        The lengths differ, or a rating is not finite.
    """
    error = _errors(predicted, actual)
    return float(np.mean(np.abs(error))) if len(error) else float("nan")


def _errors(predicted: Array, actual: Array) -> Array:
    predicted = np.asarray(predicted, dtype=np.float64)
    actual = np.asarray(actual, dtype=np.float64)
    if predicted.shape != actual.shape or predicted.ndim != 1:
        raise ParameterError(
            f"predicted and actual must have one entry a rating, got {predicted.shape} "
            f"and {actual.shape}."
        )
    if not (np.isfinite(predicted).all() and np.isfinite(actual).all()):
        raise ParameterError("predicted and actual must be finite, got NaN or infinity.")
    return np.asarray(predicted - actual)


METRICS = (
    Metric(
        "rmse",
        ("rating",),
        False,
        0.0,
        4.0,
        NO_TIES,
        "root of the mean squared error; the scale is the width of ratings from 1 to 5",
        "ratings",
        compute=rmse,
        is_mean=False,
    ),
    Metric(
        "mae",
        ("rating",),
        False,
        0.0,
        4.0,
        NO_TIES,
        "mean absolute error; the scale is the width of ratings from 1 to 5",
        "ratings",
        compute=mae,
    ),
)
