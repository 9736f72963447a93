"""Splits of ``first``: what customers buy first, of whom nothing but attributes is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.data.events import Events, pointers
from recsql.data.snapshot import ItemDays
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.splits.split import Queries, Split, taken
from recsql.splits.time import SHARE_AFTER, cut_time

Array = np.ndarray[Any, np.dtype[Any]]
SHARE_TEST = 0.3


def first_purchases(purchases: Purchases) -> Purchases:
    """Give the first basket of each known customer, and nothing else; attributes stay."""
    assert purchases.events is not None  # models of first purchases need them
    known = np.arange(min(int(purchases.history.is_user.sum()), purchases.events.n_users))
    if len(known) == 0:  # of purchases of which nothing but events is known
        known = np.arange(purchases.events.n_users)
    events = purchases.events.of_users(known).first_baskets()
    return _only(purchases, events, known)


def by_time(purchases: Purchases, seed: int) -> list[Split]:
    """Ask for the newest fifth of the customers; those who came before are learned from."""
    if purchases.events is None:
        return []
    events = first_purchases(purchases).events
    assert events is not None
    bought = np.diff(events.user_ptr) > 0
    begun = events.time[events.user_ptr[:-1][bought]]
    cut = cut_time(begun, SHARE_AFTER)
    if cut is None:
        return []
    hidden = bought.copy()
    hidden[bought] = begun >= cut
    return _split("time", cut, purchases, hidden, seed)


def by_customers(purchases: Purchases, seed: int) -> list[Split]:
    """Ask for 30% of the customers, and learn from the others.

    Source: unified recommendation framework for a CRM, section 2.3 (first purchase).
    """
    if purchases.events is None:
        return []
    events = first_purchases(purchases).events
    assert events is not None
    hidden = np.random.default_rng(seed).random(events.n_users) < SHARE_TEST
    return _split("paper", None, purchases, hidden, seed)


def _split(
    protocol: str, cut: int | None, purchases: Purchases, hidden: Array, seed: int
) -> list[Split]:
    first = first_purchases(purchases)
    events = first.events
    assert events is not None
    learned = events.select(~hidden[events.user])
    if cut is not None:
        learned = learned.before(cut)  # a basket may go on after its first event
    train = _only(first, learned, np.arange(events.n_users))
    if cut is not None and first.today is not None:
        train = replace(train, today=cut // MICROSECONDS_PER_DAY - 1)
    ptr, item = events.distinct_items()
    sizes = np.diff(ptr)
    users = taken(np.where(hidden, sizes, 0), seed)
    if len(users) == 0 or len(learned.item) == 0:
        return []
    nothing = events.select(np.zeros(len(events.item), dtype=bool)).of_users(users)
    begun = events.user_ptr[:-1][users]
    requests = Requests.of_customers(
        np.full(len(users), -1), nothing, time=events.time[begun], exclude_bought=True
    )
    if first.user_features is not None:
        requests = replace(requests, features=first.user_features.of_rows(users))
    if events.context is not None:
        requests = replace(requests, context=events.context.of_rows(begun))
    kept = np.zeros(len(sizes), dtype=bool)
    kept[users] = True
    truth = item[np.repeat(kept, sizes)]
    return [Split(protocol, cut, train, Queries(requests, pointers(sizes[users]), truth, users))]


def _only(purchases: Purchases, events: Events, users: Array) -> Purchases:
    """Give purchases of which nothing but these events is known, with their days."""
    found = replace(purchases.only_events(events, users), today=purchases.today)
    if purchases.today is None:
        return found
    day = events.time // MICROSECONDS_PER_DAY
    least = int(day.min(initial=0))
    width = np.int64(int(day.max(initial=0)) - least + 1)
    key, sold = np.unique(events.item * width + (day - least), return_counts=True)
    days = ItemDays((key // width).astype(np.int32), key % width + least, sold)
    return replace(found, item_days=days)
