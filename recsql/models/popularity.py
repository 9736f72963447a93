"""The items bought most often lately; the same for everyone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recsql.errors import ParameterError
from recsql.models.base import Array, Recommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Recommended, Requests, first_of_order

WINDOWS_DAYS = (30, 7, 90)
HALF_LIVES_DAYS = (7.0, 30.0, 90.0)


@dataclass
class Popularity(Recommender):
    """Rank items by their transactions of the last ``days`` whole days; None counts all.

    With ``half_life_days`` a transaction counts half for each half-life of its age.

    Source: unified recommendation framework for a CRM, section 2.1 (popular).
    """

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
    half_life_days: float | None = None

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give windows and half-lives, where there is real time."""
        if not real_time:
            return [cls()]
        windows = [cls(days=days) for days in (*WINDOWS_DAYS, None)]
        return windows + [cls(days=None, half_life_days=days) for days in HALF_LIVES_DAYS]

    def _check(self) -> None:
        if self.days is not None and not self.days >= 1:
            raise ParameterError(f"days must be at least 1, got {self.days}. None counts all days.")
        if self.half_life_days is not None and not self.half_life_days > 0:
            raise ParameterError(
                f"half_life_days must be above 0, got {self.half_life_days}. "
                "None counts all ages alike."
            )

    def _fit(self, purchases: Purchases) -> None:
        self.count_ = self._counted(purchases)

    def _counted(self, purchases: Purchases) -> Array:
        days, today, n_items = purchases.item_days, purchases.today, purchases.n_items
        if len(days.item) == 0:  # nothing has a date
            events = purchases.events
            item = purchases.history.basket_item if events is None else events.item
            return np.bincount(item, minlength=n_items).astype(np.float64)
        if today is not None and self.days is not None:
            days = days.since(today - self.days + 1)
        if today is not None and self.half_life_days is not None:
            return days.decayed(n_items, today, self.half_life_days)
        return np.bincount(days.item, weights=days.transactions, minlength=n_items)

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
