"""Slow twin of the search for the greatest inner products."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def slow_best_products(
    queries: np.ndarray,
    items: np.ndarray,
    k: int,
    eligible: Sequence[bool] | None = None,
    left_out: Sequence[Sequence[int]] | None = None,
) -> tuple[list[list[int]], list[list[float]]]:
    """Sort all products of every query: the greater first, then the smaller code."""
    codes, scores = [], []
    for row, query in enumerate(queries):
        out = set() if left_out is None else set(left_out[row])
        found = sorted(
            (-sum(float(x) * float(y) for x, y in zip(query, item, strict=True)), code)
            for code, item in enumerate(items)
            if code not in out and (eligible is None or eligible[code])
        )[:k]
        ended = k - len(found)
        codes.append([code for _, code in found] + [-1] * ended)
        scores.append([-negative for negative, _ in found] + [0.0] * ended)
    return codes, scores
