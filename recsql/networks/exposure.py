"""How much of what customers did lately was about each item: what they had before their eyes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from recsql.data.events import Events
from recsql.kernels.ragged import ranges

Array = np.ndarray[Any, np.dtype[Any]]

LEAST_SHARE = 0.1  # of the mean share, for an item without events


@dataclass(frozen=True)
class Exposure:
    """The exposure rates of items, period by period.

    The rate of an item in a period is its share of the events of the period before, with ``more``
    events that are shared out as all events are.

    Attributes
    ----------
    share : float64[n_items]      of all events, above 0
    more : float                  > 0
    first : int                   the first period
    total : float64[n_periods]    events of each period
    key : int64[n]                period since the first, times the number of items, plus the item;
                                  ascending
    count : float64[n]            events of that item in that period
    period_microseconds : int     length of a period
    """

    share: Array
    more: float
    first: int
    total: Array
    key: Array
    count: Array
    period_microseconds: int

    @classmethod
    def of(cls, events: Events, period_microseconds: int, smoothing: float) -> Exposure:
        """Count events; ``smoothing`` are added for each item that has any."""
        n_items = max(events.n_items, 1)
        period = events.time // period_microseconds
        first = int(period.min()) if len(period) else 0
        key, count = np.unique((period - first) * n_items + events.item, return_counts=True)
        total = np.bincount(period - first, minlength=1)
        every = np.bincount(events.item, minlength=n_items)
        return cls(
            shares(every),
            added(every, smoothing),
            first,
            total.astype(np.float64),
            key.astype(np.int64),
            count.astype(np.float64),
            period_microseconds,
        )

    def period_of(self, time: Array) -> Array:
        """Give the number of the period of times: int64[n]."""
        found: Array = np.asarray(time) // self.period_microseconds
        return found

    def log_rates(self, period: Array) -> Array:
        """Give the logarithm of the rates of all items: float32[n_periods, n_items].

        Parameters
        ----------
        period : int64[n_periods]    as ``period_of`` numbers them
        """
        before, total = self._before(period)
        n_items = len(self.share)
        found = _log_rates(0.0, total[:, None], self.share, self.more)
        edges = np.searchsorted(self.key, np.stack([before, before + 1]) * n_items)
        row, place = ranges(*np.where(before >= 0, edges, 0))
        item = self.key[place] - before[row] * n_items
        found[row, item] = _log_rates(self.count[place], total[row], self.share[item], self.more)
        return found

    def log_rates_at(self, period: Array, item: Array) -> Array:
        """Give the logarithm of the rates of items in periods: float32[…].

        Parameters
        ----------
        period, item : int64[…]    shapes that go together
        """
        before, total = self._before(period)
        wanted = before * len(self.share) + item
        place = np.minimum(np.searchsorted(self.key, wanted), max(len(self.key) - 1, 0))
        hit = (before >= 0) & (self.key[place] == wanted)
        count = np.where(hit, self.count[place], 0.0)
        return _log_rates(count, total, self.share[item], self.more)

    def _before(self, period: Array) -> tuple[Array, Array]:
        """Give the place of the period before, -1 where nothing was counted, and its events."""
        before = np.asarray(period, dtype=np.int64) - self.first - 1
        before = np.where((before >= 0) & (before < len(self.total)), before, -1)
        return before, np.where(before >= 0, self.total[before], 0.0)


def shares(count: Array) -> Array:
    """Give the share of each item in all events, a little to those that have none: float64[n]."""
    least = LEAST_SHARE * max(float(count.mean()), 1.0 / max(len(count), 1))
    raised = np.maximum(count.astype(np.float64), least)
    found: Array = raised / raised.sum()
    return found


def added(count: Array, smoothing: float) -> float:
    """Give how many events are added in all: so many for each item that has any."""
    return smoothing * max(int(np.count_nonzero(count)), 1)


def log_rates_of(count: Array, every: Array, smoothing: float) -> Array:
    """Give the logarithm of the rates of one period: float32[n_items].

    Parameters
    ----------
    count, every : float64[n_items]    events of that period, and of all of them
    """
    return _log_rates(count, float(count.sum()), shares(every), added(every, smoothing))


def _log_rates(count: Any, total: Any, share: Array, more: float) -> Array:
    found: Array = np.log((count + more * share) / (total + more)).astype(np.float32)
    return found
