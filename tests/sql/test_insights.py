"""Scores by the paper's equations, reference customers, and explanations that add up."""

from __future__ import annotations

import datetime as dt
import math

import duckdb
import numpy as np
import pytest
from hand_filled import (
    buy,
    empty_shop,
    insert,
    promote,
    rows_of,
    set_totals,
    store_counts,
    store_item,
    store_neighbours,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import recsql
from recsql.database import Session, body, fill, sql_text
from recsql.insights.features import build_user_features
from recsql.insights.scores import log_sum_importance


def value_of(con, sql, *parameters):
    return rows_of(con, f"SELECT {sql}", *parameters)[0][0]


class TestScores:
    @pytest.fixture
    def shop(self):
        """Give three customers with 1, 2 and 5 purchases, and two items."""
        con = empty_shop()
        store_counts(con, {1: 1, 2: 2, 3: 5}, {"a": (6, 2), "b": (4, 3)}, transactions=10, users=4)
        promote(con, "bundle")
        return con

    def test_equations_1_to_5_for_a_customer(self, shop):
        # TC = 2/8; TC_avg = 1/3; Z = 3/8, 3/4, 15/8.
        contribution = 2 / 8
        total = math.exp(3 / 8) + math.exp(3 / 4) + math.exp(15 / 8)
        expected = (contribution + math.exp(3 / 4) / total) / 2
        assert value_of(shop, "user_transaction_score(2)") == pytest.approx(expected, rel=1e-12)

    def test_equation_6_for_an_item(self, shop):
        # TC = 6/10; TC_avg = 1/2; Z = 6/5 and 4/5.
        expected = (6 / 10 + math.exp(6 / 5) / (math.exp(6 / 5) + math.exp(4 / 5))) / 2
        assert value_of(shop, "product_transaction_score('a')") == pytest.approx(
            expected, rel=1e-12
        )

    def test_equation_7_divides_by_all_customers(self, shop):
        assert value_of(shop, "product_choice_score('b')") == 3 / 4

    def test_equation_8_averages_contribution_and_choice(self, shop):
        assert value_of(shop, "impact_score('b')") == pytest.approx((4 / 10 + 3 / 4) / 2)

    def test_scores_of_everybody_sum_to_one(self, shop):
        users = "sum(user_transaction_score(u.user_id)) FROM recsql.user_scores AS u"
        items = "sum(product_transaction_score(i.item_id)) FROM recsql.item_scores AS i"
        assert value_of(shop, users) == pytest.approx(1)
        assert value_of(shop, items) == pytest.approx(1)

    @pytest.mark.parametrize("user", [99, None, "nobody", -1])
    def test_an_unknown_customer_has_no_score(self, shop, user):
        assert value_of(shop, "user_transaction_score(?)", user) is None

    def test_without_known_customers_only_transactions_speak(self):
        con = empty_shop()
        store_counts(con, {}, {"a": (3, 0), "b": (1, 0)})
        promote(con, "bundle")
        assert value_of(con, "product_choice_score('a')") is None
        assert value_of(con, "impact_score('a')") == pytest.approx(3 / 8)
        assert value_of(con, "user_transaction_score(1)") is None

    def test_scores_are_finite_for_a_million_customers(self):
        con = empty_shop()
        counts = np.ones(1_000_000, dtype=np.int64)
        counts[-1] = 10**9
        rows_of(
            con,
            "INSERT INTO recsql.user_scores SELECT n, if(n = 999999, 1000000000, 1) "
            "FROM range(1000000) AS r(n)",
        )
        total = int(counts.sum())
        set_totals(
            con,
            user_transactions=total,
            buyers=len(counts),
            user_log_sum=log_sum_importance(counts),
        )
        promote(con, "bundle")
        assert value_of(con, "user_transaction_score(999999)") == pytest.approx(1, abs=1e-3)
        assert value_of(con, "user_transaction_score(0)") == pytest.approx(1 / total / 2)

    def test_the_trend_score_is_the_stored_share(self):
        con = empty_shop()
        store_item(con, "a", trend_score=0.25)
        store_item(con, "b", trend_score=None)
        promote(con, "trending")
        got = [value_of(con, "trend_score(?)", item) for item in ("a", "b", "?")]
        assert got == [0.25, None, None]


class TestLogSum:
    def test_it_is_the_log_of_the_sum_of_exponentials(self):
        # n = 3 of 8: Z = 3/8, 6/8, 15/8.
        expected = math.log(math.exp(3 / 8) + math.exp(6 / 8) + math.exp(15 / 8))
        assert log_sum_importance(np.array([1, 2, 5])) == pytest.approx(expected, rel=1e-15)

    def test_it_does_not_depend_on_the_order(self):
        counts = np.random.default_rng(0).integers(0, 1000, 10_000)
        shuffled = np.random.default_rng(1).permutation(counts)
        assert log_sum_importance(counts) == log_sum_importance(shuffled)

    def test_it_does_not_overflow(self):
        counts = np.append(np.ones(1_000_000, dtype=np.int64), 10**12)
        assert log_sum_importance(counts) == pytest.approx(1_000_001 * 10**12 / (10**12 + 10**6))

    def test_nobody_gives_zero(self):
        assert log_sum_importance(np.zeros(0, dtype=np.int64)) == 0.0

    def test_customers_who_bought_nothing_are_equally_important(self):
        assert log_sum_importance(np.zeros(4, dtype=np.int64)) == pytest.approx(math.log(4))


def bind_customers(con, columns, rows, **arguments):
    """Create and bind a table of customers; the first column is the id."""
    con.execute(f"CREATE OR REPLACE TABLE customers ({columns})")
    marks = ", ".join("?" for _ in columns.split(", "))
    for row in rows:
        con.cursor().execute(f"INSERT INTO customers VALUES ({marks})", list(row))
    recsql.bind_users(con, "customers", user_id="id", **arguments)


def features_of(con, attribute, columns="feature"):
    build(con)
    return rows_of(
        con,
        f"SELECT f.user_id, f.{columns} FROM recsql.user_features AS f WHERE f.attribute = ? "
        "ORDER BY ALL",
        attribute,
    )


def build(con):
    session = Session(con.cursor())
    with session.transaction():
        build_user_features(session)


class TestFeatures:
    @pytest.fixture
    def shop(self):
        return empty_shop()

    def test_the_table_has_the_columns_and_types_of_its_definition(self, shop):
        bind_customers(shop, "id BIGINT, city VARCHAR", [(1, "Rome")])
        build(shop)
        built = rows_of(
            shop, "SELECT x.column_name, x.column_type FROM (DESCRIBE recsql.user_features) AS x"
        )
        types = {"user_id_type": "BIGINT"}
        shop.execute(fill(body(sql_text("stored", "user_features")), types))
        defined = rows_of(
            shop, "SELECT x.column_name, x.column_type FROM (DESCRIBE recsql.user_features) AS x"
        )
        assert built == defined

    def test_rarity_grows_as_fewer_customers_share_a_value(self, shop):
        bind_customers(shop, "id BIGINT, city VARCHAR", [(1, "Rome"), (2, "Rome"), (3, "Oslo")])
        build(shop)
        got = rows_of(
            shop,
            "SELECT f.user_id, f.feature, f.shared_by, f.rarity::DOUBLE "
            "FROM recsql.user_features AS f",
        )
        common, rare = (
            pytest.approx(math.log(1 + 3 / 2), abs=1e-9),
            pytest.approx(math.log(4), abs=1e-9),
        )
        assert got == [(1, "Rome", 2, common), (2, "Rome", 2, common), (3, "Oslo", 1, rare)]

    def test_numbers_match_by_quantile_bin_with_its_range_in_words(self, shop):
        bind_customers(shop, "id BIGINT, age INTEGER", [(n, n * 10) for n in range(1, 9)])
        got = features_of(shop, "age", "feature, f.matched_value, f.own_value")
        assert got == [
            (1, "bin 1", "10 to 20", "10"),
            (2, "bin 1", "10 to 20", "20"),
            (3, "bin 2", "30 to 40", "30"),
            (4, "bin 2", "30 to 40", "40"),
            (5, "bin 3", "50 to 60", "50"),
            (6, "bin 3", "50 to 60", "60"),
            (7, "bin 4", "70 to 80", "70"),
            (8, "bin 4", "70 to 80", "80"),
        ]

    def test_few_different_numbers_match_as_they_are(self, shop):
        bind_customers(shop, "id BIGINT, grade DOUBLE", [(1, 1.0), (2, 2.5), (3, 1.0), (4, 3.0)])
        assert features_of(shop, "grade") == [(1, "1"), (2, "2.5"), (3, "1"), (4, "3")]

    def test_a_bin_of_one_number_shows_that_number(self, shop):
        values = [1.0] * 10 + [2.0, 3.0, 4.5, 5.0, 6.0]
        bind_customers(shop, "id BIGINT, spend DOUBLE", list(enumerate(values)))
        words = {row[1] for row in features_of(shop, "spend", "matched_value")}
        assert words == {"1", "2 to 3", "4.5 to 6"}  # the quartiles are 1, 1 and 3

    @pytest.mark.parametrize("kind", ["TINYINT", "HUGEINT", "UBIGINT", "DECIMAL(9, 2)", "FLOAT"])
    def test_every_numeric_type_has_bins(self, shop, kind):
        bind_customers(
            shop, f"id BIGINT, worth {kind.replace(', ', ',')}", [(n, n) for n in range(20)]
        )
        assert {row[1] for row in features_of(shop, "worth")} == {f"bin {n}" for n in (1, 2, 3, 4)}

    def test_the_number_of_bins_is_a_setting(self, shop):
        bind_customers(shop, "id BIGINT, age INTEGER", [(n, n) for n in range(20)])
        for bins in (1, 2, 7):
            rows_of(
                shop, "UPDATE recsql.settings SET value = ? WHERE name = 'quantile_bins'", str(bins)
            )
            assert len({row[1] for row in features_of(shop, "age")}) == bins

    def test_numbers_that_are_none_give_no_feature(self, shop):
        rows = [(n, float(n)) for n in range(6)] + [(6, math.nan), (7, math.inf), (8, None)]
        bind_customers(shop, "id BIGINT, worth DOUBLE", rows)
        assert [row[0] for row in features_of(shop, "worth")] == list(range(6))

    def test_each_element_of_a_list_is_a_feature_once(self, shop):
        rows = [(1, ["red", "blue", "red", None, ""]), (2, []), (3, None)]
        bind_customers(shop, "id BIGINT, colours VARCHAR[]", rows)
        assert features_of(shop, "colours") == [(1, "blue"), (1, "red")]

    @pytest.mark.parametrize(
        ("kind", "value", "feature"),
        [
            ("BOOLEAN", True, "true"),
            ("DATE", dt.date(2020, 2, 1), "2020-02-01"),
            (
                "UUID",
                "00000000-0000-0000-0000-000000000007",
                "00000000-0000-0000-0000-000000000007",
            ),
            ("STRUCT(a INTEGER)", {"a": 1}, "{'a': 1}"),
            ("MAP(VARCHAR,INTEGER)", {"a": 1}, "{a=1}"),
            ("INTEGER[]", [4], "4"),
            ("INTEGER[2]", [4, 4], "4"),
            ("INTEGER[][]", [[1, 2]], "[1, 2]"),
            ("ENUM('s','m')", "m", "m"),
            ("VARCHAR", "it's 😀", "it's 😀"),
        ],
    )
    def test_other_types_match_as_text(self, shop, kind, value, feature):
        bind_customers(shop, f"id BIGINT, what {kind}", [(1, value)])
        assert features_of(shop, "what") == [(1, feature)]

    def test_null_and_blank_text_give_no_feature(self, shop):
        bind_customers(shop, "id BIGINT, city VARCHAR", [(1, None), (2, ""), (3, "  "), (4, "x")])
        assert features_of(shop, "city") == [(4, "x")]

    def test_private_attributes_are_not_stored(self, shop):
        rows = [(1, "Rome", "a@b.c")]
        bind_customers(shop, "id BIGINT, city VARCHAR, email VARCHAR", rows, private=["email"])
        build(shop)
        assert rows_of(shop, "SELECT f.attribute FROM recsql.user_features AS f") == [("city",)]

    def test_only_private_attributes_give_an_empty_table(self, shop):
        bind_customers(shop, "id BIGINT, email VARCHAR", [(1, "a@b.c")], private=["email"])
        build(shop)
        assert rows_of(shop, "FROM recsql.user_features") == []

    def test_rows_without_a_usable_id_are_left_out(self, shop):
        bind_customers(shop, "id VARCHAR, city VARCHAR", [("1", "x"), (None, "x"), ("one", "x")])
        assert features_of(shop, "city") == [(1, "x")]

    def test_two_rows_of_one_customer_count_once(self, shop):
        rows = [(1, "Rome", 5), (1, "Rome", 6), (1, "Oslo", 5), (2, "Rome", 7)]
        bind_customers(shop, "id BIGINT, city VARCHAR, age INTEGER", rows)
        assert features_of(shop, "city", "feature, f.shared_by") == [
            (1, "Oslo", 1),
            (1, "Rome", 2),
            (2, "Rome", 2),
        ]

    def test_names_of_attributes_may_be_anything(self, shop):
        names = ['"it\'s"', '"{0}"', '"a ""b"""', '"order"', '"value"', '"u"']
        columns = ", ".join(["id BIGINT", *(f"{name} INTEGER" for name in names)])
        bind_customers(shop, columns, [(n, *(n + i for i in range(6))) for n in range(9)])
        build(shop)
        found = rows_of(
            shop, "SELECT DISTINCT f.attribute FROM recsql.user_features AS f ORDER BY 1"
        )
        assert [row[0] for row in found] == sorted(["it's", "{0}", 'a "b"', "order", "value", "u"])

    def test_the_table_is_sorted_and_the_same_every_time(self, shop):
        rows = [(n * 7919 % 500, f"c{n % 7}", n / 3, [f"t{n % 3}", "t"]) for n in range(500)]
        columns = "id BIGINT, city VARCHAR, spend DOUBLE, tags VARCHAR[]"
        bind_customers(shop, columns, rows)
        build(shop)
        first = rows_of(shop, "FROM recsql.user_features")
        build(shop)
        assert rows_of(shop, "FROM recsql.user_features") == first
        assert first == sorted(first)


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


class TestExplain:
    @pytest.fixture
    def shop(self):
        con = empty_shop()
        store_neighbours(
            con, "bundle", [("a", "x", 0.6, 3), ("b", "x", 0.2, 2), ("c", "y", 0.9, 1)]
        )
        store_neighbours(con, "related", [("a", "x", 0.4, 4)])
        store_item(con, "a", transactions=9, users=8, baskets=7)
        store_item(con, "b", transactions=6, users=5, baskets=4)
        store_item(con, "c")
        store_item(
            con, "x", transactions=1234, users=321, baskets=1000, trend_z=-1.25, trend_rank=2
        )
        con.execute(
            "CREATE TABLE products AS FROM (VALUES ('a', 'Tea'), ('x', 'Mug')) AS v(id, name)"
        )
        recsql.bind_items(con, "products", item_id="id", title="name")
        buy(con, (1, "a"), (1, "a"), (1, "b"), (1, "c"), (2, "q"), (3, "a", None, None, -1.0))
        promote(con, "bundle", "related")
        return con

    def test_each_item_bought_contributes_its_part_in_words(self, shop):
        # Three items bought have bundle neighbours, one has related ones.
        assert rows_of(shop, "FROM explain(1, 'x')") == [
            (
                1,
                "related",
                "Tea (a) was bought: 4 of its 8 customers also bought Mug (x), which 321 bought.",
                pytest.approx(0.4),
            ),
            (
                2,
                "bundle",
                "Tea (a) was bought: 3 of its 7 baskets also held Mug (x), which was in 1,000.",
                pytest.approx(0.2),
            ),
            (
                3,
                "bundle",
                "b was bought: 2 of its 4 baskets also held Mug (x), which was in 1,000.",
                pytest.approx(0.2 / 3),
            ),
            (
                4,
                "popular",
                "Mug (x) was bought 1,234 times, in 1,000 baskets and by 321 customers.",
                0.0,
            ),
            (
                5,
                "trending",
                "Sales of Mug (x) are 1.2 standard deviations below their own mean: "
                "rank 2 by trend.",
                0.0,
            ),
        ]

    @pytest.mark.parametrize("user", [2, 3, 99, None])
    def test_without_a_history_that_goes_with_it_only_the_item_speaks(self, shop, user):
        got = rows_of(shop, "SELECT e.kind FROM explain(?, 'x') AS e", user)
        assert got == [("popular",), ("trending",)]

    def test_an_item_that_nobody_bought_has_no_evidence(self, shop):
        assert rows_of(shop, "FROM explain(1, '?')") == []

    def test_an_item_that_is_not_available_has_no_trend(self, shop):
        got = rows_of(shop, "SELECT e.kind FROM explain(1, 'c') AS e")
        assert got == [("popular",)]

    @pytest.mark.parametrize("task", ["bundle", "related"])
    def test_one_trained_task_is_enough(self, shop, task):
        rows_of(shop, "DELETE FROM recsql.models AS m WHERE m.task <> ?", task)
        rows_of(shop, "DELETE FROM recsql.top_items AS t WHERE t.task <> ?", task)
        promote(shop)
        got = rows_of(shop, "SELECT DISTINCT e.kind FROM explain(1, 'x') AS e ORDER BY 1")
        assert got == sorted([(task,), ("popular",), ("trending",)])

    def test_an_item_of_two_titles_is_named_once(self, shop):
        shop.execute("INSERT INTO products VALUES ('x', 'Cup')")
        details = rows_of(shop, "SELECT e.detail FROM explain(1, 'x') AS e")
        assert len(details) == 5
        assert all("Cup (x)" in detail for (detail,) in details)

    def test_it_follows_a_purchase_at_once(self, shop):
        buy(shop, (2, "b"))
        got = rows_of(shop, "SELECT e.kind, e.contribution FROM explain(2, 'x') AS e LIMIT 1")
        assert got == [("bundle", 0.2)]

    @pytest.mark.parametrize(("kind", "ids"), [("UUID", None), ("BIGINT", [1, -(2**63)])])
    def test_ids_of_other_types_are_named(self, kind, ids):
        con = empty_shop(item_type=kind)
        ids = ids or [
            "00000000-0000-0000-0000-000000000001",
            "00000000-0000-0000-0000-000000000002",
        ]
        store_neighbours(con, "bundle", [(ids[0], ids[1], 0.5, 1)])
        for item in ids:
            store_item(con, item)
        buy(con, (1, ids[0]))
        promote(con, "bundle")
        detail = rows_of(con, "SELECT e.detail FROM explain(1, ?) AS e", ids[1])[0][0]
        assert detail.startswith(f"{ids[0]} was bought: 1 of its 1 baskets also held {ids[1]},")


@pytest.fixture(scope="module")
def empty():
    con = empty_shop()
    promote(con, "bundle", "related")
    return con


ITEMS = st.sampled_from("abcdefg")


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    pairs=st.dictionaries(
        st.tuples(st.sampled_from(["bundle", "related"]), ITEMS, ITEMS).filter(
            lambda p: p[1] != p[2]
        ),
        st.floats(0.001, 1000),
        max_size=25,
    ),
    history=st.lists(st.sampled_from("abcdefgh"), max_size=9),
    asked=ITEMS,
)
def test_contributions_add_up_to_the_score_of_the_cart(empty, pairs, history, asked):
    cursor = empty.cursor()
    for table in ("recsql.top_items", "recsql.item_scores", "orders"):
        cursor.execute(f"DELETE FROM {table}")
    for item in "abcdefg":
        store_item(empty, item)
    for task in ("bundle", "related"):
        rows = [(one, other, score, 1) for (t, one, other), score in pairs.items() if t == task]
        store_neighbours(empty, task, sorted(rows, key=lambda row: (row[0], -row[2], row[1])))
    buy(empty, *((1, item) for item in history))
    # The cart leaves out its own items, explain does not: ask for one that was not bought.
    asked = next((item for item in asked + "abcdefg" if item not in history), None)
    for task in ("bundle", "related") if asked else ():
        cart = rows_of(
            empty,
            "SELECT r.score FROM recommend_cart(?, k := 100, task := ?) AS r WHERE r.item_id = ?",
            history,
            task,
            asked,
        )
        explained = rows_of(
            empty,
            "SELECT sum(e.contribution) FROM explain(1, ?) AS e WHERE e.kind = ?",
            asked,
            task,
        )
        expected = pytest.approx(cart[0][0]) if cart else None
        assert explained[0][0] == expected
