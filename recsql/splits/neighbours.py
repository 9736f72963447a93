"""Splits of ``related`` and ``bundle``: of what was bought together, one item is shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.splits.split import Queries, Split, taken
from recsql.splits.time import SHARE_AFTER, cut_time

Array = np.ndarray[Any, np.dtype[Any]]
SHARE_TEST = 0.3


def by_time(task: str, purchases: Purchases, seed: int) -> list[Split]:
    """Hide the newest fifth of the baskets; ask about what a customer (a basket) bought in it."""
    cut = cut_time(purchases.history.basket_time, SHARE_AFTER)
    if cut is None:
        return []
    train = purchases.before(cut, None if purchases.today is None else cut // MICROSECONDS_PER_DAY)
    later = Purchases(purchases.history.since(cut), purchases.item_days, None, purchases.group_cap)
    return _split("time", cut, task, train, later, seed)


def by_groups(task: str, purchases: Purchases, seed: int) -> list[Split]:
    """Hide 30% of the customers (baskets); those with one purchase are always learned from.

    Source: unified recommendation framework for a CRM, section 2.3 (relationship, bundle).
    """
    history = purchases.history
    rng = np.random.default_rng(seed)
    if task == "related":
        several = history.is_user & (history.buyer_sizes >= 2)
        hidden = several & (rng.random(len(several)) < SHARE_TEST)
        train, later = purchases.of_buyers(~hidden), purchases.of_buyers(hidden)
        place = np.flatnonzero(hidden)
    else:
        buyer = np.repeat(np.arange(history.n_buyers), np.diff(history.buyer_ptr))
        several = (history.buyer_sizes >= 2)[buyer]
        hidden = several & (rng.random(len(several)) < SHARE_TEST)
        train, later = purchases.of_baskets(~hidden), purchases.of_baskets(hidden)
        place = np.arange(history.n_buyers)
    return _split("paper", None, task, train, later, seed, place)


def _split(
    protocol: str,
    cut: int | None,
    task: str,
    train: Purchases,
    later: Purchases,
    seed: int,
    place: Array | None = None,
) -> list[Split]:
    """Ask about the groups of ``later``; ``place`` tells whom its buyers were before."""
    history = later.history
    owner = np.arange(history.n_buyers) if place is None else place
    owner = np.where(history.is_user, owner, -1)
    if task == "related":
        groups, owner = later.user_groups, owner[history.is_user]
    else:
        groups, owner = later.basket_groups, np.repeat(owner, np.diff(history.buyer_ptr))
    queries = hide_all_but_one(*groups, seed, owner)
    if len(queries) == 0 or train.history.n_baskets == 0:
        return []
    return [Split(protocol, cut, train, queries)]


def hide_all_but_one(ptr: Array, item: Array, seed: int, owner: Array | None = None) -> Queries:
    """Show a random item of each group with two or more, hide the rest.

    Parameters
    ----------
    ptr, item : int64[n_groups + 1], int32[…]    groups of distinct items
    seed : int                                   which item is shown, and which groups are taken
        when there are more than 5,000
    owner : int64[n_groups], optional            whose groups they are

    Source: unified recommendation framework for a CRM, section 2.3 (relationship, bundle).
    """
    rng = np.random.default_rng(seed)
    sizes = np.diff(ptr)
    usable = taken(np.where(sizes >= 2, sizes, 0), seed)
    shown = ptr[usable] + rng.integers(0, np.maximum(sizes[usable], 1))
    entries = np.concatenate(
        [np.arange(ptr[group], ptr[group + 1]) for group in usable] or [np.empty(0, np.int64)]
    )
    hidden = entries[~np.isin(entries, shown)]
    truth_ptr = np.zeros(len(usable) + 1, dtype=np.int64)
    np.cumsum(sizes[usable] - 1, out=truth_ptr[1:])
    whose = None if owner is None else owner[usable]
    return Queries(Requests.of_items(item[shown]), truth_ptr, item[hidden], whose)
