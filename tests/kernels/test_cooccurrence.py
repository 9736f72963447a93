"""The best neighbours from baskets: against the slow twin, and where the answer is plain."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import compressed, slow_neighbours

import recsql.kernels.baskets
import recsql.kernels.cooccurrence
from recsql.kernels.cooccurrence import LARGEST_STAMP, rank_rows, top_neighbours
from recsql.kernels.pairs import count_pairs, rank_pairs
from recsql.kernels.ranking import WEIGHTINGS, Neighbours
from recsql.kernels.row_ranking import make_scratch

OPTIONS = st.fixed_dictionaries(
    {
        "weighting": st.sampled_from(WEIGHTINGS),
        "min_support": st.integers(1, 3),
        "k": st.sampled_from([1, 2, 3, 10, 50, 400]),
    }
)


@st.composite
def catalogues(draw: st.DrawFn) -> tuple[list[list[int]], int]:
    """Baskets over few or many items, alike or not, empty to heavy, and the number of items."""
    n_items = draw(st.sampled_from([0, 1, 2, 5, 12, 60, 300]))
    n_groups = draw(st.integers(0, 12 if n_items > 100 else 40))
    most = draw(st.sampled_from([1, 3, n_items, n_items]))
    skew = draw(st.sampled_from([1, 3]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    baskets = []
    for _ in range(n_groups if n_items else 0):
        size = int(random.integers(0, min(most, n_items) + 1))
        bought = (n_items * random.random(size) ** skew).astype(int)
        baskets.append(sorted({int(item) for item in bought}))
    return baskets, n_items


def rows_of(found: Neighbours) -> list[list[tuple[int, float, int]]]:
    """Read a result as the twin gives it, and check its padding."""
    rows = []
    for item, n_found in enumerate(found.n_found):
        assert (found.item[item, n_found:] == -1).all()
        assert not found.score[item, n_found:].any()
        assert not found.support[item, n_found:].any()
        columns = (found.item[item], found.score[item], found.support[item])
        rows.append(list(zip(*(column[:n_found].tolist() for column in columns), strict=True)))
    return rows


def assert_same_bits(found: Neighbours, expected: Neighbours) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()


def test_a_checkerboard_recommends_only_its_own_colour() -> None:
    # Even groups hold the even items and odd groups the odd ones, 10 times each: every pair of
    # one colour has cosine 10 / sqrt(10 * 10) = 1, and ties go to the smaller code.
    baskets = [[0, 2, 4, 6], [1, 3, 5, 7]] * 10
    found = top_neighbours(*compressed(baskets), 8, 2)
    assert found.item.tolist() == [
        [2, 4], [3, 5], [0, 4], [1, 5], [0, 2], [1, 3], [0, 2], [1, 3],
    ]  # fmt: skip
    assert (found.score == 1.0).all()
    assert (found.support == 10).all()
    assert (found.n_found == 2).all()


@pytest.mark.parametrize(
    ("weighting", "score"),
    # 4 groups; item 0 is in 3 of them, item 1 in 2, both in 2.
    [
        ("count", 2.0),
        ("cosine", 2 / 6**0.5),
        ("jaccard", 2 / 3),  # 2 / (3 + 2 - 2)
        ("lift", 8 / 6),  # 2 * 4 / (3 * 2)
        ("confidence", 2 / 3),  # of the groups with item 0
    ],
)
def test_every_weighting_is_its_formula(weighting: str, score: float) -> None:
    found = top_neighbours(*compressed([[0, 1], [0, 1], [0], []]), 2, 1, weighting=weighting)
    assert found.item.tolist() == [[1], [0]]
    assert found.score[0, 0] == score


def test_lift_counts_the_groups_it_is_told() -> None:
    # 1 * 100 / (1 * 1): callers may know of groups that hold nothing.
    found = top_neighbours(*compressed([[0, 1]]), 2, 1, weighting="lift", n_groups=100)
    assert found.score.tolist() == [[100.0], [100.0]]


@settings(deadline=None, max_examples=150)
@given(catalogue=catalogues(), options=OPTIONS)
def test_neighbours_are_those_of_the_slow_twin(
    catalogue: tuple[list[list[int]], int], options: dict[str, Any]
) -> None:
    baskets, n_items = catalogue
    found = top_neighbours(*compressed(baskets), n_items, **options)
    assert rows_of(found) == slow_neighbours(baskets, n_items, **options)


@settings(deadline=None, max_examples=80)
@given(catalogue=catalogues(), options=OPTIONS, seed=st.integers(0, 2**32 - 1))
def test_items_that_are_not_eligible_are_nobodys_neighbours(
    catalogue: tuple[list[list[int]], int], options: dict[str, Any], seed: int
) -> None:
    baskets, n_items = catalogue
    eligible = np.random.default_rng(seed).random(n_items) < 0.5
    found = top_neighbours(*compressed(baskets), n_items, eligible=eligible, **options)
    expected = slow_neighbours(baskets, n_items, eligible=eligible.tolist(), **options)
    assert rows_of(found) == expected


@settings(deadline=None, max_examples=80)
@given(
    catalogue=catalogues(),
    options=OPTIONS,
    seed=st.integers(0, 2**32 - 1),
    heaviest=st.sampled_from([1, 3, 2**15, 2**20]),
)
def test_weights_take_the_place_of_counts(
    catalogue: tuple[list[list[int]], int], options: dict[str, Any], seed: int, heaviest: int
) -> None:
    baskets, n_items = catalogue
    random = np.random.default_rng(seed)
    weights = [random.integers(0, heaviest + 1, len(basket)).tolist() for basket in baskets]
    found = top_neighbours(
        *compressed(baskets),
        n_items,
        entry_weight=np.array([one for basket in weights for one in basket], dtype=np.int64),
        total_weight=1000,
        **options,
    )
    expected = slow_neighbours(baskets, n_items, weights=weights, total=1000, **options)
    assert rows_of(found) == expected


@settings(deadline=None, max_examples=80)
@given(catalogue=catalogues(), options=OPTIONS, weighted=st.booleans())
def test_stored_pairs_rank_like_baskets_at_any_number_of_threads(
    catalogue: tuple[list[list[int]], int], options: dict[str, Any], weighted: bool
) -> None:
    baskets, n_items = catalogue
    ptr, item = compressed(baskets)
    weight = np.arange(item.size, dtype=np.int64) % 7 if weighted else None
    expected = top_neighbours(
        ptr, item, n_items, entry_weight=weight, total_weight=9, n_threads=1, **options
    )
    for n_threads in (1, 2, 3):
        with pytest.MonkeyPatch.context() as patch:  # or small data would be one part
            patch.setattr(recsql.kernels.baskets, "ENTRIES_PER_PART", 1)
            found = top_neighbours(
                ptr,
                item,
                n_items,
                entry_weight=weight,
                total_weight=9,
                n_threads=n_threads,
                **options,
            )
            pairs = count_pairs(ptr, item, n_items, entry_weight=weight, n_threads=n_threads)
        assert_same_bits(found, expected)
        found = rank_pairs(
            pairs, n_groups=len(baskets), total_weight=9, n_threads=n_threads, **options
        )
        assert_same_bits(found, expected)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_shop_with_many_rare_items_is_ranked_like_by_the_slow_twin(
    weighting: str, seed: int
) -> None:
    # Most pairs meet once: the rows that look for singles, and for the end of useful ones.
    random = np.random.default_rng(seed)
    n_items = 700
    baskets = [
        sorted({int(item) for item in n_items * random.random(random.integers(1, 60)) ** 2})
        for _ in range(120)
    ]
    found = top_neighbours(*compressed(baskets), n_items, 20, weighting=weighting)
    assert rows_of(found) == slow_neighbours(baskets, n_items, 20, weighting=weighting)


def test_in_one_group_of_ten_thousand_items_ties_go_to_the_smallest_codes() -> None:
    n_items = 10_000
    ptr = np.array([0, n_items], dtype=np.int64)
    found = top_neighbours(ptr, np.arange(n_items, dtype=np.int32), n_items, 3)
    assert found.item[:4].tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    assert (found.item[4:] == [0, 1, 2]).all()
    assert (found.score == 1.0).all()


def test_weights_that_differ_by_one_part_in_a_trillion_are_told_apart() -> None:
    # Item 0 meets 300 others once each: even ones with (2**20 - 1)**2 and odd ones with
    # 2**20 * (2**20 - 2), which is one less. All keys are equal in float32, the scores are not.
    n_others = 300
    baskets = [[0, other] for other in range(1, n_others + 1)]
    weights = [
        [2**20, 2**20 - 2] if other % 2 else [2**20 - 1, 2**20 - 1]
        for other in range(1, n_others + 1)
    ]
    found = top_neighbours(
        *compressed(baskets),
        n_others + 1,
        10,
        weighting="count",
        entry_weight=np.array(weights, dtype=np.int64).ravel(),
    )
    assert found.item[0].tolist() == list(range(2, 22, 2))
    expected = slow_neighbours(baskets, n_others + 1, 10, weighting="count", weights=weights)
    assert rows_of(found) == expected


def test_the_last_place_goes_to_the_better_of_two_that_differ_by_a_rounding() -> None:
    # As above with 3 others and one place: items 1 and 3 have one less than item 2.
    weights = [[2**20, 2**20 - 2], [2**20 - 1, 2**20 - 1], [2**20, 2**20 - 2]]
    found = top_neighbours(
        *compressed([[0, 1], [0, 2], [0, 3]]),
        4,
        1,
        weighting="count",
        entry_weight=np.array(weights, dtype=np.int64).ravel(),
    )
    assert found.item[0].tolist() == [2]
    assert found.score[0].tolist() == [float((2**20 - 1) ** 2)]


def test_counts_above_sixteen_bits_are_exact() -> None:
    n_groups = 70_000
    ptr = np.arange(0, 2 * n_groups + 1, 2, dtype=np.int64)
    found = top_neighbours(ptr, np.tile(np.array([0, 1], np.int32), n_groups), 2, 1)
    assert found.support.tolist() == [[n_groups], [n_groups]]
    assert found.score.tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize("n_items", [0, 1, 3])
def test_without_groups_nobody_has_neighbours(n_items: int) -> None:
    found = top_neighbours(*compressed([]), n_items, 5)
    assert found.item.shape == (n_items, 5)
    assert not found.n_found.any()
    assert (found.item == -1).all()


def test_groups_of_one_item_give_no_neighbours() -> None:
    found = top_neighbours(*compressed([[0], [1], [1]]), 2, 5)
    assert found.n_found.tolist() == [0, 0]


def test_stamps_begin_anew_before_they_run_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def nearly_used_up(n_items: int, *, weighted: bool) -> Any:
        scratch = make_scratch(n_items, weighted=weighted)
        scratch.stamp[0] = LARGEST_STAMP - 3
        scratch.tally[:] = LARGEST_STAMP - 3  # as rows before would have left it
        return scratch

    baskets = [[0, 3], [0, 5], [0, 3], [1, 2]]  # rows with less work than the 50 items
    expected = top_neighbours(*compressed(baskets), 50, 3, n_threads=1)
    monkeypatch.setattr(recsql.kernels.cooccurrence, "make_scratch", nearly_used_up)
    found = top_neighbours(*compressed(baskets), 50, 3, n_threads=1)
    assert_same_bits(found, expected)


def test_calls_from_many_threads_at_once_do_not_disturb_each_other() -> None:
    random = np.random.default_rng(3)
    baskets = [sorted({*random.integers(0, 200, 20).tolist()}) for _ in range(300)]
    expected = top_neighbours(*compressed(baskets), 200, 10)
    with ThreadPoolExecutor(4) as pool:
        for running in [
            pool.submit(top_neighbours, *compressed(baskets), 200, 10) for _ in range(16)
        ]:
            assert_same_bits(running.result(), expected)


def test_arrays_that_cannot_be_written_need_no_second_compilation() -> None:
    ptr, item = compressed([[0, 1], [1, 2]])
    top_neighbours(ptr, item, 3, 2)
    compiled = len(rank_rows.signatures)  # type: ignore[attr-defined]
    ptr.flags.writeable = item.flags.writeable = False
    found = top_neighbours(ptr, item, 3, 2)
    assert found.n_found.tolist() == [1, 2, 1]
    assert len(rank_rows.signatures) == compiled  # type: ignore[attr-defined]


def test_a_change_of_any_kernel_file_compiles_all_kernels_again() -> None:
    # numba by itself looks only at the file of the kernel, not at those of its parts.
    stamp = rank_rows._cache._cache_file._source_stamp  # type: ignore[attr-defined]
    names = {name for name, _changed, _size in stamp[1]}
    folder = Path(recsql.kernels.cooccurrence.__file__).parent
    assert names == {file.name for file in folder.glob("*.py")}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"min_support": 0}, "min_support must be at least 1, got 0"),
        ({"weighting": "dice"}, "weighting must be one of count, cosine.*got 'dice'"),
        ({"eligible": np.ones(3, dtype=np.bool_)}, "eligible must have 2 entries, got 3"),
        ({"n_threads": 0}, "n_threads must be at least 1, got 0"),
        ({"entry_weight": np.ones(3, np.int64)}, "entry_weight must have 2 entries, got 3"),
        ({"entry_weight": np.array([1, -1])}, r"entry_weight must be from 0 to 2\*\*20"),
        ({"entry_weight": np.array([1, 1]), "weighting": "lift"}, "total_weight must be given"),
        ({"n_items": 1}, "codes of a group must rise and be from 0 to 0; group 0 differs"),
        ({"n_items": -1}, "n_items must be from 0"),
        ({"group_item": np.array([1, 0], np.int32)}, "codes of a group must rise.*group 0"),
        ({"group_item": np.array([0, 0], np.int32)}, "codes of a group must rise.*group 0"),
        ({"group_item": np.array([-1, 0], np.int32)}, "codes of a group must rise.*group 0"),
        ({"group_ptr": np.array([0, 1], np.int64)}, "group_ptr must rise from 0 to 2"),
        ({"group_ptr": np.array([], np.int64)}, "group_ptr must rise from 0 to 2"),
        ({"group_ptr": np.array([0, 3, 2], np.int64)}, "group_ptr must rise from 0 to 2"),
    ],
)
def test_what_cannot_be_ranked_is_refused_with_a_sentence(
    wrong: dict[str, Any], message: str
) -> None:
    ptr, item = compressed([[0, 1]])
    arguments = {"group_ptr": ptr, "group_item": item, "n_items": 2, "k": 1} | wrong
    with pytest.raises(ValueError, match=message):
        top_neighbours(**arguments)
