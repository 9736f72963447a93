"""Least squares and logistic regressions of groups against dense equations solved by numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_factors import slow_least_squares, slow_logistic

from recsql.kernels.groups import Groups
from recsql.kernels.least_squares import principal_axes, solve_groups
from recsql.kernels.logistic_fold import Rows, fold_in_customers, sample_items

N_ROWS = 9
GROUPS = st.lists(
    st.lists(st.integers(0, N_ROWS - 1), unique=True, max_size=N_ROWS).map(sorted), max_size=6
)


def compressed(rows: list[list[int]]) -> Groups:
    ptr = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Groups(ptr, np.array([code for row in rows for code in row], dtype=np.int32))


def table_of(seed: int, width: int, n_rows: int = N_ROWS) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n_rows, width), dtype=np.float32)


@pytest.mark.parametrize("width", [1, 5, 12])
def test_turned_rows_keep_their_products_and_columns_have_none(width: int) -> None:
    table = table_of(width, width)
    spectrum, turned = principal_axes(table)
    assert turned @ turned.T == pytest.approx(table @ table.T, abs=1e-4)
    assert turned.T @ turned == pytest.approx(np.diag(spectrum), abs=1e-4)
    assert (np.diff(spectrum) <= 0).all()
    assert (spectrum >= 0).all()


@settings(deadline=None)
@given(
    rows=GROUPS,
    width=st.integers(1, 7),
    seed=st.integers(0, 9),
    least=st.sampled_from([0.01, 0.1, 3.0]),
    n_threads=st.sampled_from([1, 2]),
)
def test_factors_solve_the_dense_equations(
    rows: list[list[int]], width: int, seed: int, least: float, n_threads: int
) -> None:
    spectrum, table = principal_axes(table_of(seed, width))
    penalty = spectrum * np.float32(0.05)
    ridge = (least + np.arange(len(rows))).astype(np.float32)
    found = solve_groups(compressed(rows), table, penalty, ridge, n_threads)
    assert found == pytest.approx(slow_least_squares(table, rows, penalty, ridge), abs=2e-3)


@settings(deadline=None)
@given(
    rows=GROUPS,
    width=st.integers(1, 6),
    seed=st.integers(0, 9),
    n_shared=st.integers(0, N_ROWS),
    n_threads=st.sampled_from([1, 2]),
)
def test_newton_steps_find_the_minimum_of_the_logistic_loss(
    rows: list[list[int]], width: int, seed: int, n_shared: int, n_threads: int
) -> None:
    table, offset = table_of(seed, width), table_of(seed + 1, 1)[:, 0]
    pool = np.arange(n_shared, dtype=np.int32)
    trust = (1.0 + pool / 4).astype(np.float32)
    unbought = (0.25 + np.arange(len(rows)) / 8).astype(np.float32)
    ridge = np.full(len(rows), 0.5, dtype=np.float32)
    of = Rows(table, offset, pool, trust)
    found = fold_in_customers(compressed(rows), of, unbought, ridge, n_threads)
    for row, own, factor in zip(rows, unbought, found, strict=True):
        chosen = [*row, *pool]
        label = np.array([1.0] * len(row) + [0.0] * n_shared)
        weight = np.concatenate([np.ones(len(row)), own * trust])
        expected = slow_logistic(table[chosen], offset[chosen], label, weight, 0.5)
        assert factor == pytest.approx(expected if row else np.zeros(width), abs=5e-3)


def test_a_sample_stands_for_all_items() -> None:
    bias = np.log(1.0 / np.arange(1, 401)).astype(np.float32)
    for seed in range(5):
        sample, weight = sample_items(bias, 100, seed)
        assert abs(len(sample) - 100) <= 1
        assert (np.diff(sample) > 0).all()
        assert (weight >= 1).all()
    # The weights of one sample estimate the number of items without being fitted to it: 400.
    sums = [sample_items(bias, 100, seed)[1].sum() for seed in range(200)]
    assert np.mean(sums) == pytest.approx(400, rel=0.02)
    everything = sample_items(bias, 400, 0)
    assert everything[0].tolist() == list(range(400))
    assert (everything[1] == 1).all()
