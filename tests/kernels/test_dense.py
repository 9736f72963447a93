"""Products, bases and inverses against numpy in double precision; bits alike at 1 and 2 threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import threadpoolctl
from hypothesis import given, settings
from hypothesis import strategies as st

from recsql.kernels import dense
from recsql.kernels.dense import (
    PIVOTS,
    ROWS_PER_PIECE,
    gram,
    invert_symmetric,
    one_blas_thread,
    orthonormal,
    product,
)


def table(seed: int, rows: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, width), dtype=np.float32)


def blas_threads() -> set[int]:
    """Give the threads of numpy's BLAS; other libraries that a test loaded bring their own."""
    return {
        library["num_threads"]
        for library in threadpoolctl.threadpool_info()
        if library["user_api"] == "blas" and "numpy" in library["filepath"]
    }


@pytest.mark.parametrize("rows", [1, ROWS_PER_PIECE, 2 * ROWS_PER_PIECE + 7])
def test_products_are_those_of_numpy_at_any_number_of_threads(rows: int) -> None:
    one, small = table(0, rows, 40), table(1, 40, 11)
    assert gram(one) == pytest.approx(one.T.astype(np.float64) @ one, rel=1e-4, abs=1e-2)
    assert product(one, small) == pytest.approx(one @ small, rel=1e-4, abs=1e-4)
    assert np.array_equal(gram(one, 1), gram(one, 2))
    assert np.array_equal(product(one, small, 1), product(one, small, 2))


def test_a_basis_leaves_out_columns_that_are_sums_of_others() -> None:
    full = table(0, 300, 5)
    columns = np.concatenate([full, full[:, :2] + full[:, 2:4]], axis=1)
    basis = orthonormal(columns)
    assert basis.shape == (300, 5)
    assert basis.T @ basis == pytest.approx(np.eye(5), abs=1e-5)
    assert basis @ (basis.T @ columns) == pytest.approx(columns, abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(0, 40), pivots=st.integers(1, 16), seed=st.integers(0, 9))
def test_an_inverse_is_that_of_numpy(n: int, pivots: int, seed: int) -> None:
    rows = table(seed, n + 5, n).astype(np.float64)
    matrix = rows.T @ rows + np.eye(n)
    upper_is_not_read = (np.tril(matrix) + np.triu(np.full((n, n), np.nan), 1)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "PIVOTS", pivots)
        invert_symmetric(upper_is_not_read)
    assert upper_is_not_read == pytest.approx(np.linalg.inv(matrix), abs=1e-4)
    assert np.array_equal(upper_is_not_read, upper_is_not_read.T)


def test_an_inverse_has_the_same_bits_at_one_and_two_threads() -> None:
    rows = table(0, 2 * PIVOTS + 50, 2 * PIVOTS + 9)
    matrix = rows.T @ rows + np.eye(rows.shape[1], dtype=np.float32)
    one, two = matrix.copy(), matrix.copy()
    invert_symmetric(one, 1)
    invert_symmetric(two, 2)
    assert np.array_equal(one, two)


def test_blas_keeps_one_thread_until_the_last_user_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dense, "_users", 0)  # a thread of another test may hold it
    monkeypatch.setattr(dense, "_limits", [])
    before = blas_threads()
    with one_blas_thread():
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == before


def test_a_number_that_was_set_meanwhile_is_overruled() -> None:
    with one_blas_thread(), threadpoolctl.threadpool_limits(2, user_api="blas"), one_blas_thread():
        assert blas_threads() == {1}


def test_a_thread_that_set_a_number_before_and_lives_on_is_overruled() -> None:
    is_set, is_done = threading.Event(), threading.Event()

    def hold() -> None:
        threadpoolctl.OpenBLASController.clear_controlling_thread(force=True)
        with threadpoolctl.threadpool_limits(2, user_api="blas"):
            is_set.set()
            is_done.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    try:
        assert is_set.wait(60)
        with one_blas_thread():
            assert blas_threads() == {1}
    finally:
        is_done.set()
        other.join()
