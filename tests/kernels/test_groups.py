"""Rows made into groups, and kernels run over blocks by threads."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import slow_groups

import recsql.kernels.groups as module
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks
from recsql.kernels.groups import build_groups

N_GROUPS, N_ITEMS = 7, 300
ROWS = st.lists(
    st.tuples(
        st.integers(0, N_GROUPS - 1), st.integers(0, N_ITEMS - 1), st.integers(-(2**63), 2**63 - 1)
    ),
    max_size=120,
)


@pytest.fixture(params=[1, 1 << 16], ids=["one row a bucket", "one bucket"])
def rows_per_bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make small data take the way of large data too: many buckets, and chunks of rows."""
    monkeypatch.setattr(module, "ROWS_PER_BUCKET", request.param)


def lists_of(ptr: np.ndarray, item: np.ndarray) -> list[list[int]]:
    return [item[first:last].tolist() for first, last in pairwise(ptr)]


@pytest.mark.usefixtures("rows_per_bucket")
@settings(deadline=None, max_examples=60)
@given(rows=ROWS, dtype=st.sampled_from([np.int32, np.int64]), n_threads=st.sampled_from([1, 2]))
def test_groups_are_those_of_the_slow_twin(
    rows: list[tuple[int, int, int]], dtype: type, n_threads: int
) -> None:
    group, item = (np.array([row[place] for row in rows], dtype=np.int64) for place in (0, 1))
    found = build_groups(
        group.astype(dtype), item.astype(np.int32), N_GROUPS, N_ITEMS, n_threads=n_threads
    )
    assert found.group_ptr.dtype == np.int64
    assert found.group_item.dtype == np.int32
    assert lists_of(*found) == slow_groups(rows, N_GROUPS)


@pytest.mark.usefixtures("rows_per_bucket")
@settings(deadline=None, max_examples=60)
@given(rows=ROWS, cap=st.integers(1, 30), coarse=st.booleans(), n_threads=st.sampled_from([1, 2]))
def test_a_cap_keeps_the_items_seen_last(
    rows: list[tuple[int, int, int]], cap: int, coarse: bool, n_threads: int
) -> None:
    rows = [(group, item, time % 3 if coarse else time) for group, item, time in rows]
    group, item, time = (
        np.array([row[place] for row in rows], dtype=np.int64) for place in (0, 1, 2)
    )
    found = build_groups(
        group, item.astype(np.int32), N_GROUPS, N_ITEMS, cap=cap, time=time, n_threads=n_threads
    )
    assert lists_of(*found) == slow_groups(rows, N_GROUPS, cap)


def test_a_cap_without_times_keeps_the_smallest_codes() -> None:
    group, item = np.zeros(5, np.int64), np.array([9, 3, 7, 3, 5], np.int32)
    assert build_groups(group, item, 1, 10, cap=2).group_item.tolist() == [3, 5]


@pytest.mark.parametrize("n_rows", [39, 40, 41, 5_000])
def test_long_groups_are_sorted_by_digits_as_short_ones_by_insertion(n_rows: int) -> None:
    item = np.random.default_rng(n_rows).integers(0, 70_000, n_rows).astype(np.int32)
    found = build_groups(np.zeros(n_rows, np.int32), item, 1, 70_000)
    assert found.group_item.tolist() == sorted(set(item.tolist()))


@pytest.mark.parametrize(("n_groups", "n_items"), [(0, 0), (3, 0), (0, 3), (4, 2)])
def test_without_rows_all_groups_are_empty(n_groups: int, n_items: int) -> None:
    none = np.empty(0, dtype=np.int32)
    found = build_groups(none, none, n_groups, n_items)
    assert found.group_ptr.tolist() == [0] * (n_groups + 1)
    assert found.group_item.size == 0


@pytest.mark.parametrize(
    ("group", "item", "options", "message"),
    [
        ([0, 2], [0, 0], {}, "0 <= group < 2 and 0 <= item < 3, row 1 has group 2 and item 0"),
        ([0, -1], [0, 0], {}, "row 1 has group -1 and item 0"),
        ([0, 1], [0, 3], {}, "row 1 has group 1 and item 3"),
        ([0, 1], [-1, 0], {}, "row 0 has group 0 and item -1"),
        ([0], [0, 1], {}, "must have the same length"),
        ([0], [0], {"cap": 1, "time": np.zeros(2, np.int64)}, "must have the same length"),
        ([0], [0], {"cap": 0}, "cap must be at least 1, got 0"),
        ([0], [0], {"n_groups": 2**31}, r"n_groups and n_items must be below 2\*\*31"),
    ],
)
def test_rows_that_cannot_be_grouped_are_refused(
    group: list[int], item: list[int], options: dict[str, object], message: str
) -> None:
    arguments = {"n_groups": 2, "n_items": 3} | options
    with pytest.raises(ValueError, match=message):
        build_groups(np.array(group, np.int64), np.array(item, np.int32), **arguments)


@settings(deadline=None)
@given(cost=st.lists(st.integers(0, 1000), max_size=60), n_blocks=st.integers(1, 20))
def test_blocks_cover_every_row_once(cost: list[int], n_blocks: int) -> None:
    blocks = equal_blocks(np.array(cost, dtype=np.int64), n_blocks)
    assert [row for first, last in blocks for row in range(first, last)] == list(range(len(cost)))
    assert len(blocks) <= n_blocks


@pytest.mark.parametrize("n_threads", [1, 2])
def test_what_a_block_raises_reaches_the_caller(n_threads: int) -> None:
    def fail(first: int, _last: int, _scratch: None) -> None:
        raise LookupError(f"block {first}")

    with pytest.raises(LookupError, match="block"):
        run_blocks(fail, [(0, 1), (1, 2), (2, 3)], lambda: None, n_threads)


def test_all_cores_that_may_be_used_are_used_unless_told_otherwise() -> None:
    assert available_threads() >= 1
    assert available_threads(5) == 5
    with pytest.raises(ValueError, match="n_threads must be at least 1, got 0"):
        available_threads(0)
