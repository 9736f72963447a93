"""The k best of every row, as sorting the whole row would give them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsql.kernels.topk import top_k

value = st.sampled_from([-np.inf, -1.5, 0.0, 0.5, 0.5, 2.0, np.nan])


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rows, items = draw(st.integers(0, 4)), draw(st.integers(1, 9))
    cells = draw(st.lists(value, min_size=rows * items, max_size=rows * items))
    eligible = draw(st.lists(st.booleans(), min_size=items, max_size=items))
    out = [draw(st.lists(st.integers(0, items - 1), max_size=4)) for _ in range(rows)]
    ptr = np.cumsum([0, *map(len, out)]).astype(np.int64)
    left_out = np.array([code for row in out for code in row], dtype=np.int32)
    scores = np.array(cells, dtype=np.float32).reshape(rows, items)
    return scores, np.array(eligible), ptr, left_out


@given(table=tables(), k=st.integers(1, 12), n_threads=st.sampled_from([1, 2]))
def test_the_best_are_those_of_a_sorted_row(
    table: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], k: int, n_threads: int
) -> None:
    scores, eligible, ptr, left_out = table
    item, score = top_k(scores, k, eligible=eligible, left_out=(ptr, left_out), n_threads=n_threads)
    for row in range(len(scores)):
        out = set(left_out[ptr[row] : ptr[row + 1]].tolist())
        wanted = sorted(
            (-scores[row, code], code)
            for code in range(scores.shape[1])
            if eligible[code] and code not in out and scores[row, code] > -np.inf
        )[:k]
        assert item[row].tolist() == [code for _, code in wanted] + [-1] * (k - len(wanted))
        assert score[row].tolist() == [-s for s, _ in wanted] + [0.0] * (k - len(wanted))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_many_rows_and_items(n_threads: int) -> None:
    scores = np.random.default_rng(0).integers(0, 50, (60, 3000)).astype(np.float32)
    item, score = top_k(scores, 100, n_threads=n_threads)
    order = np.lexsort((np.broadcast_to(np.arange(3000), scores.shape), -scores), axis=1)[:, :100]
    assert np.array_equal(item, order)
    assert np.array_equal(score, np.take_along_axis(scores, order, 1))
