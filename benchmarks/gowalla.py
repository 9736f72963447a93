"""Personal recommendations on Gowalla check-ins: recall and NDCG at 20 on the official split.

All items are ranked, those of training left out, ties to the smaller id. The settings of each
model are chosen on a fifth of the training items of each customer, judged on 4,000 customers; then
it learns from all of training and is tested once. Peers: implicit's item neighbours and ALS with
settings lightly tuned elsewhere. The trivial baseline is popularity.

The test part is no random part of the data: 159 items stand in it more than five standard
deviations above their share (the most bought of all 39% instead of 21%). A validation part drawn at
random from training does not foresee that, and the best setting there need not be the best in the
test.
"""

from __future__ import annotations

import os
import resource
import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks._data import FOLDER
from benchmarks._personal import (
    Array,
    Items,
    best_of,
    items_of,
    popular,
    purchases_of,
    recall_and_ndcg,
    requests_of,
    timed,
)
from benchmarks._report import report
from recsql.models.fold_in import FoldInRecommender
from recsql.models.graph_filter import GraphFilter
from recsql.models.ials import IALS
from recsql.models.item_knn import ItemKNN

K = 20
SHARE_HELD_OUT = 0.2
JUDGED = 4000
ITEM_KNN = (
    ItemKNN(customer_power=0.0, popularity_power=0.0),
    ItemKNN(weighting="jaccard", customer_power=0.0, popularity_power=0.0),
    ItemKNN(),
    ItemKNN(shrinkage=1.0),
    ItemKNN(neighbours=400),
    ItemKNN(neighbours=400, customer_power=0.5, shrinkage=1.0),
)
SHRUNK = {"neighbours": 400, "shrinkage": 1.0, "n_factors": 1024, "low_pass": 0.3}
GRAPH_FILTER = (
    GraphFilter(neighbours=400, customer_power=0.5, popularity_power=0.0, low_pass=0.3),  # GF-CF
    GraphFilter(),
    GraphFilter(n_factors=512, low_pass=0.2),
    GraphFilter(**SHRUNK),
    GraphFilter(**SHRUNK, sharpening=0.8),
    GraphFilter(**SHRUNK, sharpening=1.0),
    GraphFilter(**SHRUNK, sharpening=1.0, customer_power=0.3, popularity_power=0.15),
)
IALS_SETTINGS = (
    IALS(),
    IALS(n_factors=256, unobserved=25.0),
    IALS(n_factors=512, unobserved=25.0),
    IALS(n_factors=512, unobserved=50.0),
)


def read() -> tuple[Items, Items, int]:
    """Give training, test and the number of items."""
    import duckdb

    parts = []
    for name in ("train", "test"):
        rows = duckdb.sql(
            f"SELECT t.user_id, t.item_id FROM '{FOLDER}/gowalla/{name}.parquet' AS t"
        )
        parts.append(rows.fetchnumpy())
    n_users = 1 + int(max(part["user_id"].max() for part in parts))
    n_items = 1 + int(max(part["item_id"].max() for part in parts))
    train, test = (items_of(part["user_id"], part["item_id"], n_users) for part in parts)
    return train, test, n_items


def peers(train: Items, n_items: int) -> dict[str, Array]:
    """Give what implicit recommends, and print its seconds."""
    from implicit.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import CosineRecommender
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    shape = (len(train.ptr) - 1, n_items)
    table = csr_matrix((np.ones(len(train.item), dtype=np.float32), train.item, train.ptr), shape)
    table.indices, table.indptr = table.indices.astype(np.int32), table.indptr.astype(np.int32)
    models = {
        "implicit cosine, 200": CosineRecommender(K=200, num_threads=2),
        "implicit ALS, 128": AlternatingLeastSquares(
            128, regularization=0.05, alpha=10.0, iterations=15, num_threads=2, random_state=0
        ),
    }
    found = {}
    for name, model in models.items():
        with threadpool_limits(1, user_api="blas"):
            model.fit(table, show_progress=False)
            found[name] = model.recommend(np.arange(shape[0]), table, N=K)[0]
    return found


def row(name: str, found: Array, test: Items, **more: Any) -> dict[str, Any]:
    """Give a line of the table."""
    recall, ndcg = recall_and_ndcg(found, test)
    more = {"validation": None, "fit s": None, "answer s": None, "settings": ""} | more
    return {"model": name, f"R@{K}": recall, f"N@{K}": ndcg, **more}


def main() -> None:
    """Choose on the validation part, test once."""
    warnings.simplefilter("ignore")  # implicit's advice about input that is right
    train, test, n_items = read()
    rng = np.random.default_rng(0)
    kept = rng.random(len(train.item)) >= SHARE_HELD_OUT
    known, hidden = train.select(kept), train.select(~kept)
    judged = np.sort(rng.choice(len(train.ptr) - 1, JUDGED, replace=False))
    asked, learned = requests_of(known.of(judged), n_items), purchases_of(known, n_items)

    def judge(model: FoldInRecommender) -> tuple[float, float]:
        found = replace(model).fit(learned).recommend(asked, K).item
        return recall_and_ndcg(found, hidden.of(judged))

    rows = [row("popularity", popular(train, n_items, K), test)]
    everything = purchases_of(train, n_items)
    for models in (ITEM_KNN, GRAPH_FILTER, IALS_SETTINGS):
        best, validation = best_of(models, judge)
        fit_s, model = timed(lambda best=best: replace(best).fit(everything))
        answer_s, found = timed(lambda model=model: model.recommend(requests_of(train, n_items), K))
        times = {"validation": validation, "fit s": fit_s, "answer s": answer_s}
        rows.append(row(best.name, found.item, test, **times, settings=str(best.params())))
    rows += [row(name, found, test) for name, found in peers(train, n_items).items()]
    if hasattr(os, "getloadavg"):
        print(f"load of the last minute {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    report("gowalla", f"Gowalla, official split, {len(train.item):,} training rows", rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory {peak:.2f} GB (with the peers and the data)")


if __name__ == "__main__":
    main()
