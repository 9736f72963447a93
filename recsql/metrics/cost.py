"""What a model costs, as numbers: times of calls, rows a second, bytes, and coarse classes.

The measuring itself, with a clock and the system's word on memory, is in ``selection.measure``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsql.errors import ParameterError
from recsql.metrics.registry import ALL_TASKS, NO_TIES, Metric

Array = np.ndarray[Any, np.dtype[Any]]
LEAST_SECONDS = 1e-3  # noise of the machine decides below this


@dataclass(frozen=True)
class Latency:
    """How long calls took.

    Attributes
    ----------
    p50, p99 : seconds that 50% and 99% of the calls did not exceed; times that were measured, not
        interpolated, so that ``p99`` of fewer than 100 calls is the longest
    n_calls : calls measured, >= 1
    """

    p50: float
    p99: float
    n_calls: int


def latency(seconds: Array) -> Latency:
    """Give the percentiles of the times of calls.

    Tasks: all. Ties: none, nothing is ranked.

    Parameters
    ----------
    seconds : float[n_calls]    at least one; >= 0

    Raises
    ------
    ParameterError
        No call was measured, or a time is below 0 or NaN.

    Source: nearest rank (the inverted distribution), Hyndman and Fan, 1996, definition 1.
    """
    if len(seconds) == 0 or not (np.asarray(seconds) >= 0).all():
        raise ParameterError("seconds must be at least 0 for at least one call.")
    p50, p99 = np.percentile(seconds, [50, 99], method="inverted_cdf")
    return Latency(float(p50), float(p99), len(seconds))


def size_bytes(arrays: Iterable[Array]) -> int:
    """Give the bytes of what a model keeps (``model.arrays().values()``).

    Tasks: all. Ties: none, nothing is ranked. Uncompressed; an array given twice counts twice, as
    it is stored twice.

    Raises
    ------
    ParameterError
        An array holds Python objects: their size is not that of their pointers.
    """
    total = 0
    for array in arrays:
        if array.dtype.hasobject:
            raise ParameterError("arrays must hold numbers or fixed text, got Python objects.")
        total += array.nbytes
    return total


def cost_class(amount: float, *, least: float = LEAST_SECONDS) -> int:
    """Give the power of ten that a cost reaches: 2 for 100 up to, but not, 1,000 seconds.

    The same data and seed must give the same choice of model, and no two runs take the same time.
    So a measured time never enters the selection; its class does. Times of different runs differ
    by a few percent and fall into one class, but for those beside a power of ten. There is no
    class without an edge: make a choice depend on classes that differ by two or more (one cost is
    then certainly more than ten times the other), or weigh one class so little that it decides
    only between models that are as good as each other.

    Parameters
    ----------
    amount : float    seconds (or bytes), >= 0; infinity is refused
    least : float     less counts as this much, > 0

    Raises
    ------
    ParameterError
        ``amount`` is below 0, NaN or infinite, or ``least`` is not above 0.
    """
    if not 0 <= amount < math.inf:
        raise ParameterError(f"A cost must be at least 0 and finite, got {amount}.")
    if not 0 < least < math.inf:
        raise ParameterError(f"least must be above 0, got {least}.")
    return math.floor(math.log10(max(amount, least)))


def _cost(name: str, low: float, high: float, meaning: str, *, more: bool = False) -> Metric:
    return Metric(name, ALL_TASKS, more, low, high, NO_TIES, meaning, "cost", scale="decades")


METRICS = (
    _cost("train_seconds", LEAST_SECONDS, 1e4, "wall clock of fitting, with the first answer"),
    _cost("predict_microseconds", 1.0, 1e6, "mean wall clock of a query, asked in bulk"),
    _cost("predict_p50_microseconds", 1.0, 1e6, "median wall clock of a query asked alone"),
    _cost(
        "predict_p99_microseconds",
        1.0,
        1e6,
        "wall clock that 99% of the queries asked alone do not exceed",
    ),
    _cost("rows_per_second", 1.0, 1e8, "answers given a second, asked in bulk", more=True),
    _cost("peak_memory_bytes", 1e5, 1e11, "memory that fitting added to the process at its peak"),
    _cost("size_bytes", 1e3, 1e11, "bytes of the arrays that a fitted model keeps"),
)
