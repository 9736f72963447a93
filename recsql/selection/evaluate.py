"""Measure a model on queries that it has not seen."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.metrics.interval import bootstrap_interval
from recsql.metrics.ranked import PER_QUERY, coverage, hits
from recsql.models.base import Purchases, Recommender
from recsql.splits.queries import Queries, hide_all_but_one
from recsql.splits.random import random_buyers
from recsql.splits.time import cut_time

Array = np.ndarray[Any, np.dtype[Any]]
K = 10
SHARE_TEST = 0.2
SHARE_TEST_WITHOUT_TIME = 0.3
WINDOW_DAYS = 28


@dataclass(frozen=True)
class Split:
    """Purchases to learn from and queries to answer.

    Attributes
    ----------
    protocol : 'time' or 'random'
    cut : time of the cut; None without time
    """

    protocol: str
    cut: int | None
    train: Purchases
    queries: Queries


@dataclass(frozen=True)
class Metric:
    """A measured value with the interval that holds 95% of resamples (None: not resampled)."""

    name: str
    k: int
    value: float
    low: float | None
    high: float | None
    n_queries: int


def split(task: str, purchases: Purchases, seed: int) -> Split | None:
    """Split purchases for a task; None when no query would be left.

    ``related`` and ``bundle``: the newest fifth of the baskets is hidden; one random item of a
    customer's (basket's) items in it is shown, the rest must be found. ``popular`` and
    ``trending``: the last 28 days are hidden, one query.
    """
    if task in ("popular", "trending"):
        return _split_days(task, purchases)
    times = purchases.history.basket_time
    cut = cut_time(times, SHARE_TEST)
    if cut is None:
        chosen = random_buyers(purchases.history.n_buyers, SHARE_TEST_WITHOUT_TIME, seed)
        train, test, protocol = purchases.of_buyers(~chosen), purchases.of_buyers(chosen), "random"
    else:
        day = None if purchases.today is None else cut // MICROSECONDS_PER_DAY
        train, protocol = purchases.before(cut, day), "time"
        test = Purchases(
            purchases.history.since(cut), purchases.item_days, purchases.today, purchases.group_cap
        )
    groups = test.user_groups if task == "related" else test.basket_groups
    queries = hide_all_but_one(*groups, seed)
    if len(queries.query) == 0 or train.history.n_baskets == 0:
        return None
    return Split(protocol, cut, train, queries)


def measure(
    model: Recommender, queries: Queries, eligible: Array, seed: int
) -> tuple[list[Metric], float]:
    """Give the metrics at 10 of a fitted model, and microseconds a query."""
    started = time.perf_counter()
    found = model.recommend(queries.query, K, eligible).item
    microseconds = (time.perf_counter() - started) * 1e6 / len(queries.query)
    hit = hits(found, queries)
    n_hidden = np.diff(queries.truth_ptr)
    metrics = []
    for name, metric in PER_QUERY.items():
        values = metric(hit, n_hidden)
        low, high = bootstrap_interval(values, seed)
        metrics.append(Metric(name, K, float(values.mean()), low, high, len(values)))
    share = coverage(found, int(eligible.sum()))
    metrics.append(Metric("coverage", K, share, None, None, len(queries.query)))
    return metrics, microseconds


def _split_days(task: str, purchases: Purchases) -> Split | None:
    """Hide the last 28 days; the truth is what sold most (popular) or grew most (trending)."""
    days, today = purchases.item_days, purchases.today
    if today is None:
        return None
    first = today - WINDOW_DAYS + 1
    after = days.day >= first
    before = (days.day >= first - WINDOW_DAYS) & (days.day < first)
    if not after.any() or not before.any():
        return None
    sold_after = _sum(days.item[after], days.transactions[after], purchases.n_items)
    sold_before = _sum(days.item[before], days.transactions[before], purchases.n_items)
    wanted = sold_after if task == "popular" else sold_after - sold_before
    order = np.lexsort((np.arange(len(wanted)), -wanted))
    truth = order[wanted[order] > 0][:K].astype(np.int32)
    if len(truth) == 0:
        return None
    queries = Queries(
        np.array([-1], dtype=np.int32), np.array([0, len(truth)], dtype=np.int64), np.sort(truth)
    )
    cut = first * MICROSECONDS_PER_DAY
    return Split("time", cut, purchases.before(cut, first), queries)


def _sum(item: Array, transactions: Array, n_items: int) -> Array:
    totals: Array = np.bincount(item, weights=transactions.astype(np.float64), minlength=n_items)
    return totals
