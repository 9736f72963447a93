"""Scores of vectors, as plain products give them, alone or together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsql.kernels.vector_products import score_vectors


def slow_scores(
    vector: np.ndarray, bias: np.ndarray, factors: np.ndarray, item_bias: np.ndarray
) -> list[list[float]]:
    """The definition, in double precision."""
    return [
        [
            float(bias[row])
            + float(item_bias[item])
            + sum(float(vector[row, f]) * float(factors[f, item]) for f in range(len(factors)))
            for item in range(len(item_bias))
        ]
        for row in range(len(vector))
    ]


@settings(deadline=None, max_examples=100)
@given(
    n_rows=st.integers(0, 5),
    n_factors=st.integers(0, 9),
    n_items=st.integers(0, 7),
    seed=st.integers(0, 1000),
    n_threads=st.sampled_from([1, 2]),
)
def test_scores_are_those_of_plain_products(
    n_rows: int, n_factors: int, n_items: int, seed: int, n_threads: int
) -> None:
    rng = np.random.default_rng(seed)
    vector, bias, factors, item_bias = (
        rng.standard_normal(shape).astype(np.float32)
        for shape in ((n_rows, n_factors), n_rows, (n_factors, n_items), n_items)
    )
    found = score_vectors(vector, bias, factors, item_bias, n_threads)
    expected = np.array(slow_scores(vector, bias, factors, item_bias))
    assert found == pytest.approx(expected.reshape(n_rows, n_items), abs=1e-5)


def test_a_row_has_the_same_bits_alone_or_together() -> None:
    rng = np.random.default_rng(0)
    vector, bias, factors, item_bias = (
        rng.standard_normal(shape).astype(np.float32) for shape in ((40, 13), 40, (13, 1200), 1200)
    )
    together = score_vectors(vector, bias, factors, item_bias, 2)
    for row in range(40):
        part = slice(row, row + 1)
        alone = score_vectors(vector[part], bias[part], factors, item_bias, 1)
        assert np.array_equal(alone[0], together[row])


def test_an_item_without_a_score_stays_without_one() -> None:
    vector, factors = np.ones((1, 5), np.float32), np.ones((5, 2), np.float32)
    item_bias = np.array([-np.inf, 0.5], dtype=np.float32)
    found = score_vectors(vector, np.zeros(1, np.float32), factors, item_bias)
    assert found.tolist() == [[-np.inf, 5.5]]
