"""What a model is asked, and the lists it answers with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from recsql.data.events import Events
from recsql.data.features import Features

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Requests:
    """What is asked, one entry a request; a model reads what it needs and ignores the rest.

    Attributes
    ----------
    item : int32[n]             the item asked about; -1 for none
    user : int32[n]             the customer's place in ``events`` of training; -1 for a new one
    events : Events or None     one customer a request: what they bought, as known at the request
    time : int64[n] or None     the moment of the request, on the scale of the events
    exclude_bought : bool       leave out what the customer has bought
    features : Features or None one row a request: the customer's attributes, as encoded for
                                training; None where none are known
    lately : float64[n_items] or None    events of each item in the time before all requests that
                                a model asks for; None: not counted anew
    context : Features or None  one row a request: what is known of it, as encoded for training;
                                None where nothing is
    """

    item: Array
    user: Array
    events: Events | None = None
    time: Array | None = None
    exclude_bought: bool = False
    features: Features | None = None
    lately: Array | None = None
    context: Features | None = None

    def __len__(self) -> int:
        """Count the requests."""
        return len(self.item)

    @classmethod
    def of_items(cls, item: Array) -> Requests:
        """Ask about items, -1 for none: int[n]."""
        item = np.asarray(item, dtype=np.int32)
        return cls(item, np.full(len(item), -1, dtype=np.int32))

    @classmethod
    def of_customers(
        cls,
        user: Array,
        events: Events,
        *,
        time: Array | None = None,
        exclude_bought: bool = False,
        features: Features | None = None,
        context: Features | None = None,
    ) -> Requests:
        """Ask for customers with what they bought, their attributes and a context."""
        user = np.asarray(user, dtype=np.int32)
        item = np.full(len(user), -1, dtype=np.int32)
        return cls(item, user, events, time, exclude_bought, features, context=context)

    def part(self, first: int, last: int) -> Requests:
        """Give the requests first <= n < last."""
        return self.chosen(np.arange(first, min(last, len(self))))

    def chosen(self, places: Array) -> Requests:
        """Give the requests at some places."""
        return Requests(
            self.item[places],
            self.user[places],
            None if self.events is None else self.events.of_users(places),
            None if self.time is None else self.time[places],
            self.exclude_bought,
            None if self.features is None else self.features.of_rows(places),
            self.lately,
            None if self.context is None else self.context.of_rows(places),
        )


@dataclass(frozen=True)
class Recommended:
    """Lists of recommendations, one row a request.

    Attributes
    ----------
    item : int32[n_requests, k]       item codes, best first; -1 where a list has ended
    score : float64[n_requests, k]    0 where a list has ended
    support : int32[n_requests, k]    groups behind the score; 0 where a model has none
    """

    item: Array
    score: Array
    support: Array


def first_of_order(
    order: Array, requests: Requests, k: int, candidates: Array | None = None
) -> Array:
    """Give each request the first ``k`` items of one order that it may get: int32[n_requests, k].

    Parameters
    ----------
    order : int32[n]    item codes, best first
    """
    if candidates is not None:
        order = order[candidates[order]]
    item = np.full((len(requests), k), -1, dtype=np.int32)
    ptr, bought = np.zeros(len(requests) + 1, dtype=np.int64), order[:0]
    if requests.exclude_bought and requests.events is not None:
        ptr, bought = requests.events.distinct_items()
    for row, asked in enumerate(requests.item):
        left_out = bought[ptr[row] : ptr[row + 1]]
        best = order[: k + 1 + len(left_out)]
        best = best[(best != asked) & ~np.isin(best, left_out)][:k]
        item[row, : len(best)] = best
    return item
