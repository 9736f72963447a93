"""The leading directions of a purchase table, against numpy's decomposition of the whole."""

from __future__ import annotations

import numpy as np
import pytest

from recsql.kernels.groups import Groups
from recsql.kernels.spectrum import leading_factors

N_ITEMS = 30


def groups(seed: int = 0, n_customers: int = 80) -> Groups:
    rng = np.random.default_rng(seed)
    rows = [np.sort(rng.choice(N_ITEMS - 1, rng.integers(0, 9), False)) for _ in range(n_customers)]
    ptr = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Groups(ptr, np.concatenate(rows).astype(np.int32))


def normalised(of: Groups) -> np.ndarray:
    table = np.zeros((len(of.group_ptr) - 1, N_ITEMS))
    table[np.repeat(np.arange(len(table)), np.diff(of.group_ptr)), of.group_item] = 1.0
    sizes = np.sqrt(np.maximum(table.sum(axis=1), 1))[:, None]
    return table / sizes / np.sqrt(np.maximum(table.sum(axis=0), 1))


def test_directions_and_values_are_those_of_the_whole_decomposition() -> None:
    value, factors = leading_factors(groups(), N_ITEMS, 6, n_rounds=60)
    _, expected, direction = np.linalg.svd(normalised(groups()))
    assert value == pytest.approx(expected[:6] ** 2, abs=1e-5)
    assert np.abs(direction[:6] @ factors) == pytest.approx(np.eye(6), abs=1e-2)
    assert value[0] == pytest.approx(1.0)  # customers and items of one connected graph
    assert not factors[N_ITEMS - 1].any()  # nobody bought it


def test_more_directions_than_there_are_give_all_there_are() -> None:
    two = Groups(np.array([0, 2, 3]), np.array([0, 1, 2], dtype=np.int32))
    value, factors = leading_factors(two, 4, 4)
    # {0, 1} and {2}: two parts that are not connected, each with one direction of value 1.
    assert value == pytest.approx([1.0, 1.0])
    span = factors @ factors.T
    expected = np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]])
    assert span[:3, :3] == pytest.approx(expected, abs=1e-6)


def test_no_purchases_have_no_directions() -> None:
    none = Groups(np.zeros(3, dtype=np.int64), np.empty(0, dtype=np.int32))
    value, factors = leading_factors(none, 4, 2)
    assert value.shape == (0,)
    assert factors.shape == (4, 0)


def test_one_seed_gives_one_result_at_any_number_of_threads() -> None:
    one, two = (leading_factors(groups(), N_ITEMS, 5, seed=3, n_threads=n) for n in (1, 2))
    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])
