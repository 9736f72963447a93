"""What a metric is, and every metric by name: filled from the files of this room.

A module of this room names its metrics in ``METRICS``: that is the one place where a metric is
added. Tables and docs are made from ``registry()``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from recsql import metrics as room
from recsql.errors import UnknownNameError, did_you_mean

Array = np.ndarray[Any, np.dtype[Any]]

LIST_TASKS = ("first", "next", "repeat", "related", "bundle", "popular", "trending", "for_you")
CUSTOMER_TASKS = ("first", "next", "repeat", "for_you")
ALL_TASKS = (*LIST_TASKS, "rating")
NEEDS = ("hits", "lists", "pairs", "ratings", "probabilities", "dates", "cost")
SCALES = ("linear", "log", "decades")
NO_TIES = "none: nothing is ranked"
LEAST = 1e-300  # what a logarithm takes 0 for


@dataclass(frozen=True)
class Metric:
    """What a metric says and where its values lie.

    Attributes
    ----------
    name : identifier used in tables and arguments
    tasks : tasks it can be measured for
    higher_is_better : whether more is better
    low, high : ends of its scale, in its unit; fixed, whatever models compete
    tie_rule : what equal scores do to it
    meaning : what it tells, with its unit
    needs : what ``compute`` is given: 'hits' and the number of hidden items of each query,
        'lists', 'pairs', 'ratings', 'probabilities' or 'dates'; 'cost': nothing, it is measured
    scale : 'linear', 'log' (equal ratios are equally far apart) or 'decades' (as 'log', but only
        the power of ten counts)
    compute : the function that gives it; None where it is measured
    is_mean : whether it is the mean of what it is for single queries; else these are only what
        each adds to it, and may lie beyond the ends of the scale
    """

    name: str
    tasks: tuple[str, ...]
    higher_is_better: bool
    low: float
    high: float
    tie_rule: str
    meaning: str
    needs: str
    scale: str = "linear"
    compute: Callable[..., Any] | None = None
    is_mean: bool = True

    def place(self, value: Any) -> Any:
        """Give where a value, or an array of them, lies between ``low``, 0, and ``high``, 1.

        Values beyond the ends, infinite ones too, are cut off to them; NaN stays NaN.
        """
        value, low, high = np.clip(value, self.low, self.high), self.low, self.high
        if self.scale != "linear":
            value, low, high = (np.log10(np.maximum(v, LEAST)) for v in (value, low, high))
        if self.scale == "decades":
            value, low, high = np.floor(value), np.floor(low), np.floor(high)
        return (value - low) / (high - low)

    def places(self, values: Array) -> Array:
        """Give where the values of queries lie; the mean is where their mean lies.

        Parameters
        ----------
        values : float64[n]
        """
        if self.is_mean:
            return np.asarray(self.place(values))
        mean = float(values.mean())
        return np.asarray(self.place(mean) + (values - mean) / (self.high - self.low))

    def row(self) -> tuple[Any, ...]:
        """Give the metric as a row of a table: its attributes but the function."""
        return (
            self.name,
            list(self.tasks),
            self.higher_is_better,
            self.low,
            self.high,
            self.scale,
            self.needs,
            self.tie_rule,
            self.meaning,
        )


@cache
def registry() -> dict[str, Metric]:
    """Give every metric by its name, in order of name."""
    found = {metric.name: metric for metric in _declared()}
    return dict(sorted(found.items()))


def metrics_for(task: str) -> list[Metric]:
    """Give the metrics that can be measured for a task, in order of name."""
    return [metric for metric in registry().values() if task in metric.tasks]


def metric_named(name: str) -> Metric:
    """Give a metric by name; UnknownNameError offers the nearest ones."""
    known = registry()
    if name not in known:
        raise UnknownNameError(
            f"A metric must be among {', '.join(known)}, got {name!r}.{did_you_mean(name, known)}"
        )
    return known[name]


def _declared() -> Iterator[Metric]:
    for module in pkgutil.iter_modules(room.__path__):
        yield from getattr(importlib.import_module(f"{room.__name__}.{module.name}"), "METRICS", ())
