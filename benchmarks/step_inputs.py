"""What each input of a recurrent network adds: sessions, time, feedback, attributes, one by one.

Of ``movielens_100k`` the last events of each customer are asked for one by one, each by the events
before it and at its own time; of ``yoochoose_100k`` the clicks of the sessions of the last day.
Settings are those of the network without the inputs, chosen by the validation part: the events
before the last ones, or the day before. Perplexity is the exponent of the mean negative log
likelihood of what came next among all items that were seen.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks._data import FOLDER
from benchmarks._events import histories_of, only, timed_events
from benchmarks._hierarchy import HierarchicalGRU
from benchmarks._report import report
from recsql.data.events import Events, Feedback
from recsql.data.features import Features, Values, learn_encoder
from recsql.models.base import Array, Recommender
from recsql.models.catalogue import model_named
from recsql.models.gru import GRU
from recsql.models.hrnn_meta import HRNNMeta
from recsql.models.purchases import Purchases
from recsql.models.recurrent import RecurrentNetwork
from recsql.models.requests import Requests
from recsql.networks.limits import told_to

LAST = 10  # events of each customer that are asked for, and as many before them for validation
K = 20
ROWS = 512
SEEDS = (0, 1, 2)
LENGTH = {"movielens_100k": 100, "yoochoose_100k": 20}
COUNTING: dict[str, dict[str, Any]] = {
    "popularity": {"days": None},
    "markov": {"max_skip": 8, "history_decay": 0.8, "last_items": 8},
    "session_knn": {},
}
SIZES: tuple[dict[str, Any], ...] = (
    {"dropout": 0.2},
    {"dropout": 0.5},
    {"n_factors": 128, "n_hidden": 128, "dropout": 0.5},
)
INPUTS: dict[str, dict[str, Any]] = {
    "gru": {},
    "+ session starts": {"session_starts": True},
    "+ time gaps": {"time_gaps": True},
    "+ both: hrnn": {"session_starts": True, "time_gaps": True},
    "+ feedback": {"feedback": True},
    "+ attributes of customers": {"user_features": True},
    "+ attributes of items": {"item_features": True},
    "+ everything: hrnn_meta": {},
}
APPLY = {
    "movielens_100k": tuple(INPUTS),
    # A session is all that is known of a customer there, and nothing of the items.
    "yoochoose_100k": ("gru", "+ time gaps"),
}


class Stream(NamedTuple):
    """Events with what is bound, and the part of each event: 0 train, 1 validation, 2 test."""

    events: Events
    part: Array
    users: Features | None
    items: Features | None

    def until(self, part: int) -> Purchases:
        """Give what a model learns from that is asked for a part."""
        left = only(self.events.select(self.part < part))
        return Purchases(
            **(vars(left) | {"user_features": self.users, "item_features": self.items})
        )


def read(name: str) -> Stream:
    """Read a dataset in order of customer and time."""
    import duckdb

    con = duckdb.connect()
    if name == "yoochoose_100k":
        rows = con.sql(
            "SELECT r.session_id AS user_id, r.item_id, epoch_us(r.ts) AS time, r.test, "
            "0.0 AS rating, CAST(min(r.ts) OVER (PARTITION BY r.session_id) AS DATE) AS day FROM ("
            f"SELECT *, 0 AS test FROM '{FOLDER}/{name}/train.parquet' UNION ALL "
            f"SELECT *, 1 FROM '{FOLDER}/{name}/test.parquet') AS r ORDER BY 1, 3, 2"
        ).fetchnumpy()
    else:
        rows = con.sql(
            "SELECT r.user_id, r.item_id, epoch_us(r.ts) AS time, r.rating, row_number() OVER ("
            "PARTITION BY r.user_id ORDER BY r.ts DESC, r.item_id DESC) AS back "
            f"FROM '{FOLDER}/{name}/interactions.parquet' AS r ORDER BY 1, 3, 2"
        ).fetchnumpy()
    events, people, ids = timed_events(rows)
    if name == "yoochoose_100k":
        test = np.asarray(rows["test"])
        last = rows["day"][test == 0].max()
        return Stream(events, np.where(test == 1, 2, (rows["day"] == last).astype(int)), None, None)
    rating = np.asarray(rows["rating"], dtype=np.float32)
    feedback = Feedback(rating, np.zeros(len(rating), dtype=np.int16), ("rating",))
    # A session is what lies between breaks of an hour.
    same = (np.diff(events.user) == 0) & (np.diff(events.time) <= 3_600_000_000)
    begun = np.cumsum(np.concatenate([[0], ~same])).astype(np.int32)
    session = begun - begun[events.user_ptr[:-1]][events.user]
    events = Events(**(vars(events) | {"feedback": feedback, "session": session}))
    back = np.asarray(rows["back"])
    part = np.where(back <= LAST, 2, (back <= 2 * LAST).astype(int))
    return Stream(events, part, *_attributes(con, name, people, ids))


def _attributes(con: Any, name: str, people: Array, ids: Array) -> tuple[Features, Features]:
    def column(table: str, key: str, known: Array, what: str) -> Values:
        found = con.sql(
            f"SELECT {key} AS id, {what} AS value FROM '{FOLDER}/{name}/{table}.parquet'"
        ).fetchall()
        place = {one: row for row, one in enumerate(known.tolist())}
        pairs = [
            (place[one], value)
            for one, values in found
            if one in place and values is not None
            for value in (values if isinstance(values, list) else [values])
        ]
        kind = np.float64 if isinstance(pairs[0][1], int | float) else object
        return Values(np.array([row for row, _ in pairs]), np.array([v for _, v in pairs], kind))

    def encoded(columns: dict[str, tuple[str, Values]], n: int) -> Features:
        return learn_encoder(columns).encode({key: v for key, (_, v) in columns.items()}, n)

    users: dict[str, tuple[str, Values]] = {
        "age": ("number", column("users", "user_id", people, "CAST(age AS DOUBLE)")),
        "gender": ("text", column("users", "user_id", people, "gender")),
        "occupation": ("text", column("users", "user_id", people, "occupation")),
    }
    items: dict[str, tuple[str, Values]] = {
        "genres": ("list", column("items", "item_id", ids, "genres")),
        "year": ("number", column("items", "item_id", ids, "CAST(year AS DOUBLE)")),
    }
    return encoded(users, len(people)), encoded(items, len(ids))


class Asked(NamedTuple):
    """Events of a part that have one before them: where they are, and their requests."""

    place: Array
    requests: Requests


def asked(data: Stream, part: int, most: int) -> Iterator[Asked]:
    """Ask for the events of a part, each at its time; items that were not seen before are left."""
    events, user = data.events, data.events.user
    begin = events.user_ptr[:-1][user]
    wanted = np.flatnonzero((data.part == part) & (np.arange(len(user)) > begin))
    wanted = wanted[seen(data, part)[events.item[wanted]]]
    for first in range(0, len(wanted), ROWS):
        at = wanted[first : first + ROWS]
        known = histories_of(events, np.maximum(begin[at], at - most), at)
        features = None if data.users is None else data.users.of_rows(user[at])
        new = np.full(len(at), -1)
        time_ = events.time[at]
        yield Asked(at, Requests.of_customers(new, known, time=time_, features=features))


def seen(data: Stream, part: int) -> Array:
    """Tell which items there are before a part: bool[n_items]."""
    item = data.events.item[data.part < part]
    return np.bincount(item, minlength=data.events.n_items) > 0


def listed(model: Recommender, data: Stream, part: int, most: int) -> dict[str, float]:
    """Measure the lists of a model."""
    ranks = []
    for at, requests in asked(data, part, most):
        hit = model.recommend(requests, K).item == data.events.item[at][:, None]
        ranks.append(np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, K + 1))
    return means(np.concatenate(ranks))


def scored(model: RecurrentNetwork, data: Stream, part: int, most: int) -> dict[str, float]:
    """Measure the scores of a network, with the perplexity."""
    known, log_p, ranks = seen(data, part), [], []
    for at, requests in asked(data, part, most):
        scores = np.where(known, model._scores(requests), -np.inf).astype(np.float64)
        own = scores[np.arange(len(at)), data.events.item[at]]
        top = scores.max(axis=1)
        log_p.append(own - top - np.log(np.exp(scores - top[:, None]).sum(axis=1)))
        better = (scores > own[:, None]).sum(axis=1)
        ties = (scores == own[:, None]).sum(axis=1) - 1
        ranks.append(1 + better + ties / 2)
    return {"PPL": float(np.exp(-np.concatenate(log_p).mean()))} | means(np.concatenate(ranks))


def means(rank: Array) -> dict[str, float]:
    """Give the means of the metrics of ranks."""
    return {
        f"MRR@{K}": float(np.where(rank <= K, 1 / rank, 0).mean()),
        f"Hit@{K}": float((rank <= K).mean()),
        "Hit@5": float((rank <= 5).mean()),
    }


def networks(name: str, size: dict[str, Any]) -> Iterator[tuple[str, type[RecurrentNetwork], Any]]:
    """Give each network by what it reads."""
    for label in APPLY[name]:
        yield label, HRNNMeta if label.endswith("hrnn_meta") else GRU, size | INPUTS[label]
    if name == "movielens_100k":
        yield "hierarchical GRU, second reading", HierarchicalGRU, size


def compare(name: str, seeds: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """Choose the size by the plain network, then measure what each input adds."""
    data, most = read(name), LENGTH[name]
    for kind, settings in COUNTING.items():
        model = model_named(kind)(**settings)
        started = time.perf_counter()
        model.fit(data.until(2))
        seconds = time.perf_counter() - started
        assert isinstance(model, Recommender)
        found = {"PPL": None} | listed(model, data, 2, most)
        yield {"dataset": name, "model": kind} | found | {"fit s": seconds}

    def validation(size: dict[str, Any]) -> float:
        model = GRU(max_length=most, **size).fit(data.until(1))
        return scored(model, data, 1, most)[f"MRR@{K}"]

    size = max(SIZES, key=validation)
    for label, kind, settings in networks(name, {"max_length": most} | size):
        runs, seconds = [], 0.0
        for seed in seeds:
            started = time.perf_counter()
            model = kind(seed=seed, **settings).fit(data.until(2))
            seconds += time.perf_counter() - started
            runs.append(scored(model, data, 2, most))
        mean = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
        error = float(np.std([run[f"MRR@{K}"] for run in runs], ddof=1) / np.sqrt(len(runs)))
        yield (
            {"dataset": name, "model": label}
            | mean
            | {"fit s": seconds / len(seeds), "error of MRR": error, "settings": settings}
        )


def main() -> None:
    """Compare on both datasets: python -m benchmarks.step_inputs [dataset …]."""
    with told_to(lambda line: print(line, file=sys.stderr, flush=True)):
        for name in sys.argv[1:] or list(LENGTH):
            for row in compare(name, SEEDS):
                report("step_inputs", "next item at its time, what each input adds", [row])


if __name__ == "__main__":
    main()
