"""What the functions over stored answers give: carts, popular and trending items."""

from __future__ import annotations

import json

import duckdb
import pytest
from hand_filled import (
    ALL_TASKS,
    empty_shop,
    insert,
    promote,
    rows_of,
    set_totals,
    store_item,
    store_neighbours,
)

from recsql.database import Session
from recsql.functions import write_macros


@pytest.fixture
def shop():
    """Give a database with neighbours of the items a and b and scores of four items."""
    con = empty_shop()
    neighbours = [("a", "b", 0.9, 9), ("a", "c", 0.5, 5), ("a", "d", 0.1, 1)]
    neighbours += [("b", "a", 0.9, 9), ("b", "c", 0.3, 3)]
    store_neighbours(con, "bundle", neighbours)
    store_neighbours(con, "related", [("a", "d", 0.8, 4), ("d", "a", 0.8, 4)])
    for rank, item in enumerate("abcd", start=1):
        store_item(con, item, trend_z=4.0 - rank, trend_score=0.5**rank, trend_rank=rank)
    promote(con, *ALL_TASKS)
    return con


class TestCart:
    def test_the_score_is_the_mean_over_the_items_that_have_neighbours(self, shop):
        # c: 0.5 from a and 0.3 from b, over two items; d: 0.1 from a.
        got = rows_of(shop, "FROM recommend_cart(['a', 'b'])")
        assert got == [
            (1, "c", pytest.approx(0.4), 8, "model_of_bundle"),
            (2, "d", pytest.approx(0.05), 1, "model_of_bundle"),
        ]

    @pytest.mark.parametrize("cart", [["a", "b", "a"], ["b", "a", "?", None], ["a", "b", "c"][:2]])
    def test_repeated_unknown_and_null_items_change_nothing(self, shop, cart):
        expected = rows_of(shop, "FROM recommend_cart(['a', 'b'])")
        assert rows_of(shop, "FROM recommend_cart(?)", cart) == expected

    def test_an_item_of_the_cart_is_never_recommended(self, shop):
        got = rows_of(shop, "SELECT r.item_id FROM recommend_cart(['a', 'c']) AS r")
        assert got == [("b",), ("d",)]

    def test_a_cart_of_one_item_scores_like_that_item(self, shop):
        cart = rows_of(shop, "FROM recommend_cart(['a'], k := 2)")
        assert cart == rows_of(shop, "FROM recommend_bundle('a', k := 2)")
        cart = rows_of(shop, "FROM recommend_cart(['a'], task := 'related')")
        assert cart == rows_of(shop, "FROM recommend_related('a')")

    def test_ties_go_to_the_smaller_id(self, shop):
        store_neighbours(shop, "bundle", [("e", "z", 0.2, 1), ("e", "y", 0.2, 1)])
        got = rows_of(shop, "SELECT r.rank, r.item_id FROM recommend_cart(['e']) AS r")
        assert got == [(1, "y"), (2, "z")]

    @pytest.mark.parametrize("cart", ["[]", "NULL", "['?']", "[NULL]"])
    def test_a_cart_without_known_items_gives_no_rows(self, shop, cart):
        assert rows_of(shop, f"FROM recommend_cart({cart})") == []

    @pytest.mark.parametrize(("task", "shown"), [("'next'", "'next'"), ("NULL", "NULL")])
    def test_another_task_is_refused_with_both_names(self, shop, task, shown):
        expected = f"task must be 'bundle' or 'related', got {shown}"
        with pytest.raises(duckdb.InvalidInputException, match=expected):
            rows_of(shop, f"FROM recommend_cart(['a'], task := {task})")

    @pytest.mark.parametrize(("trained", "other"), [("bundle", "related"), ("related", "bundle")])
    def test_one_trained_task_is_enough_for_itself(self, trained, other):
        con = empty_shop()
        store_neighbours(con, trained, [("a", "b", 1.0, 1)])
        promote(con, trained)
        got = rows_of(con, f"SELECT r.item_id FROM recommend_cart(['a'], task := '{trained}') AS r")
        assert got == [("b",)]
        with pytest.raises(
            duckdb.InvalidInputException, match=f"task {other} must be trained first"
        ):
            rows_of(con, f"FROM recommend_cart(['a'], task := '{other}')")

    def test_a_cart_of_a_thousand_items_is_summed_the_same_every_time(self, shop):
        carts = [f"i{n}" for n in range(1000)]
        rows_of(
            shop,
            "INSERT INTO recsql.top_items SELECT 'bundle', 'i' || n, 1, 'best', 1 / (n + 3), 1 "
            "FROM range(1000) AS r(n)",
        )
        answers = {rows_of(shop, "FROM recommend_cart(?)", carts)[0] for _ in range(5)}
        assert len(answers) == 1


class TestPopular:
    @pytest.fixture
    def days(self, shop):
        """Give a shop on day 100; item c has only undated sales, d is not available."""
        sales = [(100, "a", 2, 2.0), (99, "b", 3, 0.5), (71, "b", 1, 9.0), (70, "a", 5, 50.0)]
        sales += [(None, "c", 7, 7.0), (100, "d", 99, 99.0), (101, "a", 1, 1000.0)]
        for day, item, transactions, strength in sales:
            row = {"day": day, "item_id": item, "transactions": transactions, "strength": strength}
            insert(shop, "recsql.item_days", [row])
        rows_of(shop, "UPDATE recsql.item_scores SET available = false WHERE item_id = 'd'")
        set_totals(shop, today=100)
        return shop

    def test_thirty_days_end_with_the_present_day(self, days):
        # Days 71 to 100: b has 0.5 + 9, a has 2; day 70 and the future do not count.
        assert rows_of(days, "FROM popular()") == [(1, "b", 9.5, 4), (2, "a", 2.0, 2)]

    def test_one_day_is_the_present_day(self, days):
        assert rows_of(days, "FROM popular(days := 1)") == [(1, "a", 2.0, 2)]

    def test_all_time_counts_undated_rows_too(self, days):
        got = rows_of(days, "FROM popular(days := NULL)")
        assert got == [(1, "a", 1052.0, 8), (2, "b", 9.5, 4), (3, "c", 7.0, 7)]

    def test_only_k_rows_are_given(self, days):
        assert rows_of(days, "FROM popular(1, 30)") == [(1, "b", 9.5, 4)]

    def test_ties_go_to_the_smaller_id(self, days):
        row = {"day": 99, "item_id": "a", "transactions": 1, "strength": 7.5}
        insert(days, "recsql.item_days", [row])
        assert [row[1] for row in rows_of(days, "FROM popular()")] == ["a", "b"]

    @pytest.mark.parametrize("bad", [0, -1])
    def test_days_below_one_are_an_error(self, days, bad):
        with pytest.raises(
            duckdb.InvalidInputException, match=f"days must be at least 1, got {bad}"
        ):
            rows_of(days, f"FROM popular(days := {bad})")

    def test_with_a_half_life_older_events_count_less(self, days):
        # One day: a 2 today, 50 of 30 days ago; b .5 of yesterday, 9 of 29 days ago.
        old = 50 * 0.5**30, 9 * 0.5**29
        assert rows_of(days, "FROM popular(days := NULL, half_life_days := 1)") == [
            (1, "a", pytest.approx(2 + old[0], rel=1e-15), 7),
            (2, "b", pytest.approx(0.25 + old[1], rel=1e-15), 4),
        ]
        # In the last 30 days only.
        got = rows_of(days, "SELECT p.item_id, p.score FROM popular(2, 30, 1) AS p")
        assert got == [("a", 2.0), ("b", pytest.approx(0.25 + old[1], rel=1e-15))]

    def test_what_is_left_out_is_what_training_chose(self, days):
        one_day = {"days": 1, "half_life_days": None}
        for chosen in (one_day, {"days": None, "half_life_days": 5.0}):
            rows_of(
                days,
                "UPDATE recsql.models SET algorithm = 'popularity', params = ? "
                "WHERE task = 'popular'",
                json.dumps(chosen),
            )
            write_macros(Session(days.cursor()))
            asked = ", ".join(f"{name} := {value or 'NULL'}" for name, value in chosen.items())
            expected = rows_of(days, f"FROM popular({asked})")
            assert rows_of(days, "FROM popular()") == expected
            assert rows_of(days, "FROM popular(days := 30, half_life_days := NULL)") != expected

    @pytest.mark.parametrize("bad", [0, -1.5, "'nan'::DOUBLE"])
    def test_a_half_life_that_is_none_is_an_error(self, days, bad):
        with pytest.raises(
            duckdb.InvalidInputException, match="half_life_days must be above 0, got "
        ):
            rows_of(days, f"FROM popular(half_life_days := {bad})")

    def test_the_exposure_of_a_day_adds_up_to_one(self, days):
        got = rows_of(
            days,
            "SELECT e.item_id, e.rate FROM recsql.item_exposure AS e "
            "WHERE e.day = DATE '1970-01-01' + 100 ORDER BY 1",
        )
        assert got == [("a", 2 / 101), ("d", 99 / 101)]

    @pytest.mark.parametrize("time_type", [None, "INTEGER"])
    def test_without_real_time_everything_counts_and_days_are_refused(self, time_type):
        con = empty_shop(time_type=time_type)
        store_item(con, "a")
        row = {"day": None, "item_id": "a", "transactions": 4, "strength": 4}
        insert(con, "recsql.item_days", [row])
        promote(con, "popular")
        assert rows_of(con, "FROM popular()") == [(1, "a", 4.0, 4)]
        with pytest.raises(duckdb.InvalidInputException, match="have no real time, got 30"):
            rows_of(con, "FROM popular(days := 30)")
        with pytest.raises(duckdb.InvalidInputException, match="have no real time, got 7"):
            rows_of(con, "FROM popular(half_life_days := 7)")


def test_trending_is_in_order_of_rank_whatever_the_order_of_the_table(shop):
    rows_of(shop, "UPDATE recsql.item_scores SET trend_rank = 5 - trend_rank")
    store_item(shop, "e", trend_z=99.0, trend_score=None, trend_rank=None)
    assert rows_of(shop, "FROM trending(k := 2)") == [
        (1, "d", 0.0625, 0.0, None),
        (2, "c", 0.125, 1.0, None),
    ]
