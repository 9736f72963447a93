"""Lists that ended early are filled from one order as a loop over sets would fill them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsql.kernels.fill_up import fill_up

CODES = 12
codes = st.lists(st.integers(0, CODES - 1), unique=True, max_size=6)
requests = st.lists(
    st.tuples(codes, st.integers(1, 6), st.lists(st.integers(-1, CODES - 1)), st.booleans()),
    max_size=5,
)


def slow_list(start, wanted, order, left_out):
    entries = start[:wanted]
    for code in order:
        if len(entries) < wanted and code not in entries and code not in left_out:
            entries = [*entries, code]
    return entries


@settings(deadline=None)  # the first call may compile
@given(requests, codes)
def test_lists_are_filled_with_the_best_that_is_neither_in_them_nor_left_out(asked, order):
    wanted = np.array([k for _, k, _, _ in asked], dtype=np.int64)
    item = np.full((len(asked), 6), -1, dtype=np.int32)
    score = np.zeros(item.shape)
    for row, (start, k, _, _) in enumerate(asked):
        item[row, : min(k, len(start))] = start[:k]
        score[row, : min(k, len(start))] = 9
    bought = np.array([code for one in asked for code in one[2]], dtype=np.int32)
    ptr = np.cumsum([0, *(len(one[2]) for one in asked)], dtype=np.int64)
    leaves_out = np.array([one[3] for one in asked], dtype=bool)
    ranked = np.array(order, dtype=np.int32)
    fill_up(item, score, wanted, ranked, ranked + 0.5, ptr, bought, leaves_out, CODES)
    for row, (start, k, own, leaves) in enumerate(asked):
        expected = slow_list(start, k, order, own if leaves else [])
        assert item[row].tolist() == expected + [-1] * (6 - len(expected))
        by_model = min(k, len(start))
        filled = [code + 0.5 for code in expected[by_model:]]
        assert score[row].tolist() == [9] * by_model + filled + [0] * (6 - len(expected))
