"""Clues to the next interval, against their definition in arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsql.kernels.repeat_levels import Levels, chances, clues_of, located, signs_of
from recsql.kernels.repeat_states import States

LEVELS = Levels(interval=3.0, visit=2.0, own=1.0, customer=4.0, visits=0.5)


def columns_of(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    columns = rng.normal(3, 1, (n, 7))
    columns[:, 3] = rng.integers(0, 4, n)
    columns[:, 5] = rng.integers(0, 3, n)
    return columns, rng.integers(0, 4, n).astype(np.int32)


def slow_clues(columns: np.ndarray, known: np.ndarray, levels: Levels) -> np.ndarray:
    own, newest, others, others_n, visits, weight, visit = columns.T
    return np.column_stack(
        [
            np.zeros(len(columns)),
            (own - known * levels.interval) / (known + levels.own),
            np.where(known > 0, newest - levels.interval, 0),
            (others - others_n * levels.interval) / (others_n + levels.customer),
            (visits - weight * levels.visit) / (weight + levels.visits),
            np.where(weight > 0, visit - levels.visit, 0),
        ]
    )


def test_a_mean_is_drawn_to_that_of_the_shop_by_hand():
    # two intervals of 5 in sum against 3 each, and one of the shop: (5 - 2 * 3) / (2 + 1)
    clues = clues_of(np.array([[5.0, 2.0, 0, 0, 0, 0, 0]]), np.array([2], np.int32), LEVELS)
    assert clues[0].tolist() == pytest.approx([0, -1 / 3, -1.0, 0, 0, 0])


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), n=st.integers(0, 30), n_kinds=st.integers(1, 5))
def test_locations_equal_their_definition(seed, n, n_kinds):
    columns, known = columns_of(seed, n)
    rng = np.random.default_rng(seed)
    item, level = rng.integers(0, 6, n).astype(np.int32), rng.normal(size=6)
    weights = rng.normal(size=(n_kinds, 7))
    clues = clues_of(columns, known, LEVELS)
    expected = slow_clues(columns, known, LEVELS)
    np.testing.assert_allclose(clues, expected, atol=1e-12)
    location, kind = located(clues, item, known, level, weights)
    expected[:, 0] = level[item]
    assert kind.tolist() == np.minimum(known, n_kinds - 1).tolist()
    found = weights[kind, 0] + (weights[kind, 1:] * expected).sum(axis=1)
    np.testing.assert_allclose(location, found, atol=1e-9)


def test_signs_and_chances_by_hand():
    none = np.zeros((2, 7))
    states = States(
        np.array([0, 2]),
        np.array([0, 1], dtype=np.int32),
        np.array([3, 1], dtype=np.int32),
        np.array([10, 40]),
        np.array([30, 40]),
        np.ones(2),
        none,
        none[:0],
        np.array([4]),
        np.array([40]),
    )
    signs = signs_of(states, np.array([20.0, 10.0]), np.array([0.5, 0.0]), np.array([0.1, 0.2]))
    # asked on day 50, 10 days after the newest of 4 visits; 2 repeats in 2 items: 2.5 / 3
    logs = np.log([3, 11, 21, 4, 2.5 / 3])
    assert signs[0] == pytest.approx([1, 0, logs[0], 0.1, *logs[1:]])
    assert signs[1] == pytest.approx([1, -12, 0, 0.2, logs[1], logs[1], *logs[3:]])
    weights = np.zeros(8)
    assert chances(signs, weights).tolist() == [0.5, 0.5]
    weights[0] = np.log(3.0)
    assert chances(signs, weights).tolist() == pytest.approx([0.75, 0.75])


def test_threads_do_not_change_a_bit():
    columns, known = columns_of(1, 30_000)
    one, two = (clues_of(columns, known, LEVELS, n_threads=n) for n in (1, 2))
    assert np.array_equal(one, two)
