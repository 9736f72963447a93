"""A small shop for tests: the same rows in every run and on every version of DuckDB."""

from __future__ import annotations

import random
from typing import Any

import duckdb
import pytest

import recsql

# Those that it serves: nothing of it has a rating.
TASKS = ("bundle", "first", "for_you", "next", "popular", "related", "repeat", "trending")
STORED = ("top_items", "item_scores", "user_scores", "totals", "item_days")


def rows(seed: int = 0, *, baskets: int = 240, customers: int = 40, items: int = 20) -> list[Any]:
    """Give order lines (customer, sku, ordered_at, invoice, qty, price) of half a year of 2024."""
    chance = random.Random(seed)
    lines = []
    for invoice in range(baskets):
        customer = chance.randrange(customers)
        day, hour = chance.randrange(180), chance.randrange(8, 20)
        taste = chance.randrange(items)  # a basket is a stretch of the shelf, so that pairs repeat
        for place in range(chance.randrange(1, 6)):
            item = (taste + place * chance.choice((1, 1, 2))) % items
            lines.append(
                (
                    customer,
                    f"i{item:02}",
                    f"2024-{1 + day // 30:02}-{1 + day % 30 % 28:02} {hour:02}:{place:02}:00",
                    f"n{invoice:03}",
                    chance.randrange(1, 4),
                    float(1 + item),
                )
            )
    return lines


def fill(con: duckdb.DuckDBPyConnection, seed: int = 0, **size: int) -> None:
    """Create the tables orders, customers and products."""
    work = con.cursor()
    work.execute(
        "CREATE OR REPLACE TABLE orders (customer INTEGER, sku VARCHAR, ordered_at TIMESTAMP, "
        "invoice VARCHAR, qty INTEGER, price DOUBLE)"
    )
    work.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)", rows(seed, **size))
    work.execute(
        "CREATE OR REPLACE TABLE customers AS SELECT DISTINCT o.customer AS id, "
        "CASE WHEN o.customer % 3 = 0 THEN 'France' ELSE 'Spain' END AS country, "
        "'c' || o.customer || '@example.org' AS email FROM orders AS o"
    )
    work.execute(
        "CREATE OR REPLACE TABLE products AS SELECT DISTINCT o.sku, 'Item ' || o.sku AS label, "
        "o.sku <> 'i03' AS for_sale FROM orders AS o"
    )
    work.close()


def bind(con: duckdb.DuckDBPyConnection) -> None:
    """Bind the orders."""
    recsql.bind_interactions(
        con,
        "orders",
        user_id="customer",
        item_id="sku",
        ts="ordered_at",
        quantity="qty",
        basket_id="invoice",
    )


def stored(con: duckdb.DuckDBPyConnection, *tables: str) -> dict[str, list[tuple[Any, ...]]]:
    """Give every row of the stored tables."""
    reader = con.cursor()
    found = {
        table: reader.execute(
            f"SELECT * FROM recsql.{table} ORDER BY ALL ASC NULLS LAST"
        ).fetchall()
        for table in tables or STORED
    }
    reader.close()
    return found


def check_answers_alone(con: duckdb.DuckDBPyConnection) -> None:
    """Compare the stored answers for next of customers 0 to 4 with those that each gets alone."""
    con.execute("CALL recsql.materialize('next', k := 4)")
    stored = con.sql(
        "SELECT r.user_id, r.rank, r.item_id, r.score FROM recsql.user_recommendations AS r "
        "WHERE r.user_id < 5 ORDER BY 1, 2"
    ).fetchall()
    alone = [
        (user, *row)
        for user in range(5)
        for row in con.sql(
            f"SELECT rank, item_id, score FROM recommend_next({user}, k := 4) ORDER BY rank"
        ).fetchall()
    ]
    assert [row[:3] for row in stored] == [row[:3] for row in alone]
    assert [row[3] for row in stored] == pytest.approx([row[3] for row in alone], rel=1e-5)
