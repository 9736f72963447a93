"""What was measured of a model, and its rows in recsql.metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsql.metrics.interval import bootstrap_intervals
from recsql.metrics.registry import registry

Array = np.ndarray[Any, np.dtype[Any]]
K = 10
VALIDATION, TEST, COST = "validation", "test", "cost"
_LENGTHS = {"accuracy": 1}  # of lists; the metrics of dates have none


@dataclass(frozen=True)
class Metric:
    """A measured value with the interval that holds 95% of resamples (None: not resampled).

    Attributes
    ----------
    part : 'validation' (what decides), 'test' (reported once) or 'cost'
    k : length of the lists; 0 where there are none
    place : mean over the queries of where the value lies on the metric's scale, 0 to 1
    """

    name: str
    part: str
    k: int
    value: float
    low: float | None
    high: float | None
    n_queries: int
    place: float


@dataclass(frozen=True)
class Evaluated:
    """How a model did on one part of a split.

    Attributes
    ----------
    per_query : float64[n_queries] by metric
    overall : metrics that have no value for a single query
    costs : train_seconds, predict_microseconds a query, peak_memory_bytes and size_bytes; where
        queries were asked alone too, predict_p50_microseconds, predict_p99_microseconds and
        rows_per_second
    unit : what values of queries are divided by before they are placed on the scales of metrics
    """

    per_query: Mapping[str, Array]
    overall: Mapping[str, float]
    costs: Mapping[str, float]
    unit: float = 1.0

    @property
    def n_queries(self) -> int:
        """Count the queries."""
        return len(next(iter(self.per_query.values())))

    def metrics(self, part: str, seed: int) -> list[Metric]:
        """Give every metric of quality with its interval."""
        values = np.array(list(self.per_query.values()))
        bounds = bootstrap_intervals(values, seed)
        n = self.n_queries
        found = [
            Metric(name, part, _k(name), float(row.mean()), low, high, n, self.place(name))
            for name, row, (low, high) in zip(self.per_query, values, bounds.tolist(), strict=True)
        ]
        return found + [
            Metric(name, part, _k(name), value, None, None, n, _place(name, value))
            for name, value in self.overall.items()
        ]

    def places(self, metric: str) -> Array:
        """Give where each query lies on the scale of a metric: float64[n_queries]."""
        return registry()[metric].places(self.per_query[metric] / self.unit)

    def place(self, metric: str) -> float:
        """Give the mean of ``places``."""
        return float(self.places(metric).mean())

    def cost_metrics(self) -> list[Metric]:
        """Give what the model cost."""
        return [
            Metric(name, COST, 0, value, None, None, 0, _place(name, value))
            for name, value in self.costs.items()
        ]


def _place(metric: str, value: Any) -> float:
    return float(np.mean(registry()[metric].place(value)))


def _k(metric: str) -> int:
    if registry()[metric].needs not in ("hits", "lists"):
        return 0
    return _LENGTHS.get(metric, K)
