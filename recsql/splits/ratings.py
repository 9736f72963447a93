"""Splits of ``rating``: ratings are hidden, and what their customers did before is shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.data.events import Events
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.splits.customers import hidden_last_share, known_features
from recsql.splits.split import MOST_QUERIES, Split
from recsql.splits.time import SHARE_AFTER, cut_time

Array = np.ndarray[Any, np.dtype[Any]]
Side = Literal["left", "right"]


@dataclass(frozen=True)
class RatingQueries:
    """Pairs of customer and item whose rating must be foretold.

    Attributes
    ----------
    requests : Requests    one a pair, with its item, and what the customer did until then
    rating : float64[n]    the hidden ratings
    owner : int64[n]       the place among the customers of the purchases that were split
    """

    requests: Requests
    rating: Array
    owner: Array

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self.rating)

    def rows(self) -> tuple[Array, Array, Array, Array]:
        """Give (query, item, whether it is what is asked about, customer or -1) to be stored."""
        n = len(self)
        return np.arange(n), self.requests.item, np.zeros(n, dtype=bool), self.owner

    def sample(self, place: Array, n_queries: int, rng: np.random.Generator) -> RatingQueries:
        """Ask for some; ``place`` gives who is learned from, and where: -1 for nobody."""
        kept = np.arange(len(self))
        if len(self) > n_queries:
            kept = np.sort(rng.choice(len(self), n_queries, replace=False))
        requests = self.requests.chosen(kept)
        user = np.where(requests.user >= 0, place[requests.user], -1).astype(np.int32)
        return RatingQueries(replace(requests, user=user), self.rating[kept], self.owner[kept])


def by_time(purchases: Purchases, seed: int) -> list[Split]:
    """Hide the newest fifth of the rated events, and foretell their ratings one by one.

    Models learn from what came before the cut. Each is asked with all that the customer had done
    before that moment, after the cut too, as it would be at the call.
    """
    events = purchases.events
    if events is None:
        return []
    cut = cut_time(events.time[events.rated], SHARE_AFTER)
    if cut is None:
        return []
    train = purchases.before(cut, None if purchases.today is None else cut // MICROSECONDS_PER_DAY)
    hidden = np.flatnonzero(events.rated & (events.time >= cut))
    return _split("time", cut, train, purchases, hidden, events, seed)


def by_customers(purchases: Purchases, seed: int) -> list[Split]:
    """Hide the last 20% of each customer's rated events, at least one of two or more.

    All the others are learned from and shown, whatever is asked about.

    Source: unified recommendation framework for a CRM, section 2.3 (sequence).
    """
    events = purchases.events
    if events is None:
        return []
    rated = np.flatnonzero(events.rated)
    hidden = rated[hidden_last_share(events.select(events.rated), seed)]
    kept = np.ones(len(events.item), dtype=bool)
    kept[hidden] = False
    shown = events.select(kept)
    return _split("paper", None, purchases.only_events(shown), purchases, hidden, shown, seed)


def _split(
    protocol: str,
    cut: int | None,
    train: Purchases,
    purchases: Purchases,
    hidden: Array,
    shown: Events,
    seed: int,
) -> list[Split]:
    """Ask for some of the hidden events: int64[n], places among the events of ``purchases``.

    Parameters
    ----------
    shown : what a request may know of, as far as it is not newer
    """
    events = purchases.events
    assert events is not None  # there is a split
    assert train.events is not None
    if len(hidden) == 0 or events.feedback is None or not ratings_differ(train.events):
        return []
    if len(hidden) > MOST_QUERIES:
        rng = np.random.default_rng(seed)
        hidden = np.sort(rng.choice(hidden, MOST_QUERIES, replace=False))
    user, time = events.user[hidden], events.time[hidden]
    side: Side = "left" if protocol == "time" else "right"  # chance chose among those of one time
    last = _first_after(shown, user, time, side)
    features = purchases.user_features
    requests = Requests(
        events.item[hidden],
        user,
        shown.between(shown.user_ptr[:-1][user], last),
        time,
        features=None if features is None else known_features(features, user),
    )
    rating = events.feedback.rating[hidden].astype(np.float64)
    return [Split(protocol, cut, train, RatingQueries(requests, rating, user.astype(np.int64)))]


def _first_after(events: Events, user: Array, time: Array, side: Side) -> Array:
    """Give the place of the first event of a customer at or after ('left') a time, or after it."""
    _, moment = np.unique(np.concatenate([events.time, time]), return_inverse=True)
    width = np.int64(len(moment))
    known = events.user * width + moment[: len(events.time)]
    asked = user * width + moment[len(events.time) :]
    return np.searchsorted(known, asked, side=side)


def ratings_differ(events: Events) -> bool:
    """Tell whether two events have different ratings: of others nothing can be learned."""
    if events.feedback is None:
        return False
    rating = events.feedback.rating[events.rated]
    return bool(len(rating)) and bool((rating != rating[0]).any())
