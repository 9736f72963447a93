"""The user inverted index: which values of which attributes become features."""

from __future__ import annotations

import datetime as dt
import math

import pytest
from hand_filled import bind_customers, empty_shop, rows_of

from recsql.database import Session, body, fill, sql_text
from recsql.insights.features import build_user_features


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
