"""Events made of arrays, for models that are measured without a database of purchases."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsql.data.events import Events
from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.models.base import Purchases

Array = np.ndarray[Any, np.dtype[Any]]


def events_in_order(
    n_items: int, user_ptr: Array, item: Array, basket: Array | None = None
) -> Events:
    """Give events whose time is their place; without baskets each customer has one."""
    number = np.zeros(len(item), np.int32) if basket is None else basket.astype(np.int32)
    return Events(
        n_items,
        np.ascontiguousarray(user_ptr, dtype=np.int64),
        np.ascontiguousarray(item, dtype=np.int32),
        np.arange(len(item), dtype=np.int64),
        number,
        number,
        np.ones(len(item), dtype=np.float32),
    )


def only(events: Events) -> Purchases:
    """Give purchases of which nothing but the events is known."""
    none = np.empty(0, dtype=np.int64)
    start = np.zeros(1, dtype=np.int64)
    history = History(events.n_items, none.astype(bool), start, start, none.astype(np.int32), none)
    return Purchases(history, ItemDays(none.astype(np.int32), none, none), None, 1000, events)
