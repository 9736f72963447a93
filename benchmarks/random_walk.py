"""Random walks against exact co-purchase and the most sold items: what they find, and how fast.

Of 30 % of the customers, or baskets, one random item is shown and the others are to be found among
all items. Settings of both models are chosen in the same way on 30 % of the training part; then
each learns from the whole training part and the test part is asked once.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks._data import DATASETS, Dataset
from benchmarks._report import report
from benchmarks._timing import median_seconds
from benchmarks._tuning import Settings, tuned
from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.kernels.groups import build_groups
from recsql.metrics.ranked import hits, ndcg
from recsql.models.base import Array, Recommender
from recsql.models.copurchase import WEIGHTINGS, UserCopurchase
from recsql.models.purchases import Purchases
from recsql.models.random_walk import RandomWalk
from recsql.models.requests import Requests, first_of_order
from recsql.splits.neighbours import hide_all_but_one
from recsql.splits.split import Queries

K = 10
SEED = 0
TEST_SHARE = 0.3
SPEED_REQUESTS = 5_000
WANTED_A_SECOND = 4_000
WALK_GRID: dict[str, tuple[Any, ...]] = {
    "group_power": (0.0, 0.25, 0.5, 0.75, 1.0),
    "restart": (0.1, 0.2, 0.3, 0.4, 0.6, 1.0),
    "popularity_power": (0.0, 0.05, 0.1, 0.2, 0.3, 0.5),
}
PAIR_GRID: dict[str, tuple[Any, ...]] = {"weighting": WEIGHTINGS, "min_support": (1, 2, 3, 5)}
SHOP_CUSTOMERS = Dataset(
    "uci_online_retail customers",
    "related",
    "user_id",
    DATASETS[0].query + " AND user_id IS NOT NULL",
)


class Groups:
    """Groups of items that are learned from, or asked about."""

    def __init__(self, ptr: Array, item: Array, n_items: int) -> None:
        self.ptr, self.item, self.n_items = ptr, item, n_items

    def split(self, seed: int) -> tuple[Groups, Groups]:
        """Give those to learn from and those to ask about."""
        asked = np.random.default_rng(seed).random(len(self.ptr) - 1) < TEST_SHARE
        return self._of(~asked), self._of(asked)

    def _of(self, chosen: Array) -> Groups:
        size = np.diff(self.ptr)
        ptr = np.concatenate([[0], np.cumsum(size[chosen])]).astype(np.int64)
        return Groups(ptr, self.item[np.repeat(chosen, size)], self.n_items)

    @property
    def purchases(self) -> Purchases:
        """Give each group as a customer with one basket."""
        n_groups = len(self.ptr) - 1
        history = History(
            self.n_items,
            np.ones(n_groups, dtype=bool),
            np.arange(n_groups + 1),
            self.ptr,
            self.item,
            np.zeros(n_groups, dtype=np.int64),
        )
        none = np.empty(0, dtype=np.int64)
        return Purchases(history, ItemDays(none.astype(np.int32), none, none), None, 2**31 - 1)

    @property
    def queries(self) -> Queries:
        """Give the questions: one item shown, the others hidden."""
        return hide_all_but_one(self.ptr, self.item, SEED)


def read(dataset: Dataset) -> Groups:
    """Give the groups of a dataset."""
    with dataset.open() as con:
        rows = con.sql(
            f"SELECT dense_rank() OVER (ORDER BY t.{dataset.group}) - 1 AS g, "
            "dense_rank() OVER (ORDER BY t.item_id) - 1 AS i FROM t "
            f"WHERE t.{dataset.group} IS NOT NULL"
        ).fetchnumpy()
    n_groups, n_items = int(rows["g"].max()) + 1, int(rows["i"].max()) + 1
    return Groups(*build_groups(rows["g"], rows["i"].astype(np.int32), n_groups, n_items), n_items)


def quality(item: Array, queries: Queries) -> float:
    """Give NDCG@10."""
    return float(ndcg(hits(item, queries), np.diff(queries.truth_ptr)).mean())


def chosen(cls: type[Recommender], grid: dict[str, tuple[Any, ...]], train: Groups) -> Recommender:
    """Give the model with the settings that the validation part likes best."""
    known, asked = train.split(SEED + 1)
    purchases, queries = known.purchases, asked.queries

    def score(settings: Settings) -> float:
        model = cls(**settings).fit(purchases)
        return quality(model.recommend(queries.requests, K).item, queries)

    return cls(**tuned(asdict(cls()), grid, score))  # type: ignore[call-overload]


def most_sold(train: Groups, requests: Requests) -> Array:
    """Give everybody the items of most groups."""
    count = np.bincount(train.item, minlength=train.n_items)
    return first_of_order(np.argsort(-count, kind="stable").astype(np.int32), requests, K)


def compare(dataset: Dataset) -> list[dict[str, Any]]:
    """Choose settings on the validation part and measure all models on the test part."""
    train, asked = read(dataset).split(SEED)
    queries, purchases = asked.queries, train.purchases
    pairs = chosen(UserCopurchase, PAIR_GRID, train)
    walk = chosen(RandomWalk, WALK_GRID, train)
    models = {"random_walk": walk, "random_walk, defaults": RandomWalk(), "co-purchase": pairs}
    found = {"most sold": quality(most_sold(train, queries.requests), queries)}
    for name, model in models.items():
        item = model.fit(purchases).recommend(queries.requests, K).item
        found[name] = quality(item, queries)
    return [
        {
            "NDCG / co-purchase": value / found["co-purchase"],
            "dataset": dataset.name,
            "model": name,
            "NDCG@10": value,
            "asked": len(queries.requests),
            "settings": ", ".join(
                f"{key} {getattr(models[name], key)}"
                for key in (*WALK_GRID, *PAIR_GRID)
                if name in models and hasattr(models[name], key)
            ),
        }
        for name, value in sorted(found.items(), key=lambda one: -one[1])
    ]


def speed(dataset: Dataset) -> dict[str, Any]:
    """Measure the time to build the graph and to answer."""
    groups = read(dataset)
    purchases = groups.purchases
    assert len(purchases.user_groups[0]) > 0  # counted once, before the clock starts
    model = RandomWalk()
    build = median_seconds(lambda: model.fit(purchases))
    rng = np.random.default_rng(SEED)
    some = Requests.of_items(rng.integers(0, groups.n_items, SPEED_REQUESTS))
    ask = median_seconds(lambda: model.recommend(some, K))
    everything = Requests.of_items(np.arange(groups.n_items))
    return {
        "requests/s / wanted": SPEED_REQUESTS / ask / WANTED_A_SECOND,
        "dataset": dataset.name,
        "requests/s": SPEED_REQUESTS / ask,
        "steps": model.steps,
        "graph s": build,
        "all items s": median_seconds(lambda: model.recommend(everything, 50)),
        "items": groups.n_items,
        "entries": len(groups.item),
    }


def main() -> None:
    """Compare quality, then measure speed."""
    datasets = (DATASETS[1], SHOP_CUSTOMERS, DATASETS[0])
    rows = [row for dataset in datasets for row in compare(dataset)]
    report("random_walk", "one item shown, the others of its group hidden", rows)
    report("random_walk_speed", "random walks", [speed(dataset) for dataset in datasets])


if __name__ == "__main__":
    main()
