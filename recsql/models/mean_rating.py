"""The rating to expect by plain means: the trivial answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsql.errors import ParameterError
from recsql.models.base import Array, PairScorer
from recsql.models.purchases import Purchases
from recsql.models.rating import RatingModel
from recsql.models.rating_parts import rated
from recsql.models.requests import Requests

WAYS = ("both", "item", "customer", "all")


@dataclass
class MeanRating(RatingModel):
    """Expect the mean rating ``by`` the item, by the customer until then, or by all.

    ``both`` is the mean of that of the item and that of the customer. One that has no rating yet
    has the mean of all.

    Source: Ma et al., "Temporal-Contextual Recommendation in Real-Time", KDD 2020, section 4.3
    (the rolling average of table 4).
    """

    name: ClassVar[str] = "mean_rating"
    tasks: ClassVar[tuple[str, ...]] = ()
    baseline_for: ClassVar[tuple[str, ...]] = ("rating",)
    effort: ClassVar[int] = 0

    by: str = "both"

    def _check(self) -> None:
        if self.by not in WAYS:
            raise ParameterError(f"by must be one of {', '.join(WAYS)}, got {self.by!r}.")

    def _fit(self, purchases: Purchases) -> None:
        assert purchases.events is not None  # fit() looked
        _, item, rating = rated(purchases.events)
        self.mean_ = float(rating.mean())
        self.item_ = _means(item, rating, purchases.n_items, self.mean_)

    def _parts(self, requests: Requests) -> tuple[Array, Array]:
        """Give what a customer and what an item adds: float64[n_requests], float64[n_items]."""
        assert requests.events is not None  # recommend() looked
        user, _, rating = rated(requests.events)
        customer = _means(user, rating, len(requests), self.mean_)
        if self.by == "both":
            return customer / 2, self.item_ / 2
        no_customer, no_item = np.zeros_like(customer), np.zeros_like(self.item_)
        if self.by == "customer":
            return customer, no_item
        return no_customer, self.item_ if self.by == "item" else no_item + self.mean_

    def _pair_ratings(self, requests: Requests) -> PairScorer:
        customer, of_item = self._parts(requests)
        return lambda row, item: customer[row] + of_item[item]

    def _all_ratings(self, requests: Requests) -> Array:
        customer, of_item = self._parts(requests)
        return (customer[:, None] + of_item).astype(np.float32)

    def arrays(self) -> dict[str, Array]:
        """Give the means."""
        return super().arrays() | {"mean": np.array([self.mean_]), "item": self.item_}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        super()._restore(arrays)
        self.mean_, self.item_ = float(arrays["mean"][0]), arrays["item"].astype(np.float64)


def _means(group: Array, rating: Array, n_groups: int, default: float) -> Array:
    count = np.bincount(group, minlength=n_groups)
    total = np.bincount(group, rating, n_groups)
    return np.where(count > 0, total / np.maximum(count, 1), default)
