"""LightFM for customers with purchases: folding in against the vectors that the package learned.

A random fifth of what each customer of movielens_100k rated is hidden, another part of the rest is
the validation part that the settings of folding in were chosen on. Folding in knows nobody: it
starts from attributes and moves by what was bought, so it answers new customers the same way. The
package's own vectors exist only for customers who were there when it learned.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from benchmarks._first import SHOPS, First, read_shop
from benchmarks._personal import Items, items_of, popular, recall_and_ndcg
from benchmarks._report import report
from recsql.models.base import Array
from recsql.models.lightfm import LightFM, item_matrix, user_matrix
from recsql.models.requests import Requests

K, SEED = 20, 0
PULLS = ((0.01, 0.1), (0.02, 0.1), (0.04, 0.1), (0.02, 1.0), (0.1, 1.0))


def read() -> First:
    """Read every rating of movielens_100k as one basket a customer."""
    shop = next(shop for shop in SHOPS if shop.name.startswith("movielens_100k"))
    return read_shop(
        dataclasses.replace(shop, name="movielens_100k", first=shop.first.split(" WHERE ")[0])
    )


def split(first: First, rng: np.random.Generator) -> tuple[First, Items]:
    """Hide a random fifth of the lines."""
    events = first.events
    hidden = rng.random(len(events.item)) < 0.2
    out = events.select(hidden)
    return first._replace(events=events.select(~hidden)), items_of(
        out.user, out.item, events.n_users
    )


def folded(model: LightFM, train: First, hidden: Items) -> tuple[float, float]:
    """Give recall and NDCG of a model that was fitted."""
    new = np.full(train.events.n_users, -1)
    asked = Requests.of_customers(new, train.events, exclude_bought=True, features=train.users)
    return recall_and_ndcg(model.recommend(asked, K).item, hidden)


def of_package(model: LightFM, train: First, hidden: Items) -> tuple[float, float]:
    """Give recall and NDCG of the customers' own vectors."""
    events = train.events
    learned = model._learned(events, train.users, train.items)
    user = user_matrix(events.n_users, train.users, own=True) @ learned.user_embeddings
    items = item_matrix(events.n_items, train.items, own=True)
    scores: Array = user @ (items @ learned.item_embeddings).T + items @ learned.item_biases
    scores[events.user, events.item] = -np.inf
    return recall_and_ndcg(np.argsort(-scores, axis=1, kind="stable")[:, :K], hidden)


def main() -> None:
    """Choose on the validation part, measure on the test part."""
    rng = np.random.default_rng(SEED)
    train, test = split(read(), rng)
    part, validation = split(train, rng)
    model = LightFM(own_vectors=True, n_epochs=50).fit(part.purchases())
    numbers = []
    for model.everything, model.pull in PULLS:
        numbers.append(folded(model, part, validation)[1])
        print(f"  validation {numbers[-1]:.4f} everything {model.everything} pull {model.pull}")
    everything, pull = PULLS[int(np.argmax(numbers))]
    model = LightFM(own_vectors=True, n_epochs=50, everything=everything, pull=pull)
    model.fit(train.purchases())
    learned = items_of(train.events.user, train.events.item, train.events.n_users)
    found: dict[str, Any] = {
        f"folded in, everything {everything}, pull {pull}": folded(model, train, test),
        "the package's own vectors": of_package(model, train, test),
    }
    model.fold_in = 0.0
    found["attributes alone"] = folded(model, train, test)
    trivial = recall_and_ndcg(popular(learned, train.events.n_items, K), test)
    found["best sellers not bought"] = trivial
    rows = [
        {
            "answer": name,
            "to trivial": round(ndcg / trivial[1], 3),
            "recall@20": round(recall, 4),
            "NDCG@20": round(ndcg, 4),
        }
        for name, (recall, ndcg) in found.items()
    ]
    report("lightfm_fold_in", "LightFM for customers with purchases: movielens_100k", rows)


if __name__ == "__main__":
    main()
