"""Personal recommendations on MovieLens 1M: a held-out movie among 99 others, hits and NDCG at 10.

The test is the leave-one-out of He et al., "Neural Collaborative Filtering", WWW 2017, with its
published negatives; one that is the held-out movie itself is skipped, and ties go to the smaller
id. Settings are chosen on the training part: one movie of each customer is held out at random,
three times over, and the numbers are those expected with 99 random negatives. The trivial baseline
is popularity; the peer is implicit's ALS.
"""

from __future__ import annotations

import resource
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks._data import FOLDER
from benchmarks._personal import (
    Array,
    Items,
    batches,
    best_of,
    items_of,
    purchases_of,
    requests_of,
    timed,
)
from benchmarks._report import report
from recsql.models.ease import Ease
from recsql.models.fold_in import FoldInRecommender
from recsql.models.graph_filter import GraphFilter
from recsql.models.ials import IALS
from recsql.models.item_knn import ItemKNN
from recsql.models.logistic_mf import LogisticMF

K = 10
NEGATIVES = 99
ROUNDS = 3
PLAIN = {"ridge_power": 0.0, "customer_power": 0.0, "popularity_power": 0.0}
EASE = (
    *(Ease(ridge=ridge, **PLAIN) for ridge in (2.0, 4.0, 8.0)),
    Ease(ridge=4.0, **(PLAIN | {"ridge_power": 0.5})),
    *(Ease(ridge=ridge) for ridge in (3.0, 4.0, 6.0)),
    Ease(popularity_power=-0.1),
    Ease(popularity_power=-0.3),
)
ITEM_KNN = tuple(
    ItemKNN(customer_power=customer, popularity_power=popularity)
    for customer, popularity in ((0.0, 0.0), (0.35, 0.2), (0.35, -0.2), (0.35, -0.4), (0.5, -0.3))
)
GRAPH_FILTER = tuple(
    GraphFilter(popularity_power=popularity, low_pass=low_pass, n_factors=n_factors)
    for popularity, low_pass, n_factors in (
        (0.2, 0.15, 64), (-0.2, 0.15, 64), (-0.4, 0.15, 64), (-0.4, 0.05, 128), (-0.4, 0.05, 32)
    )
)  # fmt: skip
IALS_SETTINGS = (
    IALS(n_factors=64, unobserved=5.0),
    IALS(unobserved=5.0),
    IALS(n_factors=256, unobserved=5.0),
    IALS(unobserved=2.5),
)
LOGISTIC_MF = (LogisticMF(n_factors=64), LogisticMF(), LogisticMF(n_factors=128, n_rounds=30))
Score = Callable[[Items], Array]


def read() -> tuple[Items, Array, Array, int]:
    """Give training, the held-out movie of each customer, 99 negatives (-1: none), and n_items."""
    import duckdb

    folder = FOLDER / "movielens_1m"
    train = duckdb.sql(
        f"SELECT t.user_id, t.item_id FROM '{folder}/interactions.parquet' AS t "
        "WHERE t.split_ncf = 'train'"
    ).fetchnumpy()
    test = duckdb.sql(
        "SELECT t.user_id, t.item_id, unnest(t.negatives) AS negative "
        f"FROM '{folder}/test_ncf.parquet' AS t ORDER BY t.user_id"
    ).fetchnumpy()
    ids = np.unique(np.concatenate([train["item_id"], test["item_id"], test["negative"]]))
    users = np.unique(train["user_id"])
    hidden = np.searchsorted(ids, test["item_id"]).reshape(len(users), NEGATIVES)[:, 0]
    negative = np.searchsorted(ids, test["negative"]).reshape(len(users), NEGATIVES)
    negative[negative == hidden[:, None]] = -1
    user, item = np.searchsorted(users, train["user_id"]), np.searchsorted(ids, train["item_id"])
    return items_of(user, item, len(users)), hidden, negative, len(ids)


def hits_and_ndcg(score: Score, train: Items, hidden: Array, negative: Array, n_items: int) -> Any:
    """Give the shares of hits and the NDCG of the held-out movie among its negatives."""
    ranks = []
    for first, last, part in batches(train, n_items):
        scores, own = score(part), hidden[first:last, None]
        others = negative[first:last]
        reached = np.take_along_axis(scores, own, 1)
        theirs = np.take_along_axis(scores, np.maximum(others, 0), 1)
        above = (theirs > reached) | ((theirs == reached) & (others < own))
        ranks.append((above & (others >= 0)).sum(axis=1))
    rank = np.concatenate(ranks)
    gain = np.where(rank < K, 1.0 / np.log2(rank + 2.0), 0.0)
    return float((rank < K).mean()), float(gain.mean())


def expected_hits_and_ndcg(score: Score, known: Items, train: Items, hidden: Array, n: int) -> Any:
    """Give the same for 99 negatives drawn at random: the rank is binomial."""
    from scipy.stats import binom

    shares = []
    for first, last, part in batches(known, n):
        scores, bought = score(part), train.of(np.arange(first, last))
        reached = np.take_along_axis(scores, hidden[first:last, None], 1)
        scores[bought.user, bought.item] = -np.inf
        shares.append((scores > reached).sum(axis=1) / (n - np.diff(bought.ptr)))
    chance = binom.pmf(np.arange(K)[:, None], NEGATIVES, np.concatenate(shares))
    gain = (chance / np.log2(np.arange(K) + 2.0)[:, None]).sum(axis=0)
    return float(chance.sum(axis=0).mean()), float(gain.mean())


def hold_out(train: Items, seed: int) -> tuple[Items, Array]:
    """Hold out one movie of each customer."""
    rng = np.random.default_rng(seed)
    place = rng.integers(train.ptr[:-1], train.ptr[1:])
    kept = np.ones(len(train.item), dtype=bool)
    kept[place] = False
    return train.select(kept), train.item[place]


def scores_of(model: FoldInRecommender, n_items: int) -> Score:
    """Give the function that scores histories by a fitted model."""
    return lambda part: model._scores(requests_of(part, n_items))


def implicit_scores(train: Items, n_items: int) -> Score:
    """Give the scores of implicit's ALS, with customers folded in."""
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    def table(items: Items) -> Any:
        ptr, item = items.ptr.astype(np.int32), items.item.astype(np.int32)
        shape = (len(ptr) - 1, n_items)
        return csr_matrix((np.ones(len(item), dtype=np.float32), item, ptr), shape)

    model = AlternatingLeastSquares(
        64, regularization=10.0, alpha=1.0, iterations=15, num_threads=2, random_state=0
    )
    with threadpool_limits(1, user_api="blas"):
        model.fit(table(train), show_progress=False)

    def score(part: Items) -> Array:
        user = np.arange(len(part.ptr) - 1)
        return np.asarray(model.recalculate_user(user, table(part)) @ model.item_factors.T)

    return score


def main() -> None:
    """Choose on the validation part, test once."""
    warnings.simplefilter("ignore")  # implicit's advice about input that is right
    train, hidden, negative, n_items = read()
    folds = [hold_out(train, seed) for seed in range(ROUNDS)]

    def judge(model: FoldInRecommender) -> tuple[float, float]:
        numbers = []
        for known, held in folds:
            score = scores_of(replace(model).fit(purchases_of(known, n_items)), n_items)
            numbers.append(expected_hits_and_ndcg(score, known, train, held, n_items))
        hits, ndcg = np.mean(numbers, axis=0)
        return float(hits), float(ndcg)

    def row(name: str, score: Score, **more: Any) -> dict[str, Any]:
        seconds, (hits, ndcg) = timed(
            lambda: hits_and_ndcg(score, train, hidden, negative, n_items)
        )
        more = {"validation": None, "fit s": None, "answer s": seconds, "settings": ""} | more
        return {"model": name, f"HR@{K}": hits, f"N@{K}": ndcg, **more}

    count = np.bincount(train.item, minlength=n_items).astype(np.float32)
    rows = [row("popularity", lambda part: np.tile(count, (len(part.ptr) - 1, 1)))]
    for models in (EASE, ITEM_KNN, GRAPH_FILTER, IALS_SETTINGS, LOGISTIC_MF):
        best, validation = best_of(models, judge)
        fit_s, model = timed(lambda best=best: replace(best).fit(purchases_of(train, n_items)))
        more = {"validation": validation, "fit s": fit_s, "settings": str(best.params())}
        rows.append(row(best.name, scores_of(model, n_items), **more))
    rows.append(row("implicit ALS, 64", implicit_scores(train, n_items)))
    report("movielens", "MovieLens 1M, NCF leave-one-out, 99 negatives", rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory {peak:.2f} GB (with the peer and the data)")


if __name__ == "__main__":
    main()
