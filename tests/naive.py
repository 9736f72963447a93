"""Slow twins of the co-occurrence kernels: the obvious definitions, with no thought for speed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Baskets = Sequence[Sequence[int]]


class Both(NamedTuple):
    """What a pair has in common: groups, and the sum of their products of weights."""

    count: int
    weight: int


def slow_pairs(baskets: Baskets, weights: Baskets | None = None) -> dict[tuple[int, int], Both]:
    """Count every ordered pair of items, and every item with itself."""
    found: dict[tuple[int, int], Both] = {}
    for number, basket in enumerate(baskets):
        of = weights[number] if weights is not None else [1] * len(basket)
        entries = list(zip(basket, of, strict=True))
        for (item, weight), (other, other_weight) in product(entries, entries):
            before = found.get((item, other), Both(0, 0))
            found[item, other] = Both(before.count + 1, before.weight + weight * other_weight)
    return found


def slow_score(weighting: str, both: float, item: float, other: float, total: float) -> float:
    """Weigh what two items have in common."""
    if weighting == "count":
        return both
    if weighting == "cosine":
        return both / math.sqrt(item * other)
    if weighting == "jaccard":
        return both / (item + other - both)
    if weighting == "lift":
        return both * total / (item * other)
    assert weighting == "confidence"
    return both / item


def slow_neighbours(
    baskets: Baskets,
    n_items: int,
    k: int,
    *,
    weighting: str = "cosine",
    min_support: int = 1,
    total: int | None = None,
    weights: Baskets | None = None,
    eligible: Sequence[bool] | None = None,
) -> list[list[tuple[int, float, int]]]:
    """Give (item, score, support) of the k best neighbours of every item, best first."""
    pairs = slow_pairs(baskets, weights)
    n_groups = float(len(baskets) if total is None else total)
    rows = []
    for item in range(n_items):
        row = []
        for other in range(n_items):
            both = pairs.get((item, other), Both(0, 0))
            allowed = eligible is None or eligible[other]
            if other == item or not allowed or both.count < min_support or both.weight == 0:
                continue
            own, others = float(pairs[item, item].weight), float(pairs[other, other].weight)
            score = slow_score(weighting, float(both.weight), own, others, n_groups)
            row.append((other, score, both.count))
        rows.append(sorted(row, key=lambda found: (-found[1], found[0]))[:k])
    return rows


def slow_groups(
    rows: Sequence[tuple[int, int, int]], n_groups: int, cap: int | None = None
) -> list[list[int]]:
    """Collect the distinct items of every group from rows of (group, item, time)."""
    groups = []
    for wanted in range(n_groups):
        latest: dict[int, int] = {}
        for group, item, time in rows:
            if group == wanted:
                latest[item] = max(time, latest.get(item, time))
        newest_first = sorted(latest, key=lambda item: (-latest[item], item))
        groups.append(sorted(newest_first[:cap]))
    return groups


def compressed(baskets: Baskets) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Lay baskets out as (group_ptr, group_item)."""
    ptr = np.cumsum([0, *(len(basket) for basket in baskets)], dtype=np.int64)
    return ptr, np.array([item for basket in baskets for item in basket], dtype=np.int32)
