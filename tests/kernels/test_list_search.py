"""The best of weighted lists equal the best of the whole rows of sums, to the last bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsql.kernels.list_search import best_of_lists
from recsql.kernels.table_sums import sum_lists
from recsql.kernels.topk import top_k


@settings(deadline=None)  # the first call may compile
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 6), st.booleans())
def test_lists_are_those_of_the_dense_sums(seed, k, width, some_are_out):
    rng = np.random.default_rng(seed)
    n_items, n_groups = 9, 7
    list_item = np.array([rng.permutation(n_items)[:width] for _ in range(n_items)], np.int32)
    ends = rng.integers(0, width + 1, n_items)
    list_item[np.arange(width) >= ends[:, None]] = -1
    # Few different weights make ties; one below 0 makes sums that are nothing.
    weight = rng.choice([0.5, 0.25, 0.1, -0.3], list_item.shape).astype(np.float32)
    ptr = np.cumsum([0, *rng.integers(0, 5, n_groups)])
    code = rng.integers(0, n_items, ptr[-1]).astype(np.int32)
    eligible = rng.random(n_items) < 0.8
    out_ptr = np.cumsum([0, *rng.integers(0, 3, n_groups)])
    left_out = (out_ptr, rng.integers(0, n_items, out_ptr[-1]).astype(np.int32))
    chosen = {"eligible": eligible, "left_out": left_out if some_are_out else None}
    sums = sum_lists(ptr, code, list_item, weight)
    sums = np.where(sums > 0, sums, np.float32(-np.inf))
    expected = top_k(sums, k, **chosen)
    for n_threads in (1, 2):
        item, score, known = best_of_lists(
            ptr, code, list_item, weight, k, n_threads=n_threads, **chosen
        )
        assert np.array_equal(item, expected[0])
        assert np.array_equal(score, expected[1])
        assert np.array_equal(known, np.isfinite(sums).any(axis=1))
