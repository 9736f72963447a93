"""The median of some rounds of the same work."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

ROUNDS = 5


def median_seconds(work: Callable[[], object]) -> float:
    """Give the median seconds, after one warm-up."""
    work()
    found = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return statistics.median(found)
