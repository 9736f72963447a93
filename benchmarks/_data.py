"""The datasets that benchmarks run on; RECSQL_DATA names the folder that holds them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("RECSQL_DATA", Path(__file__).parents[2] / "shared" / "data"))

COUNTED = ("basket_copurchase", "user_copurchase")  # models whose answers refresh exactly


@dataclass(frozen=True)
class Dataset:
    """Rows of (group, item): the query that reads them, and what is a group."""

    name: str
    task: str
    group: str
    query: str

    def open(self) -> Any:
        """Open a DuckDB in memory with the rows in table t."""
        import duckdb

        con = duckdb.connect(config={"threads": 2})
        con.execute(f"CREATE TABLE t AS {self.query}")
        return con


DATASETS = (
    Dataset(
        "uci_online_retail baskets",
        "bundle",
        "basket_id",
        "SELECT basket_id, user_id, item_id, ts FROM "
        f"'{FOLDER}/uci_online_retail/interactions.parquet' "
        "WHERE quantity > 0 AND event_type = 'purchase'",
    ),
    Dataset(
        "gowalla users",
        "related",
        "user_id",
        f"SELECT user_id, item_id FROM '{FOLDER}/gowalla/train.parquet'",
    ),
    Dataset(
        "movielens_1m users",
        "related",
        "user_id",
        f"SELECT user_id, item_id FROM '{FOLDER}/movielens_1m/interactions.parquet'",
    ),
)


def open_shop(path: str | Path = ":memory:") -> Any:
    """Open a new database with the bundled sample bound, two threads."""
    import recsql
    from recsql.data.sample import sample_path

    con = recsql.connect(path, config={"threads": 2})
    con.execute(f"CREATE TABLE orders AS FROM '{sample_path('interactions')}'")
    con.execute(f"CREATE TABLE customers AS FROM '{sample_path('users')}'")
    recsql.bind_interactions(
        con,
        "orders",
        user_id="user_id",
        item_id="item_id",
        ts="ts",
        basket_id="basket_id",
        quantity="quantity",
    )
    recsql.bind_users(con, "customers", user_id="user_id")
    return con
