"""The greatest inner products, as sorting all of them would give them.

Factors are small whole numbers where lists are compared, so that every product is exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_search import slow_best_products

from recsql.errors import ParameterError
from recsql.kernels._tile import ITEMS, QUERIES
from recsql.kernels.factor_search import best_products, blocks_of, pack_items, search


class Case(NamedTuple):
    queries: np.ndarray
    items: np.ndarray
    eligible: list[bool] | None
    left_out: list[list[int]] | None


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Few queries, up to three panels of items; a small range makes many ties."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n_queries, width = draw(st.integers(0, 2 * QUERIES + 1)), draw(st.integers(1, 9))
    n_items, largest = draw(st.integers(0, 2 * ITEMS + 3)), draw(st.integers(0, 5))

    def table(rows: int) -> np.ndarray:
        return rng.integers(-largest, largest + 1, (rows, width)).astype(np.float32)

    eligible = list(rng.random(n_items) < 0.7) if draw(st.booleans()) else None
    left_out = None
    if draw(st.booleans()) and n_items:
        counts = rng.integers(0, draw(st.integers(1, n_items + 1)), n_queries)
        left_out = [rng.integers(0, n_items, count).tolist() for count in counts]
    return Case(table(n_queries), table(n_items), eligible, left_out)


def packed_rows(rows: list[list[int]] | None) -> tuple[np.ndarray, np.ndarray] | None:
    if rows is None:
        return None
    ptr = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return ptr, np.array([code for row in rows for code in row], dtype=np.int32)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


@settings(deadline=None)
@given(case=cases(), k=st.integers(1, 20), n_threads=st.sampled_from([1, 2]))
def test_the_best_are_those_of_sorted_products(case: Case, k: int, n_threads: int) -> None:
    found, score = best_products(
        case.queries,
        case.items,
        k,
        eligible=None if case.eligible is None else np.array(case.eligible),
        left_out=packed_rows(case.left_out),
        n_threads=n_threads,
    )
    items, scores = slow_best_products(*case[:2], k, case.eligible, case.left_out)
    assert found.tolist() == items
    assert score.tolist() == scores


@pytest.mark.parametrize("shape", [1.0, 0.3])
def test_long_items_end_the_search_early_and_change_nothing(shape: float) -> None:
    rng = np.random.default_rng(0)
    long = np.maximum(1, 9 * rng.pareto(shape, (3000, 1))).clip(max=500)
    items = np.rint(rng.integers(-9, 10, (3000, 8)) * long).astype(np.float32)
    queries = rng.integers(-9, 10, (50, 8)).astype(np.float32)
    item, score = best_products(queries, items, 7)
    products = queries.astype(np.float64) @ items.T.astype(np.float64)
    order = np.lexsort((np.broadcast_to(np.arange(3000), products.shape), -products), axis=1)
    assert np.array_equal(item, order[:, :7])
    assert np.array_equal(score, np.take_along_axis(products, order[:, :7], 1))


@pytest.mark.parametrize("width", [1, 7, 64])
def test_a_query_alone_has_the_bits_that_it_has_among_others(width: int) -> None:
    queries, items = normal(0, 1100, width), normal(1, 400, width)
    packed = pack_items(items)
    item, score = search(packed, queries, 12, n_threads=1)
    for n_threads in (1, 2, 3):
        again = search(packed, queries, 12, n_threads=n_threads)
        assert np.array_equal(again[0], item)
        assert again[1].tobytes() == score.tobytes()
    for first, last in [(0, 1), (5, 6), (511, 513), (3, 50), (1099, 1100)]:
        part = search(packed, queries[first:last], 12)
        assert np.array_equal(part[0], item[first:last])
        assert part[1].tobytes() == score[first:last].tobytes()


def test_an_item_has_the_same_score_whatever_else_is_searched() -> None:
    queries, items = normal(0, 20, 33), normal(1, 300, 33)
    item, score = best_products(queries, items, 300)
    few = np.arange(300) % 7 == 0
    part, its_score = best_products(queries, items, 50, eligible=few)
    for row in range(len(queries)):
        known = dict(zip(item[row].tolist(), score[row].tolist(), strict=True))
        kept = [code for code in part[row].tolist() if code >= 0]
        assert kept == [code for code in item[row].tolist() if few[code]]
        assert its_score[row, : len(kept)].tolist() == [known[code] for code in kept]


def test_scores_are_the_products() -> None:
    queries, items = normal(0, 30, 64), normal(1, 500, 64)
    item, score = best_products(queries, items, 500)
    wanted = np.take_along_axis(queries.astype(np.float64) @ items.T.astype(np.float64), item, 1)
    assert score == pytest.approx(wanted, rel=1e-5, abs=1e-5)


def test_a_query_of_zeros_gives_the_smallest_codes() -> None:
    item, score = best_products(np.zeros((1, 4), np.float32), normal(0, 200, 4), 3)
    assert item.tolist() == [[0, 1, 2]]
    assert score.tolist() == [[0.0, 0.0, 0.0]]


def test_products_too_small_for_a_float32_tie_at_zero() -> None:
    items = np.array([[1e-38], [3e-38], [-1e-38]], dtype=np.float32)
    item, score = best_products(np.full((1, 1), 1e-30, np.float32), items, 3)
    assert item.tolist() == [[0, 1, 2]]
    assert score.tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1])
def test_what_is_not_a_number_is_refused(bad: float, place: int) -> None:
    tables = [normal(0, 600, 3), normal(1, 600, 3)]
    tables[place][555, 1] = bad
    name = ("queries", "items")[place]
    with pytest.raises(
        ParameterError, match=f"{name} must be finite numbers, got {bad} as factor 1 in row 555"
    ):
        best_products(*tables, 3)


@pytest.mark.parametrize(
    ("queries", "items", "k", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), 1, "as many factors as items, got 3 and 4"),
        (np.ones((2, 0)), np.ones((2, 0)), 1, r"items must be a table .* got shape \(2, 0\)"),
        (np.ones(2), np.ones((2, 1)), 1, r"queries must be a table .* got shape \(2,\)"),
        (np.ones((2, 1)), np.ones((2, 1)), 0, "k must be at least 1, got 0"),
        (np.full((2, 1), 1e30), np.full((2, 1), 1e30), 1, "that a float32 can hold"),
    ],
)
def test_what_cannot_be_searched_is_refused(
    queries: np.ndarray, items: np.ndarray, k: int, message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        best_products(queries, items, k)


def test_blocks_hold_all_queries_once() -> None:
    for n_queries in (0, 1, 15, 512, 513, 5000):
        for n_threads in (1, 2, 64):
            blocks = blocks_of(n_queries, n_threads)
            assert [row for block in blocks for row in range(*block)] == list(range(n_queries))
