"""Scores by the paper's equations, reference customers, and explanations that add up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hand_filled import (
    buy,
    empty_shop,
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
from recsql.kernels.importance import log_sum_importance


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
