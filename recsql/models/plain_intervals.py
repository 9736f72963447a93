"""The trivial answers to when a customer buys again: a mean interval, and one constant."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsql.data.events import Events
from recsql.kernels.repeat_states import NEWEST, States
from recsql.kernels.repeat_times import N_KNOTS, foretell, quantile_knots, tail_scale
from recsql.models.base import Array
from recsql.models.repeat import RepeatModel, states_of


class PlainIntervals(RepeatModel):
    """Add an interval to the date of the last purchase; what is overdue is due at once.

    Low and high are from the 10% and 90% quantiles of how the newest interval of each pair stands
    to the one that was expected before it, given the waiting. The probability is the share of
    pairs with a repeat, times the chance by these quantiles that the interval ends within 30 days.
    """

    tasks: ClassVar[tuple[str, ...]] = ()
    baseline_for: ClassVar[tuple[str, ...]] = ("repeat",)

    def _learn(self, events: Events, today: int) -> None:
        states = states_of(events, np.full(events.n_users, today, dtype=np.int64))
        span, n = _span(states), states.times - 1
        self.knots_, self.tail_ = np.zeros((0, N_KNOTS)), np.zeros(0)
        again = float((n > 0).mean()) if len(n) else 0.0
        self.shop_ = np.array([span.sum() / max(int(n.sum()), 1), again])
        self._fit_levels(states.item, span, n, events.n_items)
        known = n > 0
        if known.any():
            newest = np.exp(states.now[known, NEWEST])
            earlier = np.maximum(span[known] - newest, 0.0)
            expected = self._interval(states.item[known], earlier, n[known] - 1)
            self.knots_ = quantile_knots(np.log(newest / expected))[None, :]
            self.tail_ = np.array([tail_scale(self.knots_[0])])

    def _knows_intervals(self) -> bool:
        return len(self.tail_) > 0

    @abstractmethod
    def _fit_levels(self, item: Array, span: Array, n: Array, n_items: int) -> None:
        """Learn from the days between the first and last purchase, and the intervals in them."""

    @abstractmethod
    def _interval(self, item: Array, span: Array, n: Array) -> Array:
        """Give the interval expected of each row, days above 0: float64[n_rows]."""

    def _predict(self, states: States, waited: Array) -> tuple[Array, Array, Array, Array]:
        interval = self._interval(states.item, _span(states), states.times - 1)
        kind = np.zeros(len(interval), dtype=np.int32)
        found = foretell(np.log(interval), kind, waited, self.knots_, self.tail_, 30.0, 0.8)
        _, low, high, soon = found
        return np.maximum(interval, waited), low, high, soon * self.shop_[1]


@dataclass
class MeanInterval(PlainIntervals):
    """Expect the customer's mean interval of the item, else the item's mean, else the shop's."""

    name: ClassVar[str] = "mean_interval"

    def _fit_levels(self, item: Array, span: Array, n: Array, n_items: int) -> None:
        days = np.bincount(item, weights=span, minlength=n_items)
        count = np.bincount(item, weights=n, minlength=n_items)
        self.item_ = np.where(count > 0, days / np.maximum(count, 1.0), self.shop_[0])

    def _interval(self, item: Array, span: Array, n: Array) -> Array:
        return np.where(n > 0, np.maximum(span, 1.0) / np.maximum(n, 1), self.item_[item])

    def arrays(self) -> dict[str, Array]:
        """Give the mean of the items and of the shop."""
        return {"item": self.item_, "shop": self.shop_, "knots": self.knots_, "tail": self.tail_}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.item_, self.shop_ = arrays["item"], arrays["shop"]
        self.knots_, self.tail_ = arrays["knots"], arrays["tail"]


@dataclass
class ConstantInterval(PlainIntervals):
    """Expect one interval of everyone: the median over pairs of their mean interval."""

    name: ClassVar[str] = "constant_interval"

    def _fit_levels(self, item: Array, span: Array, n: Array, n_items: int) -> None:
        own = span[n > 0] / n[n > 0]
        self.constant_ = np.array([np.median(own) if len(own) else 1.0])

    def _interval(self, item: Array, span: Array, n: Array) -> Array:
        return np.full(len(item), self.constant_[0])

    def arrays(self) -> dict[str, Array]:
        """Give the constant."""
        return {
            "constant": self.constant_,
            "shop": self.shop_,
            "knots": self.knots_,
            "tail": self.tail_,
        }

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.constant_, self.shop_ = arrays["constant"], arrays["shop"]
        self.knots_, self.tail_ = arrays["knots"], arrays["tail"]


def _span(states: States) -> Array:
    """Give the days between the first and the last purchase: float64[n_pairs]."""
    return np.asarray((states.last_day - states.first_day).astype(np.float64))
