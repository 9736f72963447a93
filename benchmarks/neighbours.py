"""The 50 best neighbours of every item, against implicit (C++) and rusket (Rust).

All start from the same compressed rows of (group, item) and use two threads. Peers get their
matrix ready-made, with the number type that they want; for cosine it is also normalised before the
clock starts, so that they only multiply and select: implicit's ItemItemRecommender and rusket's
method 'count' then give the cosine of two items (rusket's own 'cosine' normalises customers). What
they return is checked against our scores, and our counts against a self-join in SQL. Peers do not
put neighbours in order and ours are in order, so they do a little less.
"""

from __future__ import annotations

import os
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks._data import DATASETS, Dataset
from benchmarks._report import report
from recsql.kernels.cooccurrence import top_neighbours
from recsql.kernels.groups import build_groups
from recsql.kernels.pairs import count_pairs, rank_pairs

K = 50
THREADS = 2
ROUNDS = 7

Array = np.ndarray[Any, np.dtype[Any]]
Work = Callable[[], Any]


def read(dataset: Dataset) -> tuple[Array, Array, int, Any]:
    """Give (group_ptr, group_item, n_items) of a dataset and its open database."""
    con = dataset.open()
    rows = con.sql(
        f"SELECT dense_rank() OVER (ORDER BY t.{dataset.group}) - 1 AS g, "
        "dense_rank() OVER (ORDER BY t.item_id) - 1 AS i FROM t "
        f"WHERE t.{dataset.group} IS NOT NULL"
    ).fetchnumpy()
    n_groups, n_items = int(rows["g"].max()) + 1, int(rows["i"].max()) + 1
    ptr, item = build_groups(rows["g"], rows["i"].astype(np.int32), n_groups, n_items)
    return ptr, item, n_items, con


def peers(ptr: Array, item: Array, n_items: int, weighting: str) -> dict[str, Work]:
    """Give what implicit and rusket do for a weighting, ready to run."""
    os.environ["RAYON_NUM_THREADS"] = str(THREADS)
    from implicit.nearest_neighbours import ItemItemRecommender
    from rusket import ItemKNN
    from scipy.sparse import csr_matrix

    value = np.ones(item.size)
    if weighting == "cosine":
        value /= np.sqrt(np.bincount(item, minlength=n_items))[item]
    double = csr_matrix((value, item, ptr.astype(np.int32)), shape=(ptr.size - 1, n_items))
    single = double.astype(np.float32)

    def implicit() -> Any:
        model = ItemItemRecommender(K=K, num_threads=THREADS)
        model.fit(double, show_progress=False)
        return model.similarity

    def rusket() -> Any:
        return ItemKNN(method="count", k=K).fit(single)

    return {"implicit": implicit, "rusket": rusket}


def check_peers(scores: Array, similarity: Any, knn: Any) -> None:
    """Assert that peers find neighbours with the same scores.

    One of implicit's is the item itself, unless that ties with too many others.
    """
    reached = np.concatenate(([0.0], np.cumsum(knn.w_data, dtype=np.float64)))
    np.testing.assert_allclose(np.diff(reached[knn.w_indptr]), scores.sum(axis=1), rtol=1e-4)
    own = similarity.diagonal()
    expected = scores[:, : K - 1].sum(axis=1) + np.where(own == 0, scores[:, K - 1], own)
    implicit = np.asarray(similarity.sum(axis=1)).ravel()
    np.testing.assert_allclose(implicit, expected, rtol=1e-4)


def check_sql(con: Any, dataset: Dataset, ptr: Array, item: Array, n_items: int) -> float:
    """Assert that all counts are those of a self-join in SQL; gives its seconds."""
    started = time.perf_counter()
    expected = con.sql(
        f"WITH d AS MATERIALIZED (SELECT DISTINCT t.{dataset.group} AS g, t.item_id FROM t), "
        "c AS (SELECT x.item_id, dense_rank() OVER (ORDER BY x.item_id) - 1 AS i "
        "FROM (SELECT DISTINCT d.item_id FROM d) AS x) "
        "SELECT a.i AS i, b.i AS j, count(*) AS n "
        "FROM d AS x JOIN d AS y ON x.g = y.g AND x.item_id <= y.item_id "
        "JOIN c AS a ON a.item_id = x.item_id JOIN c AS b ON b.item_id = y.item_id "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchnumpy()
    seconds = time.perf_counter() - started
    pairs = count_pairs(ptr, item, n_items)
    rows = np.repeat(np.arange(n_items), np.diff(pairs.ptr))
    for ours, theirs in zip((rows, pairs.item, pairs.count), expected.values(), strict=True):
        assert np.array_equal(ours, theirs), dataset.name
    return seconds


def measure(work: dict[str, Work]) -> dict[str, float]:
    """Give the median seconds of each, one warm-up and then in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(ROUNDS + 1):
        for name, run in work.items():
            started = time.perf_counter()
            run()
            if turn > 0:
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(times) for name, times in seconds.items()}


def compare(dataset: Dataset) -> list[dict[str, Any]]:
    """Measure all weightings on a dataset."""
    ptr, item, n_items, con = read(dataset)
    sql = check_sql(con, dataset, ptr, item, n_items)
    stored = count_pairs(ptr, item, n_items)
    rows = []
    for weighting in ("cosine", "count", "jaccard", "lift"):
        options: dict[str, Any] = {"weighting": weighting, "n_threads": THREADS}
        work: dict[str, Work] = {
            "recsql": lambda options=options: top_neighbours(ptr, item, n_items, K, **options)
        }
        if weighting in ("cosine", "count"):
            others = peers(ptr, item, n_items, weighting)
            check_peers(work["recsql"]().score, others["implicit"](), others["rusket"]())
            work |= others
            work["count all pairs"] = lambda: count_pairs(ptr, item, n_items, n_threads=THREADS)
            work["rank stored"] = lambda options=options: rank_pairs(
                stored, K, n_groups=ptr.size - 1, **options
            )
        seconds = measure(work)
        peer_seconds = [seconds[name] for name in ("implicit", "rusket") if name in seconds]
        rows.append(
            {
                "peer / recsql": min(peer_seconds) / seconds["recsql"] if peer_seconds else None,
                "dataset": dataset.name,
                "weighting": weighting,
                **{f"{name} s": seconds.get(name) for name in ("recsql", "implicit", "rusket")},
                "count all pairs s": seconds.get("count all pairs"),
                "rank stored s": seconds.get("rank stored"),
                "SQL self-join s": sql if weighting == "count" else None,
                "entries": item.size,
                "items": n_items,
            }
        )
    return rows


def main() -> None:
    """Compare on every dataset."""
    warnings.simplefilter("ignore")  # implicit's advice about input that is right
    rows = [row for dataset in DATASETS for row in compare(dataset)]
    report("neighbours", f"{K} neighbours of every item, {THREADS} threads", rows)


if __name__ == "__main__":
    main()
