"""Metrics of models that give probabilities."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from recsql.errors import ParameterError
from recsql.metrics.registry import CUSTOMER_TASKS, NO_TIES, Metric

Array = np.ndarray[Any, np.dtype[Any]]
ROUNDING = 1e-6  # a float32 log softmax may end this far above 0


def perplexity(log_probability: Array, *, least: float = 0.0) -> float:
    """Give the number of equally likely items between which the model was, in effect, undecided.

    Tasks: those of customers. Ties: none, nothing is ranked.

    Parameters
    ----------
    log_probability : float[n]    natural logarithm of the probability that the model gave to each
        item that was bought; -inf for a probability of 0
    least : float                 a smaller probability counts as this one, 0 <= least <= 1

    Returns
    -------
    exp of the mean of -log_probability, >= 1; 1 where the model was always sure and right, the
    number of items where it knew nothing; NaN for no purchase. One purchase of probability 0 makes
    it infinite, which is the definition and no mistake: a model that rules out what happens is
    infinitely surprised. Where models that rule items out are to be compared, give ``least`` (for
    example 1 / (10 n_items)) to all of them, and say so.

    Raises
    ------
    ParameterError
        A probability is NaN or above 1, or ``least`` is out of its range.

    Source: Jelinek et al., Journal of the Acoustical Society of America 62, 1977.
    """
    found = np.asarray(log_probability, dtype=np.float64)
    if not (found <= ROUNDING).all():  # written so that NaN is refused too
        raise ParameterError("log_probability must be at most 0 for every purchase.")
    if not 0 <= least <= 1:
        raise ParameterError(f"least must be a probability, got {least}.")
    if len(found) == 0:
        return float("nan")
    floor = math.log(least) if least > 0 else -math.inf
    surprise = -float(np.mean(np.clip(found, floor, 0.0)))
    return math.exp(surprise) if surprise < math.log(sys.float_info.max) else math.inf


METRICS = (
    Metric(
        "perplexity",
        CUSTOMER_TASKS,
        False,
        1.0,
        1e6,
        NO_TIES,
        "equally likely items between which the model was undecided; infinite after a purchase "
        "of probability 0",
        "probabilities",
        scale="log",
        compute=perplexity,
    ),
)
