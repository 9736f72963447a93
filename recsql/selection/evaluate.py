"""Measure a model on queries that it has not seen."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsql.metrics.cost import size_bytes
from recsql.metrics.interval import bootstrap_intervals
from recsql.metrics.lists import buyer_vectors, diversity, mean_of_lists, novelty
from recsql.metrics.ranked import PER_QUERY, coverage, hits
from recsql.metrics.registry import registry
from recsql.models.base import Purchases, Recommender, Requests
from recsql.selection.measure import Measured, time_calls
from recsql.splits.split import Split

Array = np.ndarray[Any, np.dtype[Any]]
K = 10
VALIDATION, TEST, COST = "validation", "test", "cost"


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
    """

    per_query: Mapping[str, Array]
    overall: Mapping[str, float]
    costs: Mapping[str, float]

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
            Metric(name, part, _k(name), float(row.mean()), low, high, n, _place(name, row))
            for name, row, (low, high) in zip(self.per_query, values, bounds.tolist(), strict=True)
        ]
        return found + [
            Metric(name, part, K, value, None, None, n, _place(name, value))
            for name, value in self.overall.items()
        ]

    def cost_metrics(self) -> list[Metric]:
        """Give what the model cost."""
        return [
            Metric(name, COST, 0, value, None, None, 0, _place(name, value))
            for name, value in self.costs.items()
        ]


def evaluate(
    model: Recommender, parts: Sequence[Split], eligible: Array, n_calls: int = 0
) -> Evaluated:
    """Fit a model on the training part of each split and ask it the queries.

    Parameters
    ----------
    n_calls : queries that are asked alone as well, to see how long one takes; 0: none
    """
    found, seconds, queries, costs = [], 0.0, 0, {}
    for part in parts:
        with Measured() as cost:
            model.fit(part.train)
            _answer(model, part, eligible, 1)  # ranks every item
        started = time.perf_counter()
        found.append(_answer(model, part, eligible))
        seconds += time.perf_counter() - started
        queries += len(part.queries)
        costs = {"train_seconds": cost.seconds, "peak_memory_bytes": float(cost.peak_bytes)}
    costs["predict_microseconds"] = seconds * 1e6 / queries
    costs["size_bytes"] = float(size_bytes(model.arrays().values()))
    if n_calls:
        costs |= _calls(model, parts[-1].queries.requests, eligible, n_calls)
        costs["rows_per_second"] = K * queries / max(seconds, 1e-9)
    hit = np.concatenate([hits(items, p.queries) for p, items in zip(parts, found, strict=True)])
    n_hidden = np.concatenate([np.diff(part.queries.truth_ptr) for part in parts])
    return Evaluated(
        {name: metric(hit, n_hidden) for name, metric in PER_QUERY.items()},
        _of_lists(np.concatenate(found), parts[-1].train, eligible),
        costs,
    )


def _of_lists(found: Array, train: Purchases, eligible: Array) -> dict[str, float]:
    """Measure the lists alone: what they cover, how unusual and how varied their items are."""
    ptr, item = train.user_groups
    n_customers = len(ptr) - 1
    overall = {"coverage": coverage(found, int(eligible.sum()))}
    if len(item) == 0:
        return overall  # purchases of nobody say neither
    buyers = np.bincount(item, minlength=train.n_items)
    overall["novelty"] = mean_of_lists(novelty(found, buyers, n_customers))[0]
    overall["diversity"] = mean_of_lists(
        diversity(found, *buyer_vectors(ptr, item, train.n_items))
    )[0]
    return {name: value for name, value in overall.items() if not np.isnan(value)}


def _calls(
    model: Recommender, requests: Requests, eligible: Array, n_calls: int
) -> dict[str, float]:
    """Ask some queries one by one: microseconds."""

    def ask(call: int) -> None:
        place = call % len(requests)
        model.recommend(requests.part(place, place + 1), K, eligible)

    took = time_calls(ask, n_calls)
    return {
        "predict_p50_microseconds": took.p50 * 1e6,
        "predict_p99_microseconds": took.p99 * 1e6,
    }


def _answer(model: Recommender, part: Split, eligible: Array, most: int | None = None) -> Array:
    """Give the items that a fitted model recommends for the queries: int32[n_queries, 10]."""
    requests = part.queries.requests
    if most is not None:
        requests = requests.part(0, most)
    return model.recommend(requests, K, eligible).item


def _place(metric: str, value: Any) -> float:
    return float(np.mean(registry()[metric].place(value)))


def _k(metric: str) -> int:
    return 1 if metric == "accuracy" else K
