"""Every task under every protocol: which purchases train and which ones test."""

from __future__ import annotations

from recsql.models.purchases import Purchases
from recsql.splits import customers, days, first, neighbours, ratings, repeats
from recsql.splits.split import Split


def split(task: str, purchases: Purchases, seed: int, protocol: str | None = None) -> list[Split]:
    """Split purchases for a task, newest cut first; empty when no query would be left.

    ``time`` hides the newest part of everything: a global cut, nothing newer is visible to any
    model. ``paper`` is what the unified recommendation framework for a CRM does (section 2.3).

    Parameters
    ----------
    protocol : 'time' or 'paper'; None: ``time`` where the purchases have one, else ``paper``
    """
    if protocol != "paper":
        found = _by_time(task, purchases, seed)
        if found or protocol == "time":
            return found
    if task in ("related", "bundle"):
        return neighbours.by_groups(task, purchases, seed)
    if task in ("next", "for_you"):
        return customers.by_customers(task, purchases, seed)
    if task == "first":
        return first.by_customers(purchases, seed)
    if task == "rating":
        return ratings.by_customers(purchases, seed)
    return repeats.by_pairs(purchases, seed) if task == "repeat" else []


def _by_time(task: str, purchases: Purchases, seed: int) -> list[Split]:
    if task in ("popular", "trending"):
        return days.by_days(task, purchases)
    if task in ("related", "bundle"):
        return neighbours.by_time(task, purchases, seed)
    if task == "first":
        return first.by_time(purchases, seed)
    if task == "repeat":
        return repeats.by_time(purchases, seed)
    if task == "rating":
        return ratings.by_time(purchases, seed)
    return customers.by_time(task, purchases, seed)


def purchases_for(task: str, purchases: Purchases) -> Purchases:
    """Give the purchases that models of a task learn from: for ``first`` first baskets only."""
    return first.first_purchases(purchases) if task == "first" else purchases
