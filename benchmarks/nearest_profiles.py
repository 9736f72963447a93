"""When an HNSW index of customers pays: it against the exact search, over ever more profiles.

Customers have ten attributes of eight values, drawn with a popularity of one by the rank, and
bought one item first. Building is single-threaded, as a fixed index needs; answers use two threads
in the exact search and one in the index. Agreement is the share of the ten best items in both.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

from benchmarks._events import events_in_order, only
from benchmarks._report import report
from recsql.data.events import Events
from recsql.data.features import Features
from recsql.models.base import Array
from recsql.models.hnsw_customers import HnswCustomers
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests

SIZES = (10_000, 50_000, 200_000)
ATTRIBUTES, VALUES, N_ITEMS, ASKED = 10, 8, 1000, 500


def customers(n_users: int, seed: int) -> tuple[Events, Features]:
    """Give customers with attributes, each with one purchase."""
    rng = np.random.default_rng(seed)
    chance = 1.0 / np.arange(1, VALUES + 1)
    value = rng.choice(VALUES, (n_users, ATTRIBUTES), p=chance / chance.sum())
    code = (value + VALUES * np.arange(ATTRIBUTES)).astype(np.int32)
    names = tuple((str(a), str(v)) for a in range(ATTRIBUTES) for v in range(VALUES))
    ptr = np.arange(n_users + 1)
    item = (value[:, 0] * 100 + rng.geometric(0.05, n_users)) % N_ITEMS
    features = Features(ATTRIBUTES * ptr, code.ravel(), names)
    return events_in_order(N_ITEMS, ptr, item), features


def answer(model: HnswCustomers, data: Purchases, asked: Requests) -> tuple[float, float, Array]:
    """Give the seconds to fit, the milliseconds an answer, and the answers."""
    started = time.perf_counter()
    model.fit(data)
    fitted = time.perf_counter() - started
    model.recommend(asked, 10)
    started = time.perf_counter()
    found = model.recommend(asked, 10).item
    return fitted, 1e3 * (time.perf_counter() - started) / len(asked), found


def compare(n_users: int) -> dict[str, Any]:
    """Give a row."""
    events, features = customers(n_users, 0)
    data = dataclasses.replace(only(events), user_features=features)
    nobody, wanted = customers(ASKED, 1)
    nothing = nobody.select(np.zeros(ASKED, dtype=bool))
    asked = Requests.of_customers(np.full(ASKED, -1), nothing, features=wanted)
    exact_fit, exact_ms, exact = answer(HnswCustomers(index_from=10**9), data, asked)
    index_fit, index_ms, index = answer(HnswCustomers(index_from=1), data, asked)
    both = [np.isin(one, other).mean() for one, other in zip(index, exact, strict=True)]
    return {
        "customers": n_users,
        "times as fast": round(exact_ms / index_ms, 2),
        "exact ms": round(exact_ms, 3),
        "index ms": round(index_ms, 3),
        "exact fit s": round(exact_fit, 2),
        "index fit s": round(index_fit, 2),
        "agreement": round(float(np.mean(both)), 3),
    }


def main() -> None:
    """Compare at each size."""
    report("nearest_profiles", "Exact search and HNSW index", [compare(n) for n in SIZES])


if __name__ == "__main__":
    main()
