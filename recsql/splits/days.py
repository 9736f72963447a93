"""Splits of ``popular`` and ``trending``: the last days of several cuts are hidden."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.splits.split import Queries, Split

Array = np.ndarray[Any, np.dtype[Any]]
POPULAR_DAYS = 28
POPULAR_TRUTH = 10
TREND_DAYS = 14
TREND_TRUTH = 50
NORM_DAYS = 84
WEEKLY_CUTS = 8


def by_days(task: str, purchases: Purchases) -> list[Split]:
    """Split at 8 weekly cuts, newest first; one query each.

    ``popular``: the 10 items that sell most in the 28 days after the cut must be found.
    ``trending``: the 50 items that sell most above their own norm in the 14 days after it,
    (sold - norm) / sqrt(norm + 1/6), where the norm is the rate of the 84 days before.
    """
    if purchases.today is None:
        return []
    last_days = (purchases.today - week * 7 for week in range(WEEKLY_CUTS))
    found = (_split_at_day(task, purchases, last_day) for last_day in last_days)
    return [part for part in found if part is not None]


def _split_at_day(task: str, purchases: Purchases, last_day: int) -> Split | None:
    """Hide the days up to ``last_day``."""
    hidden = POPULAR_DAYS if task == "popular" else TREND_DAYS
    first = last_day - hidden + 1
    sold = _sold(purchases, first, last_day)
    norm = _sold(purchases, first - NORM_DAYS, first - 1) * hidden / NORM_DAYS
    if not sold.any() or not norm.any():
        return None
    if task == "popular":
        truth = _largest(sold, POPULAR_TRUTH)
    else:
        truth = _largest((sold - norm) / np.sqrt(norm + hidden / NORM_DAYS), TREND_TRUTH)
        if len(truth) == 0:  # nothing sells above its norm
            return None
    ptr = np.array([0, len(truth)], dtype=np.int64)
    queries = Queries(Requests.of_items(np.array([-1])), ptr, np.sort(truth))
    cut = first * MICROSECONDS_PER_DAY
    return Split("time", cut, purchases.before(cut, first), queries)


def _largest(values: Array, n: int) -> Array:
    """Give the codes of the ``n`` largest values above 0; ties to the smaller code."""
    order = np.lexsort((np.arange(len(values)), -values))
    return order[values[order] > 0][:n].astype(np.int32)


def _sold(purchases: Purchases, first: int, last: int) -> Array:
    """Give the transactions of each item from a day to a day, both included."""
    days = purchases.item_days
    chosen = (days.day >= first) & (days.day <= last)
    weights = days.transactions[chosen].astype(np.float64)
    return np.bincount(days.item[chosen], weights=weights, minlength=purchases.n_items)
