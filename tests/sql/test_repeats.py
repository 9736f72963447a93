"""When customers buy again: from SQL, live, for one customer and for everyone."""

from __future__ import annotations

import datetime
from typing import Any

import duckdb
import pytest

import recsql

Con = duckdb.DuckDBPyConnection
DAY = datetime.timedelta(days=1)


def rows(con: Con, sql: str) -> list[tuple[Any, ...]]:
    return con.cursor().execute(sql).fetchall()


@pytest.fixture(scope="module")
def trained_once() -> Con:
    """Give a shop where customer c buys item c % 5 every 10 + c % 5 days, and item 9 once."""
    con = recsql.connect()
    con.execute(
        "CREATE TABLE orders AS SELECT c.c AS customer, 'i' || (c.c % 5) AS sku, "
        "TIMESTAMP '2024-01-01 09:00' + to_days((n.n * (10 + c.c % 5))::INTEGER) AS ordered_at, "
        "2 AS qty FROM range(60) AS c(c), range(20) AS n(n) WHERE n.n * (10 + c.c % 5) < 180 "
        "UNION ALL SELECT c.c, 'i9', TIMESTAMP '2024-03-01', 1 FROM range(60) AS c(c)"
    )
    recsql.bind_interactions(
        con, "orders", user_id="customer", item_id="sku", ts="ordered_at", quantity="qty"
    )
    recsql.train(con, task="repeat")
    return con


@pytest.fixture
def con(trained_once: Con) -> Any:
    """Give the trained shop; its rows are put back afterwards."""
    trained_once.execute("CREATE OR REPLACE TABLE kept AS FROM orders")
    yield trained_once
    trained_once.execute("DELETE FROM orders")
    trained_once.execute("INSERT INTO orders FROM kept")


def test_the_model_beats_the_constant_and_serves(con: Con) -> None:
    error = dict(
        rows(
            con,
            "SELECT l.algorithm, l.value FROM recsql.leaderboard AS l "
            "WHERE l.task = 'repeat' AND l.metric = 'interval_mae' AND l.part = 'test'",
        )
    )
    assert error["recurrence"] < error["constant_interval"]
    serving = rows(con, "SELECT m.algorithm FROM recsql.models AS m WHERE m.status = 'incumbent'")
    assert serving == [("recurrence",)]


def test_a_regular_customer_is_due_one_interval_after_the_last_purchase(con: Con) -> None:
    (first, *_) = rows(con, "SELECT * FROM recommend_repeat(2, k := 5)")
    rank, item, due, low, high, probability, last, times, quantity = first
    assert (rank, item, times, quantity) == (1, "i2", 15, 2.0)
    assert abs((due - last).days - 12) <= 1
    assert low <= due <= high
    assert probability > 0.5


def test_every_way_of_calling_gives_the_same(con: Con) -> None:
    con.execute("CREATE OR REPLACE TABLE people AS SELECT unnest([1, 2, 3]) AS user_id")
    single = {user: rows(con, f"FROM recommend_repeat({user}, k := 2)") for user in (1, 2, 3)}
    for argument in ("p.user_id", "user_id"):
        bulk = rows(
            con,
            f"SELECT p.user_id, r.* FROM people AS p, recommend_repeat({argument}, k := 2) AS r "
            "ORDER BY p.user_id, r.rank",
        )
        assert bulk == [(user, *row) for user, found in single.items() for row in found]
    con.execute("PREPARE q AS FROM recommend_repeat(?, k := 2)")
    assert con.execute("EXECUTE q(2)").fetchall() == single[2]


def test_a_purchase_counts_at_the_next_call_and_only_from_its_day_on(con: Con) -> None:
    (before, *_) = rows(con, "SELECT * FROM recommend_repeat(2)")
    bought = before[2]  # when it was due
    con.execute("INSERT INTO orders VALUES (2, 'i2', ?::TIMESTAMP, 4)", [bought])
    (after, *_) = rows(con, "SELECT * FROM recommend_repeat(2)")
    assert after[6] == bought
    assert after[2] > before[2]
    assert after[7] == before[7] + 1
    (then, *_) = rows(con, f"SELECT * FROM recommend_repeat(2, on_date := DATE '{bought - DAY}')")
    assert then[6:8] == before[6:8]


def test_due_lists_what_recommend_repeat_says_of_everyone(con: Con) -> None:
    window = "DATE '2024-06-28' AND DATE '2024-07-04'"
    bounds = window.replace(" AND ", ", ")
    found = rows(con, f"SELECT * EXCLUDE (rank) FROM due({bounds}, min_probability := 0)")
    asked = rows(
        con,
        "SELECT c.customer, r.* EXCLUDE (rank) FROM (SELECT DISTINCT o.customer FROM orders AS o) "
        f"AS c, recommend_repeat(c.customer, k := 100) AS r WHERE r.due_on BETWEEN {window}",
    )
    assert len(found) > 5
    assert sorted(found) == sorted(asked)
    assert [row[2] for row in found] == sorted(row[2] for row in found)
    likely = rows(con, f"SELECT * EXCLUDE (rank) FROM due({bounds}, min_probability := 0.5)")
    assert likely == [row for row in found if row[5] >= 0.5]


def test_an_item_that_is_not_available_is_not_due(con: Con) -> None:
    con.execute("CREATE OR REPLACE TABLE products AS SELECT 'i2' AS sku, false AS for_sale")
    recsql.bind_items(con, "products", item_id="sku", available="for_sale")
    assert all(row[0] != "i2" for row in rows(con, "SELECT item_id FROM recommend_repeat(2)"))
    con.execute("UPDATE products SET for_sale = true")
    assert rows(con, "SELECT item_id FROM recommend_repeat(2)")[0] == ("i2",)


def test_who_never_bought_anything_has_no_rows(con: Con) -> None:
    for user in ("4711", "NULL", "'nobody'"):
        assert rows(con, f"FROM recommend_repeat({user})") == []


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("recommend_repeat(1, k := 0)", "k must be at least 1, got 0"),
        ("recommend_repeat(1, k := NULL)", "k must be at least 1, got NULL"),
        ("due(NULL, DATE '2024-01-01')", "must be dates, got NULL"),
        ("due(DATE '2024-02-01', DATE '2024-01-01')", "must not be after to_date"),
        ("due(DATE '2024-01-01', DATE '2024-02-01', min_probability := 2)", "from 0 to 1, got 2"),
    ],
)
def test_bad_arguments_are_refused(con: Con, call: str, sentence: str) -> None:
    with pytest.raises(duckdb.Error, match=sentence):
        rows(con, f"FROM {call}")


def test_where_nobody_bought_twice_every_model_fails_with_the_reason() -> None:
    con = recsql.connect()
    con.execute(
        "CREATE TABLE orders AS SELECT c AS customer, 'i' || (c % 3) AS sku, "
        "TIMESTAMP '2024-01-01' + to_days(c::INTEGER) AS ts FROM range(40) AS t(c)"
    )
    recsql.bind_interactions(con, "orders", user_id="customer", item_id="sku", ts="ts")
    found = {row[3] for row in recsql.train(con, task="repeat").rows}
    assert found <= {"skipped"}
    with pytest.raises(duckdb.Error, match="must be trained first"):
        rows(con, "FROM recommend_repeat(1)")
