"""Events made of arrays, for models that are measured without a database of purchases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from recsql.data.events import Events, pointers
from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.kernels.ragged import ranges
from recsql.models.purchases import Purchases

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


def timed_events(rows: Mapping[str, Array]) -> tuple[Events, Array, Array]:
    """Give events of columns user_id, item_id and time, in order of the first and the last.

    Returns
    -------
    events, each customer's one basket and session; the ids of customers and of items
    """
    ids, item = np.unique(rows["item_id"], return_inverse=True)
    people, user = np.unique(rows["user_id"], return_inverse=True)
    zero = np.zeros(len(item), dtype=np.int32)
    events = Events(
        len(ids),
        pointers(np.bincount(user)),
        item.astype(np.int32),
        np.asarray(rows["time"], dtype=np.int64),
        zero,
        zero,
        np.ones(len(item), dtype=np.float32),
    )
    return events, people, ids


def histories_of(events: Events, start: Array, end: Array) -> Events:
    """Give the events start <= place < end of each row as those of a customer."""
    row, place = ranges(start, end)
    feedback = None if events.feedback is None else events.feedback.at(place)
    return Events(
        events.n_items,
        pointers(np.bincount(row, minlength=len(start))),
        events.item[place],
        events.time[place],
        events.basket[place],
        events.session[place],
        events.strength[place],
        feedback,
    )
