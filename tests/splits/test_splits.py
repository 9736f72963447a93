"""Splits hide what they say they hide."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsql.splits.neighbours import hide_all_but_one
from recsql.splits.split import MOST_QUERIES
from recsql.splits.time import cut_time

GROUPS = st.lists(st.sets(st.integers(0, 20), max_size=6), max_size=20)


def as_arrays(groups: list[set[int]]) -> tuple[np.ndarray, np.ndarray]:
    ptr = np.cumsum([0, *(len(group) for group in groups)]).astype(np.int64)
    flat = [code for group in groups for code in sorted(group)]
    return ptr, np.array(flat, dtype=np.int32)


@given(GROUPS, st.integers(0, 5))
def test_one_item_is_shown_and_the_rest_of_its_group_hidden(
    groups: list[set[int]], seed: int
) -> None:
    found = hide_all_but_one(*as_arrays(groups), seed)
    usable = [group for group in groups if len(group) >= 2]
    assert len(found.requests.item) == len(usable)
    for row, group in enumerate(usable):
        truth = found.truth[found.truth_ptr[row] : found.truth_ptr[row + 1]]
        assert {int(found.requests.item[row]), *map(int, truth)} == group
        assert int(found.requests.item[row]) not in truth


def test_the_same_seed_gives_the_same_queries_and_another_seed_others() -> None:
    arrays = as_arrays([set(range(20)) for _ in range(50)])
    first, again, other = (hide_all_but_one(*arrays, seed).requests.item for seed in (0, 0, 1))
    assert first.tolist() == again.tolist() != other.tolist()


def test_at_most_five_thousand_queries_are_asked() -> None:
    found = hide_all_but_one(*as_arrays([{1, 2}] * (MOST_QUERIES + 100)), 0)
    assert len(found.requests.item) == MOST_QUERIES


def test_the_cut_leaves_the_newest_fifth() -> None:
    times = np.arange(100, dtype=np.int64)
    assert cut_time(times, 0.2) == 80  # 80 to 99 are the newest fifth


def test_there_is_no_cut_when_all_times_are_equal_or_none_exist() -> None:
    assert cut_time(np.full(10, 5, dtype=np.int64), 0.2) is None
    assert cut_time(np.empty(0, dtype=np.int64), 0.2) is None


def test_a_time_that_most_baskets_have_leaves_the_later_ones() -> None:
    # Nine of ten were entered at once: what came later is hidden, though it is less than a fifth.
    assert cut_time(np.array([5] * 9 + [7], dtype=np.int64), 0.2) == 7
    assert cut_time(np.array([1] + [5] * 9, dtype=np.int64), 0.2) == 5
