"""Every metric says what it is, once."""

from __future__ import annotations

import math
from operator import attrgetter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsql.errors import UnknownNameError
from recsql.metrics.presets import LESS_IS_BETTER, PRESETS, preset_weights
from recsql.metrics.ranked import PER_QUERY
from recsql.metrics.registry import (
    ALL_TASKS,
    NEEDS,
    SCALES,
    Metric,
    _declared,
    metric_named,
    metrics_for,
    registry,
)
from recsql.tasks import TASKS

named = attrgetter("name")
every = pytest.mark.parametrize("metric", registry().values(), ids=named)


@every
def test_a_metric_is_complete(metric: Metric) -> None:
    assert metric.low < metric.high
    assert metric.needs in NEEDS
    assert metric.scale in SCALES
    assert metric.scale == "linear" or metric.low > 0
    assert metric.meaning
    assert metric.tie_rule
    assert metric.tasks
    assert set(metric.tasks) <= set(ALL_TASKS)
    assert (metric.compute is None) == (metric.needs == "cost")
    assert registry()[metric.name] is metric


@pytest.mark.parametrize("metric", [m for m in registry().values() if m.compute], ids=named)
def test_what_computes_a_metric_tells_its_tasks_and_its_tie_rule(metric: Metric) -> None:
    text = metric.compute.__doc__ or ""
    assert "Tasks:" in text
    assert "Ties:" in text


@every
def test_the_ends_of_the_scale_are_zero_and_one(metric: Metric) -> None:
    assert metric.place(metric.low) == 0
    assert metric.place(metric.high) == 1
    assert metric.place(math.inf) == 1
    assert metric.place(-math.inf) == 0
    assert math.isnan(metric.place(math.nan))


@every
@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12))
def test_more_never_lies_lower(metric: Metric, one: float, other: float) -> None:
    low, high = metric.place(np.array([min(one, other), max(one, other)]))
    assert 0 <= low <= high <= 1


def test_no_name_is_given_twice() -> None:
    names = [metric.name for metric in _declared()]
    assert sorted(names) == list(registry())


def test_the_metrics_of_queries_are_those_that_need_hits() -> None:
    assert list(PER_QUERY) == [m.name for m in registry().values() if m.needs == "hits"]


def test_a_logarithmic_scale_gives_equal_ratios_equal_distances() -> None:
    # from 1 to a million: 1,000 lies in the middle, 10 a sixth of the way
    places = metric_named("perplexity").place(np.array([1, 10, 1000, 1e9]))
    assert places == pytest.approx([0, 1 / 6, 1 / 2, 1])


def test_times_of_one_power_of_ten_lie_at_one_place() -> None:
    seconds = metric_named("train_seconds")
    assert seconds.place(1.2) == seconds.place(9.7) == pytest.approx(3 / 7)  # 10^-3 … 10^4
    assert seconds.place(10.0) == pytest.approx(4 / 7)


def test_every_task_has_metrics_of_quality_and_of_cost() -> None:
    assert set(TASKS) <= set(ALL_TASKS)
    for task in ALL_TASKS:
        assert {metric.needs == "cost" for metric in metrics_for(task)} == {True, False}


def test_a_row_is_the_metric_without_its_function() -> None:
    assert metric_named("rmse").row() == (
        "rmse",
        ["rating"],
        False,
        0.0,
        4.0,
        "linear",
        "ratings",
        "none: nothing is ranked",
        "root of the mean squared error; the scale is the width of ratings from 1 to 5",
    )


def test_an_unknown_metric_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'ndcg'"):
        metric_named("NDGC")


def test_presets_know_what_is_better_and_name_real_metrics() -> None:
    known = registry()
    less = {name for name, metric in known.items() if not metric.higher_is_better}
    shown = {f"predict_{name}_microseconds" for name in ("p50", "p99")}
    assert less - shown == LESS_IS_BETTER
    for preset in PRESETS:
        for task in TASKS:
            weights = preset_weights(preset, task)
            assert set(weights) <= set(known)
            assert sum(weights.values()) == pytest.approx(1)
