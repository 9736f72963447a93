"""Splits of ratings: which are hidden, and what is known when they are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from bought import HOUR, Row, bought
from hypothesis import given, settings
from hypothesis import strategies as st

from recsql.columns import MICROSECONDS_PER_DAY
from recsql.models.purchases import Purchases
from recsql.splits.ratings import RatingQueries, by_customers, by_time, ratings_differ

START = 19_000 * MICROSECONDS_PER_DAY
NONE = float("nan")
N_ITEMS = 6
ROWS = st.lists(
    st.builds(
        Row,
        user=st.integers(0, 3),
        item=st.integers(0, N_ITEMS - 1),
        time=st.integers(0, 12).map(lambda hour: START + hour * HOUR),
        basket=st.integers(0, 3),
        session=st.none(),
        rating=st.sampled_from([NONE, 1.0, 2.5, 5.0]),
    ),
    min_size=1,
    max_size=30,
)


def queries_of(split: list) -> RatingQueries:
    (part,) = split
    assert isinstance(part.queries, RatingQueries)
    return part.queries


def known(queries: RatingQueries, row: int) -> list[tuple[int, int]]:
    """Give (item, time) of what the customer of a query is known to have done."""
    events = queries.requests.events
    assert events is not None
    own = slice(*events.user_ptr[row : row + 2])
    return list(zip(events.item[own].tolist(), events.time[own].tolist(), strict=True))


def diary() -> Purchases:
    """Give one customer with ten rated purchases, an hour apart, and one without a rating."""
    rows = [Row(0, n % N_ITEMS, START + n * HOUR, n, None, 1.0 + n % 5) for n in range(10)]
    return bought([*rows, Row(0, 5, START + 8 * HOUR + 1, 20)], N_ITEMS)


def test_the_newest_fifth_is_hidden_and_asked_with_all_that_came_before() -> None:
    queries = queries_of(by_time(diary(), 0))
    # 10 ratings: those of hours 8 and 9 are hidden, 1 + 8 % 5 and 1 + 9 % 5.
    assert queries.rating.tolist() == [4.0, 5.0]
    assert queries.requests.item.tolist() == [2, 3]
    assert [len(known(queries, row)) for row in (0, 1)] == [
        8,
        10,
    ]  # with the one of hour 8 and more


def test_the_last_fifth_of_a_customer_is_hidden_where_time_is_not_asked_for() -> None:
    (part,) = by_customers(diary(), 0)
    queries = queries_of([part])
    assert queries.rating.tolist() == [4.0, 5.0]
    # Hours 0 to 7; then the purchase without a rating too, once its time has come.
    assert [len(known(queries, row)) for row in (0, 1)] == [8, 9]
    assert part.train.events is not None
    assert len(part.train.events.item) == 9


@given(ROWS, st.sampled_from([by_time, by_customers]))
@settings(deadline=None)
def test_nothing_of_the_future_is_known_and_nothing_older_is_left_out(rows, protocol) -> None:
    whole = bought(rows, N_ITEMS)
    users = sorted({row.user for row in rows})
    for part in protocol(whole, 0):
        queries = queries_of([part])
        learned = part.train.events
        assert learned is not None
        assert queries.requests.time is not None
        for row, (rating, owner) in enumerate(zip(queries.rating, queries.owner, strict=True)):
            time, item = int(queries.requests.time[row]), int(queries.requests.item[row])
            user = users[owner]
            assert any(
                (r.user, r.item, r.time, r.rating) == (user, item, time, rating) for r in rows
            )
            found = known(queries, row)
            if protocol is by_time:
                assert time >= part.cut
                older = [(r.item, r.time) for r in rows if r.user == user and r.time < time]
                assert sorted(found) == sorted(older)
            else:
                own = slice(*learned.user_ptr[owner : owner + 2])
                shown = zip(learned.item[own].tolist(), learned.time[own].tolist(), strict=True)
                assert sorted(found) == sorted(pair for pair in shown if pair[1] <= time)
        if protocol is by_time:
            assert (learned.time < part.cut).all()
        else:
            assert len(learned.item) + len(queries) == len(rows)


def test_what_is_hidden_is_not_asked_where_nothing_can_be_learned() -> None:
    rows = [Row(0, n % N_ITEMS, START + n * HOUR, n, None, 3.0) for n in range(10)]
    for protocol in (by_time, by_customers):
        assert protocol(bought(rows, N_ITEMS), 0) == []  # all ratings are the same
        unrated = bought([row._replace(rating=NONE) for row in rows], N_ITEMS)
        assert protocol(unrated, 0) == []


@pytest.mark.parametrize(
    ("ratings", "differ"), [((NONE, NONE), False), ((NONE, 2.0), False), ((1.0, 2.0), True)]
)
def test_ratings_differ_where_two_do(ratings: tuple[float, ...], differ: bool) -> None:
    rows = [Row(0, n, START + n, n, None, rating) for n, rating in enumerate(ratings)]
    events = bought(rows, N_ITEMS).events
    assert events is not None
    assert ratings_differ(events) == differ


def test_a_sample_asks_who_is_learned_from_by_their_new_place() -> None:
    rows = [
        Row(user, n % N_ITEMS, START + n * HOUR, n, None, 1.0 + (n + user) % 5)
        for user in range(20)
        for n in range(10)
    ]
    (part,) = by_customers(bought(rows, N_ITEMS), 0)
    small = part.sample(0.5, 12, 3)
    queries, learned = queries_of([small]), small.train.events
    assert len(queries) == 12
    assert learned is not None
    places = queries.requests.user
    assert places.max() < learned.n_users < 20
    assert (places == -1).any()
    for row, place in enumerate(places.tolist()):
        if place >= 0:
            own = slice(*learned.user_ptr[place : place + 2])
            assert [item for item, _ in known(queries, row)] == learned.item[own].tolist()
            rating = learned.feedback.rating[own]
            assert rating[0] == np.float32(1 + queries.owner[row] % 5)
