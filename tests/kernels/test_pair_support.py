"""The groups of given pairs are those of the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsql.kernels.cooccurrence import top_neighbours
from recsql.kernels.pair_support import pair_support


def compressed(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    ptr = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return ptr, np.array([code for row in rows for code in row], dtype=np.int32)


@st.composite
def groups_and_pairs(draw: st.DrawFn) -> tuple[int, list[list[int]], np.ndarray]:
    n_items = draw(st.integers(1, 7))
    some = st.lists(st.integers(0, n_items - 1), unique=True, max_size=n_items)
    rows = draw(st.lists(some.map(sorted), max_size=8))
    others = draw(st.lists(some, min_size=n_items, max_size=n_items))
    table = np.full((n_items, n_items), -1, dtype=np.int32)
    for item, wanted in enumerate(others):
        table[item, : len(wanted)] = wanted
    return n_items, rows, table


@settings(deadline=None)
@given(case=groups_and_pairs(), n_threads=st.sampled_from([1, 2]))
def test_each_pair_counts_the_groups_that_hold_both(
    case: tuple[int, list[list[int]], np.ndarray], n_threads: int
) -> None:
    n_items, rows, other = case
    found = pair_support(*compressed(rows), n_items, other, n_threads)
    assert found.dtype == np.int32
    for item in range(n_items):
        for column, beside in enumerate(other[item].tolist()):
            held = sum(item in row and beside in row for row in rows) if beside >= 0 else 0
            assert found[item, column] == held


@pytest.mark.parametrize("seed", [0, 1])
def test_it_agrees_with_the_neighbours_that_are_ranked(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [sorted(rng.choice(200, rng.integers(0, 30), replace=False)) for _ in range(500)]
    ptr, item = compressed(rows)
    ranked = top_neighbours(ptr, item, 200, 50)
    assert np.array_equal(pair_support(ptr, item, 200, ranked.item), ranked.support)
