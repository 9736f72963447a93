"""The items bought most often in the last days; the same for everyone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsql.errors import ParameterError
from recsql.models.base import Array, Purchases, Recommended, Recommender, Requests, first_of_order


@dataclass
class Popularity(Recommender):
    """Rank items by their transactions of the last ``days`` whole days; None counts all."""

    name: ClassVar[str] = "popularity"
    tasks: ClassVar[tuple[str, ...]] = ("popular",)
    effort: ClassVar[int] = 0
    baseline_for: ClassVar[tuple[str, ...]] = (
        "related",
        "bundle",
        "trending",
        "first",
        "next",
        "for_you",
    )

    days: int | None = 30

    def _check(self) -> None:
        if self.days is not None and not self.days >= 1:
            raise ParameterError(f"days must be at least 1, got {self.days}. None counts all days.")

    def _fit(self, purchases: Purchases) -> None:
        days = purchases.item_days
        if len(days.item) == 0:  # nothing has a date
            events = purchases.events
            item = purchases.history.basket_item if events is None else events.item
            sold = np.ones(len(item))
        else:
            counted = np.ones(len(days.day), dtype=bool)
            if self.days is not None and purchases.today is not None:
                counted = days.day > purchases.today - self.days
            item, sold = days.item[counted], days.transactions[counted].astype(np.float64)
        self.count_ = np.bincount(item, weights=sold, minlength=purchases.n_items)

    def arrays(self) -> dict[str, Array]:
        """Give the transactions of each item."""
        return {"count": self.count_}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.count_ = arrays["count"]

    def _recommend(self, requests: Requests, k: int, candidates: Array | None) -> Recommended:
        order = np.lexsort((np.arange(len(self.count_)), -self.count_)).astype(np.int32)
        item = first_of_order(order[self.count_[order] > 0], requests, k, candidates)
        score = np.where(item >= 0, self.count_[np.maximum(item, 0)], 0.0)
        return Recommended(item, score, score.astype(np.int32))
