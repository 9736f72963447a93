"""Measure how a model would rate what it has not seen rated."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from recsql.metrics.cost import size_bytes
from recsql.metrics.ratings import rmse_parts
from recsql.models.rating import RatingModel
from recsql.selection.evaluated import Evaluated
from recsql.selection.measure import Measured, time_calls
from recsql.splits.ratings import RatingQueries
from recsql.splits.split import Split

Array = np.ndarray[Any, np.dtype[Any]]
WIDTH = 4.0  # of ratings from 1 to 5, on whose scale errors are placed


def evaluate_ratings(model: RatingModel, parts: Sequence[Split], n_calls: int) -> Evaluated:
    """Fit a model on the training part and let it foretell the hidden ratings."""
    (part,) = parts
    queries = part.queries
    assert isinstance(queries, RatingQueries)
    with Measured() as cost:
        model.fit(part.train)
        _ask(model, queries, 0)
    started = time.perf_counter()
    found = model.rate(queries.requests)
    seconds = time.perf_counter() - started
    error = found - queries.rating
    costs = {
        "train_seconds": cost.seconds,
        "peak_memory_bytes": float(cost.peak_bytes),
        "predict_microseconds": seconds * 1e6 / len(queries),
        "size_bytes": float(size_bytes(model.arrays().values())),
    }
    if n_calls:
        took = time_calls(lambda call: _ask(model, queries, call), n_calls)
        costs["predict_p50_microseconds"] = took.p50 * 1e6
        costs["predict_p99_microseconds"] = took.p99 * 1e6
        costs["rows_per_second"] = len(queries) / max(seconds, 1e-9)
    low, high = model.range_
    return Evaluated(
        {"rmse": rmse_parts(error), "mae": np.abs(error)},
        {},
        costs,
        unit=float(high - low) / WIDTH,
    )


def _ask(model: RatingModel, queries: RatingQueries, call: int) -> None:
    model.rate(queries.requests.chosen(np.array([call % len(queries)])))
