"""Distributions of what comes again against their definition, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_repeats import slow_residual_at, slow_share_left

from recsql.kernels.repeat_times import N_KNOTS, foretell, quantile_knots, tail_scale


def asked(location, waited, knots, *, horizon=30.0, n_threads=1):
    knots = np.asarray(knots, dtype=np.float64)[None, :]
    return foretell(
        np.asarray(location, dtype=np.float64),
        np.zeros(len(location), dtype=np.int32),
        np.asarray(waited, dtype=np.float64),
        knots,
        np.array([tail_scale(knots[0])]),
        horizon,
        0.8,
        n_threads=n_threads,
    )


def test_quantiles_of_a_straight_line_by_hand():
    # residuals from 0 to 1 evenly: the median is 0.5, and the central 80% is 0.1 to 0.9
    knots = quantile_knots(np.linspace(0, 1, 1001))
    due, low, high, _ = asked([0.0], [0.0], knots)
    assert np.log([due[0], low[0], high[0]]) == pytest.approx([0.5, 0.1, 0.9])


def test_what_has_been_waited_is_left_out_of_the_distribution():
    # residuals evenly from 0 to 1, already at 0.6: of the 0.4 left, half has passed at 0.8
    knots = quantile_knots(np.linspace(0, 1, 1001))
    due, *_ = asked([0.0], [np.exp(0.6)], knots)
    assert np.log(due[0]) == pytest.approx(0.8)


def test_intervals_that_are_all_alike_are_due_at_once_when_overdue():
    found = asked([np.log(10.0)] * 2, [0.0, 5000.0], quantile_knots(np.zeros(5)))
    assert found[0][0] == pytest.approx(10.0)
    assert found[0][1] >= 5000.0
    assert np.isfinite(found).all()


def test_nobody_who_asks_gets_no_answer():
    assert [len(part) for part in asked([], [], np.zeros(N_KNOTS))] == [0, 0, 0, 0]


@settings(deadline=None, max_examples=40)
@given(
    residuals=st.lists(st.floats(-4, 4), min_size=1, max_size=30),
    location=st.floats(-1, 6),
    waited=st.floats(0, 400),
    horizon=st.floats(1, 90),
)
def test_the_kernel_equals_its_definition(residuals, location, waited, horizon):
    knots = quantile_knots(np.array(residuals))
    due, low, high, soon = (part[0] for part in asked([location], [waited], knots, horizon=horizon))
    line, tail = knots.tolist(), tail_scale(knots)
    left = slow_share_left(np.log(waited) - location, line, tail) if waited > 0 else 1.0
    later = slow_share_left(np.log(waited + horizon) - location, line, tail)
    if left > 1e-9:
        assert soon == pytest.approx(1 - later / left, abs=1e-6)
    for found, share in ((low, 0.9), (due, 0.5), (high, 0.1)):
        if left > 1e-9:
            at = slow_residual_at(share * left, line, tail)
            assert found == pytest.approx(max(waited, np.exp(location + at)), rel=1e-6)
        # as much is left beyond the answer as was asked for
    assert waited <= low <= due <= high


def test_threads_do_not_change_a_bit():
    rng = np.random.default_rng(0)
    knots = quantile_knots(rng.normal(size=500))
    location, waited = rng.normal(3, 1, 20_000), rng.integers(0, 200, 20_000)
    one, two = (asked(location, waited, knots, n_threads=n) for n in (1, 2))
    assert np.array_equal(one, two)
