"""Mixtures with the nearest customers, as measuring every distance gives them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_nearest import slow_mixture

from recsql.kernels.nearest_customers import Asked, Mixture, Rows, both_ways, mix_with_nearest

N_ITEMS = 5
# Squares, products and sums of these are exact: ties are ties in any order of adding.
rows = st.dictionaries(st.integers(0, N_ITEMS - 1), st.sampled_from([0.25, 0.5, 1.0, 2.0]))


def laid(customers: list[dict[int, float]]) -> Rows:
    ptr = np.cumsum([0, *map(len, customers)]).astype(np.int64)
    entries = [entry for customer in customers for entry in sorted(customer.items())]
    code = np.array([code for code, _ in entries], dtype=np.int32)
    return Rows(ptr, code, np.array([value for _, value in entries], dtype=np.float64))


@settings(deadline=None, max_examples=100)
@given(
    customers=st.lists(rows, min_size=1, max_size=7),
    questions=st.lists(st.tuples(rows, st.integers(-1, 6)), max_size=4),
    eligible=st.lists(st.booleans(), min_size=N_ITEMS, max_size=N_ITEMS),
    neighbours=st.integers(1, 9),
    own=st.sampled_from([0.0, 0.5, 1.0]),
    everyone=st.sampled_from([0.0, 0.5]),
    k=st.integers(1, 7),
    left_out=st.booleans(),
    n_threads=st.sampled_from([1, 2]),
)
def test_mixtures_are_those_of_measured_distances(
    customers: list[dict[int, float]],
    questions: list[tuple[dict[int, float], int]],
    eligible: list[bool],
    neighbours: int,
    own: float,
    everyone: float,
    k: int,
    left_out: bool,
    n_threads: int,
) -> None:
    asked_rows = laid([values for values, _ in questions])
    out = asked_rows if left_out else laid([{} for _ in questions])
    asked = Asked(
        asked_rows, np.array([user for _, user in questions], dtype=np.int32), out.ptr, out.code
    )
    item, score, votes = mix_with_nearest(
        both_ways(laid(customers), N_ITEMS),
        asked,
        Mixture(neighbours, own, everyone),
        k,
        eligible=np.array(eligible),
        n_threads=n_threads,
    )
    for row, (values, user) in enumerate(questions):
        expected = slow_mixture(
            customers,
            N_ITEMS,
            values,
            user,
            neighbours=neighbours,
            own=own,
            everyone=everyone,
            allowed=lambda code, values=values: (
                eligible[code] and not (left_out and code in values)
            ),
        )
        # Thirds round: near-equal scores may change places, but not their values.
        by_item = {code: (value, count) for code, value, count in expected}
        found = item[row][item[row] >= 0].tolist()
        assert len(found) == min(k, len(expected))
        assert score[row][: len(found)] == pytest.approx([one[1] for one in expected[:k]])
        for place, code in enumerate(found):
            assert score[row, place] == pytest.approx(by_item[code][0])
            assert votes[row, place] == by_item[code][1]


def test_equal_scores_go_to_the_smaller_item() -> None:
    customers = both_ways(laid([{3: 1.0}, {1: 1.0}, {2: 1.0}]), N_ITEMS)
    empty = laid([{}])
    asked = Asked(empty, np.array([-1], dtype=np.int32), empty.ptr, empty.code)
    item, score, _ = mix_with_nearest(customers, asked, Mixture(3, 0.5, 0.0), 4)
    assert item.tolist() == [[1, 2, 3, -1]]
    assert score[0] == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])  # one customer of three
