"""Measure the lists of a model on queries that it has not seen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from recsql.data.offered import Unsold
from recsql.metrics.cost import size_bytes
from recsql.metrics.lists import buyer_vectors, diversity, mean_of_lists, novelty
from recsql.metrics.ranked import PER_QUERY, coverage, hits
from recsql.models.base import Recommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.selection.evaluated import Evaluated, K
from recsql.selection.measure import Measured, time_calls
from recsql.splits.split import Queries, Split

Array = np.ndarray[Any, np.dtype[Any]]


def evaluate_lists(
    model: Recommender, parts: Sequence[Split], eligible: Array, n_calls: int
) -> Evaluated:
    """Fit a model on the training part of each split and ask it the queries.

    An item that nobody bought takes a place of a list, and is no item of any metric.
    """
    asked = [part.queries for part in parts if isinstance(part.queries, Queries)]
    found, seconds, queries, costs = [], 0.0, 0, {}
    for part, one in zip(parts, asked, strict=True):
        unsold = part.train.unsold if model.offers_unsold() else None
        requests, offered = _among_all(unsold, one.requests, eligible)
        with Measured() as cost:
            model.fit(part.train)
            _answer(model, requests.part(0, 1), offered)  # ranks every item
        started = time.perf_counter()
        item = _answer(model, requests, offered)
        seconds += time.perf_counter() - started
        found.append(item if unsold is None else unsold.only_sold(item))
        queries += len(one)
        costs = {"train_seconds": cost.seconds, "peak_memory_bytes": float(cost.peak_bytes)}
    costs["predict_microseconds"] = seconds * 1e6 / queries
    costs["size_bytes"] = float(size_bytes(model.arrays().values()))
    if n_calls:
        costs |= _calls(model, requests, offered, n_calls)
        costs["rows_per_second"] = K * queries / max(seconds, 1e-9)
    hit = np.concatenate([hits(items, one) for one, items in zip(asked, found, strict=True)])
    n_hidden = np.concatenate([np.diff(one.truth_ptr) for one in asked])
    return Evaluated(
        {name: metric(hit, n_hidden) for name, metric in PER_QUERY.items()},
        _of_lists(np.concatenate(found), parts[-1].train, eligible),
        costs,
    )


def _among_all(
    unsold: Unsold | None, requests: Requests, eligible: Array
) -> tuple[Requests, Array]:
    """Ask in the codes of a model that can recommend items that nobody bought."""
    if unsold is None:
        return requests, eligible
    if requests.events is not None:
        requests = replace(requests, events=unsold.recoded(requests.events))
    return requests, unsold.among_all(eligible, unsold.available)


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


def _answer(model: Recommender, requests: Requests, eligible: Array) -> Array:
    """Give the items that a fitted model recommends: int32[n_queries, 10]."""
    return model.recommend(requests, K, eligible).item
