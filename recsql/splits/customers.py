"""Test queries of customers: what they bought is shown up to a point, what came then is hidden."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsql.data.events import Events, pointers
from recsql.models.base import Requests
from recsql.splits.queries import MOST_QUERIES, Queries

Array = np.ndarray[Any, np.dtype[Any]]
SHARE_HIDDEN = 0.2
REBUYS = 0.1


def hidden_after(events: Events, cut: int) -> Array:
    """Hide the events at or after ``cut``: bool[n_events] (protocol ``time``)."""
    hidden: Array = events.time >= cut
    return hidden


def hidden_last_basket(events: Events) -> Array:
    """Hide the last basket of customers with two or more (protocol ``last``)."""
    last = _last_basket(events)
    hidden: Array = (events.basket == last[events.user]) & (last[events.user] > 0)
    return hidden


def hidden_last_share(events: Events) -> Array:
    """Hide the last 20% of a customer's events, at least one of two or more (protocol ``last``)."""
    size = np.diff(events.user_ptr)
    n_hidden = np.where(size > 1, np.maximum(1, (size * SHARE_HIDDEN).astype(np.int64)), 0)
    place = np.arange(len(events.item)) - events.user_ptr[:-1][events.user]
    hidden: Array = place >= (size - n_hidden)[events.user]
    return hidden


def ask_customers(
    events: Events, hidden: Array, seed: int, *, next_basket: bool, exclude_bought: bool
) -> Queries:
    """Ask for every customer who has events on both sides, at most 5,000 of them.

    Parameters
    ----------
    hidden : bool[n_events]    the events not shown: the newest of each customer
    next_basket : bool         only the items of the first hidden basket must be found; else of all
    exclude_bought : bool      what the customer had bought need not, and must not, be found
    """
    shown, later = events.select(~hidden), events.select(hidden)
    if next_basket:
        has = np.diff(later.user_ptr) > 0
        first = np.full(later.n_users, -1, dtype=np.int64)
        first[has] = later.basket[later.user_ptr[:-1][has]]
        later = later.select(later.basket == first[later.user])
    owner, item = _distinct(later)
    if exclude_bought:
        known_owner, known_item = _distinct(shown)
        width = max(events.n_items, 1)
        fresh = ~np.isin(owner * width + item, known_owner * width + known_item)
        owner, item = owner[fresh], item[fresh]
    askable = (np.diff(shown.user_ptr) > 0) & (np.bincount(owner, minlength=events.n_users) > 0)
    users = np.flatnonzero(askable)
    if len(users) > MOST_QUERIES:
        rng = np.random.default_rng(seed)
        users = np.sort(rng.choice(users, MOST_QUERIES, replace=False))
    kept = np.isin(owner, users)
    owner, item = owner[kept], item[kept]
    sizes = np.bincount(owner, minlength=events.n_users)[users]
    moment = later.time[later.user_ptr[:-1][users]]
    requests = Requests.of_customers(
        users, shown.of_users(users), time=moment, exclude_bought=exclude_bought
    )
    return Queries(requests, pointers(sizes), item)


def customers_rebuy(events: Events) -> bool:
    """Tell whether a tenth or more of what baskets hold is something the customer had before."""
    width = max(events.n_items, 1)
    baskets = np.zeros(events.n_users, dtype=np.int64)
    np.maximum.at(baskets, events.user, events.basket + 1)
    basket = pointers(baskets)[:-1][events.user] + events.basket
    entries = len(np.unique(basket * width + events.item))
    return entries > 0 and 1 - len(_distinct(events)[0]) / entries >= REBUYS


def _last_basket(events: Events) -> Array:
    last = np.zeros(events.n_users, dtype=np.int64)
    np.maximum.at(last, events.user, events.basket)
    return last


def _distinct(events: Events) -> tuple[Array, Array]:
    """Give (customer, item) of what each customer bought, once, ascending."""
    ptr, item = events.distinct_items()
    return np.repeat(np.arange(events.n_users), np.diff(ptr)), item
