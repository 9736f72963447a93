"""The trend of an item as it is defined, with no thought for speed."""

from __future__ import annotations

import math


def slow_trend(
    rows: list[tuple[int, int, int]],
    n_items: int,
    today: int,
    half_life_days: float,
    window_days: int,
) -> tuple[list[float], list[float]]:
    """Give (z, acceleration) of every item; rows are (item, day, count)."""
    alpha = 1 - 2 ** (-1 / half_life_days)
    first = today - window_days + 1
    z, acceleration = [], []
    for wanted in range(n_items):
        level = {first - 1: 0.0}
        for day in range(first, today + 1):
            sold = sum(count for item, when, count in rows if item == wanted and when == day)
            level[day] = alpha * sold + (1 - alpha) * level[day - 1]
        window = [level[day] for day in range(first, today + 1)]
        mean = math.fsum(window) / window_days
        deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in window) / window_days)
        z.append((window[-1] - mean) / deviation if deviation else 0.0)
        now, week, fortnight = (level.get(today - days, 0.0) for days in (0, 7, 14))
        acceleration.append((now - week) - (week - fortnight))
    return z, acceleration
