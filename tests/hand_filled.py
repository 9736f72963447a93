"""A database whose stored tables are written by hand: functions are tested without models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np

import recsql
from recsql.database import Session, quote
from recsql.functions import write_macros
from recsql.kernels.importance import log_sum_importance
from recsql.tasks import TASKS

ALL_TASKS = TASKS
TOTALS = {
    "data_now": None,
    "today": None,
    "transactions": 0,
    "user_transactions": 0,
    "buyers": 0,
    "users": 0,
    "items": 0,
    "baskets": 0,
    "user_log_sum": 0.0,
    "item_log_sum": 0.0,
    "stored_depth": 50,
    "definition": "by hand",
    "users_fingerprint": 0,
}


def empty_shop(
    item_type: str = "VARCHAR", user_type: str = "BIGINT", time_type: str | None = "TIMESTAMP"
) -> duckdb.DuckDBPyConnection:
    """Give a database with interactions bound to the empty table orders, and nothing trained."""
    con = recsql.connect()
    con.execute(
        f"CREATE TABLE orders (customer {user_type}, sku {item_type}, "
        f"at_time {time_type or 'TIMESTAMP'}, invoice VARCHAR, quantity DOUBLE, event VARCHAR)"
    )
    recsql.bind_interactions(
        con,
        "orders",
        user_id="customer",
        item_id="sku",
        ts="at_time" if time_type else None,
        basket_id="invoice",
        quantity="quantity",
        event="event",
    )
    return con


def insert(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows into a table; columns that a row lacks are NULL."""
    for row in rows:
        names = ", ".join(quote(name) for name in row)
        marks = ", ".join("?" for _ in row)
        con.cursor().execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))


def buy(con: duckdb.DuckDBPyConnection, *rows: tuple[Any, ...]) -> None:
    """Insert orders: customer, sku, and optionally time, invoice, quantity, event."""
    names = ("customer", "sku", "at_time", "invoice", "quantity", "event")
    insert(con, "orders", [dict(zip(names, row, strict=False)) for row in rows])


def set_totals(con: duckdb.DuckDBPyConnection, **values: Any) -> None:
    """Replace the one row of totals."""
    con.cursor().execute("DELETE FROM recsql.totals")
    insert(con, "recsql.totals", [TOTALS | values])


def promote(con: duckdb.DuckDBPyConnection, *tasks: str) -> None:
    """Make each task trained, by a model called after it, and write the macros."""
    cursor = con.cursor()
    if not cursor.execute("SELECT count(*) FROM recsql.totals").fetchall()[0][0]:
        set_totals(con)
    for task in tasks:
        cursor.execute(
            "INSERT INTO recsql.models BY NAME SELECT ? AS model_id, ? AS task, ? AS algorithm, "
            "'{}' AS params, 0 AS seed, 'incumbent' AS status, now()::TIMESTAMP AS trained_at, "
            "'0' AS recsql_version",
            [f"{task}/1", task, f"model_of_{task}"],
        )
    session = Session(con.cursor())
    with session.transaction():
        write_macros(session)


def store_neighbours(
    con: duckdb.DuckDBPyConnection, task: str, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Store (item_id, other_item_id, score, support), ranked by score in the order they come."""
    ranks: dict[Any, int] = {}
    for item, other, score, support in rows:
        ranks[item] = ranks.get(item, 0) + 1
        insert(
            con,
            "recsql.top_items",
            [
                {
                    "task": task,
                    "item_id": item,
                    "rank": ranks[item],
                    "other_item_id": other,
                    "score": score,
                    "support": support,
                }
            ],
        )


def store_item(con: duckdb.DuckDBPyConnection, item_id: Any, **values: Any) -> None:
    """Store the scores of one item."""
    row = {"item_id": item_id, "transactions": 1, "users": 1, "baskets": 1, "available": True}
    insert(con, "recsql.item_scores", [row | values])


def store_counts(
    con: duckdb.DuckDBPyConnection,
    bought_by: dict[Any, int],
    bought: dict[Any, tuple[int, int]],
    **totals: Any,
) -> None:
    """Store transactions by user, (transactions, users) by item, and the totals they give."""
    for user, transactions in bought_by.items():
        insert(con, "recsql.user_scores", [{"user_id": user, "transactions": transactions}])
    for item, (transactions, users) in bought.items():
        store_item(con, item, transactions=transactions, users=users)
    by_user = np.array(list(bought_by.values()), dtype=np.int64)
    by_item = np.array([transactions for transactions, _ in bought.values()], dtype=np.int64)
    values = {
        "transactions": int(by_item.sum()),
        "user_transactions": int(by_user.sum()),
        "buyers": len(bought_by),
        "users": len(bought_by),
        "items": len(bought),
        "user_log_sum": log_sum_importance(by_user),
        "item_log_sum": log_sum_importance(by_item),
    }
    set_totals(con, **(values | totals))


def bind_customers(
    con: duckdb.DuckDBPyConnection, columns: str, rows: Sequence[tuple[Any, ...]], **arguments: Any
) -> None:
    """Create and bind a table of customers; its column id is the key."""
    con.execute(f"CREATE OR REPLACE TABLE customers ({columns})")
    for row in rows:
        marks = ", ".join("?" for _ in row)
        con.cursor().execute(f"INSERT INTO customers VALUES ({marks})", list(row))
    recsql.bind_users(con, "customers", user_id="id", **arguments)


def rows_of(con: duckdb.DuckDBPyConnection, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Run a query with positional parameters and fetch its rows."""
    return con.cursor().execute(sql, list(parameters)).fetchall()
