"""Items that nobody bought yet, ranked by their attributes alone: half of a catalogue held out.

Half of the items, chosen by seed, are taken out of every history. For each customer who has some of
them, all of them are ranked; those in the history are to be found. ``movielens_100k`` has times:
what is learned from and shown is what each customer did in the first half of their events, and to
be found is what of the other items came later. The ratings of ``movielens_1m`` have no times, so
each history is put in an order of chance, every rating is a moment of its own, and all of the other
items are to be found. Ridge regression of what a customer rated (1) or not (0) on the same
attributes stands beside; its penalty is chosen by the same protocol within the items that were
learned from, and so is the shrinkage of the network, for the first seed; its other settings were
set by hand on such parts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks._data import FOLDER
from benchmarks._events import only
from benchmarks._report import report
from recsql.data.events import Events, pointers
from recsql.data.features import Features, Values, learn_encoder
from recsql.models.base import Array
from recsql.models.hrnn_meta import HRNNMeta
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.networks.limits import told_to

TIMED = ("movielens_100k",)
SEEDS = (0, 1, 2)
RIDGES = (1.0, 10.0, 100.0, 1000.0)
BY_ATTRIBUTES: dict[str, Any] = {
    "max_length": 200,  # a customer rated a hundred films and more
    "least_mix": 0.7,
    "warm_mix": 1.0,
    "learning_rate": 0.003,
}
# What comes next in an order of chance tells nothing of when to stop.
ROUNDS: dict[str, Any] = {"held_out": 0.0, "n_epochs": 3, "batch_size": 16}
SHRINKAGES = (30.0, 100.0)
CUSTOMERS = 500  # scored at a time


class Films(NamedTuple):
    """Ratings in order of customer and moment, and the attributes of films."""

    events: Events
    features: Features


def read(name: str, seed: int) -> Films:
    """Read a dataset; without times the order is one of chance."""
    import duckdb

    con = duckdb.connect()
    timed = name in TIMED
    moment = "epoch_us(r.ts)" if timed else f"hash(r.user_id, r.item_id, {seed})"
    rows = con.sql(
        f"SELECT r.user_id, r.item_id, row_number() OVER (ORDER BY r.user_id, {moment}, r.item_id) "
        f"AS place, {'epoch_us(r.ts)' if timed else '0'} AS time "
        f"FROM '{FOLDER}/{name}/interactions.parquet' AS r ORDER BY place"
    ).fetchnumpy()
    ids, item = np.unique(rows["item_id"], return_inverse=True)
    _, user = np.unique(rows["user_id"], return_inverse=True)
    time_ = np.asarray(rows["time"] if timed else rows["place"], dtype=np.int64)
    zero = np.zeros(len(item), dtype=np.int32)
    events = Events(
        len(ids),
        pointers(np.bincount(user)),
        item.astype(np.int32),
        time_,
        zero,
        zero,
        np.ones(len(item), dtype=np.float32),
    )
    con.register("ids", {"item_id": ids, "row": np.arange(len(ids))})
    films = con.sql(
        f"SELECT i.row, f.genres, f.year FROM ids AS i JOIN '{FOLDER}/{name}/items.parquet' AS f "
        "ON f.item_id = i.item_id ORDER BY i.row"
    ).fetchall()
    genres = [(row, one) for row, genre, _ in films for one in genre or ()]
    years = [(row, float(year)) for row, _, year in films if year is not None]
    columns = {
        "genre": ("list", _values(genres, object)),
        "year": ("number", _values(years, np.float64)),
    }
    encoder = learn_encoder(columns)
    values = {key: value for key, (_, value) in columns.items()}
    return Films(events, encoder.encode(values, len(ids)))


def _values(pairs: list[tuple[int, Any]], dtype: Any) -> Values:
    row = np.array([row for row, _ in pairs], dtype=np.int64)
    return Values(row, np.array([value for _, value in pairs], dtype=dtype))


class Asked(NamedTuple):
    """Customers, what they had of the learned half, and which of the other half they had."""

    shown: Events
    candidates: Array
    hidden: Array  # bool[n_customers, n_candidates]


def halves(events: Events, learnable: Array, seed: int, *, timed: bool) -> tuple[Events, Asked]:
    """Take half of the learnable items out of the histories: bool[n_items].

    What is ``timed`` is shown before the middle of a customer's events, and to be found after it.
    """
    rng = np.random.default_rng(seed)
    items = np.flatnonzero(learnable)
    cold = np.zeros(events.n_items, dtype=bool)
    cold[rng.choice(items, len(items) // 2, replace=False)] = True
    middle = (events.user_ptr[:-1] + events.user_ptr[1:]) // 2
    middle = events.time[np.minimum(middle, len(events.time) - 1)][events.user]
    early = events.time < middle if timed else np.ones(len(events.item), dtype=bool)
    shown = events.select(learnable[events.item] & ~cold[events.item] & early)
    later = events.select(cold[events.item] & ~(early & timed))
    users = np.flatnonzero((np.diff(shown.user_ptr) > 0) & (np.diff(later.user_ptr) > 0))
    # In an order of chance: equal scores go by it, and ids of films follow their popularity.
    candidates = rng.permutation(np.flatnonzero(cold))
    column = np.empty(events.n_items, dtype=np.int64)
    column[candidates] = np.arange(len(candidates))
    hidden = np.zeros((len(users), len(candidates)), dtype=bool)
    asked = later.of_users(users)
    hidden[asked.user, column[asked.item]] = True
    return shown, Asked(shown.of_users(users), candidates, hidden)


def qualities(scores: Array, hidden: Array) -> dict[str, float]:
    """Give the mean metrics of ranking the candidates by scores, ties by their order."""
    order = np.argsort(-scores, axis=1, kind="stable")
    hit = np.take_along_axis(hidden, order, axis=1)
    gain = 1.0 / np.log2(np.arange(hit.shape[1]) + 2)
    best = np.cumsum(gain)
    n_hidden = hidden.sum(axis=1)
    found = {"MRR": float((1.0 / (hit.argmax(axis=1) + 1)).mean())}
    for k in (5, 25):
        found[f"P@{k}"] = float(hit[:, :k].mean())
        ideal = best[np.minimum(n_hidden, k) - 1]
        found[f"NDCG@{k}"] = float(((hit[:, :k] * gain[:k]).sum(axis=1) / ideal).mean())
    return found


def ridge_scores(asked: Asked, features: Features, penalty: float, learnable: Array) -> Array:
    """Score candidates by a ridge regression of each customer's items on attributes."""
    table = np.zeros((features.n_rows, features.n_features + 1))
    table[features.row, features.feature] = 1.0
    table[:, -1] = 1.0
    known = np.flatnonzero(learnable)
    had = np.zeros((asked.shown.n_users, len(learnable)), dtype=np.float32)
    had[asked.shown.user, asked.shown.item] = 1.0
    x = table[known]
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ had[:, known].T)
    scores: Array = (table[asked.candidates] @ weights).T
    return scores.round(9)  # films with the same attributes are equal, whatever the order of sums


def network_scores(asked: Asked, learned: Events, features: Features, **settings: Any) -> Array:
    """Score candidates by the network, their attributes alone."""
    model = HRNNMeta(**settings)
    purchases = only(learned)
    model.fit(Purchases(**(vars(purchases) | {"item_features": features})))
    found = []
    for first in range(0, asked.shown.n_users, CUSTOMERS):
        some = asked.shown.of_users(np.arange(first, min(first + CUSTOMERS, asked.shown.n_users)))
        row = np.repeat(np.arange(some.n_users), len(asked.candidates))
        item = np.tile(asked.candidates, some.n_users)
        requests = Requests.of_customers(np.full(some.n_users, -1), some)
        found.append(model.score_pairs(requests, row, item).reshape(some.n_users, -1))
    return np.concatenate(found).round(5)


def measure(name: str, seed: int) -> Iterator[dict[str, Any]]:
    """Choose settings within the learned half, and measure on the other one."""
    films = read(name, seed)
    everything = np.ones(films.events.n_items, dtype=bool)
    timed = name in TIMED
    learned, asked = halves(films.events, everything, seed, timed=timed)
    warm = np.ones(films.events.n_items, dtype=bool)
    warm[asked.candidates] = False
    inner, inner_asked = halves(learned, warm, seed + 100, timed=timed)
    inner_warm = warm.copy()
    inner_warm[inner_asked.candidates] = False

    def ridge_quality(penalty: float) -> float:
        scores = ridge_scores(inner_asked, films.features, penalty, inner_warm)
        return qualities(scores, inner_asked.hidden)["MRR"]

    def network_quality(settings: dict[str, Any]) -> float:
        scores = network_scores(inner_asked, inner, films.features, **settings)
        return qualities(scores, inner_asked.hidden)["MRR"]

    rng = np.random.default_rng(seed)
    yield {"model": "random"} | qualities(rng.random(asked.hidden.shape), asked.hidden)
    penalty = max(RIDGES, key=ridge_quality)
    scores = ridge_scores(asked, films.features, penalty, warm)
    yield {"model": "ridge"} | qualities(scores, asked.hidden)
    fixed = BY_ATTRIBUTES if timed else BY_ATTRIBUTES | ROUNDS
    networks = [fixed | {"attribute_shrinkage": shrinkage} for shrinkage in SHRINKAGES]
    best = max(networks, key=network_quality) if seed == SEEDS[0] else _BEST[name]
    _BEST[name] = best
    started = time.perf_counter()
    scores = network_scores(asked, learned, films.features, seed=seed, **best)
    seconds = time.perf_counter() - started
    yield {"model": "hrnn_meta"} | qualities(scores, asked.hidden) | {"s": seconds}


_BEST: dict[str, dict[str, Any]] = {}


def main() -> None:
    """Measure on every dataset: python -m benchmarks.cold_items [dataset …]."""
    with told_to(lambda line: print(line, file=sys.stderr, flush=True)):
        for name in sys.argv[1:] or ("movielens_100k", "movielens_1m"):
            runs = []
            for seed in SEEDS:
                runs.append(list(measure(name, seed)))
                print(name, seed, *runs[-1], sep="\n", file=sys.stderr, flush=True)
            metrics = ("MRR", "P@5", "P@25", "NDCG@5", "NDCG@25")
            mean = [
                {"dataset": name, "model": rows[0]["model"]}
                | {m: float(np.mean([row[m] for row in rows])) for m in metrics}
                for rows in zip(*runs, strict=True)
            ]
            for row in mean:
                row["MRR / ridge"] = row["MRR"] / mean[1]["MRR"]
                row["MRR / random"] = row["MRR"] / mean[0]["MRR"]
                row["P@5 / random"] = row["P@5"] / mean[0]["P@5"]
                row["attribute_shrinkage"] = _BEST[name]["attribute_shrinkage"]
            report("cold_items", f"held-out items by attributes, {len(SEEDS)} seeds", mean)


if __name__ == "__main__":
    main()
