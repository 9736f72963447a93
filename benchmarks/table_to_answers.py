"""From the user's table to committed, answerable top-50 rows, against peers that start from CSR.

Binding and evaluation are left out; reading, encoding, grouping, counting, ranking, storing the
pairs that refresh needs, writing and committing to a file are in.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import recsql
from benchmarks._data import COUNTED, DATASETS, Dataset
from benchmarks._report import report
from recsql.database import Session
from recsql.functions import write_macros
from recsql.selection import rebuild as training

REPEATS = 5


def timed(work: Callable[[], object]) -> float:
    """Give the seconds of one run."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def implicit_fit(dataset: Dataset) -> Callable[[], object]:
    """Give implicit's fit from a CSR matrix that is ready."""
    import scipy.sparse as sparse
    from implicit.nearest_neighbours import CosineRecommender

    con = dataset.open()
    rows = con.execute(
        "SELECT dense_rank() OVER (ORDER BY g) - 1 AS g, dense_rank() OVER (ORDER BY i) - 1 AS i "
        f"FROM (SELECT DISTINCT {dataset.group} AS g, item_id AS i FROM t)"
    ).fetchnumpy()
    warnings.filterwarnings("ignore", message="Method expects CSR input")  # implicit's own call
    matrix = sparse.csr_matrix(
        (np.ones(len(rows["g"]), dtype=np.float64), (rows["g"], rows["i"])), dtype=np.float64
    )
    return lambda: CosineRecommender(K=50, num_threads=2).fit(matrix, show_progress=False)


def self_join(dataset: Dataset) -> Callable[[], object]:
    """Give the same answer computed by DuckDB alone: a self-join of distinct rows."""
    con = dataset.open()
    return lambda: con.execute(
        f"""
        CREATE OR REPLACE TABLE top AS
        WITH d AS (SELECT DISTINCT {dataset.group} AS g, item_id AS i FROM t),
        n AS (SELECT i, count(*) AS n FROM d GROUP BY i),
        p AS (
            SELECT a.i, b.i AS j, count(*) AS c
            FROM d AS a JOIN d AS b ON a.g = b.g AND a.i <> b.i
            GROUP BY a.i, b.i HAVING count(*) >= 2
        )
        SELECT p.i, p.j, p.c / sqrt(x.n * y.n) AS score, p.c
        FROM p JOIN n AS x ON x.i = p.i JOIN n AS y ON y.i = p.j
        QUALIFY row_number() OVER (PARTITION BY p.i ORDER BY score DESC, p.j) <= 50
        ORDER BY p.i, score DESC, p.j
        """
    ).fetchall()


def bound_database(dataset: Dataset, path: str) -> Any:
    """Open a file with the dataset bound and one task trained."""
    con = recsql.connect(path, config={"threads": 2})
    con.execute(f"CREATE TABLE t AS {dataset.query}")
    arguments = {"item_id": "item_id"}
    arguments |= (
        {"basket_id": "basket_id", "user_id": "user_id", "ts": "ts"}
        if dataset.task == "bundle"
        else {"user_id": "user_id"}
    )
    recsql.bind_interactions(con, "t", **arguments)
    recsql.train(con, task=dataset.task, models=list(COUNTED))
    con.execute('UPDATE recsql.models SET params = \'{"weighting": "cosine", "min_support": 2}\'')
    return con


@contextmanager
def phases() -> Any:
    """Add up the time of the named steps of a rebuild."""
    spent: dict[str, float] = {}
    names = (
        "read_snapshot",
        "make_purchases",
        "fit_incumbent",
        "neighbours_of",
        "write_scores",
        "write_top_items",
        "write_base",
        "replace_table",
    )
    originals = {name: getattr(training, name) for name in names}

    def wrapped(name: str) -> Callable[..., object]:
        def run(*args: object, **kwargs: object) -> object:
            started = time.perf_counter()
            result = originals[name](*args, **kwargs)
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - started
            return result

        return run

    for name in names:
        setattr(training, name, wrapped(name))
    try:
        yield spent
    finally:
        for name, original in originals.items():
            setattr(training, name, original)


def main() -> None:
    """Measure every dataset, peers in turn within one run."""
    rows = []
    for dataset in DATASETS:
        with tempfile.TemporaryDirectory() as folder:
            con = bound_database(dataset, str(Path(folder) / "bench.duckdb"))
            session = Session(con.cursor())
            n_rows = con.execute("SELECT count(*) FROM t").fetchall()[0][0]
            fit = implicit_fit(dataset)
            training.rebuild(session, "warm-up", write_macros)
            fit()
            ours, theirs = [], []
            with phases() as spent:
                for _ in range(REPEATS):
                    ours.append(
                        timed(lambda s=session: training.rebuild(s, "benchmark", write_macros))
                    )
                    theirs.append(timed(fit))
            con.close()
        joined = timed(self_join(dataset))
        ours_s, fit_s = statistics.median(ours), statistics.median(theirs)
        rows.append(
            {
                "data": dataset.name,
                "share of allowance": ours_s / (2 * fit_s + n_rows * 1e-6),
                "faster than self-join": joined / ours_s,
                "ours s": ours_s,
                "implicit fit s": fit_s,
                "self-join s": joined,
                "where": ", ".join(f"{n} {s / REPEATS:.2f}" for n, s in spent.items()),
            }
        )
    report(
        "table_to_answers",
        "From the table to committed top-50 rows "
        "(allowance: 2 times implicit's fit from CSR and 1 µs a row)",
        rows,
    )


if __name__ == "__main__":
    main()
