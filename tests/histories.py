"""Small histories of customers for the tests of models that learn from their items."""

from __future__ import annotations

import hashlib

import numpy as np

from recsql.data.events import Events, pointers
from recsql.data.features import Features
from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.models.base import Model
from recsql.models.purchases import Purchases
from recsql.models.requests import Recommended, Requests

HOUR = 3_600_000_000


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


def digest(model: Model, found: Recommended) -> str:
    """Give a hash of all bits that were learned and found."""
    arrays = [*model.arrays().values(), found.item, found.score]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


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


def events_of(rows: list[list[int]], n_items: int, **more: object) -> Events:
    """Give events an hour apart, each a basket of its own."""
    item = np.array([code for row in rows for code in row], dtype=np.int32)
    ptr = pointers(np.array([len(row) for row in rows]))
    place = np.arange(len(item)) - np.repeat(ptr[:-1], np.diff(ptr))
    number = place.astype(np.int32)
    one = np.ones(len(item), dtype=np.float32)
    given = {"time": (place + 1) * HOUR, "strength": one, "feedback": None} | more
    time, strength, feedback = given.values()
    return Events(n_items, ptr, item, time, number, number, strength, feedback)  # type: ignore[arg-type]


def only(events: Events, users: Features | None = None, items: Features | None = None) -> Purchases:
    """Give purchases of which nothing but the events and attributes is known."""
    empty, start = np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    none = History(events.n_items, empty == 1, start, start, empty.astype(np.int32), empty)
    days = ItemDays(empty.astype(np.int32), empty, empty)
    return Purchases(none, days, 20_000, 1000, events, users, items)
