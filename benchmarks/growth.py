"""Growth: time and peak memory a row at 1, 10 and 100 million interactions of the sample's shape.

Each size runs in its own process: the sample's order lines are repeated with new customers and
baskets over the same catalogue, bound, trained for related and bundle, and counted again. The last
row adds 50 customers who each buy 10,000 items in one basket, with the cap and without one.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._data import COUNTED
from benchmarks._report import report

SIZES = (1_000_000, 10_000_000, 100_000_000)
SAMPLE_ROWS = 530_104
HEAVY = "heavy"
UNCAPPED = "uncapped"
HEAVY_BUYERS = """
    INSERT INTO orders
    SELECT
        -1 - b.n, 'h' || (i.n * 7919 + b.n * 104729) % 20000, TIMESTAMP '2011-06-01', 'h' || b.n, 1
    FROM range(50) AS b(n), range(10000) AS i(n)"""


def make_orders(con: object, rows: int, sample: str) -> None:
    """Create the table orders of about ``rows`` rows, in order of time."""
    copies = max(1, round(rows / SAMPLE_ROWS))
    con.execute(  # type: ignore[attr-defined]
        "CREATE TABLE orders AS SELECT s.user_id + 100000 * c.copy AS customer, s.item_id AS sku, "
        "s.ts, c.copy || '-' || s.basket_id AS invoice, s.quantity "
        f"FROM '{sample}' AS s, range({copies}) AS c(copy) "
        "WHERE s.quantity > 0 ORDER BY s.ts, c.copy"
    )


def one_size(rows: int, sample: str, buyers: str = "") -> dict[str, float]:
    """Measure one size in this process."""
    import recsql
    from recsql.database import Session
    from recsql.functions import write_macros
    from recsql.selection.rebuild import rebuild
    from recsql.tasks import NEIGHBOUR_TASKS

    with tempfile.TemporaryDirectory() as folder:
        con = recsql.connect(
            f"{folder}/growth.duckdb", config={"threads": 2, "memory_limit": "6GB"}
        )
        make_orders(con, rows, sample)
        if buyers:
            con.execute(HEAVY_BUYERS)
        if buyers == UNCAPPED:
            con.execute("UPDATE recsql.settings SET value = '10000' WHERE name = 'max_group_items'")
        recsql.bind_interactions(
            con, "orders", user_id="customer", item_id="sku", ts="ts", basket_id="invoice"
        )
        real_rows = con.execute("SELECT count(*) FROM orders").fetchall()[0][0]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        for task in NEIGHBOUR_TASKS:
            recsql.train(con, task=task, models=list(COUNTED))
        trained = time.perf_counter() - started
        started = time.perf_counter()
        rebuild(Session(con.cursor()), "benchmark", write_macros)
        rebuilt = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "rows": real_rows,
        "train_s": trained,
        "rebuild_s": rebuilt,
        "peak_bytes": peak,
        "before_bytes": before * 1024,
    }


def main() -> None:
    """Run every size and print the table."""
    from recsql.data.sample import sample_path

    largest = int(os.environ.get("RECSQL_GROWTH_ROWS", SIZES[-1]))
    measured = []
    sizes = [(s, "") for s in SIZES if s <= largest]
    for size, buyers in [*sizes, (SIZES[0], HEAVY), (SIZES[0], UNCAPPED)]:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "benchmarks.growth",
                str(size),
                str(sample_path("interactions")),
                buyers,
            ],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[1],
        )
        measured.append({"buyers": buyers, **json.loads(done.stdout.splitlines()[-1])})
    first = measured[0]
    rows = []
    for one in measured:
        rows.append(
            {
                "rows": f"{one['rows']:,}",
                "buyers of 10,000 items": {"": "", HEAVY: "50, capped", UNCAPPED: "50, no cap"}[
                    one["buyers"]
                ],
                "rebuild µs/row": one["rebuild_s"] / one["rows"] * 1e6,
                "ratio to 1M": (one["rebuild_s"] / one["rows"])
                / (first["rebuild_s"] / first["rows"]),
                "train s": one["train_s"],
                "peak GB": one["peak_bytes"] / 1e9,
                "peak bytes/row": one["peak_bytes"] / one["rows"],
            }
        )
    report("growth", "Growth with the sample's shape (rebuild: table to committed answers)", rows)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(one_size(int(sys.argv[1]), sys.argv[2], sys.argv[3])))
    else:
        main()
