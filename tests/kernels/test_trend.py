"""The trend kernel against its definition and against sums done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_trend import slow_trend

from recsql.kernels.trend import softmax, trend


def run(rows, n_items, today, half_life_days, window_days):
    item, day, count = zip(*rows, strict=True) if rows else ((), (), ())
    return trend(
        np.array(item, dtype=np.int32),
        np.array(day, dtype=np.int64),
        np.array(count, dtype=np.int64),
        n_items,
        today,
        half_life_days,
        window_days,
    )


def test_a_sale_today_is_above_the_mean_of_the_window():
    # Half-life 1: alpha = 1/2. Window of 2 days, 4 sold today: e = 0, 2; mean 1, deviation 1.
    z, acceleration = run([(0, 10, 4)], 1, 10, 1.0, 2)
    assert z[0] == pytest.approx(1.0)
    assert acceleration[0] == pytest.approx(2.0)  # (2 - 0) - (0 - 0)


def test_the_average_halves_a_half_life_after_the_last_sale():
    # Half-life 1, 4 sold on the first of 3 days: e = 2, 1, 1/2; mean 7/6, deviation sqrt(7/18).
    z, _ = run([(0, 8, 4)], 1, 10, 1.0, 3)
    assert z[0] == pytest.approx((1 / 2 - 7 / 6) / np.sqrt(7 / 18))


def test_acceleration_is_the_gain_of_this_week_over_that_of_last_week():
    # Half-life so short that alpha is 1 and e is the day's sales: (10 - 4) - (4 - 1) = 3.
    rows = [(0, 20, 10), (0, 13, 4), (0, 6, 1)]
    _, acceleration = run(rows, 1, 20, 1e-3, 15)
    assert acceleration[0] == pytest.approx(3.0)


def test_sales_outside_the_window_do_not_count():
    inside = run([(0, 9, 2)], 1, 10, 7.0, 5)
    assert inside[0][0] == run([(0, 9, 2), (0, 5, 99), (0, 11, 99)], 1, 10, 7.0, 5)[0][0]


def test_an_item_without_sales_has_no_trend():
    z, acceleration = run([(1, 10, 3)], 3, 10, 7.0, 90)
    assert (z[0], z[2], acceleration[0], acceleration[2]) == (0.0, 0.0, 0.0, 0.0)


def test_no_items_give_no_trends():
    z, acceleration = run([], 0, 10, 7.0, 90)
    assert (z.shape, acceleration.shape) == ((0,), (0,))


def test_steady_sales_have_no_trend_once_the_average_has_settled():
    # Alpha is 1: the average is 5 on every day of the window, and does not vary.
    z, acceleration = run([(0, day, 5) for day in range(1, 31)], 1, 30, 1e-3, 30)
    assert (z[0], acceleration[0]) == (0.0, 0.0)


def test_a_very_long_half_life_stays_finite():
    z, acceleration = run([(0, day, day) for day in range(1, 31)], 1, 30, 1e12, 30)
    assert np.isfinite(z).all()
    assert np.isfinite(acceleration).all()


def test_rows_of_one_day_add_up_in_any_order():
    rows = [(0, 5, 1), (1, 7, 2), (0, 5, 3), (0, 2, 1)]
    together = [(0, 2, 1), (0, 5, 4), (1, 7, 2)]
    for left, right in zip(run(rows, 2, 8, 7.0, 20), run(together, 2, 8, 7.0, 20), strict=True):
        np.testing.assert_array_equal(left, right)


@settings(deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 4), st.integers(-20, 25), st.integers(0, 1000)), max_size=40
    ),
    half_life_days=st.floats(0.1, 60),
    window_days=st.integers(1, 40),
)
def test_the_kernel_equals_its_definition(rows, half_life_days, window_days):
    z, acceleration = run(rows, 5, 20, half_life_days, window_days)
    slow_z, slow_acceleration = slow_trend(rows, 5, 20, half_life_days, window_days)
    np.testing.assert_allclose(z, slow_z, atol=1e-7)
    np.testing.assert_allclose(acceleration, slow_acceleration, atol=1e-9)


def test_softmax_of_equal_values_is_an_equal_share():
    np.testing.assert_allclose(softmax(np.array([3.0, 3.0])), [0.5, 0.5])


def test_softmax_gives_shares_by_hand():
    # exp(0) = 1 and exp(ln 3) = 3: shares 1/4 and 3/4.
    np.testing.assert_allclose(softmax(np.array([0.0, np.log(3.0)])), [0.25, 0.75])


def test_softmax_does_not_overflow():
    np.testing.assert_array_equal(softmax(np.array([1e300, -1e300, 0.0])), [1.0, 0.0, 0.0])


def test_softmax_of_nothing_is_empty():
    assert softmax(np.zeros(0)).shape == (0,)
