"""Publishing: the whole sample, and twenty recommendations of a million customers.

The sample is bound and all its tasks are trained; its file holds every function. It is written by a
fresh process, which loads models and compiled kernels, and a second time by the same one.

The million customers are synthetic: 1 + Poisson(9) purchases each within a year, of 20,000 items; 7
of 10 are of the 400 items of the customer's own group (of 50), by a Zipf law. ``item_knn`` answers
for_you. Timed is ``CALL recsql.publish(…, functions := ['recommend_for_you'])``, from reading what
everyone has bought to the file in its place. The peer is the least that any way has to do: DuckDB
copies the same 20 million rows, ready made, into another file. Inside: of those seconds, how many
go to the scores alone.

    python -m benchmarks.publish
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

import recsql
from benchmarks._data import open_shop
from benchmarks._report import report
from recsql.data.sample import sample_path
from recsql.models.base import Recommender
from recsql.serving import customers

SAMPLE_TARGET_S, MILLION_TARGET_S = 5.0, 60.0
ROUNDS = 3
K = 20
USERS, ITEMS, GROUPS, OWN = 1_000_000, 20_000, 50, 400

FRESH = """
import sys, time, recsql
con = recsql.connect(sys.argv[1], read_only=True)
for name in ("first", "second"):
    started = time.perf_counter()
    recsql.publish(con, sys.argv[2], include=["country"])
    print(time.perf_counter() - started)
"""


def main() -> None:
    """Measure both."""
    with tempfile.TemporaryDirectory() as folder:
        report("publish", "The sample, every function", sample(Path(folder)))
        report("publish", "A million customers, 20 recommendations each", million(Path(folder)))


def sample(folder: Path) -> list[dict[str, object]]:
    """Time a fresh process; one before it compiles what is not compiled yet."""
    path = folder / "sample.duckdb"
    con = open_shop(path)
    con.execute(f"CREATE TABLE products AS FROM '{sample_path('items')}'")
    recsql.bind_items(
        con,
        "products",
        item_id="item_id",
        title="title",
        available="regexp_matches(item_id, '^[0-9]{5}')",
    )
    recsql.train(con)
    con.close()
    target = folder / "sample_recs.duckdb"
    times = [_fresh(path, target) for _ in range(ROUNDS + 1)][1:]
    size = target.stat().st_size
    return [
        {
            "ratio to 5 s": statistics.median(seconds) / SAMPLE_TARGET_S,
            "run": name,
            "median s": statistics.median(seconds),
            "MB": size / 1e6,
        }
        for name, seconds in zip(
            ("fresh process, compiled kernels", "second in the process"),
            zip(*times, strict=True),
            strict=True,
        )
    ]


def _fresh(path: Path, target: Path) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", FRESH, path, target], check=True, capture_output=True, text=True
    )
    return [float(line) for line in done.stdout.split()]


def million(folder: Path) -> list[dict[str, object]]:
    """Time publishing, the scores within, and the copy of the rows alone."""
    con = recsql.connect(folder / "million.duckdb")
    con.register("made", purchases())
    con.execute(
        "CREATE TABLE orders AS SELECT m.user_id, 'I' || lpad(m.item::VARCHAR, 6, '0') AS item_id, "
        "TIMESTAMP '2024-01-01' + to_seconds(m.second) AS ts FROM made AS m ORDER BY m.second"
    )
    con.unregister("made")
    recsql.bind_interactions(con, "orders", user_id="user_id", item_id="item_id", ts="ts")
    recsql.train(con, task="for_you", models=["item_knn"])
    published, copied, scored = [], [], []
    target = folder / "million_recs.duckdb"
    for _ in range(ROUNDS):
        with _timed_scores() as inside:
            started = time.perf_counter()
            recsql.publish(con, target, k=K, functions=["recommend_for_you"])
            published.append(time.perf_counter() - started)
        scored.append(sum(inside))
        copied.append(copy(target, folder / "copied.duckdb"))
    with duckdb.connect(target, read_only=True) as file:
        rows = file.execute("SELECT count(*) FROM recsql.user_recommendations").fetchall()[0][0]
    assert rows == USERS * K
    median = statistics.median(published)
    return [
        {
            "ratio to 60 s": median / MILLION_TARGET_S,
            "publish / copy": statistics.median(
                one / other for one, other in zip(published, copied, strict=True)
            ),
            "median s": median,
            "of these scores": statistics.median(scored),
            "copy s": statistics.median(copied),
            "rows": rows,
            "MB": target.stat().st_size / 1e6,
        }
    ]


def purchases() -> pa.Table:
    """Give user_id, item and the second of the year of about ten million purchases."""
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(USERS), rng.poisson(9, USERS) + 1)
    own = rng.integers(0, GROUPS, USERS)[user] * OWN + rng.zipf(1.3, len(user)) % OWN
    item = np.where(rng.random(len(user)) < 0.7, own, rng.zipf(1.2, len(user)) % ITEMS)
    second = rng.integers(0, 365 * 86_400, len(user))
    return pa.table({"user_id": user, "item": item.astype(np.int64), "second": second})


@contextmanager
def _timed_scores() -> Iterator[list[float]]:
    """Note the seconds of each call of a model within the block."""
    seconds: list[float] = []
    plain = Recommender.recommend

    def timed(*args: object, **kwargs: object) -> object:
        started = time.perf_counter()
        found = plain(*args, **kwargs)  # type: ignore[arg-type]
        seconds.append(time.perf_counter() - started)
        return found

    assert customers.Recommender is Recommender
    Recommender.recommend = timed  # type: ignore[method-assign, assignment]
    try:
        yield seconds
    finally:
        Recommender.recommend = plain  # type: ignore[method-assign]


def copy(source: Path, target: Path) -> float:
    """Time a copy of the rows, ready made, into a new file."""
    target.unlink(missing_ok=True)
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{source}' AS ready (READ_ONLY)")
        started = time.perf_counter()
        con.execute(f"ATTACH '{target}' AS copied (STORAGE_VERSION 'v1.5.0')")
        con.execute("CREATE TABLE copied.rows AS FROM ready.recsql.user_recommendations")
        con.execute("DETACH copied")
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
