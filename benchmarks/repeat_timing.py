"""When customers buy an item again, against their mean interval and one constant.

Protocol 'last': the last purchase of every pair of customer and item with two or more (days of
purchase; one day counts once) is hidden, models learn from the others and foretell it as of the
pair's last visible purchase, from what the customer had bought by then. The headline counts pairs
with three or more, whose customers have an interval of their own. Protocol 'time': nothing newer
than a day is known, and pairs that buy again within the rest of the data are foretold as of that
day. Strengths and weights are learned from what is visible. 'validation' is the data without the
last purchases; the design was compared on it, while the numbers of 'test' were in view.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks._data import FOLDER
from benchmarks._events import only
from benchmarks._report import report
from recsql.columns import MICROSECONDS_PER_DAY
from recsql.data.events import Events, pointers
from recsql.metrics.repeats import (
    interval_coverage,
    interval_mae,
    interval_mse,
    recurrence_rate,
)
from recsql.models.plain_intervals import ConstantInterval, MeanInterval
from recsql.models.purchases import Purchases
from recsql.models.recurrence import Recurrence
from recsql.models.repeat import RepeatModel

Array = np.ndarray[Any, np.dtype[Any]]
DATASETS = ("uci_online_retail", "complete_journey_sample")
HORIZON = 30


def read(name: str) -> Events:
    """Give the purchases of customers, one event a customer, item and day, in order of day."""
    import duckdb

    rows = (
        duckdb.connect(config={"threads": 2})
        .sql(
            "SELECT DISTINCT dense_rank() OVER (ORDER BY t.user_id) - 1 AS customer, "
            "dense_rank() OVER (ORDER BY t.item_id) - 1 AS item, "
            f"epoch_us(t.ts) // {MICROSECONDS_PER_DAY} AS day "
            f"FROM '{FOLDER}/{name}/interactions.parquet' AS t WHERE t.user_id IS NOT NULL "
            "AND t.event_type = 'purchase' AND t.quantity > 0 ORDER BY 1, 3, 2"
        )
        .fetchnumpy()
    )
    ptr = pointers(np.bincount(rows["customer"]))
    return by_day(int(rows["item"].max()) + 1, ptr, rows["item"], rows["day"])


def by_day(n_items: int, ptr: Array, item: Array, day: Array) -> Events:
    """Give events at the start of their days; baskets and sessions are left 0."""
    none = np.zeros(len(item), dtype=np.int32)
    return Events(
        n_items,
        ptr,
        item.astype(np.int32),
        day.astype(np.int64) * MICROSECONDS_PER_DAY,
        none,
        none,
        np.ones(len(item), dtype=np.float32),
    )


def pair_order(events: Events) -> tuple[Array, Array]:
    """Give (order by customer, item and day; purchases of each pair in it)."""
    key = events.user.astype(np.int64) * events.n_items + events.item
    order = np.lexsort((events.time, key))
    return order, np.unique(key[order], return_counts=True)[1]


def hide_last(events: Events) -> tuple[Events, Array, Array]:
    """Give (what is visible, days of the hidden purchase or -1 a pair, purchases of each pair)."""
    order, times = pair_order(events)
    last = np.cumsum(times) - 1
    hidden = np.zeros(len(order), dtype=bool)
    hidden[order[last[times > 1]]] = True
    day = events.time[order[last]] // MICROSECONDS_PER_DAY
    return events.select(~hidden), np.where(times > 1, day, -1), times


def learned(model: RepeatModel, events: Events, today: int) -> float:
    """Fit; gives the seconds."""
    known = only(events)
    started = time.perf_counter()
    model.fit(Purchases(known.history, known.item_days, today, 1000, events))
    return time.perf_counter() - started


def last_protocol(name: str, part: str, events: Events, models: list[RepeatModel]) -> list[Any]:
    """Foretell the hidden last purchases."""
    visible, hidden, times = hide_last(events)
    today = int(visible.time.max() // MICROSECONDS_PER_DAY)
    rows = []
    for model in models:
        seconds = learned(model, visible, today)
        started = time.perf_counter()
        found = model.predict(visible)
        asked = time.perf_counter() - started
        for least in (3, 2):
            kept = times >= least
            actual = (hidden - found.last_bought)[kept].astype(np.float64)
            low, high = (edge[kept] - found.last_bought[kept] for edge in (found.low, found.high))
            rows.append(
                {
                    "protocol": f"last, n >= {least}",
                    "data": f"{name}, {part}",
                    "model": model.name,
                    "MAE days": interval_mae(found.interval[kept], actual),
                    "MSE": interval_mse(found.interval[kept], actual),
                    "in 80%": interval_coverage(low, high, actual),
                    "width days": float((high - low).mean()),
                    "pairs": int(kept.sum()),
                    "repeats": recurrence_rate(times),
                    "AUC": None,
                    "log loss": None,
                    "fit s": seconds,
                    "ask s": asked,
                }
            )
    return rows


def time_protocol(name: str, events: Events, models: list[RepeatModel], days: int) -> list[Any]:
    """Foretell the first purchase after a day of the pairs that buy again in the rest."""
    day = events.time // MICROSECONDS_PER_DAY
    cut = int(day.max()) - days
    visible, later = events.select(day <= cut), events.select(day > cut)
    order, times = pair_order(visible)
    key = visible.user.astype(np.int64) * events.n_items + visible.item
    pairs = key[order][np.cumsum(times) - 1]
    later_key = later.user.astype(np.int64) * events.n_items + later.item
    by_time = np.argsort(later.time, kind="stable")
    known, first = np.unique(later_key[by_time], return_index=True)
    next_day = np.full(len(pairs), np.iinfo(np.int64).max)
    again = np.isin(pairs, known)
    first_day = later.time[by_time[first]] // MICROSECONDS_PER_DAY
    next_day[again] = first_day[np.searchsorted(known, pairs[again])]
    soon = next_day <= cut + HORIZON
    rows = []
    for model in models:
        seconds = learned(model, visible, cut)
        started = time.perf_counter()
        found = model.predict(visible, cut * MICROSECONDS_PER_DAY)
        asked = time.perf_counter() - started
        for least in (2, 1):  # with the next one, at least 3 and 2
            kept = again & (times >= least)
            actual = next_day[kept].astype(np.float64)
            rows.append(
                {
                    "protocol": f"time, {days} days, n >= {least + 1}",
                    "data": f"{name}, test",
                    "model": model.name,
                    "MAE days": interval_mae(found.due[kept], actual),
                    "MSE": interval_mse(found.due[kept], actual),
                    "in 80%": interval_coverage(found.low[kept], found.high[kept], actual),
                    "width days": float((found.high[kept] - found.low[kept]).mean()),
                    "pairs": int(kept.sum()),
                    "repeats": recurrence_rate(times),
                    "AUC": auc(found.probability, soon),
                    "log loss": log_loss(found.probability, soon),
                    "fit s": seconds,
                    "ask s": asked,
                }
            )
    return rows


def auc(chance: Array, happened: Array) -> float:
    """Give how often what happened had a larger chance than what did not; ties count a half."""
    _, place, counts = np.unique(chance, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place]
    n = int(happened.sum())
    return float((rank[happened].sum() - n * (n + 1) / 2) / (n * (len(chance) - n)))


def log_loss(chance: Array, happened: Array) -> float:
    """Give the mean -log of the chance of what came to pass."""
    given = np.where(happened, chance, 1 - chance)
    return float(-np.log(np.maximum(given, 1e-9)).mean())


def main() -> None:
    """Measure the model and the baselines on both datasets and protocols."""
    rows = []
    for name in DATASETS:
        events = read(name)
        models: list[RepeatModel] = [Recurrence(), MeanInterval(), ConstantInterval()]
        learned(models[0], events, int(events.time.max() // MICROSECONDS_PER_DAY))  # compiles
        models[0].predict(events)
        rows += last_protocol(name, "validation", hide_last(events)[0], models)
        rows += last_protocol(name, "test", events, models)
        rows += time_protocol(name, events, models, 90)
    report("repeat_timing", "Days until a customer buys an item again", rows)


if __name__ == "__main__":
    main()
