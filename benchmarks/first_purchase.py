"""First purchases foretold from attributes alone, beside the best sellers among them.

Only the first basket of each customer counts, to learn from and to be foretold. 'paper' hides a
random 30 percent of the customers, 'time' the last 30 percent by their first purchase. The settings
of each model are those with the best NDCG@10 on a validation part, cut from the training part in
the same way; the test part is answered once by a model that learned from all of the training part.
Best sellers of all days and of the last 30 are the trivial answers: the stronger on the test part
stands beside each result. Numbers of 'paper' are means over seeds.

python -m benchmarks.first_purchase [words of the names of data]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks._first import SHOPS, First, Shop, cut, judge, read_shop
from benchmarks._report import report
from recsql.models.base import Recommender
from recsql.models.catalogue import model_named
from recsql.models.lightfm import LightFM
from recsql.models.popularity import Popularity

MODELS = ("segment_popularity", "hnsw_customers", "lightfm")
SEEDS = (0, 1, 2)
LIGHTFM: tuple[dict[str, Any], ...] = (
    {},
    {"n_factors": 8, "n_epochs": 40},
    {"n_factors": 8, "n_epochs": 40, "learning_rate": 0.01},
    {"own_vectors": True, "n_epochs": 50},
)
MOST_LINES = 500_000  # with more lines, one seed is enough
Metrics = dict[str, float]


def best_of(variants: Sequence[Recommender], train: First, seed: int, protocol: str) -> Recommender:
    """Give the settings that do best on a validation part of the training part."""
    learned, hidden = cut(train, protocol, 1000 + seed)
    purchases = learned.purchases()
    scores = [judge(model.fit(purchases), hidden)["NDCG@10"] for model in variants]
    return variants[int(np.argmax(scores))]


def measure(
    first: First, protocol: str, seed: int, timed: bool
) -> list[tuple[str, str, Metrics, float, float]]:
    """Give (model, settings, metrics, seconds to fit, microseconds an answer) of one cut."""
    train, test = cut(first, protocol, seed)
    rows = []
    trivial = [Popularity(days=None), Popularity(days=30)]
    judged = [judge(model.fit(train.purchases()), test) for model in trivial]
    place = int(np.argmax([metrics["NDCG@10"] for metrics in judged]))
    rows.append(("popularity", _changed(trivial[place]), judged[place], 0.0, 0.0))
    for name in MODELS:
        variants = model_named(name).variants(real_time=timed)
        if name == "lightfm":
            variants = [LightFM(**settings) for settings in LIGHTFM]
        model = best_of(variants, train, seed, protocol)
        purchases = train.purchases()
        started = time.perf_counter()
        model.fit(purchases)
        fitted = time.perf_counter()
        metrics = judge(model, test)
        answered = (time.perf_counter() - fitted) / test.events.n_users
        rows.append((name, _changed(model), metrics, fitted - started, 1e6 * answered))
    return rows


def _changed(model: Recommender) -> str:
    told = {
        name: value
        for name, value in model.params().items()
        if value != getattr(type(model)(), name)
    }
    return ", ".join(f"{name} {value}" for name, value in told.items()) or "as they are"


def run(shop: Shop) -> list[dict[str, Any]]:
    """Give a row a protocol and model."""
    first = read_shop(shop)
    rows = []
    for protocol in ("paper", "time") if shop.timed else ("paper",):
        once = protocol == "time" or len(first.events.item) > MOST_LINES
        runs = [
            measure(first, protocol, seed, shop.timed) for seed in (SEEDS[:1] if once else SEEDS)
        ]
        base = float(np.mean([run[0][2]["NDCG@10"] for run in runs]))
        for number, (name, *_) in enumerate(runs[0]):
            same = [run[number] for run in runs]
            metrics = {key: float(np.mean([m[2][key] for m in same])) for key in same[0][2]}
            rows.append(
                {
                    "data": shop.name,
                    "protocol": protocol,
                    "model": name,
                    "to trivial": round(metrics["NDCG@10"] / base, 3),
                    **{key: round(value, 4) for key, value in metrics.items()},
                    "fit s": round(float(np.median([m[3] for m in same])), 3),
                    "answer us": round(float(np.median([m[4] for m in same])), 1),
                    "settings": " | ".join(dict.fromkeys(m[1] for m in same)),
                }
            )
    return rows


def main() -> None:
    """Measure the data that the command line names, or all."""
    wanted = [word for word in sys.argv[1:] if word != "first_purchase"]
    for shop in SHOPS:
        if all(word in shop.name for word in wanted):
            report("first_purchase", f"First purchases: {shop.name}", run(shop))


if __name__ == "__main__":
    main()
