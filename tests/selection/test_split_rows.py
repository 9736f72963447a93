"""The rows of recsql.splits say what was hidden, of whom, and from when on."""

from __future__ import annotations

import duckdb
import pytest
import shop

import recsql
from recsql.selection import train as room

OF_CUSTOMERS = ("bundle", "first", "for_you", "next", "related", "repeat")
# Rows of a split by time whose item the customer did not buy at or after the cut.
UNTRUE = """
    SELECT s.* FROM recsql.splits AS s
    WHERE s.protocol = 'time' AND s.user_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM orders AS o
        WHERE o.customer::VARCHAR = s.user_id AND o.sku = s.item_id
            AND o.ordered_at >= s.cut_at::TIMESTAMP
    )
"""
KNOWN = """
    EXISTS (
        SELECT 1 FROM orders AS o
        WHERE o.customer::VARCHAR = s.user_id AND o.sku = s.item_id
            AND o.ordered_at < s.cut_at::TIMESTAMP
    )
"""


def values(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[object, ...]]:
    return con.cursor().execute(sql).fetchall()


def test_every_item_was_bought_by_its_customer_at_or_after_the_cut(
    trained: duckdb.DuckDBPyConnection,
) -> None:
    assert values(trained, UNTRUE) == []
    told = values(
        trained,
        "SELECT s.task FROM recsql.splits AS s WHERE s.protocol = 'time' GROUP BY 1 ORDER BY 1",
    )
    assert [task for (task,) in told] == sorted(shop.TASKS)
    mine = values(
        trained, "SELECT DISTINCT s.task FROM recsql.splits AS s WHERE s.user_id IS NOT NULL"
    )
    assert sorted(task for (task,) in mine) == [t for t in OF_CUSTOMERS if t in shop.TASKS]


def test_one_item_is_asked_about_and_the_others_of_its_group_are_hidden(
    trained: duckdb.DuckDBPyConnection,
) -> None:
    asked = values(
        trained,
        "SELECT s.task, s.split, s.query, count(*) FILTER (s.role = 'asked'), "
        "count(*) FILTER (s.role = 'hidden') > 0, count(DISTINCT s.user_id), "
        "count(DISTINCT s.item_id) = count(*) FROM recsql.splits AS s GROUP BY ALL ORDER BY ALL",
    )
    for task, _, _, n_asked, any_hidden, n_customers, distinct in asked:
        assert n_asked == (task in ("bundle", "related"))
        assert any_hidden
        assert distinct
        assert n_customers == (task in OF_CUSTOMERS)


def test_the_items_of_a_bundle_stood_on_one_invoice(trained: duckdb.DuckDBPyConnection) -> None:
    wrong = values(
        trained,
        "WITH asked AS (SELECT s.user_id, s.cut_at, list(s.item_id ORDER BY s.item_id) AS items "
        "FROM recsql.splits AS s WHERE s.task = 'bundle' GROUP BY s.query, s.user_id, s.cut_at), "
        "invoices AS (SELECT o.customer::VARCHAR AS user_id, min(o.ordered_at) AS begun, "
        "list_sort(list(DISTINCT o.sku)) AS items FROM orders AS o GROUP BY o.invoice, 1) "
        "SELECT a.* FROM asked AS a WHERE NOT EXISTS (SELECT 1 FROM invoices AS i "
        "WHERE i.user_id = a.user_id AND i.items = a.items AND i.begun >= a.cut_at::TIMESTAMP)",
    )
    assert wrong == []


def test_for_you_hides_what_is_new_and_repeat_what_is_known(
    trained: duckdb.DuckDBPyConnection,
) -> None:
    sql = "SELECT count(*) FROM recsql.splits AS s WHERE s.task = '{}' AND {}"
    assert values(trained, sql.format("for_you", KNOWN)) == [(0,)]
    assert values(trained, sql.format("repeat", f"NOT {KNOWN}")) == [(0,)]
    assert values(trained, sql.format("first", f"{KNOWN}")) == [(0,)]


def test_next_hides_the_first_invoice_after_the_cut(trained: duckdb.DuckDBPyConnection) -> None:
    wrong = values(
        trained,
        "WITH later AS (SELECT o.customer::VARCHAR AS user_id, o.invoice, o.sku, "
        "min(o.ordered_at) OVER (PARTITION BY o.invoice) AS begun, c.cut_at FROM orders AS o, "
        "(SELECT DISTINCT s.cut_at::TIMESTAMP AS cut_at FROM recsql.splits AS s "
        "WHERE s.task = 'next') AS c WHERE o.ordered_at >= c.cut_at), "
        "soonest AS (SELECT l.* FROM later AS l QUALIFY "
        "rank() OVER (PARTITION BY l.user_id ORDER BY l.begun) = 1) "
        "SELECT s.* FROM recsql.splits AS s WHERE s.task = 'next' AND NOT EXISTS (SELECT 1 "
        "FROM soonest AS n WHERE n.user_id = s.user_id AND n.sku = s.item_id)",
    )
    assert wrong == []


def test_the_paper_has_no_cut_and_stands_beside_the_rows_of_time(
    trained: duckdb.DuckDBPyConnection,
) -> None:
    before = values(trained, "SELECT s.* FROM recsql.splits AS s WHERE s.task = 'next'")
    recsql.train(trained, task="next", protocol="paper")
    told = values(
        trained,
        "SELECT s.protocol, count(s.cut_at) = count(*), count(s.cut_at) FROM recsql.splits AS s "
        "WHERE s.task = 'next' GROUP BY 1 ORDER BY 1",
    )
    assert told == [("paper", False, 0), ("time", True, len(before))]
    # What must be found stood on the last invoice of its customer.
    wrong = values(
        trained,
        "SELECT s.* FROM recsql.splits AS s WHERE s.task = 'next' AND s.protocol = 'paper' "
        "AND NOT EXISTS (SELECT 1 FROM (SELECT o.* FROM orders AS o QUALIFY rank() OVER ("
        "PARTITION BY o.customer ORDER BY (SELECT min(p.ordered_at) FROM orders AS p "
        "WHERE p.invoice = o.invoice) DESC) = 1) AS n "
        "WHERE n.customer::VARCHAR = s.user_id AND n.sku = s.item_id)",
    )
    assert wrong == []


@pytest.mark.parametrize("tasks", [("bundle",), ("related",), OF_CUSTOMERS])
def test_rows_name_the_right_customers_where_some_buyers_are_compared_on(
    shop_con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, tasks: tuple[str, ...]
) -> None:
    # Two fifths of the baskets are nobody's, and belong to one of ten sessions.
    shop_con.execute("ALTER TABLE orders ADD COLUMN visit VARCHAR")
    shop_con.execute("UPDATE orders SET visit = 's' || (customer % 10)")
    shop_con.execute(
        "UPDATE orders SET customer = NULL, invoice = NULL WHERE right(invoice, 1) < '4'"
    )
    recsql.bind_interactions(
        shop_con,
        "orders",
        user_id="customer",
        item_id="sku",
        ts="ordered_at",
        basket_id="invoice",
        session_id="visit",
    )
    monkeypatch.setattr(room, "MOST_EVALUATION_ENTRIES", 400)
    for task in (name for name in tasks if name in shop.TASKS):
        recsql.train(shop_con, task=task)
    assert values(shop_con, UNTRUE) == []
    named = values(
        shop_con, "SELECT DISTINCT s.task FROM recsql.splits AS s WHERE s.user_id IS NOT NULL"
    )
    assert {task for (task,) in named} == {name for name in tasks if name in shop.TASKS}
