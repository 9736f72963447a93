"""The server beside the calling process: one call, sixteen clients, a million rows.

The server has a process of its own; the peer is the same file's copy in the process that asks, call
by call in turn. The share of the two processes in the processor time of a query says what binds.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

import recsql
from benchmarks._data import open_shop
from benchmarks._report import report

CALLS = 400
CLIENTS = 16
SECONDS = 6.0
BULK_REPEATS = 5
MILLION = 1_000_000
BUNDLE = "FROM recommend_bundle('85123A', k := 10)"
NEXT = "FROM recommend_next(12748, k := 10)"
BULK = (
    "SELECT i.item_id, b.rank, b.item_id AS other, b.score FROM range(100) AS n(n), "
    f"recsql.item_scores AS i, recommend_bundle(i.item_id, k := 10) AS b LIMIT {MILLION}"
)


def make_shop(file: Path) -> None:
    """Write the sample with the tasks that are asked, trained."""
    with open_shop(file) as con:
        recsql.train(con, task="bundle")
        recsql.train(con, task="next")


@contextmanager
def serving(file: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Serve a file from another process; gives it and the line that it printed."""
    command = [str(Path(sys.executable).parent / "recsql"), "serve", str(file), "--json"]
    process = subprocess.Popen(
        [*command, "--address", "127.0.0.1:0", "--log", str(file.with_suffix(".log"))],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def client_of(ready: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    """Connect as a client does."""
    con = duckdb.connect(config={"threads": 2})
    for load in ready["load"]:
        con.execute(load)
    con.execute(f"ATTACH '{ready['uri']}' AS shop (TOKEN '{ready['token']}')")
    return con


def sent(query: str) -> str:
    """Give the statement that sends a query to the server."""
    return "FROM shop.query('" + query.replace("'", "''") + "')"


def single_calls(here: Any, there: Any) -> None:
    """Measure one call at a time, in turn."""
    queries = {"SELECT 1": "SELECT 1", "recommend_bundle": BUNDLE, "recommend_next": NEXT}
    rows = []
    for name, query in queries.items():
        spent: dict[str, list[float]] = {"here": [], "there": []}
        for call in range(CALLS + 20):
            for place, con, text in (("here", here, query), ("there", there, sent(query))):
                started = time.perf_counter()
                con.execute(text).fetchall()
                if call >= 20:
                    spent[place].append(time.perf_counter() - started)
        inside, outside = (statistics.median(times) * 1e3 for times in spent.values())
        rows.append(
            {
                "call": name,
                "ratio": outside / inside,
                "p50 ms in process": inside,
                "p50 ms served": outside,
                "added ms": outside - inside,
                "target": "≤ 3 ms added" if name == "recommend_bundle" else "",
            }
        )
    report("server_calls", "One call over Quack, p50", rows)


def throughput(here: Any, there: Any, server: int) -> None:
    """Measure sixteen at once: threads of this process, and as many clients of the server."""
    rows = []
    for name, query in (("SELECT 1", "SELECT 1"), ("recommend_bundle", BUNDLE)):
        inside, _, _ = at_once(here, query, os.getpid())
        outside, own_ms, server_ms = at_once(there, sent(query), server)
        rows.append(
            {
                "call": name,
                "ratio": outside / inside,
                "calls/s in process": inside,
                "calls/s served": outside,
                "client ms of processor a call": own_ms,
                "server ms of processor a call": server_ms,
                "target": "≥ 0.8",
            }
        )
    report("server_throughput", f"{CLIENTS} at once, {os.cpu_count()} processors", rows)


def at_once(con: Any, query: str, other: int) -> tuple[float, float, float]:
    """Give calls a second, and the milliseconds of processor of this and another process a call."""
    counts = [0] * CLIENTS
    end = time.perf_counter() + SECONDS

    def ask(number: int) -> None:
        own = con.cursor()
        while time.perf_counter() < end:
            own.execute(query).fetchall()
            counts[number] += 1

    before = processor_seconds(os.getpid()), processor_seconds(other)
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = processor_seconds(os.getpid()), processor_seconds(other)
    calls = sum(counts)
    own_ms, other_ms = ((new - old) / calls * 1e3 for old, new in zip(before, after, strict=True))
    return calls / SECONDS, own_ms, other_ms


def processor_seconds(process: int) -> float:
    """Give the processor time that a process has taken; 0 where the system does not tell."""
    stat = Path(f"/proc/{process}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def million_rows(here: Any, there: Any) -> None:
    """Measure the way of a million rows into an Arrow table of the client."""
    spent: dict[str, list[float]] = {"here": [], "there": []}
    work: dict[str, Callable[[], Any]] = {
        "here": lambda: here.cursor().sql(BULK).to_arrow_table(),
        "there": lambda: there.cursor().sql(sent(BULK)).to_arrow_table(),
    }
    for turn in range(BULK_REPEATS + 1):
        for place, run in work.items():
            started = time.perf_counter()
            assert run().num_rows == MILLION
            if turn:
                spent[place].append(time.perf_counter() - started)
    inside, outside = (MILLION / statistics.median(times) / 1e6 for times in spent.values())
    rows = [
        {
            "rows": MILLION,
            "ratio": outside / inside,
            "million rows/s in process": inside,
            "million rows/s served": outside,
            "target": "≥ 1",
        }
    ]
    report("server_rows", "A million rows of recommendations", rows)


def main() -> None:
    """Run all tables."""
    from recsql.server.extension import load_extensions

    try:
        with duckdb.connect() as con:
            load_extensions(con)
    except recsql.MissingExtraError as error:
        print(error)
        return
    with tempfile.TemporaryDirectory() as folder:
        file, copy = Path(folder) / "shop.duckdb", Path(folder) / "copy.duckdb"
        make_shop(file)
        shutil.copy(file, copy)
        with (
            serving(file) as (server, ready),
            recsql.connect(str(copy), config={"threads": 2}) as here,
            client_of(ready) as there,
        ):
            single_calls(here, there)
            throughput(here, there, server.pid)
            million_rows(here, there)


if __name__ == "__main__":
    main()
