"""Scores of every item for many customers: our kernels against the package's own ``predict``.

Both start from the same learned vectors of movielens_1m (or what is named) and use two threads.
The package gets its pairs of customer and item ready-made before the clock starts; its answer is a
score a pair, ours the table of the same scores, and both are compared. A second row adds the ten
best items of each customer, which the package leaves to numpy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._first import SHOPS, First, read_shop
from benchmarks._report import report
from benchmarks._timing import median_seconds
from recsql.models.lightfm import LightFM, item_matrix, user_matrix

THREADS = 2
CUSTOMERS = 500
SHOP = "movielens_1m, all that they rated"


def learn(first: First, n_factors: int) -> tuple[LightFM, Any]:
    """Give our model and the package's, learned alike in one round."""
    model = LightFM(n_factors=n_factors, n_epochs=1)
    model.fit(first.purchases())
    return model, model._learned(first.events, first.users, first.items)


def compare(first: First, n_factors: int) -> list[dict[str, Any]]:
    """Give a row a kind of answer."""
    model, peer = learn(first, n_factors)
    some = first.of(np.arange(min(CUSTOMERS, first.events.n_users)))
    n_users, n_items = some.events.n_users, some.events.n_items
    users = user_matrix(n_users, some.users, own=False)
    items = item_matrix(n_items, some.items, own=True)
    user, item = (place.ravel().astype(np.int32) for place in np.indices((n_users, n_items)))
    requests = some.requests()

    def predict() -> Any:
        return peer.predict(
            user, item, item_features=items, user_features=users, num_threads=THREADS
        )

    def best() -> Any:
        scores = predict().reshape(n_users, n_items)
        part = np.argpartition(-scores, 10, axis=1)[:, :10]
        order = np.argsort(-np.take_along_axis(scores, part, axis=1), axis=1)
        return np.take_along_axis(part, order, axis=1)

    sold = model.buyers_ > 0
    expected = predict().reshape(n_users, n_items)[:, sold]
    np.testing.assert_allclose(model._scores(requests)[:, sold], expected, rtol=1e-3, atol=1e-4)
    rows = []
    for name, ours, theirs in (
        ("all scores", lambda: model._scores(requests), predict),
        ("ten best", lambda: model.recommend(requests, 10), best),
    ):
        own, other = median_seconds(ours), median_seconds(theirs)
        rows.append(
            {
                "answer": name,
                "factors": n_factors,
                "times as fast": round(other / own, 1),
                "ours M/s": round(n_users * n_items / own / 1e6, 1),
                "package M/s": round(n_users * n_items / other / 1e6, 1),
                "ours s": round(own, 4),
                "package s": round(other, 4),
            }
        )
    return rows


def main() -> None:
    """Compare at three widths."""
    first = read_shop(next(shop for shop in SHOPS if shop.name == SHOP))
    rows = [row for n_factors in (8, 32, 64) for row in compare(first, n_factors)]
    report("lightfm_peer", f"LightFM scores, {CUSTOMERS} customers: {SHOP}", rows)


if __name__ == "__main__":
    main()
