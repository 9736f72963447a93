"""The ten best items for every customer from their factors, against implicit (C++, BLAS).

Customers and items are synthetic: 64 independent normal numbers each, so that all are about alike
in length and hardly an item is out of reach before it is scored, the worst case for ending a search
early; then the same with items whose lengths differ as those of a trained model do (log-normal).
Each customer has bought 20 items at random, which are left out. implicit's ``topk`` does the
same from the same arrays, in batches of 1,000 customers.

``python -m benchmarks.everyone`` compares on 20,000 customers and 50,000 items. ``python -m
benchmarks.everyone all`` searches for 1.5 million customers, without the peer, and measures memory.
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from typing import Any

import numpy as np

from benchmarks._report import report
from recsql.kernels.factor_search import best_products

K = 10
FACTORS = 64
ITEMS = 50_000
BOUGHT = 20
THREADS = 2
ROUNDS = 3
CUSTOMERS = 20_000
EVERYONE = 1_500_000
PEER_BATCH = 1_000
LENGTHS = {"alike": 0.0, "log-normal": 0.5}

Array = np.ndarray[Any, np.dtype[Any]]


def data(n_customers: int, spread: float) -> tuple[Array, Array, tuple[Array, Array]]:
    """Give the factors of customers and of items, and (ptr, item) of what each has bought."""
    rng = np.random.default_rng(0)
    customers = rng.standard_normal((n_customers, FACTORS), dtype=np.float32)
    items = rng.standard_normal((ITEMS, FACTORS), dtype=np.float32)
    items *= np.exp(spread * rng.standard_normal((ITEMS, 1), dtype=np.float32))
    bought = rng.integers(0, ITEMS, n_customers * BOUGHT, dtype=np.int32)
    return customers, items, (np.arange(n_customers + 1, dtype=np.int64) * BOUGHT, bought)


def ours(customers: Array, items: Array, bought: tuple[Array, Array]) -> tuple[Array, Array]:
    """Search with recsql."""
    return best_products(customers, items, K, left_out=bought, n_threads=THREADS)


def implicit(customers: Array, items: Array, bought: tuple[Array, Array]) -> tuple[Array, Array]:
    """Search with implicit; its BLAS and its own loops have as many threads as ours."""
    from implicit.cpu.topk import topk
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    ptr, item = bought
    shape = (len(customers), len(items))
    matrix = csr_matrix((np.ones(len(item), dtype=np.float32), item, ptr), shape=shape)
    parts = []
    with threadpool_limits(THREADS, user_api="blas"):
        for first in range(0, len(customers), PEER_BATCH):
            rows = slice(first, first + PEER_BATCH)
            found = topk(
                items, customers[rows], K, filter_query_items=matrix[rows], num_threads=THREADS
            )
            parts.append(found)
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def compare(lengths: str) -> dict[str, Any]:
    """Measure both in turn, after one warm-up in which their scores are compared."""
    given = data(CUSTOMERS, LENGTHS[lengths])
    np.testing.assert_allclose(ours(*given)[1], implicit(*given)[1], rtol=1e-4)
    seconds: dict[str, list[float]] = {"recsql": [], "implicit": []}
    for _ in range(ROUNDS):
        for name, search in (("recsql", ours), ("implicit", implicit)):
            started = time.perf_counter()
            search(*given)
            seconds[name].append(time.perf_counter() - started)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    return {
        "implicit / recsql": median["implicit"] / median["recsql"],
        "lengths": lengths,
        "customers": CUSTOMERS,
        "items": ITEMS,
        **{f"{name} s": value for name, value in median.items()},
        "1.5M customers s": median["recsql"] * EVERYONE / CUSTOMERS,
    }


def everyone(lengths: str) -> dict[str, Any]:
    """Search for 1.5 million customers once."""
    given = data(EVERYONE, LENGTHS[lengths])
    ours(given[0][:8], given[1], (given[2][0][:9], given[2][1]))  # compiles
    before = time.process_time()
    started = time.perf_counter()
    item, _ = ours(*given)
    seconds = time.perf_counter() - started
    assert (item >= 0).all()
    return {
        "customers / s": EVERYONE / seconds,
        "lengths": lengths,
        "customers": EVERYONE,
        "items": ITEMS,
        "recsql s": seconds,
        "processor s": time.process_time() - before,
        "peak memory GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    }


def main() -> None:
    """Compare with the peer, or search for everyone."""
    measure = everyone if sys.argv[-1] == "all" else compare
    title = f"top {K} by {FACTORS} factors, {BOUGHT} bought items left out, {THREADS} threads"
    report("everyone", title, [measure(lengths) for lengths in LENGTHS])


if __name__ == "__main__":
    main()
