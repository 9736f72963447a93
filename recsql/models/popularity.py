"""The items bought most often in the last days; the same for everyone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsql.errors import ParameterError
from recsql.models.base import Array, Purchases, Recommended, Recommender, Requests


@dataclass
class Popularity(Recommender):
    """Rank items by their transactions of the last ``days`` whole days; None counts all."""

    name: ClassVar[str] = "popularity"
    tasks: ClassVar[tuple[str, ...]] = ("popular",)
    baseline_for: ClassVar[tuple[str, ...]] = ("related", "bundle", "trending")

    days: int | None = 30

    def _check(self) -> None:
        if self.days is not None and not self.days >= 1:
            raise ParameterError(f"days must be at least 1, got {self.days}. None counts all days.")

    def _fit(self, purchases: Purchases) -> None:
        counted = np.ones(len(purchases.item_days.day), dtype=bool)
        if self.days is not None and purchases.today is not None:
            counted = purchases.item_days.day > purchases.today - self.days
        self.count_ = np.bincount(
            purchases.item_days.item[counted],
            weights=purchases.item_days.transactions[counted].astype(np.float64),
            minlength=purchases.n_items,
        )

    def _recommend(self, requests: Requests, k: int, candidates: Array | None) -> Recommended:
        eligible = self.count_ > 0 if candidates is None else (self.count_ > 0) & candidates
        order = np.lexsort((np.arange(len(self.count_)), -self.count_))
        order = order[eligible[order]][: k + 1].astype(np.int32)
        item = np.full((len(requests), k), -1, dtype=np.int32)
        for row, query in enumerate(requests.item):
            best = order[order != query][:k]
            item[row, : len(best)] = best
        score = np.where(item >= 0, self.count_[np.maximum(item, 0)], 0.0)
        return Recommended(item, score, score.astype(np.int32))
