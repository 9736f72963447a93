"""Repeat purchases as they are defined, with no thought for speed."""

from __future__ import annotations

import math
from itertools import pairwise

Purchase = tuple[int, int, float]


def slow_states(purchases: list[Purchase], until: int, fade: float) -> dict[int, dict[str, object]]:
    """Give what is known of each item of one customer; purchases are (day, item, quantity)."""
    kept = [purchase for purchase in purchases if purchase[0] <= until]
    states: dict[int, dict[str, object]] = {}
    for item in sorted({item for _, item, _ in kept}):
        days = sorted({day for day, other, _ in kept if other == item})
        states[item] = {
            "times": len(days),
            "first_day": days[0],
            "last_day": days[-1],
            "quantity": sum(quantity for _, other, quantity in kept if other == item),
            "now": slow_columns(kept, item, days[-1], fade),
            "before": slow_columns(kept, item, days[-2], fade) if len(days) > 1 else [0.0] * 7,
        }
    return states


def slow_columns(purchases: list[Purchase], item: int, day: int, fade: float) -> list[float]:
    """Give the seven columns of an item as of the end of a day on which it was bought."""
    known = [purchase for purchase in purchases if purchase[0] <= day]
    logs = {
        code: slow_logs([when for when, other, _ in known if other == code])
        for code in {code for _, code, _ in known}
    }
    others = [value for code, values in logs.items() if code != item for value in values]
    visits = slow_logs([when for when, _, _ in known])
    weights = [fade**age for age in reversed(range(len(visits)))]
    return [
        math.fsum(logs[item]),
        logs[item][-1] if logs[item] else 0.0,
        math.fsum(others),
        float(len(others)),
        math.fsum(weight * value for weight, value in zip(weights, visits, strict=True)),
        math.fsum(weights),
        visits[-1] if visits else 0.0,
    ]


def slow_logs(days: list[int]) -> list[float]:
    """Give the log intervals between different days."""
    different = sorted(set(days))
    return [math.log(later - earlier) for earlier, later in pairwise(different)]


def slow_share_left(residual: float, knots: list[float], tail: float) -> float:
    """Give the chance of a residual above this one."""
    if residual >= knots[-1]:
        return math.exp(-(residual - knots[-1]) / tail) / len(knots)
    passed = 0.0
    for number, (below, above) in enumerate(pairwise(knots)):
        if below <= residual < above:
            passed = (number + (residual - below) / (above - below)) / len(knots)
    return 1.0 - passed


def slow_residual_at(left: float, knots: list[float], tail: float) -> float:
    """Give the residual above which a share lies, by halving."""
    low, high = knots[0] - 1.0, knots[-1] + 40.0 * tail
    for _ in range(200):
        middle = (low + high) / 2
        if slow_share_left(middle, knots, tail) > left:
            low = middle
        else:
            high = middle
    return high
