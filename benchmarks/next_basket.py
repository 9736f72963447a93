"""The next basket of customers, against what they and everyone buy most often.

Hidden is the last basket of each customer with three or more. Settings of both models are chosen
on the baskets before those, in the same way; then both learn from all that is not hidden, and the
last baskets are asked for once. Bought items may be recommended again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import product
from typing import Any

import numpy as np

from benchmarks._data import FOLDER
from benchmarks._events import events_in_order, only
from benchmarks._report import report
from benchmarks._tuning import Settings, tuned
from recsql.data.events import Events, number_in_order, pointers
from recsql.metrics.ranked import hits, ndcg, recall
from recsql.models.base import Recommender
from recsql.models.frequency import Frequency
from recsql.models.requests import Requests
from recsql.models.tifuknn import TifuKNN
from recsql.splits.split import Queries

K = 10
LEAST_BASKETS = 3
COUNTS: Settings = {  # what the customer buys most often, and what everyone does
    "neighbours": 100,
    "group_size": 1000,
    "basket_decay": 1.0,
    "group_decay": 1.0,
    "own_share": 1.0,
}
GRID: dict[str, tuple[Any, ...]] = {
    "everyone_weight": (0.01, 0.03, 0.1, 0.3, 0.5, 1.0),
    "own_share": (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9),
    "neighbours": (30, 50, 100, 300, 900, 5000),
    "group_size": (2, 3, 5, 7, 10),
    "group_decay": (0.3, 0.5, 0.7, 0.9, 1.0),
    "basket_decay": (0.7, 0.8, 0.9, 0.95, 1.0),
}


def read(name: str) -> Events:
    """Give the purchases of customers, one event a basket and item."""
    import duckdb

    rows = (
        duckdb.connect(config={"threads": 2})
        .sql(
            "WITH p AS (SELECT t.user_id, t.item_id, t.basket_id, min(t.ts) OVER "
            "(PARTITION BY t.user_id, t.basket_id) AS at "
            f"FROM '{FOLDER}/{name}/interactions.parquet' AS t WHERE t.user_id IS NOT NULL "
            "AND t.event_type = 'purchase' AND t.quantity > 0) "
            "SELECT DISTINCT dense_rank() OVER (ORDER BY p.user_id) - 1 AS customer, "
            "dense_rank() OVER (ORDER BY p.item_id) - 1 AS item, "
            "dense_rank() OVER (ORDER BY p.at, p.basket_id) AS basket FROM p ORDER BY 1, 3, 2"
        )
        .fetchnumpy()
    )
    ptr = pointers(np.bincount(rows["customer"]))
    basket = number_in_order(ptr, rows["basket"].astype(np.int64))
    return events_in_order(int(rows["item"].max()) + 1, ptr, rows["item"], basket)


def hide_last(events: Events) -> tuple[Events, Queries]:
    """Hide the last basket of each customer who has enough of them."""
    last = np.zeros(events.n_users, dtype=np.int64)
    np.maximum.at(last, events.user, events.basket)
    hidden = (events.basket == last[events.user]) & (last[events.user] >= LEAST_BASKETS - 1)
    shown, later = events.select(~hidden), events.select(hidden)
    users = np.flatnonzero(np.diff(later.user_ptr))
    truth_ptr, truth = later.of_users(users).distinct_items()
    return shown, Queries(Requests.of_customers(users, shown.of_users(users)), truth_ptr, truth)


def measured(model: Recommender, train: Events, queries: Queries) -> dict[str, float]:
    """Give quality and seconds of a model."""
    started = time.perf_counter()
    model.fit(only(train))
    learned = time.perf_counter()
    found = model.recommend(queries.requests, K).item
    done = time.perf_counter()
    hit, n_hidden = hits(found, queries), np.diff(queries.truth_ptr)
    return {
        "R@10": float(recall(hit, n_hidden).mean()),
        "NDCG@10": float(ndcg(hit, n_hidden).mean()),
        "fit s": learned - started,
        "ask s": done - learned,
    }


def starts(counted: Frequency) -> list[Settings]:
    """Give settings to begin with: those that only count, and the defaults."""
    return [COUNTS | {"everyone_weight": counted.global_weight}, asdict(TifuKNN())]


def start_from(start: Settings, score: Callable[[Recommender], float]) -> TifuKNN:
    """Give the best settings that are found from a start."""
    return TifuKNN(**tuned(start, GRID, lambda settings: score(TifuKNN(**settings)), rounds=2))


def compare(name: str) -> list[dict[str, Any]]:
    """Choose settings on the baskets before the last, and measure on the last."""
    train, test = hide_last(read(name))
    smaller, before = hide_last(train)

    def score(model: Recommender) -> float:
        values = measured(model, smaller, before)
        return values["R@10"] + values["NDCG@10"]

    counts = [
        Frequency(decay, weight)
        for decay, weight in product((1.0, 0.9, 0.7), (0.01, 0.1, 0.3, 0.5, 1.0))
    ]
    counted = max(counts, key=score)
    chosen = max((start_from(start, score) for start in starts(counted)), key=score)
    models = {"frequency": counted, "tifuknn": chosen, "tifuknn, defaults": TifuKNN()}
    rows = {other: measured(model, train, test) for other, model in models.items()}
    return [
        {
            "R / frequency": values["R@10"] / rows["frequency"]["R@10"],
            "dataset": name,
            "model": other,
            **values,
            "asked": len(test.requests),
            "settings": asdict(models[other]),  # type: ignore[call-overload]
        }
        for other, values in rows.items()
    ]


def main() -> None:
    """Compare on both datasets."""
    names = ("uci_online_retail", "complete_journey_sample")
    rows = [row for name in names for row in compare(name)]
    report("next_basket", "last basket of customers with three or more", rows)


if __name__ == "__main__":
    main()
