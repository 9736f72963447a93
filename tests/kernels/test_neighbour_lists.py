"""Neighbour lists as their definition gives them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsql.kernels.groups import Groups
from recsql.kernels.neighbour_lists import neighbour_lists, whole_weights


def slow_weights(
    rows: list[list[int]],
    n_items: int,
    weighting: str,
    customer_power: float,
    popularity_power: float,
    shrinkage: float,
) -> np.ndarray:
    """The definition: float64[n_items, n_items], 0 where nobody bought both."""
    found = np.zeros((n_items, n_items))
    weight = [max(len(row), 1) ** (-2 * customer_power) for row in rows]

    def both(one: int, other: int) -> tuple[float, int]:
        shared = [w for row, w in zip(rows, weight, strict=True) if {one, other} <= set(row)]
        return sum(shared), len(shared)

    for one in range(n_items):
        for other in range(n_items):
            total, count = both(one, other)
            if one == other or count == 0:
                continue
            own, theirs = both(one, one), both(other, other)
            if weighting == "cosine":
                score = total / np.sqrt(own[1] * theirs[1])
            else:
                score = total / (own[0] + theirs[0] - total)
            score *= theirs[1] ** popularity_power * count / (count + shrinkage)
            found[one, other] = score
    return found


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 50),
    weighting=st.sampled_from(["cosine", "jaccard"]),
    customer_power=st.sampled_from([0.0, 0.35, 0.5]),
    popularity_power=st.sampled_from([-0.4, 0.0, 0.2]),
    shrinkage=st.sampled_from([0.0, 2.5]),
)
def test_weights_are_those_of_the_definition(
    seed: int, weighting: str, customer_power: float, popularity_power: float, shrinkage: float
) -> None:
    rng = np.random.default_rng(seed)
    n_items = int(rng.integers(1, 9))
    rows = [
        sorted(rng.choice(n_items, rng.integers(0, n_items + 1), False).tolist())
        for _ in range(rng.integers(1, 12))
    ]
    ptr = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    groups = Groups(ptr, np.array([code for row in rows for code in row], dtype=np.int32))
    options = {
        "weighting": weighting,
        "customer_power": customer_power,
        "popularity_power": popularity_power,
        "shrinkage": shrinkage,
    }
    found = neighbour_lists(groups, n_items, n_items, **options)  # type: ignore[arg-type]
    dense = np.zeros((n_items, n_items))
    row, column = np.nonzero(found.item >= 0)
    dense[row, found.item[row, column]] = found.weight[row, column]
    expected = slow_weights(rows, n_items, weighting, customer_power, popularity_power, shrinkage)
    assert dense == pytest.approx(expected, rel=1e-4)
    assert (found.weight[found.item < 0] == 0).all()


def test_popularity_decides_about_the_cut() -> None:
    # Item 0 is bought with 1 by one of 1's two customers, with 2 by one of 2's eight.
    rows = [[0, 1], [1], [0, 2], *([2] for _ in range(7))]
    ptr = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    groups = Groups(ptr, np.array([code for row in rows for code in row], dtype=np.int32))
    plain = neighbour_lists(groups, 3, 1)
    assert plain.item[0].tolist() == [1]
    assert plain.weight[0] == pytest.approx([1 / np.sqrt(2 * 2)])
    rather_popular = neighbour_lists(groups, 3, 1, popularity_power=0.5, customer_power=0.5)
    # Both pairs weigh 1/2 / sqrt(2) now: a tie, which the smaller code wins.
    assert rather_popular.item[0].tolist() == [1]
    rare = neighbour_lists(groups, 3, 1, popularity_power=-0.3)
    assert rare.item[2].tolist() == [0]


def test_whole_weights_are_never_zero() -> None:
    whole, unit = whole_weights(np.array([1.0, 0.25, 1e-12]))
    assert whole.tolist() == [2**20, 2**18, 1]
    assert unit == 2.0**-20
    assert whole_weights(np.empty(0))[1] == 1.0
