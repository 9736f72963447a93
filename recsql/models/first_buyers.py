"""How many customers bought each item first, in all and of late."""

from __future__ import annotations

import numpy as np

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.errors import ParameterError
from recsql.models.base import Array
from recsql.models.purchases import Purchases


def first_shares(purchases: Purchases, half_life_days: float | None) -> tuple[Array, Array]:
    """Give the share of all customers who bought each item first, and that of late.

    Of late a customer counts half whose first purchase is a half-life before the latest one. None:
    both are the same.

    Returns
    -------
    share, recent : float64[n_items], 0 to 1; 0 for an item that nobody bought first

    Raises
    ------
    ParameterError
        Age is to count and there is no real time.
    """
    assert purchases.events is not None  # models that ask have them
    first = purchases.events.first_baskets()
    ptr, item = first.distinct_items()
    bought = np.diff(ptr) > 0
    share = np.bincount(item, minlength=purchases.n_items) / max(int(bought.sum()), 1)
    if half_life_days is None or not bought.any():
        return share, share
    if purchases.today is None:
        raise ParameterError(
            f"half_life_days must be None without dates or timestamps, got {half_life_days}. "
            "Bind ts to a DATE or TIMESTAMP."
        )
    begun = first.time[first.user_ptr[:-1][bought]]
    days = (begun.max() - begun) / MICROSECONDS_PER_DAY
    weight = np.zeros(len(bought))
    weight[bought] = 0.5 ** (days / half_life_days)
    buyer = np.repeat(weight, np.diff(ptr))
    recent = np.bincount(item, weights=buyer, minlength=purchases.n_items) / weight.sum()
    return share, recent


def check_half_life(half_life_days: float | None) -> None:
    """Raise ParameterError for a half-life that is not above 0."""
    if half_life_days is not None and not half_life_days > 0:
        raise ParameterError(
            f"half_life_days must be > 0, got {half_life_days}. None counts all ages alike."
        )
