"""Stored pairs: counted, changed and renamed like counted anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import compressed, slow_pairs

from recsql.kernels.pairs import (
    Pairs,
    count_pairs,
    merge_pairs,
    pair_bytes_estimate,
    rank_pairs,
    relabel_pairs,
)

N_ITEMS = 90
BASKETS = st.lists(st.sets(st.integers(0, N_ITEMS - 1), max_size=30).map(sorted), max_size=25)


def counted(baskets: list[list[int]], *, weighted: bool, n_items: int = N_ITEMS) -> Pairs:
    """Count pairs; the weight of an entry is a function of its item, so that groups can move."""
    ptr, item = compressed(baskets)
    weight = item.astype(np.int64) % 5 + 1 if weighted else None
    return count_pairs(ptr, item, n_items, entry_weight=weight)


def assert_equal(found: Pairs, expected: Pairs) -> None:
    for one, other in zip(found, expected, strict=True):
        if one is None or other is None:
            assert one is None
            assert other is None
        else:
            assert one.dtype == other.dtype
            assert one.tolist() == other.tolist()


@settings(deadline=None, max_examples=100)
@given(baskets=BASKETS, weighted=st.booleans(), n_threads=st.sampled_from([1, 2]))
def test_pairs_are_those_of_the_slow_twin(
    baskets: list[list[int]], weighted: bool, n_threads: int
) -> None:
    ptr, item = compressed(baskets)
    weight = item.astype(np.int64) % 4 if weighted else None
    found = count_pairs(ptr, item, N_ITEMS, entry_weight=weight, n_threads=n_threads)
    expected = slow_pairs(baskets, [[code % 4 for code in basket] for basket in baskets])
    upper = sorted(pair for pair in expected if pair[0] <= pair[1])
    rows = np.repeat(np.arange(N_ITEMS), np.diff(found.ptr))
    assert list(zip(rows.tolist(), found.item.tolist(), strict=True)) == upper
    assert found.count.tolist() == [expected[pair].count for pair in upper]
    if weighted:
        assert found.weight is not None
        assert found.weight.tolist() == [expected[pair].weight for pair in upper]
    else:
        assert found.weight is None


def test_a_heavy_and_many_light_groups_are_counted_alike() -> None:
    # Item 0 is counted with a dense row and the others by bits: 2,000 items, one large group.
    n_items = 2_000
    ptr, item = compressed([list(range(0, n_items, 2)), [0, 1999], [5, 7]])
    found = count_pairs(ptr, item, n_items)
    assert found.item[: found.ptr[1]].tolist() == [*range(0, n_items, 2), 1999]
    assert found.item[found.ptr[5] : found.ptr[6]].tolist() == [5, 7]
    # And (0, 1999), (1999, 1999), (5, 5), (5, 7), (7, 7).
    assert found.ptr[-1] == 1000 * 1001 // 2 + 5


@pytest.mark.parametrize("weighted", [False, True])
def test_the_estimate_of_bytes_is_never_too_low(weighted: bool) -> None:
    random = np.random.default_rng(5)
    for n_items in (1, 10, 400):
        baskets = [sorted({*random.integers(0, n_items, 9).tolist()}) for _ in range(50)]
        ptr, item = compressed(baskets)
        weight = np.ones(item.size, dtype=np.int64) if weighted else None
        pairs = count_pairs(ptr, item, n_items, entry_weight=weight)
        size = sum(array.nbytes for array in pairs if array is not None)
        assert size <= pair_bytes_estimate(ptr, item, n_items, weighted=weighted)


def test_the_estimate_for_baskets_without_overlap_is_exact() -> None:
    # Two groups of 3: 2 * (3 + 2 + 1) = 12 pairs of 8 bytes, and 7 pointers of 8.
    assert pair_bytes_estimate(*compressed([[0, 1, 2], [3, 4, 5]]), 6) == 12 * 8 + 7 * 8


@settings(deadline=None, max_examples=100)
@given(kept=BASKETS, added=BASKETS, removed=BASKETS, weighted=st.booleans())
def test_adding_and_removing_groups_is_like_counting_anew(
    kept: list[list[int]], added: list[list[int]], removed: list[list[int]], weighted: bool
) -> None:
    for n_threads in (1, 2):
        found = merge_pairs(
            counted(kept + removed, weighted=weighted),
            counted(added, weighted=weighted),
            counted(removed, weighted=weighted),
            n_threads=n_threads,
        )
        assert_equal(found, counted(kept + added, weighted=weighted))


@settings(deadline=None, max_examples=60)
@given(baskets=BASKETS, gone=st.sets(st.integers(0, N_ITEMS - 1)), seed=st.integers(0, 2**32 - 1))
def test_new_and_vanished_items_are_like_counting_anew(
    baskets: list[list[int]], gone: set[int], seed: int
) -> None:
    left = [[item for item in basket if item not in gone] for basket in baskets]
    n_new = N_ITEMS + 10
    codes = np.sort(np.random.default_rng(seed).permutation(n_new)[: N_ITEMS - len(gone)])
    new_code = np.full(N_ITEMS, -1, dtype=np.int32)
    new_code[[item for item in range(N_ITEMS) if item not in gone]] = codes
    found = relabel_pairs(counted(left, weighted=False), new_code, n_new)
    renamed = [[int(new_code[item]) for item in basket] for basket in left]
    assert_equal(found, counted(renamed, weighted=False, n_items=n_new))


def test_removing_what_is_not_there_is_refused() -> None:
    have, none = counted([[0, 1]], weighted=False), counted([], weighted=False)
    with pytest.raises(ValueError, match="removed must be among the others, those of item 0 are"):
        merge_pairs(have, none, counted([[0, 2]], weighted=False))
    with pytest.raises(ValueError, match="removed must be among the others, those of item 0 are"):
        merge_pairs(have, none, counted([[0, 1], [0, 1]], weighted=False))


def test_a_weight_that_stays_behind_without_a_count_is_refused() -> None:
    ptr, item = compressed([[0, 1]])
    have, gone = (
        count_pairs(ptr, item, 2, entry_weight=np.full(2, weight, np.int64)) for weight in (3, 2)
    )
    none = count_pairs(*compressed([]), 2, entry_weight=np.empty(0, np.int64))
    with pytest.raises(ValueError, match="removed must be among the others"):
        merge_pairs(have, none, gone)


def test_pairs_of_different_catalogues_do_not_merge() -> None:
    have = counted([[0, 1]], weighted=False)
    for other in (counted([], weighted=True), counted([], weighted=False, n_items=5)):
        with pytest.raises(ValueError, match="must have the same items, all or none with weights"):
            merge_pairs(have, other, other)


@pytest.mark.parametrize(
    ("new_code", "message"),
    [
        ([0, 1], "new_code must have 3 entries, got 2"),
        ([1, 0, 2], "new_code must rise and stay below 3"),
        ([0, 1, 3], "new_code must rise and stay below 3"),
        ([0, -1, 1], "item that is gone must have no pairs"),
    ],
)
def test_codes_that_do_not_rise_or_lose_pairs_are_refused(
    new_code: list[int], message: str
) -> None:
    pairs = counted([[0, 1]], weighted=False, n_items=3)
    with pytest.raises(ValueError, match=message):
        relabel_pairs(pairs, np.array(new_code, dtype=np.int32), 3)


@pytest.mark.parametrize(
    ("ptr", "item", "message"),
    [
        ([0, 1], [0, 1], "group_ptr must rise from 0 to 2"),
        ([0, 2], [0, 5], "Codes must be from 0 to 4"),
        ([0, 2], [-1, 0], "Codes must be from 0 to 4"),
    ],
)
def test_the_estimate_refuses_what_cannot_be_counted(
    ptr: list[int], item: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        pair_bytes_estimate(np.array(ptr, np.int64), np.array(item, np.int32), 5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"weighting": "dice"}, "weighting must be one of"),
        ({"min_support": 0}, "min_support must be at least 1"),
        ({"eligible": np.ones(7, np.bool_)}, "eligible must have 90 entries, got 7"),
    ],
)
def test_pairs_that_cannot_be_ranked_are_refused(wrong: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"k": 1, "n_groups": 1} | wrong
    with pytest.raises(ValueError, match=message):
        rank_pairs(counted([[0, 1]], weighted=False), **arguments)


def test_a_lift_of_stored_weights_needs_their_total() -> None:
    with pytest.raises(ValueError, match="total_weight must be given for a lift of weights"):
        rank_pairs(counted([[0, 1]], weighted=True), 1, n_groups=1, weighting="lift")


def test_stored_pairs_leave_out_what_is_not_eligible() -> None:
    pairs = counted([[0, 1, 2], [0, 1]], weighted=False, n_items=3)
    eligible = np.array([True, False, True])
    found = rank_pairs(pairs, 2, n_groups=2, weighting="count", eligible=eligible)
    assert found.item.tolist() == [[2, -1], [0, 2], [0, -1]]
    assert found.score.tolist() == [[1.0, 0.0], [2.0, 1.0], [1.0, 0.0]]
