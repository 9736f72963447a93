"""Percentiles, sizes and classes of costs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsql.errors import ParameterError
from recsql.metrics.cost import cost_class, latency, size_bytes


def test_percentiles_are_times_that_were_measured() -> None:
    found = latency(np.arange(1.0, 201.0)[::-1])
    assert (found.p50, found.p99, found.n_calls) == (100.0, 198.0, 200)
    assert latency(np.array([3.0, 1.0])).p99 == 3.0


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300))
def test_no_more_than_one_in_a_hundred_calls_is_slower_than_p99(seconds: list[float]) -> None:
    found, ordered = latency(np.array(seconds)), sorted(seconds)
    assert found.p50 == ordered[math.ceil(len(seconds) / 2) - 1]
    assert found.p99 in ordered
    assert sum(one > found.p99 for one in seconds) <= len(seconds) / 100


@pytest.mark.parametrize("seconds", [[], [-1.0], [math.nan]])
def test_times_that_are_none_are_refused(seconds: list[float]) -> None:
    with pytest.raises(ParameterError, match="seconds must be at least 0 for at least one call"):
        latency(np.array(seconds))


def test_the_size_is_that_of_the_numbers() -> None:
    arrays = [np.zeros(10, np.float32), np.zeros((2, 3), np.int64), np.zeros(0)]
    assert size_bytes(arrays) == 40 + 48


def test_python_objects_have_no_known_size() -> None:
    with pytest.raises(ParameterError, match="got Python objects"):
        size_bytes([np.array(["a", None], dtype=object)])


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.0, -3), (1e-9, -3), (0.001, -3), (0.0099, -3), (0.01, -2), (1, 0), (9.99, 0), (1000, 3)],
)
def test_a_class_is_a_power_of_ten_and_begins_at_a_millisecond(
    seconds: float, expected: int
) -> None:
    assert cost_class(seconds) == expected


def test_the_least_can_be_given() -> None:
    assert cost_class(5e-6, least=1e-6) == -6
    assert cost_class(12, least=1e5) == 5


@given(st.floats(1e-3, 1e9), st.floats(1, 1e6))
def test_a_higher_cost_has_no_lower_class_and_two_classes_are_more_than_ten_times(
    seconds: float, times: float
) -> None:
    one, other = cost_class(seconds), cost_class(seconds * times)
    assert one <= other
    if other - one >= 2:
        assert times > 10 * (1 - 1e-12)


@pytest.mark.parametrize("amount", [-1.0, math.nan, math.inf])
def test_what_is_no_cost_is_refused(amount: float) -> None:
    with pytest.raises(ParameterError, match="A cost must be at least 0 and finite, got"):
        cost_class(amount)


@pytest.mark.parametrize("least", [0.0, math.nan])
def test_the_least_must_be_above_zero(least: float) -> None:
    with pytest.raises(ParameterError, match="least must be above 0, got"):
        cost_class(1.0, least=least)
