"""Short rows of a sparse table, by the singular vectors of the dense one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsql.kernels import graph_propagation
from recsql.kernels.graph_propagation import Edges, ends
from recsql.kernels.leading_directions import short_rows


def edges_of(table: np.ndarray) -> Edges:
    row, column = np.nonzero(table)
    ptr = ends(np.bincount(row, minlength=len(table)))
    return Edges(ptr, column.astype(np.int32), table[row, column].astype(np.float32))


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
@example(8864, 3, 6, 3)  # without spare directions, the guess loses one of three
def test_products_of_rows_are_kept_where_there_are_directions_for_all(
    seed: int, n_rows: int, n_columns: int, rank: int
) -> None:
    rng = np.random.default_rng(seed)
    table = rng.random((n_rows, rank)).round() @ rng.random((rank, n_columns)).round()
    found = short_rows(edges_of(table), n_columns, rank)
    assert found.shape[1] <= rank
    scale = max(1.0, float(np.abs(table).max()) ** 2)
    np.testing.assert_allclose(found @ found.T, table @ table.T, atol=1e-4 * scale * n_columns)


def test_the_directions_that_say_most_are_kept() -> None:
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((n, 6)))[0] for n in (40, 30))
    table = left @ np.diag([9.0, 7.0, 5.0, 1.0, 0.5, 0.1]) @ right.T
    found = short_rows(edges_of(table), 30, 3)
    best = left[:, :3] @ np.diag([81.0, 49.0, 25.0]) @ left[:, :3].T
    np.testing.assert_allclose(found @ found.T, best, atol=1e-2)


def test_an_empty_table_has_rows_of_0() -> None:
    found = short_rows(edges_of(np.zeros((3, 7))), 7, 2)
    assert found.shape[0] == 3
    assert not found.any()


def test_one_thread_and_two_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_propagation, "WORTH_A_THREAD", 0)
    rng = np.random.default_rng(0)
    table = edges_of(rng.random((300, 90)) * (rng.random((300, 90)) < 0.1))
    one, two = (short_rows(table, 90, 12, n_threads=threads) for threads in (1, 2))
    assert one.tobytes() == two.tobytes()
