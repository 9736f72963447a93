"""Ratings of MovieLens 100k foretold by time: networks beside biases, factors and plain means.

The newest fifth of the ratings is the test, the newest fifth of the rest the validation part.
Settings are chosen by the validation part; the best one of each model is asked for the test part
once. Each rating is asked with all that its customer had rated before that second.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks._data import FOLDER
from benchmarks._report import report
from recsql.metrics.ratings import mae, rmse
from recsql.models.catalogue import model_named
from recsql.models.purchases import Purchases
from recsql.models.rating import RatingModel
from recsql.splits import ratings
from recsql.splits.ratings import RatingQueries
from recsql.splits.split import Split

EVERYTHING = 10**9
# RMSE of MovieLens 20M in Ma et al., KDD 2020, table 4: other data, customers held out.
PUBLISHED = {
    "mean_rating both": 0.933,
    "rating_factors": 0.916,  # there a factorization machine
    "hrnn_rating": 0.846,
}
SETTINGS: dict[str, Sequence[dict[str, Any]]] = {
    "mean_rating all": ({"by": "all"},),
    "mean_rating item": ({"by": "item"},),
    "mean_rating customer": ({"by": "customer"},),
    "mean_rating both": ({"by": "both"},),
    "rating_biases": [
        model.params() for model in model_named("rating_biases").variants(real_time=True)
    ],
    "rating_factors": [
        model.params() for model in model_named("rating_factors").variants(real_time=True)
    ],
    "hrnn_rating": ({},),
    "hrnn_meta_rating": ({},),
}


def read() -> Purchases:
    """Read the ratings, with the attributes of customers and movies."""
    import recsql
    from recsql.data.snapshot import read_snapshot
    from recsql.database import Session
    from recsql.selection.answers import make_purchases

    con = recsql.connect()
    for name in ("interactions", "users", "items"):
        con.execute(f"CREATE TABLE {name} AS FROM '{FOLDER}/movielens_100k/{name}.parquet'")
    recsql.bind_interactions(
        con, "interactions", user_id="user_id", item_id="item_id", ts="ts", rating="rating"
    )
    recsql.bind_users(con, "users", user_id="user_id", attributes=["age", "gender", "occupation"])
    recsql.bind_items(con, "items", item_id="item_id", title="title", attributes=["genres", "year"])
    session = Session(con.cursor())
    snapshot = read_snapshot(session, with_events=True, with_features=True)
    return make_purchases(session, snapshot)


def measured(name: str, settings: dict[str, Any], part: Split) -> tuple[float, float, float]:
    """Give RMSE, MAE and the seconds of learning of a model on a part."""
    model = model_named(name.partition(" ")[0])(**settings)
    assert isinstance(model, RatingModel)
    assert isinstance(part.queries, RatingQueries)
    started = time.perf_counter()
    model.fit(part.train)
    seconds = time.perf_counter() - started
    found = model.rate(part.queries.requests)
    return rmse(found, part.queries.rating), mae(found, part.queries.rating), seconds


def main() -> None:
    """Measure the models named on the command line, all without any."""
    ratings.MOST_QUERIES = EVERYTHING
    (test,) = ratings.by_time(read(), 0)
    (valid,) = ratings.by_time(test.train, 0)
    rows = []
    for name in sys.argv[1:] or SETTINGS:
        tried = [(measured(name, one, valid), one) for one in SETTINGS[name]]
        (on_valid, *_), chosen = min(tried, key=lambda found: found[0][0])
        on_test, absolute, seconds = measured(name, chosen, test)
        rows.append(
            {
                "model": name,
                "valid RMSE": on_valid,
                "test RMSE": on_test,
                "test MAE": absolute,
                "RMSE, ml-20m, published": PUBLISHED.get(name, np.nan),
                "seconds": seconds,
                "settings": chosen if len(tried) > 1 else {},
            }
        )
    report("ratings", f"{len(test.queries):,} newest ratings of MovieLens 100k", rows)


if __name__ == "__main__":
    main()
