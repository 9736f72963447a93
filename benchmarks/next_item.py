"""The next item of long histories, all items ranked: networks beside the models that count.

The last item of a customer is the test, the one before the validation part; what a customer had
before is not recommended. Settings are chosen by the validation part. Then the model that learned
from the training part alone, as in the published numbers, is asked for the test items, with the
validation item in the history; and one that learned from the validation items too.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks._data import FOLDER
from benchmarks._events import only
from benchmarks._report import report
from recsql.data.events import Events, pointers
from recsql.models.base import Array, Recommender
from recsql.models.catalogue import model_named
from recsql.models.requests import Requests
from recsql.networks.limits import told_to

K = 10
PUBLISHED = {"amazon_beauty_seq": 0.0605, "amazon_sports_seq": 0.0350}  # SASRec, HR@10
COUNTING: dict[str, tuple[dict[str, Any], ...]] = {
    "popularity": ({"days": None},),
    "markov": ({}, {"max_skip": 8, "history_decay": 0.8, "last_items": 8}),
    "session_knn": ({}, {"same_weight": 1.0, "most_recent": 2000}),
    "item_knn": ({},),
    "ease": ({},),
}
NETWORKS: dict[str, tuple[dict[str, Any], ...]] = {
    "sasrec": ({"dropout": 0.5},),
    "gru": ({"dropout": 0.5},),
}


@dataclass(frozen=True)
class Histories:
    """Histories in order, and the place of each event's part: 'train', 'valid' or 'test'."""

    events: Events
    part: Array

    def until(self, *parts: str) -> Events:
        """Give the events of some parts; every customer remains."""
        return self.events.select(np.isin(self.part, parts))

    def wanted(self, part: str) -> tuple[Array, Array]:
        """Give the customers and the items of a part."""
        chosen = self.part == part
        return self.events.user[chosen], self.events.item[chosen]


def read(name: str) -> Histories:
    """Read a dataset of sequences."""
    import duckdb

    rows = duckdb.sql(
        "SELECT r.user_id, r.item_id, r.ts, r.split "
        f"FROM '{FOLDER}/{name}/interactions.parquet' AS r ORDER BY r.user_id, r.ts"
    ).fetchnumpy()
    ids, item = np.unique(rows["item_id"], return_inverse=True)
    _, user = np.unique(rows["user_id"], return_inverse=True)
    place = np.asarray(rows["ts"], dtype=np.int64)
    events = Events(
        len(ids),
        pointers(np.bincount(user)),
        item.astype(np.int32),
        place,
        place.astype(np.int32),
        np.zeros(len(item), dtype=np.int32),
        np.ones(len(item), dtype=np.float32),
    )
    return Histories(events, np.asarray(rows["split"]).astype(str))


def asked(model: Recommender, shown: Events, wanted: tuple[Array, Array]) -> tuple[float, float]:
    """Give the hit rate and the NDCG of the lists of 10."""
    user, item = wanted
    new = np.full(len(user), -1)
    requests = Requests.of_customers(new, shown.of_users(user), exclude_bought=True)
    hit = model.recommend(requests, K).item == item[:, None]
    gain = (hit / np.log2(np.arange(K) + 2)).sum(axis=1)
    return float(hit.any(axis=1).mean()), float(gain.mean())


def chosen(name: str, settings: tuple[dict[str, Any], ...], data: Histories) -> tuple[Any, ...]:
    """Give the validation and test numbers of the best setting of a model."""
    train, before = data.until("train"), data.until("train", "valid")
    best: tuple[float, float] = (-1.0, -1.0)
    for one in settings:
        started = time.perf_counter()
        model = model_named(name)(**one).fit(only(train))
        seconds = time.perf_counter() - started
        found = asked(model, train, data.wanted("valid"))
        if found > best:
            best, kept = found, (one, model, seconds)
    one, model, seconds = kept
    test = asked(model, before, data.wanted("test"))
    model = model_named(name)(**one).fit(only(before))
    return one, best, test, asked(model, before, data.wanted("test")), seconds


def compare(name: str, models: list[str]) -> Iterator[dict[str, Any]]:
    """Measure models on a dataset."""
    data = read(name)
    for model in models:
        one, valid, test, both, seconds = chosen(model, (COUNTING | NETWORKS)[model], data)
        yield {
            "HR@10 / published": test[0] / PUBLISHED[name],
            "dataset": name,
            "model": model,
            "HR@10": test[0],
            "NDCG@10": test[1],
            "HR@10, with validation items": both[0],
            "NDCG@10, with validation items": both[1],
            "validation HR@10": valid[0],
            "fit s": seconds,
            "settings": one or None,
        }


def main() -> None:
    """Compare on every dataset: python -m benchmarks.next_item [dataset …] [model …]."""
    names = [one for one in sys.argv[1:] if one in PUBLISHED] or list(PUBLISHED)
    models = [one for one in sys.argv[1:] if one in COUNTING | NETWORKS]
    with told_to(lambda line: print(line, file=sys.stderr, flush=True)):
        for name in names:
            for row in compare(name, models or [*COUNTING, *NETWORKS]):
                report("next_item", "next item of a history, all items ranked", [row])


if __name__ == "__main__":
    main()
