"""Measure when a model of repeats expects purchases that it has not seen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from recsql.metrics.cost import size_bytes
from recsql.metrics.repeats import recurrence_rate
from recsql.models.repeat import RepeatModel
from recsql.selection.evaluated import Evaluated
from recsql.selection.measure import Measured, time_calls
from recsql.splits.repeats import RepeatQueries
from recsql.splits.split import Split

Array = np.ndarray[Any, np.dtype[Any]]


def evaluate_repeats(model: RepeatModel, parts: Sequence[Split], n_calls: int) -> Evaluated:
    """Fit a model on the training part and let it foretell the hidden purchases."""
    (part,) = parts
    queries = part.queries
    assert isinstance(queries, RepeatQueries)
    with Measured() as cost:
        model.fit(part.train)
        model.predict(queries.events.of_users(np.zeros(1, dtype=np.int64)), queries.on_time)
    started = time.perf_counter()
    found = model.predict(queries.events, queries.on_time)
    seconds = time.perf_counter() - started
    if len(found) == 0:
        raise ValueError("nobody bought an item on two days before the cut")
    width = np.int64(max(queries.events.n_items, 1))
    row = np.searchsorted(found.user * width + found.item, queries.user * width + queries.item)
    actual = queries.day.astype(np.float64)
    error = np.abs(found.due[row] - actual)
    inside = (found.low[row] <= actual) & (actual <= found.high[row])
    costs = {
        "train_seconds": cost.seconds,
        "peak_memory_bytes": float(cost.peak_bytes),
        "predict_microseconds": seconds * 1e6 / max(queries.events.n_users, 1),
        "size_bytes": float(size_bytes(model.arrays().values())),
    }
    if n_calls:
        took = time_calls(lambda call: _ask(model, queries, call), n_calls)
        costs["predict_p50_microseconds"] = took.p50 * 1e6
        costs["predict_p99_microseconds"] = took.p99 * 1e6
        costs["rows_per_second"] = len(found) / max(seconds, 1e-9)
    return Evaluated(
        {
            "interval_mae": error,
            "interval_mse": error**2,
            "interval_coverage": inside.astype(np.float64),
        },
        {"recurrence_rate": recurrence_rate(found.times_bought)},
        costs,
    )


def _ask(model: RepeatModel, queries: RepeatQueries, call: int) -> None:
    user = queries.user[call % len(queries) :][:1]
    model.predict(queries.events.of_users(user), queries.on_time)
