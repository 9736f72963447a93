"""Events are cut and chosen customer by customer."""

from __future__ import annotations

import numpy as np
import shop

import recsql
from recsql.data.events import Events
from recsql.data.snapshot import read_snapshot
from recsql.database import Session


def three_customers() -> Events:
    """Give customers who bought 2, 0 and 3 times."""
    return Events(
        n_items=4,
        user_ptr=np.array([0, 2, 2, 5]),
        item=np.array([3, 1, 2, 2, 0], dtype=np.int32),
        time=np.array([10, 30, 5, 20, 40]),
        basket=np.array([0, 1, 0, 1, 2], dtype=np.int32),
        session=np.array([0, 0, 0, 1, 1], dtype=np.int32),
        strength=np.ones(5, dtype=np.float32),
    )


def test_a_cut_leaves_every_customer() -> None:
    early = three_customers().before(30)
    assert early.user_ptr.tolist() == [0, 1, 1, 3]
    assert early.item.tolist() == [3, 2, 2]
    assert early.time.tolist() == [10, 5, 20]


def test_customers_come_in_the_order_asked_for() -> None:
    chosen = three_customers().of_users(np.array([2, 1, 0, 2]))
    assert chosen.user_ptr.tolist() == [0, 3, 3, 5, 8]
    assert chosen.item.tolist() == [2, 2, 0, 3, 1, 2, 2, 0]
    assert chosen.basket.tolist() == [0, 1, 2, 0, 1, 0, 1, 2]


def test_distinct_items_ascend_within_a_customer() -> None:
    ptr, item = three_customers().distinct_items()
    assert ptr.tolist() == [0, 2, 2, 4]
    assert item.tolist() == [1, 3, 0, 2]


def test_customers_are_left_out_where_there_are_too_many_purchases() -> None:
    con = recsql.connect()
    shop.fill(con)
    shop.bind(con)
    session = Session(con.cursor())
    whole = read_snapshot(session, with_events=True).events
    con.execute("UPDATE recsql.settings SET value = '200' WHERE name = 'max_customer_events'")
    part = read_snapshot(session, with_events=True).events
    assert whole is not None
    assert part is not None
    assert 0 < len(part.item) < len(whole.item) / 2
    assert part.n_users == whole.n_users
    kept = np.flatnonzero(np.diff(part.user_ptr))
    assert np.array_equal(whole.of_users(kept).item, part.of_users(kept).item)
