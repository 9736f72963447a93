"""Ratings as a mean plus what an item and a customer add: what models of ratings begin with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from recsql.data.events import Events
from recsql.models.base import Array
from recsql.models.requests import Requests

ROUNDS = 30


@dataclass(frozen=True)
class RatingParts:
    """A mean, what each item adds to it, and how strongly customers are drawn to nothing.

    Attributes
    ----------
    mean : of all ratings
    item : float64[n_items]    added to the mean; 0 for an item that nobody rated
    customer_pull : ratings of exactly the mean that every customer counts as having given, >= 0
    """

    mean: float
    item: Array
    customer_pull: float

    @classmethod
    def learn(cls, events: Events, item_pull: float, customer_pull: float) -> Self:
        """Learn both parts together by alternating least squares.

        Minimises the sum of (rating - mean - item - customer)**2, plus the pulls times the squares
        of the parts: each part is the mean of what the other leaves, drawn to 0.

        Source: Koren, Bell and Volinsky, "Matrix Factorization Techniques for Recommender
        Systems", Computer 42(8), 2009, equations 3 and 5, for the biases alone.
        """
        user, item, rating = rated(events)
        mean = float(rating.mean())
        of_user, of_item = np.zeros(events.n_users), np.zeros(events.n_items)
        for _ in range(ROUNDS):
            of_item = drawn_means(item, rating - mean - of_user[user], events.n_items, item_pull)
            of_user = drawn_means(
                user, rating - mean - of_item[item], events.n_users, customer_pull
            )
        return cls(mean, of_item, customer_pull)

    def rest(self, events: Events) -> Events:
        """Give the events with the mean and the part of the item taken off their ratings."""
        if events.feedback is None:
            return events
        rating = events.feedback.rating - self.mean - self.item[events.item]
        return replace(events, feedback=replace(events.feedback, rating=rating.astype(np.float32)))

    def left(self, events: Events) -> tuple[Array, Array, Array]:
        """Give (customer, item, rating without the mean and the part of its item) of ratings."""
        user, item, rating = rated(events)
        return user, item, rating - self.mean - self.item[item]

    def known_of(self, requests: Requests) -> Array:
        """Give the mean and what each customer adds: float64[n_requests]."""
        assert requests.events is not None  # recommend() looked
        return self.mean + self.of_customers(requests.events)

    def of_customers(self, events: Events) -> Array:
        """Give what each customer of the events adds: float64[n_users]; 0 without ratings."""
        user, _, rest = self.left(events)
        return drawn_means(user, rest, events.n_users, self.customer_pull)

    def arrays(self) -> dict[str, Array]:
        """Give the parts as arrays."""
        return {"mean": np.array([self.mean, self.customer_pull]), "item": self.item}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """Take back what ``arrays`` gave."""
        mean, pull = arrays["mean"].tolist()
        return cls(mean, arrays["item"].astype(np.float64), pull)


def drawn_means(group: Array, value: Array, n_groups: int, pull: float) -> Array:
    """Give the mean of each group, drawn to 0 as if it had ``pull`` zeros more: float64[n_groups].

    0 for a group without values.
    """
    count = np.bincount(group, minlength=n_groups) + pull
    return np.asarray(np.bincount(group, value, n_groups) / np.maximum(count, 1e-12))


def rated(events: Events) -> tuple[Array, Array, Array]:
    """Give (customer, item, rating) of the events with a rating: int32[n] twice, float64[n]."""
    if events.feedback is None:
        none = np.empty(0, dtype=np.int32)
        return none, none, np.empty(0)
    kept = events.rated
    return events.user[kept], events.item[kept], events.feedback.rating[kept].astype(np.float64)
