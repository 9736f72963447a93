"""One call and bulk calls of the SQL functions on the sample, beside hand-written SQL."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import recsql
from benchmarks._data import COUNTED, DATASETS, open_shop
from benchmarks._report import report

CALLS = 400
BULK_REPEATS = 7


def p50_ms(
    con: Any, queries: Sequence[tuple[str, str, Sequence[tuple[Any, ...]]]]
) -> dict[str, float]:
    """Give the median milliseconds of each prepared query, measured in turn."""
    spent: dict[str, list[float]] = {name: [] for name, _, _ in queries}
    for name, sql, arguments in queries:
        con.execute(f"PREPARE {name} AS {sql}")
        con.execute(execute_text(name, arguments[0])).fetchall()
    for call in range(CALLS):
        for name, _, arguments in queries:
            text = execute_text(name, arguments[call % len(arguments)])
            started = time.perf_counter()
            con.execute(text).fetchall()
            spent[name].append(time.perf_counter() - started)
    return {name: statistics.median(times) * 1e3 for name, times in spent.items()}


def execute_text(name: str, values: Sequence[Any]) -> str:
    """Give the statement that runs a prepared query; lists and strings read as in Python."""
    written = ", ".join(repr(value) for value in values)
    return f"EXECUTE {name}({written})" if written else f"EXECUTE {name}"


def single_calls(con: Any) -> None:
    """Measure one prepared call of each function."""
    items = [row[0] for row in con.execute("SELECT item_id FROM popular(k := 200)").fetchall()]
    pairs = con.execute(
        "SELECT u.user_id, p.item_id FROM popular(k := 100) AS p, "
        "(SELECT user_id, row_number() OVER (ORDER BY user_id) AS n FROM recsql.user_scores) AS u "
        "WHERE u.n % 40 = p.rank % 40 LIMIT 300"
    ).fetchall()
    by_item = [(item,) for item in items]
    carts = [(items[n : n + 5],) for n in range(100)]
    found = p50_ms(
        con,
        [
            ("one", "SELECT 1", [()]),
            (
                "by_hand",
                "SELECT t.rank::BIGINT AS rank, t.other_item_id AS item_id, t.score, t.support, "
                "'basket_copurchase' AS model FROM recsql.top_items AS t "
                "WHERE t.task = 'bundle' AND t.item_id = ? AND t.rank <= 10",
                by_item,
            ),
            ("bundle", "FROM recommend_bundle(?, k := 10)", by_item),
            ("cart", "FROM recommend_cart(?, k := 10)", carts),
            ("reference", "FROM reference_customers(?, ?, k := 5)", pairs),
        ],
    )
    rows = [
        {
            "call": "recommend_bundle",
            "ratio": found["bundle"] / found["by_hand"],
            "to": "hand-written SELECT",
            "p50 ms": found["bundle"],
            "target": "≤ 1.4",
        },
        {
            "call": "recommend_bundle",
            "ratio": found["bundle"] / found["one"],
            "to": "SELECT 1",
            "p50 ms": found["bundle"],
            "target": "",
        },
        {
            "call": "recommend_cart of 5",
            "ratio": found["cart"] / found["one"],
            "to": "SELECT 1",
            "p50 ms": found["cart"],
            "target": "< 5 ms",
        },
        {
            "call": "reference_customers",
            "ratio": found["reference"] / found["one"],
            "to": "SELECT 1",
            "p50 ms": found["reference"],
            "target": "< 25 ms",
        },
    ]
    report("calls", "One prepared call, p50", rows)


def open_gowalla() -> Any:
    """Open a database in memory with the check-ins of gowalla bound and their task trained."""
    (gowalla,) = (dataset for dataset in DATASETS if dataset.name == "gowalla users")
    con = recsql.connect(config={"threads": 2})
    con.execute(f"CREATE TABLE visits AS {gowalla.query}")
    recsql.bind_interactions(con, "visits", user_id="user_id", item_id="item_id")
    recsql.train(con, task="related", models=list(COUNTED))
    return con


def bulk_calls(con: Any, data: str, task: str) -> None:
    """Measure LATERAL over all items against a hand-written join, written to a table."""
    queries = {
        f"LATERAL recommend_{task}": f"""
            CREATE OR REPLACE TEMP TABLE r AS
            SELECT i.item_id, b.rank, b.item_id AS other, b.score
            FROM recsql.item_scores AS i, recommend_{task}(i.item_id, k := 10) AS b""",
        "hand-written join": f"""
            CREATE OR REPLACE TEMP TABLE r AS
            SELECT i.item_id, t.rank, t.other_item_id AS other, t.score
            FROM recsql.item_scores AS i JOIN recsql.top_items AS t ON t.item_id = i.item_id
            WHERE t.task = '{task}' AND t.rank <= 10""",
    }
    spent: dict[str, list[float]] = {name: [] for name in queries}
    for _ in range(BULK_REPEATS + 1):
        for name, query in queries.items():
            started = time.perf_counter()
            con.execute(query).fetchall()
            spent[name].append(time.perf_counter() - started)
    n_rows = con.execute("SELECT count(*) FROM r").fetchall()[0][0]
    by_hand = statistics.median(spent["hand-written join"][1:])
    rows = []
    for name, times in spent.items():
        seconds = statistics.median(times[1:])
        rows.append(
            {
                "data": data,
                "bulk": name,
                "ratio to join": seconds / by_hand,
                "million rows/s": n_rows / seconds / 1e6,
                "rows": n_rows,
            }
        )
    report(f"bulk {data}", "LATERAL over all items, k of 10 (target: 6 million rows/s)", rows)


def start_up() -> None:
    """Measure import and connect in fresh processes."""
    code = (
        "import time; a = time.perf_counter(); import recsql; b = time.perf_counter(); "
        "import duckdb; duckdb.connect().close(); c = time.perf_counter(); "
        "duckdb.connect().close(); "
        "d = time.perf_counter(); recsql.connect('{path}').close(); e = time.perf_counter(); "
        "recsql.connect('{path}').close(); f = time.perf_counter(); "
        "print(b - a, d - c, e - d, f - e)"
    )
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/start.duckdb"
        recsql.connect(path).close()
        found = []
        for _ in range(7):
            done = subprocess.run(
                [sys.executable, "-c", code.format(path=path)],
                capture_output=True,
                text=True,
                check=True,
            )
            found.append([float(value) for value in done.stdout.split()])
    imported, plain, first, second = (
        statistics.median(column) * 1e3 for column in zip(*found, strict=True)
    )
    rows = [
        {"step": "import recsql", "ms": imported, "target": "< 400"},
        {"step": "first connect, prepared file", "ms": first - plain, "target": "< 50 added"},
        {"step": "later connect, same process", "ms": second - plain, "target": "< 50 added"},
    ]
    report("start_up", "Start-up, median of 7 fresh processes", rows)


def main() -> None:
    """Run all tables."""
    con = open_shop()
    recsql.train(con)
    single_calls(con)
    bulk_calls(con, "sample", "bundle")
    con.close()
    con = open_gowalla()
    bulk_calls(con, "gowalla", "related")
    con.close()
    start_up()


if __name__ == "__main__":
    main()
