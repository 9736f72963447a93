"""Metrics of repeats against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from recsql.metrics.repeats import (
    interval_coverage,
    interval_mae,
    interval_mse,
    recurrence_rate,
)

PREDICTED, ACTUAL = np.array([10.0, 20.0, 30.0]), np.array([12.0, 20.0, 24.0])
NONE = np.empty(0)


def test_the_first_purchase_is_no_repeat() -> None:
    # 1 + 3 + 2 purchases, of which 0 + 2 + 1 are repeats
    assert recurrence_rate(np.array([1, 3, 2])) == pytest.approx(3 / 6)


def test_errors_of_intervals() -> None:
    assert interval_mae(PREDICTED, ACTUAL) == pytest.approx((2 + 0 + 6) / 3)
    assert interval_mse(PREDICTED, ACTUAL) == pytest.approx((4 + 0 + 36) / 3)


def test_the_ends_of_an_interval_are_inside() -> None:
    low, high = np.array([12.0, 21.0, 20.0]), np.array([15.0, 25.0, 24.0])
    assert interval_coverage(low, high, ACTUAL) == pytest.approx(2 / 3)  # 20 < 21


def test_nothing_has_no_error() -> None:
    assert recurrence_rate(NONE) == 0.0
    assert math.isnan(interval_mae(NONE, NONE))
    assert math.isnan(interval_mse(NONE, NONE))
    assert math.isnan(interval_coverage(NONE, NONE, NONE))
