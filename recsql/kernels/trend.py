"""Trends: how far the sales of an item are above their own usual level."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel

Array = np.ndarray[Any, np.dtype[Any]]
Floats = npt.NDArray[np.float64]

WEEK = 7
DECIMALS = 9


def trend(
    item: Array,
    day: Array,
    count: Array,
    n_items: int,
    today: int,
    half_life_days: float,
    window_days: int,
) -> tuple[Floats, Floats]:
    """Measure the trend and the acceleration of every item.

    The moving average of an item starts from 0 before the window of ``window_days`` days that
    ends today and follows e_t = alpha * x_t + (1 - alpha) * e_(t-1), with x_t its transactions of
    day t and alpha = 1 - 2^(-1 / half_life_days).

    Parameters
    ----------
    item : int32[n]           item codes, 0 <= item < n_items, in any order
    day : int64[n]            days since 1970; days outside of the window do not count
    count : int64[n]          transactions of the item on the day; rows of one day add up
    n_items : int             length of the results
    today : int               last day of the window
    half_life_days : float    days, > 0; a sale this old weighs half of one of today
    window_days : int         days, >= 1

    Returns
    -------
    z : float64[n_items]               (e_today - mean(e)) / sd(e) over the days of the window, with
                                       the standard deviation of a population; 0.0 where e does not
                                       vary, and so for an item without sales in the window;
                                       to 9 decimals, so that sales of one shape are equal
    acceleration : float64[n_items]    (e_T - e_(T-7)) - (e_(T-7) - e_(T-14)), transactions a day;
                                       e is 0 before the window

    Source
    ------
    A Unified Recommendation Framework for Zoho CRM, section 2.7 (z-score of the moving average)
    and section 2.1 (trending is the rate of change of popularity, or acceleration). The paper
    leaves the smoothing, the window, its start and the deviation open.
    """
    recent = (day > today - window_days) & (day <= today)
    item, place, count = item[recent], day[recent] - (today - window_days + 1), count[recent]
    by_item = np.argsort(item, kind="stable")
    rows_before = np.zeros(n_items + 1, dtype=np.int64)
    np.cumsum(np.bincount(item, minlength=n_items), out=rows_before[1:])
    # For a long half-life 1 - 2^x is too small to be exact; expm1 is not.
    alpha = -np.expm1(-np.log(2.0) / half_life_days)
    z, acceleration = _measure(
        rows_before,
        place[by_item].astype(np.int64),
        count[by_item].astype(np.float64),
        float(alpha),
        window_days,
    )
    return np.round(z, DECIMALS), acceleration


def softmax(values: Floats) -> Floats:
    """Give the share of each value: exp(value) / sum(exp(values)), without overflow.

    Parameters
    ----------
    values : float64[n]    any finite numbers

    Returns
    -------
    float64[n]    from 0 to 1, sums to 1; empty for no values
    """
    if len(values) == 0:
        return np.zeros(0)
    raised = np.exp(values - values.max())
    shares: Floats = raised / raised.sum()
    return shares


@kernel
def _measure(
    rows_before: npt.NDArray[np.int64],
    place: npt.NDArray[np.int64],
    count: Floats,
    alpha: float,
    window_days: int,
) -> tuple[Floats, Floats]:
    """Walk through the window of each item in turn; rows are grouped by item.

    Parameters
    ----------
    rows_before : int64[n_items + 1]    rows of the items before this one
    place : int64[n]                    day of the window, 0 <= place < window_days
    count : float64[n]                  transactions
    alpha : float                       weight of today in the average, 0 to 1
    window_days : int                   days, >= 1
    """
    n_items = rows_before.shape[0] - 1
    z = np.zeros(n_items)
    acceleration = np.zeros(n_items)
    level = np.zeros(window_days)
    for item in range(n_items):
        first, last = rows_before[item], rows_before[item + 1]
        if first == last:
            continue
        level[:] = 0.0
        for row in range(first, last):
            level[place[row]] += count[row]
        average = 0.0
        total = 0.0
        for days in range(window_days):
            average = alpha * level[days] + (1.0 - alpha) * average
            level[days] = average
            total += average
        mean = total / window_days
        squares = 0.0
        for days in range(window_days):
            squares += (level[days] - mean) ** 2
        if squares > 0.0:
            z[item] = (average - mean) / np.sqrt(squares / window_days)
        week_ago = level[window_days - 1 - WEEK] if window_days > WEEK else 0.0
        two_weeks_ago = level[window_days - 1 - 2 * WEEK] if window_days > 2 * WEEK else 0.0
        acceleration[item] = (average - week_ago) - (week_ago - two_weeks_ago)
    return z, acceleration
