"""Session neighbours, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from recsql.data.events import Events
from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.models.session_knn import SessionKNN, sessions_by_time


def events(*customers: list[tuple[int, int, int]]) -> Events:
    """Give the events of customers from (time, session, item)."""
    rows = [row for customer in customers for row in customer]
    time, session, item = (np.array(column) for column in zip(*rows, strict=True))
    ptr = np.cumsum([0, *map(len, customers)]).astype(np.int64)
    number = session.astype(np.int32)
    strength = np.ones(len(rows), dtype=np.float32)
    return Events(6, ptr, item.astype(np.int32), time, number, number, strength)


def learned(known: Events) -> Purchases:
    none, start = np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    history = History(6, none.astype(bool), start, start, none.astype(np.int32), none)
    return Purchases(history, ItemDays(none.astype(np.int32), none, none), None, 1000, known)


def new(asked: Events) -> Requests:
    return Requests.of_customers(np.full(asked.n_users, -1), asked)


def test_sessions_are_in_order_of_their_last_event() -> None:
    # The sessions of the first customer overlap: 0 ends at time 9, 1 at time 5.
    known = events([(1, 0, 3), (4, 1, 5), (5, 1, 4), (9, 0, 3)], [(6, 0, 1)])
    ptr, item = sessions_by_time(known)
    assert ptr.tolist() == [0, 2, 3, 5]
    assert item.tolist() == [5, 4, 1, 3, 3]


def test_plain_neighbours_add_up_what_they_share() -> None:
    known = events([(1, 0, 0), (2, 0, 1), (3, 0, 2)], [(4, 0, 1), (5, 0, 3)], [(6, 0, 4)])
    found = SessionKNN.sknn().fit(learned(known)).recommend(new(events([(7, 0, 0), (8, 0, 1)])), 5)
    # {0, 1, 2} shares 2 items: 2 / sqrt 3; {1, 3} shares 1: 1 / sqrt 2. Item 4 has no vote.
    first, second = 2 / 3**0.5, 1 / 2**0.5
    assert found.item[0].tolist() == [1, 0, 2, 3, -1]
    assert found.score[0] == pytest.approx([first + second, first, first, second, 0])
    assert found.support[0].tolist() == [2, 1, 1, 1, 0]


def test_weights_of_place_and_age_multiply() -> None:
    known = events([(1, 0, 0), (2, 0, 2), (3, 0, 3)], [(4, 0, 4), (5, 0, 1)])
    model = SessionKNN(
        asked_decay=2.0,
        half_life=0.5,
        offset_decay=3.0,
        before_weight=0.5,
        same_weight=0.25,
        repeat_weight=2.0,
        idf_power=0.0,
        sharpness=1.0,
        length_power=0.0,
        popularity_power=0.0,
    )
    found = model.fit(learned(known)).recommend(new(events([(7, 0, 0), (8, 0, 1)])), 5)
    # Asked is 0, then 1. The newer session shares 1, the last: 1; 4 is before it: 1/2; 1 itself:
    # 1/4, twice as it repeats. The older is 1/2 old (one half-life): 1/2, and shares 0, one event
    # back: exp(-1/2); 2 comes next, 3 another place later: exp(-1/3); 0 itself: 1/4, twice.
    old = 0.5 * np.exp(-0.5)
    expected = {4: 0.5, 1: 0.5, 2: old, 3: old * np.exp(-1 / 3), 0: old / 2}
    assert found.item[0].tolist() == [1, 4, 2, 3, 0]
    assert found.score[0] == pytest.approx([expected[code] for code in found.item[0].tolist()])


def test_only_the_last_session_is_asked_unless_earlier_ones_weigh() -> None:
    known = events([(1, 0, 0), (2, 0, 2)], [(3, 0, 1), (4, 0, 3)])
    asked = new(events([(5, 0, 0), (6, 1, 1)]))
    alone = SessionKNN.sknn().fit(learned(known)).recommend(asked, 5)
    assert alone.item[0].tolist() == [1, 3, -1, -1, -1]
    model = SessionKNN.sknn()
    model.earlier_weight = 0.5
    both = model.fit(learned(known)).recommend(asked, 5)
    assert both.item[0].tolist() == [1, 3, 0, 2, -1]
    assert both.score[0, 2] == pytest.approx(both.score[0, 0] / 2)


def test_a_session_that_shares_nothing_gets_no_list() -> None:
    known = events([(1, 0, 0), (2, 0, 1)])
    found = SessionKNN().fit(learned(known)).recommend(new(events([(3, 0, 5)])), 2)
    assert found.item.tolist() == [[-1, -1]]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"neighbours": 0}, "neighbours must be at least 1, got 0"),
        ({"most_recent": 0}, "most_recent must be at least 1, got 0"),
        ({"half_life": 0.0}, "half_life must be > 0, got 0.0. None counts all alike"),
        ({"asked_decay": float("nan")}, "asked_decay must be > 0"),
        ({"earlier_weight": 1.5}, "earlier_weight must be 0 to 1, got 1.5"),
        ({"sharpness": 0.0}, "sharpness must be > 0, got 0.0"),
        ({"idf_power": -1.0}, "idf_power must be at least 0, got -1.0"),
        ({"repeat_weight": -1.0}, "repeat_weight must be at least 0, got -1.0"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(settings: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        SessionKNN(**settings).fit(learned(events([(1, 0, 0)])))
