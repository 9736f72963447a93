"""Sums of rows, lists and factors, each as its definition adds them up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsql.kernels.groups import Groups
from recsql.kernels.item_products import item_products
from recsql.kernels.table_sums import add_factors, sum_lists, sum_rows


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, list[list[int]]]:
    n_items = draw(st.integers(1, 8))
    history = st.lists(st.integers(0, n_items - 1), unique=True, max_size=n_items).map(sorted)
    return n_items, draw(st.lists(history, max_size=6))


def compressed(rows: list[list[int]]) -> Groups:
    ptr = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Groups(ptr, np.array([code for row in rows for code in row], dtype=np.int32))


@settings(deadline=None)
@given(case=histories(), seed=st.integers(0, 5), n_threads=st.sampled_from([1, 2]))
def test_rows_are_summed_in_order(
    case: tuple[int, list[list[int]]], seed: int, n_threads: int
) -> None:
    n_items, rows = case
    table = np.random.default_rng(seed).standard_normal((n_items, 5), dtype=np.float32)
    found = sum_rows(*compressed(rows), table, n_threads)
    for row, sums in zip(rows, found, strict=True):
        expected = np.zeros(5, dtype=np.float32)
        for code in row:
            expected = expected + table[code]
        assert np.array_equal(sums, expected)


@settings(deadline=None)
@given(case=histories(), seed=st.integers(0, 5), n_threads=st.sampled_from([1, 2]))
def test_lists_are_summed_up_to_their_end(
    case: tuple[int, list[list[int]]], seed: int, n_threads: int
) -> None:
    n_items, rows = case
    rng = np.random.default_rng(seed)
    item = rng.integers(-1, n_items, (n_items, 3)).astype(np.int32)
    weight = rng.random((n_items, 3), dtype=np.float32)
    found = sum_lists(*compressed(rows), item, weight, n_threads)
    for row, sums in zip(rows, found, strict=True):
        expected = np.zeros(n_items, dtype=np.float32)
        for code in row:
            for other, value in zip(item[code], weight[code], strict=True):
                if other < 0:
                    break
                expected[other] += value
        assert np.array_equal(sums, expected)


@pytest.mark.parametrize("n_factors", [1, 3, 4, 9, 130])
@pytest.mark.parametrize("n_items", [1, 256, 700])
def test_factors_add_their_product_alone_or_together(n_factors: int, n_items: int) -> None:
    rng = np.random.default_rng(n_factors)
    scores = rng.standard_normal((7, n_items), dtype=np.float32)
    place = rng.standard_normal((7, n_factors), dtype=np.float32)
    factors = rng.standard_normal((n_factors, n_items), dtype=np.float32)
    together, alone = scores.copy(), scores.copy()
    add_factors(together, place, factors, 2)
    for row in range(7):
        add_factors(alone[row : row + 1], place[row : row + 1], factors, 1)
    assert np.array_equal(alone, together)
    assert together == pytest.approx(scores + place @ factors, abs=1e-4)


@settings(deadline=None)
@given(case=histories(), n_threads=st.sampled_from([1, 2]))
def test_item_products_add_up_the_groups_of_both(
    case: tuple[int, list[list[int]]], n_threads: int
) -> None:
    n_items, rows = case
    weight = 1.0 + np.arange(len(rows)) / 4
    found = item_products(compressed(rows), weight, n_items, n_threads)
    expected = [
        [
            sum(value for row, value in zip(rows, weight, strict=True) if {one, other} <= set(row))
            for other in range(n_items)
        ]
        for one in range(n_items)
    ]
    assert found.tolist() == expected
