"""Ridge regressions of groups against dense equations solved by numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_factors import slow_ridges

from recsql.kernels.ridge_rows import solve_ridges

N_ROWS = 7
GROUPS = st.lists(st.lists(st.integers(0, N_ROWS - 1), max_size=12), max_size=6)


@settings(deadline=None)
@given(
    rows=GROUPS,
    width=st.integers(1, 6),
    seed=st.integers(0, 9),
    ridge=st.sampled_from([0.01, 1.0, 30.0]),
    n_threads=st.sampled_from([1, 2]),
)
def test_ridges_solve_the_dense_equations(
    rows: list[list[int]], width: int, seed: int, ridge: float, n_threads: int
) -> None:
    rng = np.random.default_rng(seed)
    table = rng.standard_normal((N_ROWS, width))
    target = rng.standard_normal(sum(map(len, rows)))
    ptr = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    code = np.array([code for row in rows for code in row], dtype=np.int32)
    found = solve_ridges(ptr, code, target, table, ridge, n_threads)
    assert found.shape == (len(rows), width)
    assert found == pytest.approx(slow_ridges(ptr, code, target, table, ridge), abs=1e-8)


def test_one_row_is_drawn_to_zero() -> None:
    # (2 w - 3)^2 + 1 w^2 is least where 4 w - 6 + w = 0
    ptr, code = np.array([0, 1, 1]), np.array([0], dtype=np.int32)
    found = solve_ridges(ptr, code, np.array([3.0]), np.array([[2.0]]), 1.0)
    assert found.tolist() == [[pytest.approx(1.2)], [0.0]]
