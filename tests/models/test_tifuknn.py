"""Personal frequencies, as adding up basket by basket gives them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_nearest import slow_values

from recsql.data.events import Events
from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.models.frequency import Frequency
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.models.tifuknn import TifuKNN

N_ITEMS = 5
Baskets = list[list[int]]
baskets = st.lists(st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=4), max_size=8)


def events(customers: list[Baskets]) -> Events:
    rows = [
        (user, number, item)
        for user, customer in enumerate(customers)
        for number, basket in enumerate(customer)
        for item in basket
    ]
    user, number, item = np.array(rows, dtype=np.int32).reshape(-1, 3).T
    counts = np.bincount(user, minlength=len(customers))
    ptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    strength = np.ones(len(rows), dtype=np.float32)
    return Events(N_ITEMS, ptr, item, number.astype(np.int64), number, number, strength)


def learned(known: Events) -> Purchases:
    none, start = np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    history = History(N_ITEMS, none.astype(bool), start, start, none.astype(np.int32), none)
    return Purchases(history, ItemDays(none.astype(np.int32), none, none), None, 1000, known)


@given(
    customers=st.lists(baskets, min_size=1, max_size=4),
    group_size=st.integers(1, 4),
    basket_decay=st.sampled_from([0.5, 1.0]),
    group_decay=st.sampled_from([0.25, 1.0]),
)
def test_values_are_means_of_means(
    customers: list[Baskets], group_size: int, basket_decay: float, group_decay: float
) -> None:
    model = TifuKNN(group_size=group_size, basket_decay=basket_decay, group_decay=group_decay)
    rows = model.values(events(customers))
    for user, customer in enumerate(customers):
        expected = slow_values(customer, group_size, basket_decay, group_decay)
        part = slice(rows.ptr[user], rows.ptr[user + 1])
        assert rows.code[part].tolist() == sorted(expected)
        wanted = [expected[code] for code in sorted(expected)]
        assert rows.value[part] == pytest.approx(wanted)


def test_the_nearest_customer_brings_in_what_the_customer_never_bought() -> None:
    known = events([[[0], [0]], [[0, 1], [0]], [[2, 3, 4]]])
    model = TifuKNN(1, 7, 1.0, 1.0, own_share=0.5, everyone_weight=0.0).fit(learned(known))
    found = model.recommend(Requests.of_customers(np.array([0]), known.of_users(np.array([0]))), 3)
    # Own: 0 in both of 2 baskets. Nearest is customer 1: 0 in both, 1 in one of 2.
    assert found.item[0].tolist() == [0, 1, -1]
    assert found.score[0] == pytest.approx([1.0, 0.25, 0.0])
    assert found.support[0].tolist() == [1, 1, 0]


def test_a_customer_without_purchases_gets_what_most_customers_bought() -> None:
    known = events([[[0], [1]], [[1]], [[1, 2], [2]]])
    nobody = events([[]])
    found = (
        TifuKNN().fit(learned(known)).recommend(Requests.of_customers(np.array([-1]), nobody), 4)
    )
    assert found.item[0].tolist() == [1, 0, 2, -1]
    assert found.score[0] == pytest.approx([1, 1 / 3, 1 / 3, 0])


def test_counts_alone_are_those_of_frequency() -> None:
    rng = np.random.default_rng(0)
    known = events([
        [rng.integers(0, N_ITEMS, 2).tolist() for _ in range(rng.integers(1, 6))]
        for _ in range(20)
    ])  # fmt: skip
    asked = Requests.of_customers(np.arange(20), known)
    counts = Frequency(decay=1.0, global_weight=0.3).fit(learned(known)).recommend(asked, 3)
    only = TifuKNN(1, 100, 1.0, 1.0, own_share=1.0, everyone_weight=0.3)
    found = only.fit(learned(known)).recommend(asked, 3)
    np.testing.assert_allclose(found.score, counts.score, rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"neighbours": 0}, "neighbours must be at least 1, got 0"),
        ({"group_size": 0}, "group_size must be at least 1, got 0"),
        ({"basket_decay": 0.0}, "basket_decay must be above 0 and at most 1, got 0.0"),
        ({"group_decay": float("nan")}, "group_decay must be above 0"),
        ({"own_share": 1.5}, "own_share must be 0 to 1, got 1.5"),
        ({"everyone_weight": -1.0}, "everyone_weight must be at least 0, got -1.0"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(settings: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TifuKNN(**settings).fit(learned(events([[[0]]])))
