"""Small histories of customers for the tests of models that learn from their items."""

from __future__ import annotations

import numpy as np

from recsql.data.events import Events
from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.models.base import Purchases, Requests


def events(rows: list[list[int]], n_items: int) -> Events:
    item = np.array([code for row in rows for code in row], dtype=np.int32)
    ptr = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    zero = np.zeros(len(item), dtype=np.int32)
    times = np.arange(len(item), dtype=np.int64)
    return Events(n_items, ptr, item, times, zero, zero, np.ones(len(item), np.float32))


def learned(rows: list[list[int]], n_items: int, cap: int = 1000) -> Purchases:
    none = np.empty(0, dtype=np.int64)
    zero = np.zeros(1, dtype=np.int64)
    history = History(n_items, none.astype(bool), zero, zero, none.astype(np.int32), none)
    return Purchases(history, ItemDays(none, none, none), None, cap, events(rows, n_items))


def asked(rows: list[list[int]], n_items: int, exclude_bought: bool = False) -> Requests:
    new = np.full(len(rows), -1)
    return Requests.of_customers(new, events(rows, n_items), exclude_bought=exclude_bought)


def random_rows(seed: int, n_customers: int, n_items: int) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 7, n_customers)
    weight = 1.0 / np.arange(2, n_items + 2)
    return [rng.choice(n_items, size, False, weight / weight.sum()).tolist() for size in sizes]


def table(rows: list[list[int]], n_items: int) -> np.ndarray:
    dense = np.zeros((len(rows), n_items))
    for row, codes in enumerate(rows):
        dense[row, codes] = 1.0
    return dense
