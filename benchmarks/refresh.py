"""Refresh after new rows against a rebuild, on the sample twenty times over.

The sample's order lines are repeated with new customers and baskets over the same catalogue. All
but the newest 1% of the rows are trained on; then they are inserted and refreshed. A second round
inserts as many backdated rows, spread over all customers and days, which is the hard case.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import recsql
from benchmarks._data import COUNTED
from benchmarks._report import report
from benchmarks.growth import make_orders
from recsql.data.sample import sample_path
from recsql.database import Session
from recsql.functions import write_macros
from recsql.selection.rebuild import rebuild
from recsql.tasks import NEIGHBOUR_TASKS

COPIES_OF_SAMPLE = 20
SAMPLE_ROWS = 530_104
ROUNDS = 3
INSERTS = {
    "newest": "INSERT INTO orders SELECT l.* EXCLUDE (part) FROM later AS l WHERE l.part = {part}",
    "backdated": "INSERT INTO orders SELECT o.customer, o.sku, o.ts, o.invoice || '+{part}', 1 "
    "FROM orders AS o WHERE hash(o.invoice, o.sku, {part}) % 100 = 0",
}
TABLES = ("top_items", "item_scores", "user_scores", "item_days")


def content(con: Any) -> list[Any]:
    """Give a fingerprint of every stored table, row by row and order-free."""
    return [
        con.execute(f"SELECT count(*), sum(hash(t)) FROM recsql.{name} AS t").fetchall()
        for name in TABLES
    ]


def one_round(con: Any, insert: str) -> tuple[float, float, int]:
    """Insert rows, refresh, rebuild; gives both times and the rows inserted."""
    inserted = con.execute(insert).fetchall()[0][0]
    started = time.perf_counter()
    done = recsql.refresh(con).dicts()[0]
    refreshed = time.perf_counter() - started
    assert done["how"] == "changed only", done
    after_refresh = content(con)
    started = time.perf_counter()
    rebuild(Session(con.cursor()), "benchmark", write_macros)
    rebuilt = time.perf_counter() - started
    assert content(con) == after_refresh
    return refreshed, rebuilt, inserted


def main() -> None:
    """Run three rounds of newest rows and three of backdated rows."""
    with tempfile.TemporaryDirectory() as folder:
        con = recsql.connect(str(Path(folder) / "refresh.duckdb"), config={"threads": 2})
        make_orders(con, COPIES_OF_SAMPLE * SAMPLE_ROWS, str(sample_path("interactions")))
        total = con.execute("SELECT count(*) FROM orders").fetchall()[0][0]
        con.execute(
            "CREATE TABLE later AS "
            "SELECT o.*, ntile(3) OVER (ORDER BY o.ts, o.invoice) AS part FROM "
            f"(FROM orders AS x ORDER BY x.ts DESC, x.invoice DESC LIMIT {3 * total // 100}) AS o"
        )
        con.execute("DELETE FROM orders USING later AS l WHERE orders.invoice = l.invoice")
        recsql.bind_interactions(
            con, "orders", user_id="customer", item_id="sku", ts="ts", basket_id="invoice"
        )
        for task in NEIGHBOUR_TASKS:
            recsql.train(con, task=task, models=list(COUNTED))
        rows = []
        for kind in INSERTS:
            measured = []
            for part in range(1, ROUNDS + 1):
                measured.append(one_round(con, INSERTS[kind].format(part=part)))
            refreshed = statistics.median(one[0] for one in measured)
            rebuilt = statistics.median(one[1] for one in measured)
            rows.append(
                {
                    "new rows": kind,
                    "refresh / rebuild": refreshed / rebuilt,
                    "refresh s": refreshed,
                    "rebuild s": rebuilt,
                    "inserted": measured[-1][2],
                    "rows": total,
                }
            )
    report("refresh", "Refresh after 1% new rows, sample x 20 (results equal to a rebuild)", rows)


if __name__ == "__main__":
    main()
