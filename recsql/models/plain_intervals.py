"""The trivial answers to when a customer buys again: a mean interval, and one constant."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsql.data.events import Events
from recsql.kernels.repeat_states import States
from recsql.kernels.repeat_times import foretell, quantile_knots, tail_scale
from recsql.models.base import Array
from recsql.models.repeat import RepeatModel, states_of


class PlainIntervals(RepeatModel):
    """Add an interval to the date of the last purchase, whatever has been waited since.

    Low and high are the interval times the 10% and 90% quantiles of interval / expected interval
    in training. The probability is the share of pairs with a repeat, times the chance by these
    quantiles that the rest of the interval ends within 30 days.
    """

    baseline_for: ClassVar[tuple[str, ...]] = ("repeat",)
    tasks: ClassVar[tuple[str, ...]] = ()

    def _fit(self, events: Events, today: int) -> None:
        states = states_of(events, np.full(events.n_users, today, dtype=np.int64))
        n = states.times - 1
        span = (states.last_day - states.first_day).astype(np.float64)
        self.knots_, self.tail_ = np.zeros((0, 0)), np.zeros(0)
        self.shop_ = np.array([span.sum() / max(int(n.sum()), 1), float((n > 0).mean() if len(n) else 0.0)])
        self._fit_levels(states, span, n, events.n_items)
        repeated = n > 0
        if repeated.any():
            expected = self._interval(states)[repeated]
            self.knots_ = quantile_knots(np.log(span[repeated] / n[repeated] / expected))[None, :]
            self.tail_ = np.array([tail_scale(self.knots_[0])])

    def _knows_intervals(self) -> bool:
        return len(self.tail_) > 0

    @abstractmethod
    def _fit_levels(self, states: States, span: Array, n: Array, n_items: int) -> None:
        """Learn from the days between the first and last purchase, and the intervals in them."""

    @abstractmethod
    def _interval(self, states: States) -> Array:
        """Give the interval expected of each row, days above 0: float64[n_pairs]."""

    def _predict(self, states: States, waited: Array) -> tuple[Array, Array, Array, Array]:
        interval = self._interval(states)
        kind = np.zeros(len(interval), dtype=np.int32)
        found = foretell(np.log(interval), kind, waited, self.knots_, self.tail_, 30.0, 0.8)
        _, low, high, soon = found
        return interval, low, high, soon * self.shop_[1]


@dataclass
class MeanInterval(PlainIntervals):
    """Expect the customer's mean interval of the item, else the item's mean, else the shop's."""

    name: ClassVar[str] = "mean_interval"

    def _fit_levels(self, states: States, span: Array, n: Array, n_items: int) -> None:
        days = np.bincount(states.item, weights=span, minlength=n_items)
        count = np.bincount(states.item, weights=n, minlength=n_items)
        self.item_ = np.where(count > 0, days / np.maximum(count, 1.0), self.shop_[0])

    def _interval(self, states: States) -> Array:
        n = states.times - 1
        span = (states.last_day - states.first_day).astype(np.float64)
        return np.where(n > 0, span / np.maximum(n, 1), self.item_[states.item])

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

    def _fit_levels(self, states: States, span: Array, n: Array, n_items: int) -> None:
        own = span[n > 0] / n[n > 0]
        self.constant_ = np.array([np.median(own) if len(own) else 1.0])

    def _interval(self, states: States) -> Array:
        return np.full(len(states.item), self.constant_[0])

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
