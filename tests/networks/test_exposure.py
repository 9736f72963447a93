"""How much of what was done lately was about each item, while learning and when asked."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from histories import events_of
from hypothesis import given
from hypothesis import strategies as st

from recsql.networks.exposure import Exposure, log_rates_of

N_ITEMS, PERIOD = 4, 10
ROWS = st.lists(st.tuples(st.integers(0, 59), st.integers(0, N_ITEMS - 2)), min_size=1, max_size=30)


@given(ROWS, st.integers(-2, 9), st.sampled_from([0.1, 1.0, 10.0]))
def test_rates_are_shares_of_the_period_before_with_some_events_more(
    rows: list[tuple[int, int]], period: int, smoothing: float
) -> None:
    rows = sorted(rows)
    events = events_of(
        [[item for _, item in rows]], N_ITEMS, time=np.array([at for at, _ in rows], dtype=np.int64)
    )
    exposure = Exposure.of(events, PERIOD, smoothing)
    (found,) = exposure.log_rates(np.array([period]))
    before = [item for at, item in rows if at // PERIOD == period - 1]
    every = [item for _, item in rows]
    more = smoothing * max(len(set(every)), 1)
    least = 0.1 * max(len(every), 1) / N_ITEMS
    raised = [max(every.count(item), least) for item in range(N_ITEMS)]
    expected = [
        log((before.count(item) + more * one / sum(raised)) / (len(before) + more))
        for item, one in enumerate(raised)
    ]
    assert found == pytest.approx(expected, rel=1e-5)
    at = exposure.log_rates_at(np.array([[period]]), np.arange(N_ITEMS)[::-1])
    assert at[0, ::-1].tolist() == found.tolist()
    counts = [np.bincount(one, minlength=N_ITEMS).astype(float) for one in (before, every)]
    assert log_rates_of(*counts, smoothing) == pytest.approx(expected, rel=1e-5)
