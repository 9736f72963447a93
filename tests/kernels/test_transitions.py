"""Transitions against plain counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import compressed
from naive_sequences import slow_transitions

from recsql.kernels.transitions import count_transitions, score_transitions

ITEMS = 5
few = st.lists(st.integers(0, ITEMS - 1), max_size=8)


@settings(deadline=None)
@given(
    rows=st.lists(few, max_size=5),
    histories=st.lists(st.lists(st.integers(0, ITEMS), max_size=6), max_size=4),
    max_skip=st.integers(1, 9),
    last_items=st.integers(1, 4),
    n_threads=st.sampled_from([1, 2]),
)
def test_scores_are_the_sums_of_what_came_after(
    rows: list[list[int]],
    histories: list[list[int]],
    max_skip: int,
    last_items: int,
    n_threads: int,
) -> None:
    ptr, item = compressed(rows)
    group = np.repeat(np.arange(len(rows)), np.diff(ptr))
    found = count_transitions(group, item, ITEMS, max_skip, 0.5)
    expected = slow_transitions(rows, max_skip, 0.5)
    before = np.repeat(np.arange(ITEMS), np.diff(found.ptr))
    pairs = zip(before.tolist(), found.item.tolist(), strict=True)
    assert dict(zip(pairs, found.weight.tolist(), strict=True)) == pytest.approx(expected)
    factor = np.arange(1, ITEMS + 1, dtype=np.float32)
    scores = np.zeros((len(histories), ITEMS), dtype=np.float32)
    score_transitions(
        found, factor, *compressed(histories), last_items, 0.25, scores, n_threads=n_threads
    )
    for row, history in zip(scores, histories, strict=True):
        wanted = [0.0] * ITEMS
        for newer, known in enumerate(reversed(history[-last_items:])):
            for after in range(ITEMS):
                weight = expected.get((known, after), 0.0)
                wanted[after] += 0.25**newer * (known + 1) * weight
        assert row == pytest.approx(wanted, rel=1e-5)
