"""Reference customers: who bought the item and is most like the customer to convince."""

from __future__ import annotations

import datetime as dt
import math

import duckdb
import pytest
from hand_filled import bind_customers, buy, empty_shop, insert, rows_of

CUSTOMERS = "id BIGINT, city VARCHAR, hobbies VARCHAR[], email VARCHAR"
PEOPLE = [
    (1, "Rome", ["golf", "tea"], "one@x"),
    (2, "Rome", ["tea"], "same@x"),
    (3, "Oslo", ["golf", "tea", "chess"], "same@x"),
    (4, "Oslo", None, "same@x"),
    (5, "Rome", ["golf"], "five@x"),
]


class TestReferenceCustomers:
    @pytest.fixture
    def shop(self):
        con = empty_shop()
        bind_customers(con, CUSTOMERS, PEOPLE, private=["email"])
        buy(
            con,
            (1, "a", dt.datetime(2020, 1, 1)),
            (2, "a", dt.datetime(2020, 1, 2)),
            (2, "a", dt.datetime(2020, 1, 5)),
            (3, "a", dt.datetime(2020, 1, 3)),
            (4, "a", dt.datetime(2020, 1, 4)),
            (5, "b", dt.datetime(2020, 1, 4)),
            (None, "a", dt.datetime(2020, 1, 4)),
        )
        return con

    def test_the_best_match_comes_first_with_what_matches_and_everything_public(self, shop):
        # Of 5 customers 3 are in Rome, 3 play golf, 3 drink tea: each weighs ln(1 + 5/3), so the
        # asking customer's three values weigh the same. 2 shares two of them, 3 the two others.
        got = rows_of(shop, "FROM reference_customers(1, 'a')")
        assert got == [
            (
                1,
                2,
                pytest.approx(2 / 3),
                {"city": "Rome", "hobbies": "tea"},
                {"city": "Rome", "hobbies": "tea"},
                dt.datetime(2020, 1, 5),
            ),
            (
                2,
                3,
                pytest.approx(2 / 3),
                {"hobbies": "golf, tea"},
                {"city": "Oslo", "hobbies": "chess, golf, tea"},
                dt.datetime(2020, 1, 3),
            ),
            (3, 4, 0.0, {}, {"city": "Oslo"}, dt.datetime(2020, 1, 4)),
        ]

    def test_a_rare_value_weighs_more_than_a_common_one(self, shop):
        # Customer 3: Oslo (2 of 5), golf, tea (3 of 5) and chess (1 of 5).
        oslo, common, chess = math.log(1 + 5 / 2), math.log(1 + 5 / 3), math.log(1 + 5)
        total = oslo + 2 * common + chess
        got = rows_of(shop, "SELECT r.user_id, r.match_score FROM reference_customers(3, 'a') AS r")
        assert got == [
            (1, pytest.approx(2 * common / total)),
            (4, pytest.approx(oslo / total)),
            (2, pytest.approx(common / total)),
        ]

    def test_counting_gives_every_value_the_same_weight(self, shop):
        got = rows_of(
            shop,
            "SELECT r.user_id, r.match_score "
            "FROM reference_customers(3, 'a', weighting := 'count') AS r",
        )
        assert got == [(1, 0.5), (2, 0.25), (4, 0.25)]  # 2 bought later than 4

    def test_another_weighting_is_refused(self, shop):
        expected = "weighting must be 'rarity' or 'count', got 'tfidf'"
        with pytest.raises(duckdb.InvalidInputException, match=expected):
            rows_of(shop, "FROM reference_customers(1, 'a', weighting := 'tfidf')")

    def test_only_k_customers_are_given(self, shop):
        got = rows_of(shop, "SELECT r.user_id FROM reference_customers(1, 'a', k := 2) AS r")
        assert got == [(2,), (3,)]

    def test_the_asking_customer_is_never_a_reference(self, shop):
        for user in range(1, 6):
            got = rows_of(shop, "SELECT r.user_id FROM reference_customers(?, 'a') AS r", user)
            assert (user,) not in got

    def test_an_unknown_customer_gets_the_latest_buyers(self, shop):
        got = rows_of(
            shop,
            "SELECT r.user_id, r.match_score, r.matches FROM reference_customers(99, 'a') AS r",
        )
        assert got == [(2, 0.0, {}), (4, 0.0, {}), (3, 0.0, {}), (1, 0.0, {})]

    def test_private_attributes_neither_match_nor_show(self, shop):
        got = rows_of(shop, "FROM reference_customers(3, 'a')")
        assert "email" not in str(got)
        assert "@x" not in str(got)

    @pytest.mark.parametrize(
        "purchase",
        [
            (5, "a", dt.datetime(2020, 2, 1), "i", -1.0),
            (5, "a", dt.datetime(2020, 2, 1), "i", 0.0),
            (5, "a", dt.datetime(2020, 2, 1), "i", 1.0, "view"),
            (5, "a", dt.datetime(2020, 2, 3), "i", 1.0),
        ],
    )
    def test_returns_worthless_events_and_later_purchases_do_not_count(self, shop, purchase):
        insert(shop, "recsql.event_weights", [{"event": "view", "weight": 0}])
        rows_of(shop, "UPDATE recsql.settings SET value = '2020-02-02' WHERE name = 'now'")
        buy(shop, purchase)
        got = rows_of(shop, "SELECT r.user_id FROM reference_customers(1, 'a') AS r")
        assert (5,) not in got

    def test_a_purchase_counts_at_once(self, shop):
        buy(shop, (5, "a", dt.datetime(2020, 2, 1)))
        got = rows_of(
            shop, "SELECT r.user_id, r.matches FROM reference_customers(1, 'a', k := 1) AS r"
        )
        assert got == [(5, {"city": "Rome", "hobbies": "golf"})]

    def test_a_buyer_without_attributes_comes_last(self, shop):
        buy(shop, (77, "a", dt.datetime(2020, 2, 1)))
        got = rows_of(shop, "FROM reference_customers(1, 'a')")
        assert got[2] == (3, 77, 0.0, {}, {}, dt.datetime(2020, 2, 1))

    def test_numbers_match_within_their_range(self):
        con = empty_shop()
        bind_customers(con, "id BIGINT, age INTEGER", [(n, n * 10) for n in range(1, 9)])
        buy(con, *((n, "a") for n in range(1, 9)))
        got = rows_of(con, "FROM reference_customers(3, 'a', k := 2)")
        assert got[0] == (1, 4, 1.0, {"age": "30 to 40"}, {"age": "40"}, None)
        assert got[1][2:4] == (0.0, {})

    @pytest.mark.parametrize("time_type", ["INTEGER", None])
    def test_without_real_time_the_time_is_null_but_newer_still_goes_first(self, time_type):
        con = empty_shop(time_type=time_type)
        bind_customers(con, "id BIGINT, city VARCHAR", [(1, "x")])
        moments = (3, 9) if time_type else (dt.datetime(2020, 1, 3), dt.datetime(2020, 1, 9))
        buy(con, (2, "a", moments[0]), (3, "a", moments[1]))
        got = rows_of(con, "SELECT r.user_id, r.bought_at FROM reference_customers(1, 'a') AS r")
        assert got == ([(3, None), (2, None)] if time_type else [(2, None), (3, None)])

    def test_times_with_a_zone_are_given_in_utc(self):
        con = empty_shop(time_type="TIMESTAMPTZ")
        bind_customers(con, "id BIGINT, city VARCHAR", [(1, "x")])
        con.execute(
            "INSERT INTO orders (customer, sku, at_time) VALUES (2, 'a', '2020-01-01 12:00:00+02')"
        )
        got = rows_of(con, "SELECT r.bought_at FROM reference_customers(1, 'a') AS r")
        assert got == [(dt.datetime(2020, 1, 1, 10),)]

    def test_ids_of_users_and_interactions_may_have_different_types(self):
        con = empty_shop(user_type="VARCHAR")
        bind_customers(con, "id INTEGER, city VARCHAR", [(1, "x"), (2, "x")])
        buy(con, ("2", "a"))
        got = rows_of(con, "SELECT r.user_id, r.match_score FROM reference_customers(1, 'a') AS r")
        assert got == [("2", 1.0)]
