"""Splits of ``repeat``: the next purchase of what a customer has bought is hidden."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.data.events import Events
from recsql.models.purchases import Purchases
from recsql.splits.split import MOST_QUERIES, Split

Array = np.ndarray[Any, np.dtype[Any]]
DAYS_OF_ALL = 4  # one of so many parts of the days is hidden


@dataclass(frozen=True)
class RepeatQueries:
    """Pairs of customer and item whose next purchase must be foretold.

    Attributes
    ----------
    events : what everyone is known to have bought
    on_time : int or None      the moment of asking in microseconds since 1970; None: right after
        the last known purchase of each pair
    user, item : int[n]        the pairs, ascending
    day : int64[n]             days since 1970 of the hidden purchase
    """

    events: Events
    on_time: int | None
    user: Array
    item: Array
    day: Array

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self.user)

    def rows(self) -> tuple[Array, Array, Array, Array]:
        """Give (query, item, whether it is what is asked about, customer or -1) to be stored."""
        n = len(self)
        return np.arange(n), self.item, np.zeros(n, dtype=bool), self.user

    def sample(self, place: Array, n_queries: int, rng: np.random.Generator) -> RepeatQueries:
        """Ask for some customers: ``place`` gives who they are there, -1 for nobody."""
        kept = np.flatnonzero(place[self.user] >= 0)
        if len(kept) > n_queries:
            kept = np.sort(rng.choice(kept, n_queries, replace=False))
        return replace(
            self,
            events=self.events.of_users(np.flatnonzero(place >= 0)),
            user=place[self.user[kept]],
            item=self.item[kept],
            day=self.day[kept],
        )


def by_time(purchases: Purchases, seed: int) -> list[Split]:
    """Hide the newest quarter of the days; foretell the first purchase in it of known pairs.

    A longer part than elsewhere: intervals that end after the data do are not seen, and the shorter
    the part, the more of the others are short.
    """
    purchases = _dated(purchases)
    events = purchases.events
    if events is None or purchases.today is None or len(events.time) == 0:
        return []
    first_day = int(events.time.min() // MICROSECONDS_PER_DAY)
    day = purchases.today + 1 - (purchases.today + 1 - first_day) // DAYS_OF_ALL
    if day in (first_day, purchases.today + 1):
        return []
    cut = day * MICROSECONDS_PER_DAY
    train = purchases.before(cut, day)
    assert train.events is not None
    pair, first = np.unique(_pair(events)[events.time >= cut], return_index=True)
    later = events.time[events.time >= cut][first] // MICROSECONDS_PER_DAY
    known = np.isin(pair, _pair(train.events))
    return _split("time", cut, train, cut - 1, pair[known], later[known], seed)


def by_pairs(purchases: Purchases, seed: int) -> list[Split]:
    """Hide the last purchase of every pair bought on two days or more.

    Source: unified recommendation framework for a CRM, section 2.3 (repeat purchase: n - 1 of n
    purchases are learned from, the n-th is foretold).
    """
    purchases = _dated(purchases)
    events = purchases.events
    if events is None or purchases.today is None:
        return []
    day = events.time // MICROSECONDS_PER_DAY
    pair, of_pair = np.unique(_pair(events), return_inverse=True)
    last, first = (
        np.full(len(pair), np.iinfo(np.int64).min),
        np.full(len(pair), np.iinfo(np.int64).max),
    )
    np.maximum.at(last, of_pair, day)
    np.minimum.at(first, of_pair, day)
    hidden = (day == last[of_pair]) & (last > first)[of_pair]
    train = replace(purchases.only_events(events.select(~hidden)), today=purchases.today)
    again = last > first
    return _split("paper", None, train, None, pair[again], last[again], seed)


def _dated(purchases: Purchases) -> Purchases:
    """Leave out what has no time: nothing can be said about when it comes again."""
    events = purchases.events
    return purchases if events is None else replace(purchases, events=events.dated())


def _split(
    protocol: str,
    cut: int | None,
    train: Purchases,
    on_time: int | None,
    pair: Array,
    day: Array,
    seed: int,
) -> list[Split]:
    events = train.events
    assert events is not None
    if len(pair) == 0 or not anyone_repeats(events):
        return []  # an interval can neither be asked for nor learned
    if len(pair) > MOST_QUERIES:
        chosen = np.sort(np.random.default_rng(seed).choice(len(pair), MOST_QUERIES, replace=False))
        pair, day = pair[chosen], day[chosen]
    user, item = np.divmod(pair, max(events.n_items, 1))
    queries = RepeatQueries(events, on_time, user, item.astype(np.int32), day)
    return [Split(protocol, cut, train, queries)]


def anyone_repeats(events: Events) -> bool:
    """Tell whether a customer bought an item on two days."""
    events = events.dated()
    pair = _pair(events)
    day = events.time // MICROSECONDS_PER_DAY
    days = day - day.min(initial=0)
    width = int(days.max(initial=0)) + 1
    return len(np.unique(pair)) < len(np.unique(pair * width + days))


def _pair(events: Events) -> Array:
    return events.user.astype(np.int64) * max(events.n_items, 1) + events.item
