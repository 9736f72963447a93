"""Errors of ratings and the perplexity of probabilities, by hand and against plain sums."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsql.errors import ParameterError
from recsql.metrics.probabilities import perplexity
from recsql.metrics.ratings import mae, rmse, rmse_parts
from recsql.metrics.registry import metric_named

ratings = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=20)


def test_the_squared_error_weighs_a_large_error_more() -> None:
    # errors 1, -1, 4: sqrt((1 + 1 + 16) / 3) = sqrt(6); (1 + 1 + 4) / 3 = 2
    predicted, actual = np.array([3, 2, 5]), np.array([2, 3, 1])
    assert rmse(predicted, actual) == pytest.approx(math.sqrt(6))
    assert mae(predicted, actual) == 2.0


@given(ratings)
def test_the_errors_equal_plain_sums(pairs: list[tuple[float, float]]) -> None:
    predicted, actual = (np.array(column) for column in zip(*pairs, strict=True))
    absolute = sum(abs(one - other) for one, other in pairs) / len(pairs)
    squared = sum((one - other) ** 2 for one, other in pairs) / len(pairs)
    assert mae(predicted, actual) == pytest.approx(absolute)
    assert rmse(predicted, actual) == pytest.approx(math.sqrt(squared))
    assert mae(predicted, actual) <= rmse(predicted, actual) * (1 + 1e-12) + 1e-150


@given(ratings)
def test_the_parts_of_the_root_have_it_as_their_mean(pairs: list[tuple[float, float]]) -> None:
    predicted, actual = (np.array(column) for column in zip(*pairs, strict=True))
    parts = rmse_parts(predicted - actual)
    assert parts.mean() == pytest.approx(rmse(predicted, actual), rel=1e-9, abs=1e-150)
    assert (parts >= 0).all()


def test_the_parts_of_the_root_tell_how_uncertain_it_is() -> None:
    # Of many ratings, a resample moves the root as far as it moves the mean of the parts.
    rng = np.random.default_rng(0)
    error = rng.normal(0.2, 1.0, 4000)
    chosen = rng.integers(0, 4000, 4000)
    moved = rmse(error[chosen], np.zeros(4000)) - rmse(error, np.zeros(4000))
    parts = rmse_parts(error)
    assert abs(moved) > 1e-3
    assert parts[chosen].mean() - parts.mean() == pytest.approx(moved, rel=0.02)


def test_the_parts_of_the_root_lie_where_the_root_does() -> None:
    # Errors 0, 0 and 4: the root is 2.309, though a part lies beyond the scale from 0 to 4.
    error = np.array([0.0, 0.0, 4.0])
    parts, metric = rmse_parts(error), metric_named("rmse")
    assert parts.max() > 4.0
    assert metric.places(parts).mean() == pytest.approx(metric.place(math.sqrt(16 / 3)))
    absolute = metric_named("mae")
    assert absolute.places(np.abs(error)).tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("metric", [rmse, mae])
def test_no_rating_has_no_error_and_odd_ones_are_refused(metric: object) -> None:
    assert callable(metric)
    assert math.isnan(metric(np.array([]), np.array([])))
    with pytest.raises(ParameterError, match="must be finite, got NaN or infinity"):
        metric(np.array([math.inf]), np.array([math.inf]))
    with pytest.raises(ParameterError, match="must have one entry a rating"):
        metric(np.array([1.0]), np.array([1.0, 2.0]))


def test_perplexity_of_a_model_that_knows_nothing_is_the_number_of_items() -> None:
    assert perplexity(np.log(np.full(7, 1 / 50))) == pytest.approx(50)


def test_perplexity_is_the_geometric_mean_of_one_over_the_probability() -> None:
    # 1/2 and 1/8: sqrt(2 * 8) = 4
    assert perplexity(np.log([0.5, 0.125])) == pytest.approx(4)


def test_perplexity_of_a_sure_and_right_model_is_one() -> None:
    assert perplexity(np.array([0.0, 1e-8], dtype=np.float32)) == 1.0


def test_a_purchase_of_probability_zero_makes_the_perplexity_infinite() -> None:
    assert perplexity(np.array([-0.1, -math.inf])) == math.inf
    assert perplexity(np.array([-1e5])) == math.inf  # exp(100000) is no float


def test_a_least_probability_makes_it_finite() -> None:
    # 1/100 stands for 0: sqrt(4 * 100) = 20
    assert perplexity(np.array([math.log(0.25), -math.inf]), least=0.01) == pytest.approx(20)


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=20))
def test_perplexity_equals_the_product(probabilities: list[float]) -> None:
    expected = math.prod(one ** (-1 / len(probabilities)) for one in probabilities)
    assert perplexity(np.log(probabilities)) == pytest.approx(expected)


def test_perplexity_of_no_purchase_is_not_a_number() -> None:
    assert math.isnan(perplexity(np.array([])))


@pytest.mark.parametrize("odd", [0.1, math.nan])
def test_what_is_no_probability_is_refused(odd: float) -> None:
    with pytest.raises(ParameterError, match="log_probability must be at most 0"):
        perplexity(np.array([-1.0, odd]))


@pytest.mark.parametrize("least", [-0.1, 1.5, math.nan])
def test_the_least_must_be_a_probability(least: float) -> None:
    with pytest.raises(ParameterError, match="least must be a probability, got"):
        perplexity(np.array([-1.0]), least=least)
