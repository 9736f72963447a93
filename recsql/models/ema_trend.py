"""Items whose sales now stand highest above their own moving average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsql.errors import ParameterError
from recsql.kernels.trend import trend
from recsql.models.base import Array, Recommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Recommended, Requests, first_of_order


@dataclass
class EmaTrend(Recommender):
    """Rank items by the z-score of the exponential moving average of their daily sales.

    Items with fewer than ``least_transactions`` in the window are left out: one sale after none
    is the highest z-score there is.

    Source: unified recommendation framework for a CRM, section 2.7 (trending score) and 2.1
    (acceleration).
    """

    name: ClassVar[str] = "ema_trend"
    tasks: ClassVar[tuple[str, ...]] = ("trending",)
    effort: ClassVar[int] = 0
    needs_real_time: ClassVar[bool] = True

    half_life_days: float = 7.0
    window_days: int = 180
    least_transactions: int = 10

    def _check(self) -> None:
        if not self.half_life_days > 0:
            raise ParameterError(f"half_life_days must be > 0, got {self.half_life_days}.")
        if not self.window_days >= 15:
            raise ParameterError(
                f"window_days must be at least 15 (acceleration looks back 14), "
                f"got {self.window_days}."
            )
        if not self.least_transactions >= 1:
            raise ParameterError(
                f"least_transactions must be at least 1, got {self.least_transactions}."
            )

    def _fit(self, purchases: Purchases) -> None:
        assert purchases.today is not None  # needs_real_time
        self.z_, self.acceleration_ = trend(
            purchases.item_days.item,
            purchases.item_days.day,
            purchases.item_days.transactions,
            purchases.n_items,
            purchases.today,
            self.half_life_days,
            self.window_days,
        )
        days = purchases.item_days
        recent = days.day > purchases.today - self.window_days
        sold = np.bincount(
            days.item[recent], weights=days.transactions[recent], minlength=purchases.n_items
        )
        self.bought_ = sold >= self.least_transactions

    def _recommend(self, requests: Requests, k: int, candidates: Array | None) -> Recommended:
        order = np.lexsort((np.arange(len(self.z_)), -self.z_)).astype(np.int32)
        item = first_of_order(order[self.bought_[order]], requests, k, candidates)
        score = np.where(item >= 0, self.z_[np.maximum(item, 0)], 0.0)
        return Recommended(item, score, np.zeros_like(item))
