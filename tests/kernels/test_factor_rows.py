"""Least squares and logistic regressions of groups against dense equations solved by numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_factors import slow_least_squares, slow_logistic

from recsql.kernels.groups import Groups
from recsql.kernels.least_squares import principal_axes, solve_groups
from recsql.kernels.logistic_rows import IN_ORDER, Negatives, Rounds, Rows, drawn, improve_groups

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
    weight = (0.25 + np.arange(len(rows)) / 8).astype(np.float32)
    count = np.full(len(rows), n_shared, dtype=np.int32)
    ridge = np.full(len(rows), 0.5, dtype=np.float32)
    found = np.zeros((len(rows), width), dtype=np.float32)
    shared = Negatives(pool, count, weight, np.uint64(IN_ORDER))
    improve_groups(
        compressed(rows), Rows(table, offset), shared, ridge, Rounds(20, 20, 1.0), found, n_threads
    )
    for row, own, factor in zip(rows, weight, found, strict=True):
        chosen = [*row, *pool]
        label = np.array([1.0] * len(row) + [0.0] * n_shared)
        trust = np.where(label > 0, 1.0, float(own))
        expected = slow_logistic(table[chosen], offset[chosen], label, trust, 0.5)
        assert factor == pytest.approx(expected if row else np.zeros(width), abs=2e-3)


def test_draws_depend_on_the_key_the_group_and_their_number_only() -> None:
    pool = np.arange(N_ROWS, dtype=np.int32)
    table, rows = table_of(0, 4), [[0, 3], [1], [0, 3], [2, 5, 8]]
    count = np.array([3, 3, 3, 3], dtype=np.int32)

    def improved(key: int, n_threads: int) -> np.ndarray:
        found = np.zeros((len(rows), 4), dtype=np.float32)
        drawing = Negatives(pool, count, np.ones(4, np.float32), np.uint64(key))
        of = Rows(table, np.zeros(N_ROWS, np.float32))
        improve_groups(
            compressed(rows), of, drawing, np.ones(4, np.float32), Rounds(1, 3, 0.5), found,
            n_threads,
        )  # fmt: skip
        return found

    assert np.array_equal(improved(7, 1), improved(7, 2))
    assert not np.array_equal(improved(7, 1), improved(8, 1))
    assert not np.array_equal(improved(7, 1)[0], improved(7, 1)[2])  # equal but for their number


def test_draws_are_spread_evenly() -> None:
    places = [drawing(3, group, draw, 10) for group in range(40) for draw in range(50)]
    counts = np.bincount(places, minlength=10)
    # 2,000 draws: 200 each, standard deviation sqrt(2000 * .1 * .9) = 13.4
    assert np.abs(counts - 200).max() < 5 * 13.4


def drawing(key: int, group: int, draw: int, n: int) -> int:
    """Call the kernel's Python twin, whose integers wrap at 64 bits."""
    with np.errstate(over="ignore"):
        return int(drawn.py_func(np.uint64(key), group, draw, n))  # type: ignore[attr-defined]
