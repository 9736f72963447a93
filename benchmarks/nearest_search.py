"""The ten nearest of 100,000 vectors: by cells and by a graph, against comparing with all.

Vectors of 64 numbers are drawn from a mixture of 1,000 normal distributions whose means are
standard normal too; ``spread`` is the deviation within each. Queries are other draws from the
same mixture, and recall is the share of the true ten that is found for them. A method chooses its
effort by itself, on its own sample, and is asked for a recall of .98. One thread searches; the
exact search is our own kernel on all queries at once. All methods run in turn, so that a busy
machine slows all; rates are of medians. Single calls are queries one at a time.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np

from benchmarks._report import report
from recsql.models.nearest import NearestVectors

K = 10
FACTORS = 64
VECTORS = 100_000
MEANS = 1_000
QUERIES = 20_000
EXACT_QUERIES = 4_000  # the slower exact search has fewer to do
SINGLE_CALLS = 200
ROUNDS = 7
SPREADS = (0.5, 1.0)
METHODS = ("exact", "cells", "hnsw")

Array = np.ndarray[Any, np.dtype[Any]]


def mixture(spread: float) -> tuple[Array, Array]:
    """Give (vectors, queries)."""
    rng = np.random.default_rng(0)
    means = rng.standard_normal((MEANS, FACTORS))

    def draw(n: int) -> Array:
        drawn = means[rng.integers(0, MEANS, n)] + spread * rng.standard_normal((n, FACTORS))
        return np.asarray(drawn, dtype=np.float32)

    return draw(VECTORS), draw(QUERIES)


def built(method: str, vectors: Array) -> tuple[NearestVectors, dict[str, float]]:
    """Give an index, and the seconds to build it and to restore it from its arrays."""
    started = time.perf_counter()
    index = NearestVectors(method).fit(vectors)
    done = time.perf_counter()
    NearestVectors.from_arrays({"method": method}, index.arrays())
    restored = time.perf_counter()
    return index, {"build s": done - started, "restore s": restored - done}


def rates(indexes: dict[str, NearestVectors], queries: Array) -> dict[str, float]:
    """Give queries a second of every method, from the median of rounds after a warm-up."""
    rate: dict[str, list[float]] = {method: [] for method in indexes}
    for turn in range(ROUNDS + 1):
        for method, index in indexes.items():
            asked = queries[:EXACT_QUERIES] if method == "exact" else queries
            started = time.perf_counter()
            index.search(asked, K, n_threads=1)
            if turn > 0:
                rate[method].append(len(asked) / (time.perf_counter() - started))
    return {method: statistics.median(found) for method, found in rate.items()}


def single_call_ms(index: NearestVectors, queries: Array) -> float:
    """Give the median milliseconds of a query alone."""
    times = []
    for row in range(SINGLE_CALLS):
        started = time.perf_counter()
        index.search(queries[row : row + 1], K, n_threads=1)
        times.append(time.perf_counter() - started)
    return 1e3 * statistics.median(times)


def recall(index: NearestVectors, exact: NearestVectors, queries: Array) -> float:
    """Give the share of the true nearest that is found."""
    found, wanted = (one.search(queries, K)[0] for one in (index, exact))
    return float((found[:, :, None] == wanted[:, None, :]).any(axis=1).mean())


def compare(spread: float) -> list[dict[str, Any]]:
    """Measure all methods on one mixture."""
    vectors, queries = mixture(spread)
    NearestVectors("cells").fit(vectors[:10_000])  # compiles
    made = {method: built(method, vectors) for method in METHODS}
    indexes = {method: index for method, (index, _) in made.items()}
    rate = rates(indexes, queries)
    alone = {method: single_call_ms(index, queries) for method, index in indexes.items()}
    return [
        {
            "times exact": rate[method] / rate["exact"],
            "single: times exact": alone["exact"] / alone[method],
            "spread": spread,
            "method": method if index.method_ == method else f"{method}: {index.method_}",
            "recall": recall(index, indexes["exact"], queries),
            "measured at build": index.recall_,
            "effort": index.effort_,
            "queries / s": rate[method],
            "single ms": alone[method],
            **made[method][1],
        }
        for method, index in indexes.items()
    ]


def main() -> None:
    """Compare on mixtures of little and of much overlap."""
    title = f"top {K} of {VECTORS:,} vectors of {FACTORS}, 1 thread"
    report("nearest_search", title, [row for spread in SPREADS for row in compare(spread)])


if __name__ == "__main__":
    main()
