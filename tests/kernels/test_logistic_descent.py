"""Stochastic steps against a slow twin in plain Python; bits alike at 1 and 2 threads."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsql.kernels.groups import Groups
from recsql.kernels.logistic_descent import (
    Descent,
    Factors,
    descend,
    first_bias,
    first_factors,
    walk_tile,
)


def customers_of(seed: int, n_customers: int, n_items: int) -> Groups:
    rng = np.random.default_rng(seed)
    rows = [np.sort(rng.choice(n_items, rng.integers(0, 6), False)) for _ in range(n_customers)]
    ptr = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Groups(ptr, np.concatenate([*rows, np.empty(0)]).astype(np.int32))


def guess(groups: Groups, n_items: int, width: int) -> Factors:
    buyers = np.bincount(groups.group_item, minlength=n_items).astype(np.int32)
    return first_factors(len(groups.group_ptr) - 1, first_bias(buyers, 3), width, 0)


def slow_walk(
    order: list[int], begin: int, end: int, groups: Groups, factors: Factors, descent: Descent,
    state: int,
) -> None:  # fmt: skip
    """Walk a tile in plain Python and double precision."""
    mine, theirs, bias, of_customer, of_item, of_bias = factors
    for customer in order:
        first, last = groups.group_ptr[customer : customer + 2]
        for bought in groups.group_item[first:last]:
            if not begin <= bought < end:
                continue
            own = mine[customer].copy()
            change = (1 + descent.n_unbought) * descent.ridge * own
            samples = [(int(bought), 1.0)]
            for _ in range(descent.n_unbought):
                state ^= (state << 13) % 2**64
                state ^= state >> 7
                state ^= (state << 17) % 2**64
                samples.append((begin + (state >> 33) % (end - begin), 0.0))
            for item, label in samples:
                error = 1 / (1 + math.exp(-(bias[item] + own @ theirs[item]))) - label
                of_item[item] += error**2 * (own @ own) / len(own)
                of_bias[item] += error**2
                change = change + error * theirs[item]
                bias[item] -= descent.rate / math.sqrt(1 + of_bias[item]) * error
                step = descent.rate / math.sqrt(of_item[item])
                theirs[item] -= step * (error * own + descent.ridge * theirs[item])
            of_customer[customer] += change @ change / len(own)
            mine[customer] -= descent.rate / math.sqrt(of_customer[customer]) * change


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 99),
    width=st.integers(1, 9),
    begin=st.integers(0, 3),
    n_unbought=st.integers(1, 4),
)
def test_a_tile_is_walked_like_its_slow_twin(
    seed: int, width: int, begin: int, n_unbought: int
) -> None:
    groups = customers_of(seed, 6, 8)
    found = guess(groups, 8, width)
    expected = Factors(*(array.astype(np.float64) for array in found))
    order = np.random.default_rng(seed).permutation(6).astype(np.int32)
    descent, state = Descent(0.1, 0.01, n_unbought), np.uint64(seed + 12345678901234567)
    ptr, code = groups
    scratch = np.empty(width, dtype=np.float32)
    walk_tile(order, begin, 7, ptr, code, found, descent, state, scratch)
    slow_walk(order.tolist(), begin, 7, groups, expected, descent, int(state))
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(("n_customers", "n_items"), [(0, 5), (1, 1), (3, 700), (900, 700)])
def test_descent_has_the_same_bits_at_any_number_of_threads(n_customers: int, n_items: int) -> None:
    groups = customers_of(1, n_customers, n_items) if n_items > 5 else customers_of(1, 0, 5)
    found = []
    for n_threads in (1, 2, 3):
        factors = guess(groups, n_items, 12)
        descend(groups, factors, Descent(0.1, 0.01, 3), n_rounds=2, seed=4, n_threads=n_threads)
        found.append(factors)
    for others in found[1:]:
        assert all(np.array_equal(*pair) for pair in zip(found[0], others, strict=True))
    assert all(np.isfinite(array).all() for array in found[0])


def test_a_first_bias_is_the_log_odds_of_popularity() -> None:
    # 3, 1 and 0 customers, 4/3 on average, 2 drawn for each purchase: 3 / (8/3), 1 / (8/3), and
    # an item without customers has as many as half a customer gives: .5 / (8/3).
    bias = first_bias(np.array([3, 1, 0], dtype=np.int32), 2)
    assert bias == pytest.approx(np.log([9 / 8, 3 / 8, 3 / 16]), abs=1e-6)
