"""The walk through purchases against its definition, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_repeats import slow_states

from recsql.kernels.repeat_states import NEWEST, OTHERS, OWN, VISIT, VISITS, States, walk

CUSTOMERS = st.lists(
    st.lists(st.tuples(st.integers(-30, 60), st.integers(0, 4), st.integers(1, 9)), max_size=12),
    max_size=5,
)


def walked(customers, until=1000, *, fade=0.5, n_threads=1) -> States:
    rows = [purchase for customer in customers for purchase in sorted(customer)]
    day, item, quantity = zip(*rows, strict=True) if rows else ((), (), ())
    return walk(
        np.cumsum([0, *map(len, customers)]).astype(np.int64),
        np.array(item, dtype=np.int32),
        np.array(day, dtype=np.int64),
        np.array(quantity, dtype=np.float64),
        np.full(len(customers), until, dtype=np.int64),
        5,
        fade,
        with_before=True,
        n_threads=n_threads,
    )


def test_intervals_of_a_customer_by_hand():
    # item 0 on days 0, 4, 12: intervals 4 and 8; item 1 on days 4 and 5: interval 1
    found = walked([[(0, 0, 1), (4, 0, 2), (4, 1, 1), (5, 1, 1), (12, 0, 3)]])
    assert found.item.tolist() == [0, 1]
    assert found.times.tolist() == [3, 2]
    assert found.quantity.tolist() == [6.0, 2.0]
    assert found.now[0, OWN] == pytest.approx(math.log(4) + math.log(8))
    assert found.now[0, NEWEST] == pytest.approx(math.log(8))
    assert found.now[0, OTHERS] == 0.0  # log 1
    # visits on days 0, 4, 5, 12: log 7 + log 1 / 2 + log 4 / 4
    assert found.now[0, VISITS] == pytest.approx(math.log(7) + math.log(4) / 4)
    assert found.now[0, VISIT] == pytest.approx(math.log(7))
    assert found.before[0, NEWEST] == pytest.approx(math.log(4))
    assert (found.visits.tolist(), found.last_visit.tolist()) == ([4], [12])


def test_purchases_of_an_item_on_one_day_count_once():
    found = walked([[(3, 2, 1), (3, 2, 4)]])
    assert (found.times.tolist(), found.quantity.tolist()) == ([1], [5.0])


def test_what_is_bought_later_is_not_known():
    found = walked([[(0, 0, 1), (9, 0, 1), (10, 1, 1)]], until=9)
    assert (found.item.tolist(), found.times.tolist()) == ([0], [2])


@settings(deadline=None, max_examples=60)
@given(customers=CUSTOMERS, until=st.integers(-40, 70), fade=st.floats(0, 1))
def test_the_walk_equals_its_definition(customers, until, fade):
    found = walked(customers, until, fade=fade)
    for user, purchases in enumerate(customers):
        expected = slow_states(purchases, until, fade)
        rows = range(found.ptr[user], found.ptr[user + 1])
        assert found.item[rows.start : rows.stop].tolist() == list(expected)
        for row, state in zip(rows, expected.values(), strict=True):
            for name in ("times", "first_day", "last_day"):
                assert getattr(found, name)[row] == state[name]
            assert found.quantity[row] == pytest.approx(state["quantity"])
            np.testing.assert_allclose(found.now[row], state["now"], atol=1e-9)
            np.testing.assert_allclose(found.before[row], state["before"], atol=1e-9)


def test_threads_do_not_change_a_bit():
    rng = np.random.default_rng(3)
    customers = [
        list(zip(*rng.integers([[0], [0], [1]], [[400], [5], [9]], (3, 30)).tolist(), strict=True))
        for _ in range(300)
    ]
    for one, two in zip(walked(customers), walked(customers, n_threads=2), strict=True):
        assert np.array_equal(one, two)
