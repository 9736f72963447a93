"""The models of sequences, added up by hand."""

from __future__ import annotations

import numpy as np
import pytest

from recsql.data.events import Events
from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.models.base import ScoringRecommender
from recsql.models.markov import Markov
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.models.subseq import SuBSeq


def events_of(rows: list[list[int]], sessions: list[list[int]] | None = None) -> Events:
    """Lay the purchases of customers out; item 5 was never bought."""
    item = np.array([code for row in rows for code in row], dtype=np.int32)
    number = np.zeros(len(item), dtype=np.int32)
    if sessions is not None:
        number = np.array([session for row in sessions for session in row], dtype=np.int32)
    ptr = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    one = np.ones(len(item), dtype=np.float32)
    return Events(6, ptr, item, np.arange(len(item)), number, number, one)


def learned(events: Events) -> Purchases:
    empty, start = np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    none = History(events.n_items, empty == 1, start, start, empty.astype(np.int32), empty)
    return Purchases(none, ItemDays(empty, empty, empty), None, 1000, events)


SEQUENCES = events_of([[0, 1, 2, 3], [0, 1, 2], [4, 1, 3, 0]])


def asked(model: ScoringRecommender, history: list[int], k: int) -> tuple[list[int], list[float]]:
    found = model.recommend(Requests.of_customers(np.array([-1]), events_of([history])), k)
    return found.item[0].tolist(), found.score[0].tolist()


def test_longer_matches_and_nearer_items_count_more() -> None:
    model = SuBSeq(max_length=2, length_gain=10, ahead=2, max_skip=0, global_weight=0)
    item, score = asked(model.fit(learned(SEQUENCES)), [0, 1], 6)
    # After 1: 2 and then 3, 2, 3 and then 0. After 0 and 1 in a row: 2 and then 3, 2.
    # 2: 2 + 10 * 2, 3: 1 + 1/2 + 10 / 2, 0: 1/2; what never followed comes last, by code
    assert item == [2, 3, 0, 1, 4, -1]
    assert score == [22.0, 6.5, 0.5, 0.0, 0.0, 0.0]


def test_items_passed_over_decay() -> None:
    model = SuBSeq(max_length=1, ahead=1, max_skip=2, skip_decay=0.5, global_weight=0)
    item, score = asked(model.fit(learned(SEQUENCES)), [4, 1, 0], 3)
    # After 0: 1 twice. After 1, half: 2 twice and 3. After 4, a quarter: 1.
    assert item == [1, 2, 3]
    assert score == [2.25, 1.0, 0.5]


def test_transitions_add_up_over_the_last_items() -> None:
    settings = {"max_skip": 2, "skip_decay": 0.5, "last_items": 2, "history_decay": 0.25}
    model = Markov(**settings, damping=0, global_weight=0)  # type: ignore[arg-type]
    item, score = asked(model.fit(learned(SEQUENCES)), [4, 0, 1], 4)
    # After 1: 2 twice, 3 once and once two places on, 0 two places on. A quarter of what came
    # after 0: 1 twice, 2 twice two places on. 4 is one item too old.
    assert item == [2, 3, 0, 1]
    assert score == [2 + 0.25, 1 + 0.5, 0.5, 0.5]


def test_damping_makes_probabilities() -> None:
    model = Markov(max_skip=1, last_items=1, damping=1, global_weight=0)
    item, score = asked(model.fit(learned(SEQUENCES)), [1], 2)
    assert item == [2, 3]
    assert score == pytest.approx([2 / 3, 1 / 3])


def test_transitions_may_end_with_the_session() -> None:
    events = events_of([[0, 1, 2], [0, 2]], [[0, 0, 1], [0, 0]])
    model = Markov(within="session", max_skip=4, skip_decay=1, damping=0, global_weight=0)
    item, score = asked(model.fit(learned(events)), [0], 2)
    assert (item, score) == ([1, 2], [1.0, 1.0])
    assert asked(model, [1], 1)[1] == [0.0]  # the 2 after it is of the next session


@pytest.mark.parametrize("model", [SuBSeq(), Markov()])
def test_without_a_history_the_most_sold_items_come_first(model: ScoringRecommender) -> None:
    item, _ = asked(model.fit(learned(SEQUENCES)), [], 6)
    assert item == [0, 1, 2, 3, 4, -1]  # sold 3, 3, 2, 2 and 1 times


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (SuBSeq(max_length=0), "max_length must be at least 1, got 0"),
        (SuBSeq(ahead=0), "ahead must be at least 1, got 0"),
        (SuBSeq(most_rows=0), "most_rows must be at least 1, got 0"),
        (SuBSeq(max_skip=-1), "max_skip must be at least 0, got -1"),
        (SuBSeq(length_gain=float("nan")), "length_gain must be at least 0 and finite, got nan"),
        (Markov(max_skip=0), "max_skip must be at least 1, got 0"),
        (Markov(skip_decay=0), "skip_decay must be above 0 and at most 1, got 0"),
        (Markov(damping=-1), "damping must be at least 0 and finite, got -1"),
        (Markov(within="sesion"), "Did you mean 'session'"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(model: ScoringRecommender, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        model.fit(learned(SEQUENCES))
