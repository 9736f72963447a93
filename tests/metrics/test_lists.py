"""Novelty and diversity of lists, by hand and against plain loops."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsql.errors import ParameterError
from recsql.kernels import list_cosines
from recsql.metrics.lists import buyer_vectors, diversity, mean_of_lists, novelty

N_ITEMS = 5


@st.composite
def recommended(draw: st.DrawFn) -> np.ndarray:
    k = draw(st.integers(1, N_ITEMS))
    rows = draw(st.lists(st.permutations(range(N_ITEMS)), max_size=5))
    lengths = [draw(st.integers(0, k)) for _ in rows]
    found = np.full((len(rows), k), -1, dtype=np.int32)
    for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        found[place, :length] = row[:length]
    return found


def csr(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ptr = np.concatenate([[0], np.cumsum((table != 0).sum(axis=1))]).astype(np.int64)
    _, column = np.nonzero(table)
    return ptr, column, table[table != 0]


def slow_diversity(items: list[int], table: np.ndarray) -> float:
    cosines = []
    for one, other in combinations(items, 2):
        norms = np.linalg.norm(table[one]) * np.linalg.norm(table[other])
        cosines.append(float(table[one] @ table[other] / norms) if norms else 0.0)
    return 1 - sum(cosines) / len(cosines) if cosines else math.nan


def test_novelty_is_the_surprise_in_bits() -> None:
    # of 8 customers 8, 4 and 1 bought the items: 0, 1 and 3 bits
    found = novelty(np.array([[0, 1], [2, -1]]), np.array([8, 4, 1]), 8)
    assert found.tolist() == [0.5, 3.0]


def test_an_item_that_nobody_bought_counts_as_bought_by_one() -> None:
    assert novelty(np.array([[0], [1]]), np.array([0, 1]), 16).tolist() == [4.0, 4.0]


def test_an_empty_list_is_left_out_and_counted() -> None:
    found = novelty(np.array([[0], [-1]]), np.array([2]), 4)
    assert mean_of_lists(found) == (1.0, 1)
    assert math.isnan(mean_of_lists(found[1:])[0])


def test_more_buyers_than_customers_are_refused() -> None:
    with pytest.raises(ParameterError, match="n_customers must be at least 1 and the most buyers"):
        novelty(np.array([[0]]), np.array([5]), 4)


@given(recommended(), st.lists(st.integers(0, 9), min_size=N_ITEMS, max_size=N_ITEMS))
def test_novelty_equals_a_plain_loop(found: np.ndarray, buyers: list[int]) -> None:
    expected = []
    for row in found.tolist():
        bits = [-math.log2(max(buyers[item], 1) / 9) for item in row if item >= 0]
        expected.append(sum(bits) / len(bits) if bits else math.nan)
    assert novelty(found, np.array(buyers), 9) == pytest.approx(expected, nan_ok=True, abs=1e-12)


def test_items_of_the_same_customers_are_alike_and_of_others_unlike() -> None:
    # items 0 and 1 have customers 0 and 1, item 2 has customer 2: pairs 1, 0, 0
    ptr, item = np.array([0, 2, 4, 5]), np.array([0, 1, 0, 1, 2], dtype=np.int32)
    vectors = buyer_vectors(ptr, item, 3)
    found = diversity(np.array([[0, 1, -1], [0, 2, -1], [0, 1, 2]]), *vectors)
    assert found == pytest.approx([0.0, 1.0, 2 / 3], abs=1e-12)


def test_half_shared_customers_are_half_alike() -> None:
    # customers {0, 1} and {1, 2}: cosine 1 / sqrt(2 * 2)
    found = diversity(np.array([[0, 1]]), np.array([0, 2, 4]), np.array([0, 1, 1, 2]))
    assert found == pytest.approx([0.5])


def test_lists_of_fewer_than_two_items_are_left_out_and_counted() -> None:
    found = diversity(np.array([[0, 1], [0, -1], [-1, -1]]), *csr(np.eye(2)))
    assert mean_of_lists(found) == (1.0, 2)


def test_an_item_without_a_vector_shares_nothing() -> None:
    assert diversity(np.array([[0, 1]]), *csr(np.array([[1.0, 1.0], [0.0, 0.0]]))).tolist() == [1.0]


@given(
    recommended(),
    st.lists(
        st.lists(st.sampled_from([-2.0, 0.0, 0.0, 0.5, 3.0]), min_size=4, max_size=4),
        min_size=N_ITEMS,
        max_size=N_ITEMS,
    ),
)
def test_diversity_equals_comparing_all_pairs(found: np.ndarray, rows: list[list[float]]) -> None:
    table = np.array(rows)
    expected = [slow_diversity([one for one in row if one >= 0], table) for row in found.tolist()]
    values = diversity(found, *csr(table))
    assert values == pytest.approx(expected, nan_ok=True, abs=1e-12)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_list_gets_the_same_alone_and_among_others(
    n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    table = rng.random((50, 30)) * (rng.random((50, 30)) < 0.3)
    found = np.array([rng.choice(50, 10, replace=False) for _ in range(40)])
    alone = np.concatenate([diversity(found[row : row + 1], *csr(table)) for row in range(40)])
    monkeypatch.setattr(list_cosines, "available_threads", lambda _: n_threads)
    assert np.array_equal(diversity(found, *csr(table)), alone)


def test_the_customers_of_each_item_are_the_items_of_each_customer_turned_over() -> None:
    ptr, column = buyer_vectors(np.array([0, 2, 2, 3]), np.array([0, 3, 3], dtype=np.int32), 5)
    assert [column[a:b].tolist() for a, b in pairwise(ptr)] == [
        [0],
        [],
        [],
        [0, 2],
        [],
    ]


def test_vectors_that_do_not_fit_are_refused() -> None:
    ptr, column = np.array([0, 1, 2]), np.array([0, 1])
    with pytest.raises(ParameterError, match="must fit each other"):
        diversity(np.array([[0, 1]]), ptr, column, np.array([1.0]))
    with pytest.raises(ParameterError, match="vector_value must be finite"):
        diversity(np.array([[0, 1]]), ptr, column, np.array([1.0, math.nan]))
