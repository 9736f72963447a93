"""The plain SQL definitions against sums by hand, brute force, and the kernels they define."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hand_filled import buy, empty_shop, insert, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_sql import reference_rows, reference_sql

import recsql
from recsql.data.snapshot import read_snapshot
from recsql.database import Session, sql_names
from recsql.headers import read_header
from recsql.kernels.decay import epoch_day
from recsql.kernels.trend import softmax, trend
from recsql.models.copurchase import BasketCopurchase, UserCopurchase
from recsql.selection.answers import make_purchases

DEFINITIONS = ("basket_copurchase", "ema_trend", "popularity", "user_copurchase")
PARTS = ("baskets", "neighbours", "purchases")
DAY = dt.timedelta(days=1)
START = dt.datetime(2020, 1, 1, 12)


def define(con, name, **parameters):
    return reference_rows(Session(con.cursor()), name, **parameters)


def scores(con, name, item, **parameters):
    """Give {other item: (score, support)} of one item."""
    rows = define(con, name, **parameters)
    return {row[2]: (row[3], row[4]) for row in rows if row[0] == item}


def shop_of(*purchases, **arguments):
    con = empty_shop(**arguments)
    buy(con, *purchases)
    return con


def bind_products(con, *rows):
    con.execute("CREATE OR REPLACE TABLE products (id VARCHAR, offered BOOLEAN)")
    insert(con, "products", [{"id": item, "offered": offered} for item, offered in rows])
    recsql.bind_items(con, "products", item_id="id", available="offered")


def bind_without_baskets(con):
    recsql.bind_interactions(
        con, "orders", user_id="customer", item_id="sku", ts="at_time", quantity="quantity"
    )


def test_every_file_of_the_room_is_a_definition_or_a_part():
    assert sql_names("reference") == tuple(sorted(DEFINITIONS + PARTS))


@pytest.mark.parametrize("name", DEFINITIONS + PARTS)
def test_every_definition_opens_with_a_header(name):
    header = read_header("reference", name)
    assert (header.name, header.kind) == (name, "TABLE")
    assert header.summary
    assert header.returns
    named = [part.strip().lstrip("$") for part in header.signature.split(",") if part.strip()]
    assert [argument.name for argument in header.arguments] == named


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_definition_returns_the_columns_of_its_header(name):
    con = shop_of((1, "a", START), (1, "b", START))
    parameters = {"days": None} if name == "popularity" else {}
    parameters = {"half_life_days": 7, "window_days": 9} if name == "ema_trend" else parameters
    session = Session(con.cursor())
    define(con, name, **parameters)
    text = reference_sql(session, name)
    for argument in read_header("reference", name).arguments:
        text = text.replace(f"${argument.name}", "'cosine'" if argument.type == "VARCHAR" else "1")
    described = [(row[0], row[1]) for row in rows_of(con, f"DESCRIBE {text}")]
    expected = [
        (column.name, {"ITEM": "VARCHAR"}.get(column.type, column.type))
        for column in read_header("reference", name).returns
    ]
    assert described == expected


class TestWeightings:
    @pytest.fixture
    def shop(self):
        """Give 5 customers: a is bought by 4, b by 3, both by 2."""
        return shop_of(
            (1, "a"), (1, "b"), (2, "a"), (2, "b"), (3, "a"), (4, "a"), (5, "b")
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("weighting", "expected"),
        [
            ("count", 2.0),
            ("cosine", 2 / math.sqrt(4 * 3)),
            ("jaccard", 2 / (4 + 3 - 2)),
            ("lift", 2 * 5 / (4 * 3)),
            ("confidence", 2 / 4),
        ],
    )
    def test_the_score_of_b_for_a(self, shop, weighting, expected):
        assert scores(shop, "user_copurchase", "a", weighting=weighting) == {"b": (expected, 2)}

    def test_confidence_divides_by_the_item_asked_for(self, shop):
        assert scores(shop, "user_copurchase", "b", weighting="confidence") == {"a": (2 / 3, 2)}

    def test_a_pair_below_the_support_floor_is_left_out(self, shop):
        assert define(shop, "user_copurchase", min_support=2)
        assert define(shop, "user_copurchase", min_support=3) == []


def test_a_repeated_purchase_counts_once():
    con = shop_of((1, "a"), (1, "a"), (1, "b"), (1, "b"))
    assert scores(con, "user_copurchase", "a", weighting="count") == {"b": (1.0, 1)}


def test_only_k_neighbours_are_given_and_ties_go_to_the_smaller_id():
    con = shop_of((1, "a"), (1, "d"), (1, "c"), (1, "b"))
    rows = [row for row in define(con, "user_copurchase", k=2) if row[0] == "a"]
    assert rows == [("a", 1, "b", 1.0, 1), ("a", 2, "c", 1.0, 1)]


def test_an_item_that_is_not_available_is_never_a_neighbour_but_counts_as_history():
    con = shop_of((1, "a"), (1, "b"), (1, "c"), (2, "b"))
    bind_products(con, ("b", False), ("c", None), ("c", False))
    assert scores(con, "user_copurchase", "a", weighting="count") == {"c": (1.0, 1)}
    assert set(scores(con, "user_copurchase", "b", weighting="count")) == {"a", "c"}


def test_returns_missing_items_and_worthless_events_are_no_purchases():
    con = shop_of(
        (1, "a"),
        (1, "b", None, None, -1.0),
        (1, "c", None, None, 0.0),
        (1, None),
        (1, "d", None, None, 1.0, "view"),
        (1, "e", None, None, 1.0, "odd"),
    )
    insert(con, "recsql.event_weights", [{"event": "view", "weight": -1}])
    assert set(scores(con, "user_copurchase", "a")) == {"e"}


def test_purchases_after_the_present_do_not_count():
    con = shop_of(
        (1, "a", START), (1, "b", START + DAY), (1, "c"), (1, "d", dt.datetime(2999, 1, 1))
    )
    assert set(scores(con, "user_copurchase", "a")) == {"b", "c"}
    rows_of(con, "UPDATE recsql.settings SET value = '2020-01-01 13:00' WHERE name = 'now'")
    assert set(scores(con, "user_copurchase", "a")) == {"c"}


def test_an_integer_time_only_orders():
    con = shop_of((1, "a", 5), (1, "b", 7), (1, "c", 9), time_type="INTEGER")
    assert set(scores(con, "user_copurchase", "a")) == {"b", "c"}
    rows_of(con, "UPDATE recsql.settings SET value = '7' WHERE name = 'now'")
    assert set(scores(con, "user_copurchase", "a")) == {"b"}
    newest = define(con, "user_copurchase", max_group_items=1)
    assert newest == []


def test_of_a_large_group_the_newest_items_count_and_then_the_smaller_ids():
    con = shop_of((1, "z", START + DAY, "2"), *((1, item, START, "1") for item in "dcba"))
    assert set(scores(con, "user_copurchase", "z", max_group_items=3)) == {"a", "b"}
    assert set(scores(con, "user_copurchase", "c", max_group_items=3)) == set()


def test_an_item_counts_as_new_as_its_latest_basket():
    old, new = (1, "a", START, "1"), (1, "a", START + 5 * DAY, "3")
    con = shop_of(old, (1, "b", START + DAY, "2"), (1, "c", START + 2 * DAY, "4"), new)
    assert set(scores(con, "user_copurchase", "a", max_group_items=2)) == {"c"}


class TestHalfLife:
    def test_a_pair_one_half_life_old_counts_half(self):
        con = shop_of(
            (1, "a", START), (1, "b", START), (2, "a", START + 30 * DAY), (2, "b", START + 30 * DAY)
        )
        today = (START + 30 * DAY - dt.datetime(1970, 1, 1)).days
        aged = {"weighting": "count", "half_life_days": 30.0, "epoch_day": today}
        # Entries weigh 2^20 * 2^(-1/2), rounded, and 2^20: pairs weigh 1/2 (nearly) and 1.
        half = (round(2**20 / math.sqrt(2)) / 2**20) ** 2
        assert scores(con, "user_copurchase", "a", **aged) == {"b": (half + 1, 2)}
        assert half == pytest.approx(1 / 2, abs=1e-6)

    def test_a_count_does_not_depend_on_the_day_that_ages_count_to(self):
        con = shop_of((1, "a", START), (1, "b", START), (2, "c", START + 30 * DAY))
        today = (START + 30 * DAY - dt.datetime(1970, 1, 1)).days
        for day in (today, today + 100):
            aged = {"weighting": "count", "half_life_days": 30.0, "epoch_day": day}
            score, support = scores(con, "user_copurchase", "a", **aged)["b"]
            assert (score, support) == (pytest.approx(0.5, abs=1e-5), 1)

    def test_an_entry_of_exactly_half_a_unit_weighs_nothing(self):
        # 2^20 * 2^(-42 / 2) = 1/2, and a day later 2^(-1/2) = 0.707 is rounded to 1.
        con = shop_of((1, "a", START), (1, "b", START))
        day = (START - dt.datetime(1970, 1, 1)).days
        for age, rows in ((42, 0), (41, 2)):
            aged = {"half_life_days": 1.0, "epoch_day": day + age}
            assert len(define(con, "user_copurchase", **aged)) == rows

    @pytest.mark.parametrize("weighting", ["cosine", "jaccard", "lift", "confidence"])
    def test_without_a_difference_in_age_only_the_scale_of_counts_changes(self, weighting):
        con = shop_of(*((user, item, START) for user in range(4) for item in "ab"), (9, "a", START))
        today = (START - dt.datetime(1970, 1, 1)).days
        plain = scores(con, "user_copurchase", "a", weighting=weighting)
        aged = scores(
            con, "user_copurchase", "a", weighting=weighting, half_life_days=7.0, epoch_day=today
        )
        assert aged["b"][0] == pytest.approx(plain["b"][0], rel=1e-12)
        assert aged["b"][1] == plain["b"][1] == 4

    def test_a_pair_too_old_to_weigh_anything_is_left_out(self):
        con = shop_of((1, "a", START), (1, "b", START))
        day = (START - dt.datetime(1970, 1, 1)).days + 10_000
        assert define(con, "user_copurchase", half_life_days=7.0, epoch_day=day) == []


class TestBaskets:
    def test_a_basket_is_an_invoice_of_one_customer(self):
        con = shop_of((1, "a", START, "i"), (1, "b", START + 9 * DAY, "i"), (2, "c", START, "i"))
        assert set(scores(con, "basket_copurchase", "a")) == {"b"}

    def test_a_basket_of_nobody_counts(self):
        con = shop_of((None, "a", START, "i"), (None, "b", START, "i"), (None, "c", START))
        assert scores(con, "basket_copurchase", "a", weighting="lift") == {"b": (1.0, 1)}
        assert define(con, "user_copurchase") == []

    def test_a_purchase_without_invoice_is_a_basket_of_its_own(self):
        # Lift of the pair: 1 basket of both, 3 baskets: 1 * 3 / (1 * 1).
        con = shop_of((1, "a", START, "i"), (1, "b", START, "i"), (1, "c", START), (1, "d", START))
        assert scores(con, "basket_copurchase", "a", weighting="lift") == {"b": (3.0, 1)}

    @pytest.mark.parametrize(("hours", "together"), [(23.9, {"b"}), (24.0, set())])
    def test_without_invoices_a_window_of_24_hours_is_a_basket(self, hours, together):
        con = shop_of((1, "a", START), (1, "b", START + dt.timedelta(hours=hours)), (2, "c", START))
        bind_without_baskets(con)
        assert set(scores(con, "basket_copurchase", "a")) == together

    def test_the_next_window_opens_with_the_first_purchase_after_the_last(self):
        # Windows of a, b | c, d: c is 25 hours after a, d 23 hours after c.
        hours = {"a": 0, "b": 20, "c": 25, "d": 48}
        con = shop_of(*((1, item, START + dt.timedelta(hours=h)) for item, h in hours.items()))
        bind_without_baskets(con)
        assert set(scores(con, "basket_copurchase", "b")) == {"a"}
        assert set(scores(con, "basket_copurchase", "c")) == {"d"}

    def test_the_length_of_the_window_is_a_setting(self):
        con = shop_of((1, "a", START), (1, "b", START + dt.timedelta(hours=3)))
        bind_without_baskets(con)
        rows_of(con, "UPDATE recsql.settings SET value = '2' WHERE name = 'basket_hours'")
        assert define(con, "basket_copurchase") == []

    def test_undated_and_anonymous_purchases_have_no_window(self):
        con = shop_of((1, "a"), (1, "b"), (None, "c", START), (None, "d", START))
        bind_without_baskets(con)
        assert define(con, "basket_copurchase") == []


@settings(max_examples=25, deadline=None)
@given(
    purchases=st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(1, 4)),
            st.sampled_from("abcde"),
            st.sampled_from([None, "i", "j"]),
        ),
        max_size=25,
    ),
    weighting=st.sampled_from(["count", "cosine", "jaccard", "lift", "confidence"]),
    name=st.sampled_from(["user_copurchase", "basket_copurchase"]),
)
def test_co_purchases_equal_brute_force(purchases, weighting, name):
    con = empty_shop(time_type=None)
    buy(con, *((user, item, None, invoice) for user, item, invoice in purchases))
    groups = {}
    for place, (user, item, invoice) in enumerate(purchases):
        if name == "user_copurchase":
            key = user
        elif user is None and invoice is None:
            key = None
        else:
            key = (user, invoice, place if invoice is None else None)
        if key is not None:
            groups.setdefault(key, set()).add(item)
    one = Counter(item for group in groups.values() for item in group)
    both = Counter(pair for group in groups.values() for pair in permutations(group, 2))
    expected = {}
    for (i, j), n_ij in both.items():
        expected[i, j] = (
            {
                "count": float(n_ij),
                "cosine": n_ij / math.sqrt(one[i] * one[j]),
                "jaccard": n_ij / (one[i] + one[j] - n_ij),
                "lift": n_ij * len(groups) / (one[i] * one[j]),
                "confidence": n_ij / one[i],
            }[weighting],
            n_ij,
        )
    rows = define(con, name, weighting=weighting)
    assert {(row[0], row[2]): row[3:] for row in rows} == expected
    order = [(row[0], -row[3], row[2]) for row in rows]
    assert order == sorted(order)


class TestPopularity:
    @pytest.fixture
    def shop(self):
        con = shop_of(
            (1, "a", START, "1"),
            (1, "a", START - 6 * DAY, "2", 9.0),
            (1, "b", START - 7 * DAY, "3"),
            (1, "b", START, "3", 1.0, "view"),
            (1, "c"),
            (1, "d", START),
        )
        insert(con, "recsql.event_weights", [{"event": "view", "weight": 0.25}])
        bind_products(con, ("d", False))
        return con

    def test_whole_days_end_with_today(self, shop):
        # Seven days: a today and six days ago; b only with a view, which weighs 1/4.
        assert define(shop, "popularity", days=7) == [(1, "a", 2.0, 2), (2, "b", 0.25, 1)]

    def test_all_time_counts_undated_purchases(self, shop):
        got = define(shop, "popularity", days=None)
        assert got == [(1, "a", 2.0, 2), (2, "b", 1.25, 2), (3, "c", 1.0, 1)]


class TestTrend:
    def test_the_definition_by_hand(self):
        # Half-life 1 day, window 2 days: a sold 4 today, e = 0, 2, z = 1; b 4 yesterday, e = 2, 1,
        # z = -1. Softmax: e and 1/e over their sum.
        yesterday = START - DAY
        con = shop_of(*[(1, "a", START)] * 4, *[(1, "b", yesterday)] * 4, (1, "c", yesterday))
        bind_products(con, ("c", False))
        total = math.e + 1 / math.e
        got = define(con, "ema_trend", half_life_days=1.0, window_days=2)
        assert got == [
            ("a", pytest.approx(1), pytest.approx(math.e / total), pytest.approx(2), 1),
            ("b", pytest.approx(-1), pytest.approx(1 / math.e / total), pytest.approx(1), 2),
            ("c", pytest.approx(-1), None, pytest.approx(0.25), None),
        ]

    @settings(max_examples=25, deadline=None)
    @given(
        sales=st.lists(
            st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.integers(1, 5)),
            min_size=1,
            max_size=20,
        ),
        half_life_days=st.floats(0.5, 30),
        window_days=st.integers(1, 40),
    )
    def test_the_kernel_equals_it(self, sales, half_life_days, window_days):
        con = shop_of(
            *((1, item, START - days * DAY) for item, days, count in sales for _ in range(count))
        )
        rows = define(con, "ema_trend", half_life_days=half_life_days, window_days=window_days)
        items = sorted({item for item, _, _ in sales})
        z, acceleration = trend(
            np.array([items.index(item) for item, _, _ in sales], dtype=np.int32),
            np.array([-days for _, days, _ in sales], dtype=np.int64),
            np.array([count for _, _, count in sales], dtype=np.int64),
            len(items),
            -min(days for _, days, _ in sales),
            half_life_days,
            window_days,
        )
        assert [row[0] for row in rows] == items
        np.testing.assert_allclose([row[1] for row in rows], z, atol=1e-6)
        np.testing.assert_allclose([row[2] for row in rows], softmax(z), atol=1e-6)
        np.testing.assert_allclose([row[3] for row in rows], acceleration, atol=1e-9)

    def test_without_real_time_there_are_no_trends(self):
        con = shop_of((1, "a", 5), time_type="INTEGER")
        assert define(con, "ema_trend", half_life_days=7.0, window_days=90) == []


class TestTheEngine:
    """What training stores, and the kernels compute, is what the definitions say."""

    @pytest.mark.parametrize("task", ["bundle", "related"])
    def test_stored_neighbours_equal_the_definition(self, shop_con, task):
        shop_con.execute("CALL recsql.train(task := ?)", [task]).fetchall()
        algorithm, params, today = rows_of(
            shop_con,
            "SELECT m.algorithm, m.params::VARCHAR, t.today FROM recsql.models AS m, recsql.totals "
            "AS t WHERE m.task = ? AND m.status = 'incumbent'",
            task,
        )[0]
        options = json.loads(params)
        half_life_days = options.get("half_life_days")
        epoch = None if half_life_days is None else epoch_day(today, half_life_days)
        expected = define(shop_con, algorithm, **options, epoch_day=epoch)
        stored = rows_of(
            shop_con,
            "SELECT t.item_id, t.rank, t.other_item_id, t.score, t.support "
            "FROM recsql.top_items AS t WHERE t.task = ? ORDER BY 1, 2",
            task,
        )
        assert stored == expected
        assert stored

    @settings(max_examples=20, deadline=None)
    @given(
        purchases=st.lists(
            st.tuples(
                st.one_of(st.none(), st.integers(1, 4)),
                st.sampled_from("abcdefg"),
                st.one_of(st.none(), st.integers(0, 200)),
                st.sampled_from([None, "i", "j"]),
            ),
            min_size=1,
            max_size=30,
        ),
        weighting=st.sampled_from(["count", "cosine", "jaccard", "lift", "confidence"]),
        half_life_days=st.sampled_from([None, 2.0, 30.0]),
        size_power=st.sampled_from([0.0, 0.5, 1.0]),
        cap=st.integers(2, 5),
        bound=st.booleans(),
        model=st.sampled_from([UserCopurchase, BasketCopurchase]),
    )
    def test_models_equal_the_definitions(
        self, purchases, weighting, half_life_days, size_power, cap, bound, model
    ):
        con = shop_of(
            *(
                (user, item, None if hours is None else START + dt.timedelta(hours=hours), invoice)
                for user, item, hours, invoice in purchases
            )
        )
        if not bound:
            bind_without_baskets(con)
        setting = "UPDATE recsql.settings SET value = ? WHERE name = 'max_group_items'"
        rows_of(con, setting, str(cap))
        session = Session(con.cursor())
        snapshot = read_snapshot(session)
        today = snapshot.reader.today
        half_life_days = half_life_days if today is not None else None
        options = {
            "weighting": weighting,
            "min_support": 1,
            "half_life_days": half_life_days,
            "size_power": size_power,
        }
        found = model(**options).fit(make_purchases(session, snapshot)).rank(50, None)
        ids = snapshot.item_ids.to_pylist()
        ranked = [
            (ids[i], k + 1, ids[found.item[i, k]], found.score[i, k], found.support[i, k])
            for i in range(len(ids))
            for k in range(found.n_found[i])
        ]
        epoch = None if half_life_days is None else epoch_day(today, half_life_days)
        expected = define(con, model.name, **options, epoch_day=epoch, max_group_items=cap)
        assert ranked == expected
