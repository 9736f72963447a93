"""The shares of baskets, added up by hand."""

from __future__ import annotations

import numpy as np
import pytest

from recsql.data.events import Events
from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.models.frequency import Frequency
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests


def learned(events: Events) -> Purchases:
    empty = np.empty(0, dtype=np.int64)
    none = History(events.n_items, empty.astype(bool), np.zeros(1, np.int64), np.zeros(1, np.int64),
                   empty.astype(np.int32), empty)  # fmt: skip
    return Purchases(none, ItemDays(empty, empty, empty), None, 1000, events)


def test_recent_baskets_weigh_more_and_everyone_breaks_ties() -> None:
    # Customer 0: {0, 1}, {1}, {2}; customer 1: {3}; item 4 was never bought.
    number = np.array([0, 0, 1, 2, 0], dtype=np.int32)
    events = Events(
        5,
        np.array([0, 4, 5]),
        np.array([0, 1, 1, 2, 3], dtype=np.int32),
        np.arange(5),
        number,
        number,
        np.ones(5, dtype=np.float32),
    )
    model = Frequency(decay=0.5, global_weight=0.1).fit(learned(events))
    found = model.recommend(Requests.of_customers(np.array([0, 1]), events), 5)
    # Baskets weigh 1/4, 1/2 and 1, together 7/4; each item was bought by half of the customers.
    # 0: 1/7 + .05, 1: (1/4 + 1/2) / (7/4) + .05, 2: 4/7 + .05, 3: .05
    assert found.item[0].tolist() == [2, 1, 0, 3, -1]
    assert found.score[0] == pytest.approx([4 / 7 + 0.05, 3 / 7 + 0.05, 1 / 7 + 0.05, 0.05, 0])
    assert found.item[1].tolist() == [3, 0, 1, 2, -1]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"decay": 0.0}, "decay must be above 0 and at most 1, got 0.0"),
        ({"decay": float("nan")}, "decay must be above 0"),
        ({"global_weight": -1.0}, "global_weight must be at least 0, got -1.0"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(settings: dict[str, float], sentence: str) -> None:
    empty = np.empty(0, dtype=np.int32)
    events = Events(1, np.zeros(2, np.int64), empty, empty, empty, empty, empty)
    with pytest.raises(ValueError, match=sentence):
        Frequency(**settings).fit(learned(events))
