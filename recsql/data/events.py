"""Purchases one by one, in order of customer and time: what sequences are learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Events:
    """The purchases of customers, each customer's in order of time.

    A customer without an id is one session, where sessions are bound. Events of the same time are
    in order of basket and item.

    Attributes
    ----------
    n_items : int; item codes are 0 … n_items - 1, ascending with the id
    user_ptr : int64[n_users + 1]    events of each customer
    item : int32[n_events]           item codes
    time : int64[n_events]           microseconds since 1970, or the ordering integer; 0 without one
    basket : int32[n_events]         number of the basket, counted from 0 within the customer; it
                                     rises with the time of the basket's first event
    session : int32[n_events]        number of the session, counted in the same way
    strength : float32[n_events]     weight of the kind of event, above 0
    """

    n_items: int
    user_ptr: Array
    item: Array
    time: Array
    basket: Array
    session: Array
    strength: Array

    @property
    def n_users(self) -> int:
        """Count the customers."""
        return len(self.user_ptr) - 1

    @property
    def user(self) -> Array:
        """Give the customer of each event: int32[n_events]."""
        return np.repeat(np.arange(self.n_users, dtype=np.int32), np.diff(self.user_ptr))

    def select(self, kept: Array) -> Events:
        """Give some of the events, bool[n_events]; every customer remains."""
        counts = np.bincount(self.user[kept], minlength=self.n_users)
        return Events(
            self.n_items,
            pointers(counts),
            self.item[kept],
            self.time[kept],
            self.basket[kept],
            self.session[kept],
            self.strength[kept],
        )

    def of_users(self, users: Array) -> Events:
        """Give the events of some customers, in the order given: int[n] positions."""
        start, size = self.user_ptr[:-1][users], np.diff(self.user_ptr)[users]
        ptr = pointers(size)
        place = np.arange(int(ptr[-1])) - np.repeat(ptr[:-1] - start, size)
        return Events(
            self.n_items,
            ptr,
            self.item[place],
            self.time[place],
            self.basket[place],
            self.session[place],
            self.strength[place],
        )

    def before(self, cut: int) -> Events:
        """Give the events before ``cut``; every customer remains."""
        return self.select(self.time < cut)

    def distinct_items(self) -> tuple[Array, Array]:
        """Give (ptr, item) of the different items of each customer, ascending."""
        key = np.unique(self.user.astype(np.int64) * max(self.n_items, 1) + self.item)
        user, item = np.divmod(key, max(self.n_items, 1))
        return pointers(np.bincount(user, minlength=self.n_users)), item.astype(np.int32)


def pointers(counts: Array) -> Array:
    """Give where each of the groups begins that have so many entries: int64[n + 1]."""
    ptr = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=ptr[1:])
    return ptr
