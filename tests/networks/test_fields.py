"""Attributes as slots of codes."""

from __future__ import annotations

import datetime as dt

import numpy as np

from recsql.data.events import pointers
from recsql.data.features import Features
from recsql.networks.fields import MOST_SLOTS, FieldLayout, PairFields

NAMES = (("country", "AT"), ("country", "NL"), ("tag", "a"), ("tag", "b"), ("tag", "c"))


def features(rows: list[list[int]], names: tuple[tuple[str, str], ...] = NAMES) -> Features:
    flat = np.array([code for row in rows for code in row], dtype=np.int32)
    return Features(pointers(np.array([len(row) for row in rows])), flat, names)


def test_each_value_has_a_slot_and_a_field_without_one_its_unknown_code() -> None:
    learned = FieldLayout.learn(features([[0, 2, 3], [1, 4], []]), 1)
    # country: 1 unknown, 2 AT, 3 NL; tag: 4 unknown, 5 a, 6 b, 7 c
    assert learned.n_slots.tolist() == [1, 2]
    assert learned.next_code == 8
    found = learned.slots(features([[0, 2, 3], [1, 4], [], [3]]), 4)
    assert found.tolist() == [[2, 5, 6], [3, 7, 0], [1, 4, 0], [1, 6, 0]]
    assert found.dtype == np.int32


def test_a_value_that_was_not_there_while_learning_is_unknown() -> None:
    learned = FieldLayout.learn(features([[0, 2]]), 1)
    assert learned.slots(features([[1, 3], [0, 2, 3]]), 2).tolist() == [[1, 4], [2, 5]]


def test_of_more_values_than_were_seen_the_first_ones_stay() -> None:
    learned = FieldLayout.learn(features([[2], [3], [4]]), 1)
    assert learned.slots(features([[2, 3, 4]]), 1).tolist() == [[1, 5]]


def test_a_list_has_at_most_so_many_slots() -> None:
    names = tuple(("tag", str(value)) for value in range(40))
    learned = FieldLayout.learn(features([list(range(40))], names), 1)
    assert learned.n_slots.tolist() == [MOST_SLOTS]


def test_without_attributes_there_is_one_field_that_is_always_unknown() -> None:
    learned = FieldLayout.learn(None, 5)
    assert learned.slots(None, 2).tolist() == [[5], [5]]
    assert learned.next_code == 6


def test_the_hour_and_the_day_of_the_week_are_those_of_the_moment() -> None:
    fields = PairFields.learn(None, None, moments=True)
    moment = dt.datetime(2024, 5, 1, 13, 59, tzinfo=dt.UTC)  # a Wednesday
    time = np.array([int(moment.timestamp() * 1e6)])
    # codes: 1 nobody, 2 no item, 3 hour unknown and 24 hours, 28 day unknown and 7 days
    assert fields.asked(1, None, time).tolist() == [[1, 3 + 1 + 13, 28 + 1 + 2]]
    assert fields.asked(1, None, None).tolist() == [[1, 3, 28]]
    assert fields.n_codes == 3 + 25 + 8


def test_what_else_is_known_of_a_request_stands_beside_the_customer() -> None:
    context = (("device", "phone"), ("device", "desk"))
    fields = PairFields.learn(None, None, features([[0], [1]], context))
    assert fields.asked(2, None, None, features([[1], []], context)).tolist() == [[1, 5], [1, 3]]
    assert fields.n_codes == 6


def test_a_layout_comes_back_from_its_arrays() -> None:
    rows = features([[0, 2, 3], [1, 4], []])
    fields = PairFields.learn(rows, rows, features([[0]], (("device", "phone"),)), moments=True)
    back = PairFields.of_arrays(fields.arrays())
    asked = rows, np.array([5, 6, 7]), None
    assert np.array_equal(back.asked(3, *asked), fields.asked(3, *asked))
    assert np.array_equal(back.empty, fields.empty)
    assert np.array_equal(back.item.slots(rows, 3), fields.item.slots(rows, 3))
    assert back.n_codes == fields.n_codes == 1 + 7 + 7 + 25 + 8 + 2
