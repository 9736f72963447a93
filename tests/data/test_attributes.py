"""Attributes become features, and a new row the same ones as a row that was learned from."""

from __future__ import annotations

import datetime as dt
import functools
import math

import numpy as np
import pyarrow as pa
import pytest
from hand_filled import bind_customers, empty_shop
from hypothesis import given, settings
from hypothesis import strategies as st

from recsql.data.attributes import read_features
from recsql.data.features import (
    BINS,
    FEW_NUMBERS,
    MOST_VALUES,
    AttributeEncoder,
    Features,
    Values,
    learn_encoder,
)
from recsql.database import Session


def features_of(con, ids, encoder=None, source="users"):
    return read_features(Session(con.cursor()), source, pa.array(ids), encoder)


def named(features: Features) -> list[list[tuple[str, str]]]:
    """Give the names of each row's features."""
    ends = zip(features.ptr[:-1], features.ptr[1:], strict=True)
    return [[features.names[code] for code in features.feature[a:b]] for a, b in ends]


class TestReading:
    @pytest.fixture
    def shop(self):
        return empty_shop()

    def test_rows_are_in_the_order_of_the_ids_and_those_not_bound_have_none(self, shop):
        bind_customers(shop, "id BIGINT, city VARCHAR", [(1, "Rome"), (2, "Oslo"), (3, None)])
        features, _ = features_of(shop, [9, 2, 3, 1])
        assert named(features) == [[], [("city", "Oslo")], [], [("city", "Rome")]]

    def test_every_kind_of_attribute_has_its_features(self, shop):
        columns = (
            "id BIGINT, city VARCHAR, member BOOLEAN, born DATE, likes VARCHAR[], kids TINYINT"
        )
        bind_customers(
            shop,
            columns,
            [
                (1, "Rome", True, dt.date(1980, 5, 1), ["tea", "jam", "tea"], 2),
                (2, " ", None, None, [], None),
                (3, "Oslo", False, dt.date(1990, 1, 1), None, 0),
            ],
        )
        features, _ = features_of(shop, [1, 2, 3])
        assert named(features) == [
            [
                ("city", "Rome"),
                ("member", "true"),
                ("born", "1980"),
                ("likes", "jam"),
                ("likes", "tea"),
                ("kids", "2"),
            ],
            [],
            [("city", "Oslo"), ("member", "false"), ("born", "1990"), ("kids", "0")],
        ]

    def test_of_several_rows_of_a_customer_all_values_count_once(self, shop):
        bind_customers(shop, "id BIGINT, city VARCHAR", [(1, "Rome"), (1, "Oslo"), (1, "Rome")])
        assert named(features_of(shop, [1])[0]) == [[("city", "Oslo"), ("city", "Rome")]]

    def test_private_attributes_are_no_features(self, shop):
        shop.execute("CREATE TABLE person (id BIGINT, city VARCHAR, phone VARCHAR)")
        shop.execute("INSERT INTO person VALUES (1, 'Rome', '12'), (2, 'Rome', '34')")
        shop.execute("CALL recsql.bind_users('person', user_id := 'id', private := ['phone'])")
        assert named(features_of(shop, [1])[0]) == [[("city", "Rome")]]

    def test_ids_of_another_type_match_by_what_they_say(self, shop):
        bind_customers(shop, "id VARCHAR, city VARCHAR", [("07", "Rome"), ("x", "Oslo")])
        assert named(features_of(shop, [7])[0]) == [[("city", "Rome")]]

    def test_items_have_category_and_attributes_but_no_title(self, shop):
        shop.execute("CREATE TABLE good (id BIGINT, name VARCHAR, kind VARCHAR, colour VARCHAR)")
        shop.execute("INSERT INTO good VALUES (1, 'Mug', 'kitchen', 'red')")
        shop.execute(
            "CALL recsql.bind_items('good', item_id := 'id', title := 'name', category := 'kind')"
        )
        features, _ = features_of(shop, [1], source="items")
        assert named(features) == [[("category", "kitchen"), ("colour", "red")]]

    def test_without_bound_users_there_are_no_features(self, shop):
        features, encoder = features_of(shop, [1, 2])
        assert named(features) == [[], []]
        assert encoder.names == ()

    def test_an_attribute_without_any_value_has_no_features(self, shop):
        bind_customers(shop, "id BIGINT, city VARCHAR, age INTEGER", [(1, None, None)])
        features, encoder = features_of(shop, [1])
        assert named(features) == [[]]
        assert named(encoder.encode_rows([{"city": "Rome", "age": 3}])) == [[]]

    def test_an_earlier_encoder_reads_later_rows_alike(self, shop):
        bind_customers(shop, "id BIGINT, city VARCHAR", [(1, "Rome"), (2, "Oslo")])
        _, encoder = features_of(shop, [1])
        assert named(features_of(shop, [1, 2], encoder)[0]) == [[("city", "Rome")], []]

    def test_addresses_that_tell_rows_apart_are_left_out_and_said(self, shop):
        rows = [(n, f"{n}@example.org", "Rome") for n in range(100)]
        bind_customers(shop, "id BIGINT, email VARCHAR, city VARCHAR", rows)
        _, encoder = features_of(shop, list(range(100)))
        assert encoder.names == (("city", "Rome"),)
        assert "100 different values in 100 rows" in encoder.left_out["email"]


@functools.cache
def one_shop():
    return empty_shop()


def texts(values: list[str]) -> Values:
    held = np.empty(len(values), dtype=object)
    held[:] = values
    return Values(np.arange(len(values)), held)


def numbers(values: list[float]) -> Values:
    return Values(np.arange(len(values)), np.array(values, dtype=np.float64))


def test_of_too_many_values_the_most_frequent_are_kept():
    values = [f"v{n:04}" for n in range(MOST_VALUES + 9)] * 2 + ["v0260"]
    encoder = learn_encoder({"kind": ("text", texts(values))})
    assert len(encoder.names) == MOST_VALUES
    assert ("kind", "v0260") in encoder.names
    assert encoder.left_out == {"kind": "the 9 rarest of 265 values, above 256"}


def test_few_different_numbers_are_values_and_more_fall_into_bins():
    few = learn_encoder({"age": ("number", numbers([float(n) for n in range(FEW_NUMBERS)] * 2))})
    assert few.names[:2] == (("age", "0"), ("age", "1"))
    many = learn_encoder({"age": ("number", numbers([n / 2 for n in range(1, 81)]))})
    assert len(many.names) == BINS
    assert many.names[0] == ("age", "0.5 to 5")  # the first eighth of 80 numbers
    # A number beyond all that were there belongs to the last bin, one between two to the upper.
    asked = many.encode_rows([{"age": 1000}, {"age": -3}, {"age": 5.2}])
    assert asked.feature.tolist() == [7, 0, 1]


def test_a_given_value_counts_by_what_it_says():
    encoder = learn_encoder(
        {
            "City": ("text", texts(["Rome", "12", "true"])),
            "age": ("number", numbers([1.0, 2.0])),
            "born": ("date", numbers([1980.0])),
            "likes": ("list", texts(["tea", "jam"])),
        }
    )
    rows = [
        {"city": 12, "AGE": "2", "born": dt.date(1980, 3, 1), "likes": "tea"},
        {"CITY": True, "age": 1, "born": "1980-12-01", "likes": ["jam", None, "tea", "beer"]},
        {"city": 12.0, "age": math.nan, "born": dt.datetime(1981, 1, 1), "likes": []},
        {"city": "Paris", "age": "old", "born": None, "colour": "red"},
    ]
    assert named(encoder.encode_rows(rows)) == [
        [("City", "12"), ("age", "2"), ("born", "1980"), ("likes", "tea")],
        [("City", "true"), ("age", "1"), ("born", "1980"), ("likes", "jam"), ("likes", "tea")],
        [("City", "12")],
        [],
    ]


@settings(deadline=None, max_examples=25)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "city": st.sampled_from([None, "", " ", "Rome", "Oslo", "ö'x"]),
                "age": st.one_of(st.none(), st.integers(-3, 90)),
                "spent": st.one_of(st.none(), st.floats(allow_nan=True, width=32)),
                "member": st.sampled_from([None, True, False]),
                "likes": st.one_of(st.none(), st.lists(st.sampled_from(["a", "b", ""]))),
            }
        ),
        min_size=1,
        max_size=40,
    )
)
def test_a_row_given_at_the_call_is_coded_as_the_same_row_was_in_training(rows):
    names = ("city", "age", "spent", "member", "likes")
    columns = "id BIGINT, city VARCHAR, age INTEGER, spent FLOAT, member BOOLEAN, likes VARCHAR[]"
    table = [(n, *(row[name] for name in names)) for n, row in enumerate(rows)]
    bind_customers(one_shop(), columns, table)
    learned, encoder = features_of(one_shop(), list(range(len(rows))))
    kept = AttributeEncoder.of_arrays(encoder.arrays())
    assert kept == encoder
    asked = kept.encode_rows(rows)
    assert np.array_equal(asked.ptr, learned.ptr)
    assert np.array_equal(asked.feature, learned.feature)
    assert asked.names == learned.names


def test_rows_of_features_are_given_in_the_order_asked_for():
    names = (("a", "x"), ("a", "y"), ("b", "z"))
    features = Features(np.array([0, 2, 2, 3]), np.array([0, 2, 1], dtype=np.int32), names)
    chosen = features.of_rows(np.array([2, 1, 0]))
    assert chosen.ptr.tolist() == [0, 1, 1, 3]
    assert chosen.feature.tolist() == [1, 0, 2]
    assert features.attribute.tolist() == [0, 0, 1]
    assert features.row.tolist() == [0, 0, 2]
