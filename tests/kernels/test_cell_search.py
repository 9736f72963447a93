"""Vectors in cells: looking into all of them loses nothing, and what is alike shares one."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_search import slow_best_products

from recsql.kernels.cell_search import (
    cells_of,
    learn_centres,
    means_of,
    pack_cells,
    search_cells,
)
from recsql.kernels.factor_search import best_products


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 1000),
    n=st.integers(1, 120),
    n_cells=st.integers(1, 9),
    k=st.integers(1, 8),
    n_threads=st.sampled_from([1, 2]),
)
def test_looking_into_all_cells_is_the_exact_search(
    seed: int, n: int, n_cells: int, k: int, n_threads: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-3, 4, (n, 4)).astype(np.float32)
    queries = rng.integers(-3, 4, (rng.integers(1, 20), 4)).astype(np.float32)
    rows = [rng.integers(0, n, rng.integers(0, 4)).tolist() for _ in queries]
    ptr = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    packed = pack_cells(vectors, rng.integers(0, n_cells, n).astype(np.int32))
    found, score = search_cells(
        packed,
        queries,
        k,
        n_cells,
        left_out=(ptr, np.array(list(chain(*rows)), dtype=np.int32)),
        n_threads=n_threads,
    )
    items, scores = slow_best_products(queries, vectors, k, None, rows)
    assert found.tolist() == items
    assert score.tolist() == scores


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), n_probes=st.integers(1, 4), n_threads=st.sampled_from([1, 2]))
def test_a_query_finds_the_best_of_the_cells_with_the_best_centres(
    seed: int, n_probes: int, n_threads: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = 4.0 * rng.integers(-3, 4, (60, 3)).astype(np.float32)
    cell = np.repeat(np.arange(15), 4).astype(np.int32)  # means of 4: exact
    queries = rng.integers(-3, 4, (20, 3)).astype(np.float32)
    packed = pack_cells(vectors, cell)
    found, _ = search_cells(packed, queries, 5, n_probes, n_threads=n_threads)
    centres = vectors.reshape(15, 4, 3).mean(axis=1)
    chosen, _ = slow_best_products(queries, centres, n_probes)
    out = [[code for code in range(60) if code // 4 not in cells] for cells in chosen]
    items, _ = slow_best_products(queries, vectors, 5, None, out)
    assert found.tolist() == items


def test_vectors_that_are_not_eligible_are_in_no_cell() -> None:
    vectors = np.random.default_rng(0).integers(-9, 10, (200, 5)).astype(np.float32)
    eligible = np.arange(200) % 3 > 0
    packed = pack_cells(vectors, np.arange(200, dtype=np.int32) % 7, eligible)
    found = search_cells(packed, vectors, 9, 7)
    wanted = best_products(vectors, vectors, 9, eligible=eligible)
    assert np.array_equal(found[0], wanted[0])
    assert found[1].tobytes() == wanted[1].tobytes()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_groups_far_apart_are_cells(n_threads: int) -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, 400)
    vectors = (100.0 * np.eye(3)[group] + rng.random((400, 3))).astype(np.float32)
    cell = cells_of(vectors, 100 * np.eye(3, dtype=np.float32), n_threads)
    assert np.array_equal(cell, group)
    means = means_of(vectors, cell, np.zeros((3, 3), dtype=np.float32))
    assert means == pytest.approx(np.stack([vectors[group == g].mean(axis=0) for g in range(3)]))


def test_an_empty_cell_keeps_its_centre() -> None:
    before = np.array([[1.0], [7.0]], dtype=np.float32)
    vectors = np.array([[2.0], [4.0]], dtype=np.float32)
    assert means_of(vectors, np.zeros(2, np.int32), before).tolist() == [[3.0], [7.0]]


def test_centres_are_the_same_every_time_and_bring_vectors_nearer() -> None:
    vectors = np.random.default_rng(0).standard_normal((3000, 8), dtype=np.float32)
    centres = learn_centres(vectors, 20, seed=1, n_threads=1)
    assert np.array_equal(centres, learn_centres(vectors, 20, seed=1, n_threads=2))

    def distance(from_: np.ndarray) -> float:
        return float(((vectors - from_[cells_of(vectors, from_)]) ** 2).sum(axis=1).mean())

    assert distance(centres) < 0.8 * distance(vectors[:20])
