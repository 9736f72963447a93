"""Measure a model on queries that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.metrics.interval import bootstrap_intervals
from recsql.metrics.ranked import PER_QUERY, coverage, hits
from recsql.models.base import Purchases, Recommender, Requests
from recsql.splits.customers import (
    ask_customers,
    customers_rebuy,
    hidden_after,
    hidden_last_basket,
    hidden_last_share,
)
from recsql.splits.queries import Queries, hide_all_but_one
from recsql.splits.random import random_buyers
from recsql.splits.time import cut_time

Array = np.ndarray[Any, np.dtype[Any]]
K = 10
SHARE_TEST = 0.2
SHARE_TEST_WITHOUT_TIME = 0.3
POPULAR_DAYS = 28
TREND_DAYS = 14
NORM_DAYS = 84
WEEKLY_CUTS = 8
TREND_TRUTH = 50


@dataclass(frozen=True)
class Split:
    """Purchases to learn from and queries to answer.

    Attributes
    ----------
    protocol : 'time', 'random' or 'last'
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


def split(task: str, purchases: Purchases, seed: int) -> list[Split]:
    """Split purchases for a task, newest cut first; empty when no query would be left.

    ``related`` and ``bundle``: the newest fifth of the baskets is hidden; one random item of a
    customer's (basket's) items in it is shown, the rest must be found. ``popular``: the 10 items
    that sell most in the last 28 days must be found. ``trending``: the 50 items that sell most
    above their own norm in the last 14 days, (sold - norm) / sqrt(norm + 1/6), where the norm is
    the rate of the 84 days before. Both are asked at 8 weekly cuts, one query each. ``next``: the
    newest fifth of the events is hidden; the items of a customer's first basket in it must be
    found. ``for_you``: all items that a customer buys in it for the first time. Without real time
    the last basket, or the last fifth of each customer's events, is hidden.
    """
    if task in ("popular", "trending"):
        return _split_days(task, purchases)
    if task in ("next", "for_you"):
        return _split_customers(task, purchases, seed)
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
    if len(queries.requests) == 0 or train.history.n_baskets == 0:
        return []
    return [Split(protocol, cut, train, queries)]


def answer(model: Recommender, part: Split, eligible: Array, most: int | None = None) -> Array:
    """Give the items that a fitted model recommends for the queries: int32[n_queries, 10]."""
    requests = part.queries.requests
    if most is not None:
        requests = requests.part(0, most)
    return model.recommend(requests, K, eligible).item


def deciding_values(parts: Sequence[Split], found: Sequence[Array]) -> Array:
    """Give the NDCG at 10 of each query of all parts: float64[n_queries]."""
    hit, n_hidden = _hits(parts, found)
    return PER_QUERY["ndcg"](hit, n_hidden)


def measure(
    parts: Sequence[Split], found: Sequence[Array], eligible: Array, seed: int
) -> list[Metric]:
    """Give the metrics at 10 of what was recommended for each part."""
    hit, n_hidden = _hits(parts, found)
    values = np.array([metric(hit, n_hidden) for metric in PER_QUERY.values()])
    bounds = bootstrap_intervals(values, seed)
    metrics = [
        Metric(name, 1 if name == "accuracy" else K, float(row.mean()), low, high, len(row))
        for name, row, (low, high) in zip(PER_QUERY, values, bounds.tolist(), strict=True)
    ]
    share = coverage(np.concatenate(found), int(eligible.sum()))
    return [*metrics, Metric("coverage", K, share, None, None, len(n_hidden))]


def _hits(parts: Sequence[Split], found: Sequence[Array]) -> tuple[Array, Array]:
    hit = [hits(items, part.queries) for part, items in zip(parts, found, strict=True)]
    n_hidden = [np.diff(part.queries.truth_ptr) for part in parts]
    return np.concatenate(hit), np.concatenate(n_hidden)


def leaves_out_bought(task: str, purchases: Purchases) -> bool:
    """Tell whether a task leaves out what the customer has bought, where a call does not say."""
    assert purchases.events is not None  # tasks of customers have them
    return task == "for_you" or not customers_rebuy(purchases.events)


def _split_customers(task: str, purchases: Purchases, seed: int) -> list[Split]:
    events = purchases.events
    if events is None:
        return []
    cut = None if purchases.today is None else cut_time(events.time, SHARE_TEST)
    if cut is not None:
        train = purchases.before(cut, cut // MICROSECONDS_PER_DAY)
        hidden = hidden_after(events, cut)
    else:
        hidden = hidden_last_basket(events) if task == "next" else hidden_last_share(events)
        train = purchases.only_events(events.select(~hidden))
    assert train.events is not None
    queries = ask_customers(
        events,
        hidden,
        seed,
        next_basket=task == "next",
        exclude_bought=leaves_out_bought(task, train),
    )
    if len(queries.requests) == 0:
        return []
    return [Split("last" if cut is None else "time", cut, train, queries)]


def _split_days(task: str, purchases: Purchases) -> list[Split]:
    if purchases.today is None:
        return []
    last_days = (purchases.today - week * 7 for week in range(WEEKLY_CUTS))
    found = (_split_at_day(task, purchases, last_day) for last_day in last_days)
    return [part for part in found if part is not None]


def _split_at_day(task: str, purchases: Purchases, last_day: int) -> Split | None:
    """Hide the days up to ``last_day``; the truth is what sells most then, or above its norm."""
    hidden = POPULAR_DAYS if task == "popular" else TREND_DAYS
    first = last_day - hidden + 1
    sold = _sold(purchases, first, last_day)
    norm = _sold(purchases, first - NORM_DAYS, first - 1) * hidden / NORM_DAYS
    if not sold.any() or not norm.any():
        return None
    if task == "popular":
        truth = _largest(sold, K)
    else:
        truth = _largest((sold - norm) / np.sqrt(norm + hidden / NORM_DAYS), TREND_TRUTH)
    queries = Queries(
        Requests.of_items(np.array([-1])), np.array([0, len(truth)], dtype=np.int64), np.sort(truth)
    )
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
