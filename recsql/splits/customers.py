"""Splits of ``next`` and ``for_you``: a customer's past is shown, what came then is hidden."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.data.events import Events, pointers
from recsql.data.features import Features, joined
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.splits.split import Queries, Split, taken
from recsql.splits.time import SHARE_AFTER, cut_time

Array = np.ndarray[Any, np.dtype[Any]]
SHARE_HIDDEN = 0.2
SHARE_TEST = 0.3
REBUYS = 0.1


def by_time(task: str, purchases: Purchases, seed: int) -> list[Split]:
    """Hide the newest fifth of the events.

    ``next``: the items of a customer's first basket in it must be found. ``for_you``: all items
    that a customer buys in it for the first time.
    """
    events = purchases.events
    if events is None:
        return []
    cut = cut_time(events.time, SHARE_AFTER)
    if cut is None:
        return []
    train = purchases.before(cut, None if purchases.today is None else cut // MICROSECONDS_PER_DAY)
    queries = _ask(task, purchases, train, events.time >= cut, seed)
    return [Split("time", cut, train, queries)] if len(queries) else []


def by_customers(task: str, purchases: Purchases, seed: int) -> list[Split]:
    """Hide the last basket of 30% of the customers, or the last fifth of everyone's events.

    ``next``: of the customers with two baskets or more, 30% are asked about and not learned from;
    their last basket, the most recent purchase, must be found. ``for_you``: the last 20% of each
    customer's events, at least one, are hidden.

    Source: unified recommendation framework for a CRM, section 2.3 (sequence).
    """
    events = purchases.events
    if events is None:
        return []
    if task == "next":
        hidden = hidden_last_basket(events)
        several = np.bincount(events.user[hidden], minlength=events.n_users) > 0
        chosen = several & (np.random.default_rng(seed).random(events.n_users) < SHARE_TEST)
        learned = np.flatnonzero(~chosen)
        train = purchases.only_events(events.of_users(learned), learned)
        queries = _ask(task, purchases, train, hidden & chosen[events.user], seed, chosen)
        nobody = np.full(len(queries), -1, dtype=np.int32)
        queries = replace(queries, requests=replace(queries.requests, user=nobody))
    else:
        hidden = hidden_last_share(events, seed)
        train = purchases.only_events(events.select(~hidden))
        queries = _ask(task, purchases, train, hidden, seed)
    return [Split("paper", None, train, queries)] if len(queries) else []


def leaves_out_bought(task: str, purchases: Purchases) -> bool:
    """Tell whether a task leaves out what the customer has bought, where a call does not say."""
    assert purchases.events is not None  # tasks of customers have them
    if task in ("repeat", "rating"):
        return False
    return task in ("for_you", "first") or not customers_rebuy(purchases.events)


def _ask(
    task: str,
    purchases: Purchases,
    train: Purchases,
    hidden: Array,
    seed: int,
    of: Array | None = None,
) -> Queries:
    assert purchases.events is not None  # there is a split
    return ask_customers(
        purchases.events,
        hidden,
        seed,
        next_basket=task == "next",
        exclude_bought=leaves_out_bought(task, train),
        of=of,
        features=purchases.user_features,
    )


def hidden_last_basket(events: Events) -> Array:
    """Hide the last basket of customers with two or more: bool[n_events]."""
    last = _last_basket(events)
    hidden: Array = (events.basket == last[events.user]) & (last[events.user] > 0)
    return hidden


def hidden_last_share(events: Events, seed: int) -> Array:
    """Hide the last 20% of a customer's events, at least one of two or more: bool[n_events].

    Among events of the same time chance decides: the order of their items says nothing.
    """
    size = np.diff(events.user_ptr)
    n_hidden = np.where(size > 1, np.maximum(1, (size * SHARE_HIDDEN).astype(np.int64)), 0)
    chance = np.random.default_rng(seed).random(len(events.item))
    order = np.lexsort((chance, events.time, events.user))
    place = np.arange(len(order)) - events.user_ptr[:-1][events.user]
    hidden = np.zeros(len(order), dtype=bool)
    hidden[order[place >= (size - n_hidden)[events.user]]] = True
    return hidden


def ask_customers(
    events: Events,
    hidden: Array,
    seed: int,
    *,
    next_basket: bool,
    exclude_bought: bool,
    of: Array | None = None,
    features: Features | None = None,
) -> Queries:
    """Ask for every customer who has events on both sides, at most 5,000 of them.

    They are asked for at the time, and in the context, of the first event that is not shown.

    Parameters
    ----------
    hidden : bool[n_events]    the events not shown, none older than a shown one of the customer
    next_basket : bool         only the items of the first hidden basket must be found; else of all
    exclude_bought : bool      what the customer had bought need not, and must not, be found
    of : bool[n_users]         customers who may be asked for; all without it
    features : a row a customer; those beyond its end have none
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
    askable = np.diff(shown.user_ptr) > 0
    if of is not None:
        askable &= of
    users = taken(np.bincount(owner, minlength=events.n_users) * askable, seed)
    kept = np.isin(owner, users)
    owner, item = owner[kept], item[kept]
    sizes = np.bincount(owner, minlength=events.n_users)[users]
    asked = later.user_ptr[:-1][users]
    requests = Requests.of_customers(
        users,
        shown.of_users(users),
        time=later.time[asked],
        exclude_bought=exclude_bought,
        features=None if features is None else known_features(features, users),
        context=None if later.context is None else later.context.of_rows(asked),
    )
    return Queries(requests, pointers(sizes), item, users)


def known_features(features: Features, users: Array) -> Features:
    """Give the features of some customers; one beyond the last row has none."""
    beyond = Features(np.zeros(2, dtype=np.int64), features.feature[:0], features.names)
    return joined(features, beyond).of_rows(np.minimum(users, features.n_rows))


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
