"""Random walks of small shops whose answer is plain to see."""

from __future__ import annotations

import numpy as np
import pytest

from recsql.data.events import Events, pointers
from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.errors import ParameterError
from recsql.models.purchases import Purchases
from recsql.models.random_walk import RandomWalk, newest_items
from recsql.models.requests import Recommended, Requests

N_ITEMS = 8


def bought(*customers: list[list[int]]) -> Purchases:
    """Give the purchases of customers, each a list of baskets."""
    baskets = [basket for customer in customers for basket in customer]
    none = np.empty(0, dtype=np.int64)
    history = History(
        N_ITEMS,
        np.ones(len(customers), dtype=bool),
        pointers(np.array([len(customer) for customer in customers])),
        pointers(np.array([len(basket) for basket in baskets])),
        np.array([item for basket in baskets for item in basket], dtype=np.int32),
        np.arange(len(baskets), dtype=np.int64),
    )
    return Purchases(history, ItemDays(none.astype(np.int32), none, none), None, 1000)


def events(*customers: list[int]) -> Events:
    """Give customers who bought items one after the other."""
    item = np.array([code for customer in customers for code in customer], dtype=np.int32)
    ptr = pointers(np.array([len(customer) for customer in customers]))
    place = (np.arange(len(item)) - np.repeat(ptr[:-1], np.diff(ptr))).astype(np.int32)
    ones = np.ones(len(item), dtype=np.float32)
    return Events(N_ITEMS, ptr, item, place.astype(np.int64), place, place, ones)


def asking(
    items: list[int], *customers: list[int], user: int = -1, exclude_bought: bool = False
) -> Requests:
    """Ask about items, -1 for none, with what customers bought."""
    item = np.array(items, dtype=np.int32)
    users = np.full(len(items), user, dtype=np.int32)
    return Requests(item, users, events(*customers), exclude_bought=exclude_bought)


def listed(found: Recommended, row: int = 0) -> list[int]:
    return [code for code in found.item[row].tolist() if code >= 0]


# Four who buy 0 also buy 1, a smaller cart; four others also buy 2, and of 5 and 6 what they like.
TASTES = bought(*4 * [[[0, 1]]], [[0, 2, 5]], [[0, 2, 5, 6]], [[0, 2, 6]], [[0, 2, 6]], [[4]])


def test_customers_lead_to_what_they_bought_in_any_basket_and_baskets_only_within() -> None:
    shop = bought([[0, 1], [2]], [[0, 1], [2]])
    by_customer = RandomWalk().fit(shop).recommend(Requests.of_items(np.array([0, 2])), 3)
    assert sorted(listed(by_customer, 0)) == [1, 2]
    by_basket = RandomWalk(over="baskets").fit(shop)
    found = by_basket.recommend(Requests.of_items(np.array([0, 2])), 3)
    assert [listed(found, 0), listed(found, 1)] == [[1], []]


def test_the_walk_is_drawn_to_what_customers_alike_bought() -> None:
    model = RandomWalk(group_power=0.0, bias=4).fit(TASTES)
    alone = model.recommend(Requests.of_items(np.array([0])), 1)
    assert listed(alone) == [1]
    # A new customer who bought 5 and 6 is like those who bought 2.
    drawn = model.recommend(asking([0], [5, 6]), 1)
    assert listed(drawn) == [2]
    unbiased = RandomWalk(group_power=0.0, bias=0).fit(TASTES).recommend(asking([0], [5, 6]), 1)
    assert listed(unbiased) == [1]


def test_only_the_newest_purchases_draw_the_walk() -> None:
    model = RandomWalk(group_power=0.0, known_items=2).fit(TASTES)
    found = model.recommend(asking([0, 0], [5, 6, 1], [1, 6, 5]), 1)
    assert [listed(found, 0), listed(found, 1)] == [[1], [2]]


def test_a_new_customer_is_answered_like_a_known_one_with_the_same_purchases() -> None:
    model = RandomWalk().fit(TASTES)
    new, known = (model.recommend(asking([0], [5, 6], user=user), 4) for user in (-1, 4))
    assert np.array_equal(new.item, known.item)
    assert np.array_equal(new.score, known.score)
    nothing = model.recommend(asking([0], []), 4)
    plain = model.recommend(Requests.of_items(np.array([0])), 4)
    assert np.array_equal(nothing.score, plain.score)


def test_a_cart_prefers_what_goes_with_several_of_its_items() -> None:
    # 3 goes with each of the cart; 4 is in as many baskets as 3, all with item 0.
    shop = bought([[0, 3]], [[1, 3]], [[2, 3]], [[0, 4]], [[0, 4]], [[0, 4]])
    model = RandomWalk(group_power=0.0, bias=0).fit(shop)
    assert listed(model.recommend(asking([-1, 0], [0, 1, 2], []), 1), 0) == [3]
    assert listed(model.recommend(asking([-1, 0], [0, 1, 2], []), 1), 1) == [4]
    cart = listed(model.recommend(asking([-1], [0, 1, 2]), N_ITEMS))
    assert sorted(cart) == [3, 4]


def test_a_request_without_item_and_purchases_gets_no_rows() -> None:
    model = RandomWalk().fit(TASTES)
    assert listed(model.recommend(asking([-1], []), 3)) == []
    assert listed(model.recommend(Requests.of_items(np.array([-1])), 3)) == []


def test_an_item_only_bought_alone_or_never_gets_no_rows() -> None:
    found = RandomWalk().fit(TASTES).recommend(Requests.of_items(np.array([4, 7])), 3)
    assert [listed(found, 0), listed(found, 1)] == [[], []]


def test_what_the_customer_bought_is_left_out_where_asked() -> None:
    model = RandomWalk().fit(TASTES)
    kept = model.recommend(asking([0], [2, 5]), N_ITEMS)
    left_out = model.recommend(asking([0], [2, 5], exclude_bought=True), N_ITEMS)
    assert listed(left_out) == [code for code in listed(kept) if code not in (2, 5)]


def test_popular_items_are_held_back() -> None:
    shop = bought([[0, 1]], [[0, 1]], [[0, 2]], [[1, 3]], [[1, 3]], [[1, 3]], [[1, 3]])
    asked = Requests.of_items(np.array([0]))
    assert listed(RandomWalk(restart=1.0).fit(shop).recommend(asked, 2)) == [1, 2]
    # 1 is met twice as often as 2, but has 6 customers and not 1.
    held = RandomWalk(restart=1.0, popularity_power=1.0).fit(shop).recommend(asked, 2)
    assert listed(held) == [2, 1]


def test_what_was_learned_comes_back_from_its_arrays() -> None:
    model = RandomWalk(group_power=0.7).fit(TASTES)
    restored = RandomWalk(group_power=0.7).restore(model.arrays(), N_ITEMS)
    asked = asking([0, -1, 5], [5, 6], [1, 2], [])
    expected, found = model.recommend(asked, 5), restored.recommend(asked, 5)
    assert np.array_equal(found.item, expected.item)
    assert np.array_equal(found.score, expected.score)
    assert np.array_equal(found.support, expected.support)


def test_the_newest_different_items_are_known_in_order_of_their_last_purchase() -> None:
    known = newest_items(events([3, 1, 3, 2], [], [4]), 2)
    assert known.ptr.tolist() == [0, 2, 2, 3]
    assert known.item.tolist() == [3, 2, 4]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"over": "basket"}, "over must be one of .* Did you mean 'baskets'"),
        ({"restart": 0.0}, "restart must be above 0 and at most 1, got 0.0"),
        ({"restart": float("nan")}, "restart must be above 0 and at most 1, got nan"),
        ({"group_power": -1.0}, "group_power must be from 0 to 4, got -1.0"),
        ({"popularity_power": 5.0}, "popularity_power must be from 0 to 4, got 5.0"),
        ({"steps": 0}, "steps must be from 1 to 2147483647, got 0"),
        ({"bias": 101}, "bias must be from 0 to 100, got 101"),
        ({"known_items": 0}, "known_items must be from 1"),
        ({"seed": -1}, "seed must be from 0"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        RandomWalk(**settings).fit(TASTES)  # type: ignore[arg-type]
