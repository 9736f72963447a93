"""The index of sequences against plain looking up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import compressed
from naive_sequences import slow_following, slow_suffix_order

from recsql.kernels.sequence_matches import Weighing, index_sequences, score_following
from recsql.kernels.suffixes import suffix_order
from recsql.kernels.wavelets import build_wavelet, narrow

ITEMS = 4
few = st.lists(st.integers(0, ITEMS - 1), max_size=12)
sequences = st.lists(few, max_size=6)
EVERYTHING = Weighing(3, 2.0, 2, 1, 0.5, 10**6)


def text_of(rows: list[list[int]]) -> list[int]:
    return [symbol for row in rows for symbol in [*(item + 1 for item in row), 0]]


def score(
    rows: list[list[int]],
    histories: list[list[int]],
    weighing: Weighing,
    n_items: int = ITEMS,
    n_threads: int | None = None,
) -> np.ndarray:
    index = index_sequences(*compressed(rows), n_items)
    scores = np.zeros((len(histories), n_items), dtype=np.float32)
    score_following(index, *compressed(histories), weighing, scores, n_threads)
    return scores


@settings(deadline=None)
@given(rows=sequences)
def test_suffixes_are_in_order(rows: list[list[int]]) -> None:
    text = np.array(text_of(rows), dtype=np.int32)
    assert suffix_order(text, ITEMS + 1).tolist() == slow_suffix_order(text.tolist())


@pytest.mark.parametrize("rows", [[[0] * 300, [0] * 299], [[0, 1] * 200], [[2, 1, 0] * 40] * 5])
def test_suffixes_that_repeat_for_long_are_in_order(rows: list[list[int]]) -> None:
    text = np.array(text_of(rows), dtype=np.int32)
    assert suffix_order(text, ITEMS + 1).tolist() == slow_suffix_order(text.tolist())


@settings(deadline=None)
@given(
    text=st.lists(st.integers(0, 10), max_size=40),
    repeats=st.sampled_from([1, 7, 40]),
    edges=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_a_step_of_a_search_counts_a_symbol_in_the_rows(
    text: list[int], repeats: int, edges: tuple[float, float]
) -> None:
    text = text * repeats
    index = build_wavelet(np.array(text, dtype=np.int32), 11)
    first, last = sorted(round(edge * len(text)) for edge in edges)
    for symbol in range(11):
        top, bottom = narrow(index.words, index.zeros, symbol, first, last)
        assert bottom - top == text[first:last].count(symbol)
        if first < last:
            smaller = sum(other < symbol for other in text)
            assert top == bottom or top == smaller + text[:first].count(symbol)


@settings(deadline=None)
@given(
    rows=sequences,
    histories=st.lists(few, max_size=4),
    max_length=st.integers(1, 4),
    ahead=st.integers(1, 3),
    max_skip=st.integers(0, 3),
    n_threads=st.sampled_from([1, 2]),
)
def test_scores_are_those_of_looking_everywhere(
    rows: list[list[int]],
    histories: list[list[int]],
    max_length: int,
    ahead: int,
    max_skip: int,
    n_threads: int,
) -> None:
    weighing = Weighing(max_length, 1.5, ahead, max_skip, 0.25, 10**6)
    found = score(rows, histories, weighing, n_threads=n_threads)
    for row, history in zip(found, histories, strict=True):
        assert row == pytest.approx(slow_following(rows, history, ITEMS, weighing), rel=1e-5)


@pytest.mark.parametrize("n_items", [1, 2, 31, 32, 1000])
def test_many_items_and_rows(n_items: int) -> None:
    rng = np.random.default_rng(n_items)
    rows = [rng.integers(0, n_items, size).tolist() for size in rng.integers(0, 60, 40)]
    histories = [row[:9] for row in rows[:8]]
    found = score(rows, histories, EVERYTHING, n_items)
    for row, history in zip(found, histories, strict=True):
        assert row == pytest.approx(slow_following(rows, history, n_items, EVERYTHING), rel=1e-5)


def test_of_many_places_some_stand_for_all() -> None:
    rows = [[0, 1]] * 300 + [[0, 2]] * 100
    found = score(rows, [[0]], EVERYTHING._replace(most_rows=40))
    # 400 places, 40 looked at, each for 10: 30 of those before a 1 and 10 of those before a 2
    assert found.tolist() == [[0.0, 300.0, 100.0, 0.0]]


def test_an_item_that_is_not_indexed_matches_nothing() -> None:
    assert score([[0, 1]], [[ITEMS], [0, ITEMS]], EVERYTHING).tolist() == [
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.5, 0.0, 0.0],  # the unknown item is passed over
    ]


def test_rows_do_not_depend_on_threads() -> None:
    rng = np.random.default_rng(3)
    rows = [rng.integers(0, 50, 40).tolist() for _ in range(200)]
    one, two = (score(rows, rows, EVERYTHING, 50, threads) for threads in (1, 2))
    assert np.array_equal(one, two)
