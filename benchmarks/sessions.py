"""The next item of sessions, against popularity and against what followed the last item.

Settings are chosen on the newest tenth of the training sessions: the model that learned from the
others is asked for the next item at random places of them. Then the model learns from all training
sessions and the test part is asked once.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks._data import FOLDER
from benchmarks._events import events_in_order, only
from benchmarks._report import report
from benchmarks._tuning import Settings, tuned
from recsql.data.events import Events, pointers
from recsql.models.base import Array, Recommender
from recsql.models.requests import Requests
from recsql.models.session_knn import SessionKNN

K = 20
VALIDATION_SHARE = 0.1
VALIDATION_QUERIES = 10_000
SEED = 0
GRID: dict[str, tuple[Any, ...]] = {
    "repeat_weight": (0.1, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0),
    "same_weight": (0.25, 0.5, 1.0, 2.0),
    "asked_decay": (1.0, 1.5, 2.0, 3.0, 5.0),
    "sharpness": (1.0, 1.3, 1.6, 2.0, 3.0),
    "idf_power": (0.0, 1.0, 2.0, 3.0, 4.0),
    "half_life": (0.1, 0.2, 0.3, 0.5, 1.0, None),
    "offset_decay": (1.0, 2.0, 3.0, 5.0, 10.0),
    "before_weight": (0.2, 0.4, 0.6, 0.8, 1.0),
    "length_power": (0.0, 0.25, 0.5, 0.75),
    "popularity_power": (0.0, 0.1, 0.2, 0.3),
    "most_recent": (100, 200, 500, 2000),
}


@dataclass(frozen=True)
class Test:
    """What is learned from, and places in other sessions whose next item is wanted."""

    train: Events
    asked: Events
    target: Array


def read(name: str) -> Test:
    """Give the training sessions, oldest first, and the test prefixes of a dataset."""
    import duckdb

    con = duckdb.connect(config={"threads": 2})
    train, test = (f"'{FOLDER}/{name}/{part}.parquet'" for part in ("train", "test"))
    if name == "yoochoose_100k":
        con.execute(f"CREATE VIEW r AS FROM {train}")
        con.execute("CREATE VIEW o AS SELECT r.session_id, max(r.ts) AS ended FROM r GROUP BY ALL")
        con.execute(
            "CREATE VIEW s AS SELECT o.ended, o.session_id, r.ts AS place, r.item_id "
            "FROM r JOIN o USING (session_id)"
        )
        con.execute(
            "CREATE VIEW p AS SELECT row_number() OVER (ORDER BY e.session_id, e.ts) AS test_id, "
            "e.item_id AS target, list(e.item_id) OVER (PARTITION BY e.session_id ORDER BY e.ts "
            f"ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS prefix FROM {test} AS e"
        )
        con.execute("CREATE VIEW t AS FROM p WHERE len(p.prefix) > 0")
    else:
        con.execute(
            "CREATE VIEW s AS SELECT r.session_id AS ended, r.session_id, r.position AS place, "
            f"r.item_id FROM {train} AS r"
        )
        con.execute(f"CREATE VIEW t AS FROM {test}")
    rows = con.sql(
        "SELECT dense_rank() OVER (ORDER BY s.ended, s.session_id) - 1 AS session, s.item_id "
        "FROM s ORDER BY session, s.place"
    ).fetchnumpy()
    asked = con.sql("SELECT t.prefix, t.target FROM t ORDER BY t.test_id").fetchnumpy()
    ids, item = np.unique(rows["item_id"], return_inverse=True)
    prefixes = [np.asarray(prefix) for prefix in asked["prefix"]]
    shown = np.concatenate(prefixes)
    assert np.isin(shown, ids).all(), name
    assert np.isin(asked["target"], ids).all(), name
    return Test(
        events_in_order(len(ids), pointers(np.bincount(rows["session"])), item),
        events_in_order(
            len(ids), pointers(np.array([len(p) for p in prefixes])), np.searchsorted(ids, shown)
        ),
        np.searchsorted(ids, asked["target"]),
    )


def validation(train: Events) -> Test:
    """Hide the newest sessions and ask at random places of them for the next item."""
    cut = int(train.n_users * (1 - VALIDATION_SHARE))
    older = train.of_users(np.arange(cut))
    newer = train.of_users(np.arange(cut, train.n_users))
    known = np.bincount(older.item, minlength=train.n_items) > 0
    newer = newer.select(known[newer.item])
    start = newer.user_ptr[:-1][newer.user]
    ends = np.flatnonzero(np.arange(len(newer.item)) > start)
    if len(ends) > VALIDATION_QUERIES:
        rng = np.random.default_rng(SEED)
        ends = np.sort(rng.choice(ends, VALIDATION_QUERIES, replace=False))
    sizes = ends - start[ends]
    ptr = pointers(sizes)
    places = np.arange(ptr[-1]) + np.repeat(start[ends] - ptr[:-1], sizes)
    asked = events_in_order(train.n_items, ptr, newer.item[places])
    return Test(older, asked, newer.item[ends])


def qualities(found: Array, target: Array) -> tuple[float, float]:
    """Give the hit rate and the mean reciprocal rank."""
    hit = found == target[:, None]
    rank = np.where(hit.any(axis=1), 1.0 / (hit.argmax(axis=1) + 1), 0.0)
    return float(hit.any(axis=1).mean()), float(rank.mean())


def answered(model: Recommender, test: Test) -> Array:
    """Give the lists of a fitted model."""
    new = np.full(test.asked.n_users, -1)
    return model.recommend(Requests.of_customers(new, test.asked), K).item


def popular(test: Test) -> Array:
    """Give everyone the items of most events."""
    count = np.bincount(test.train.item, minlength=test.train.n_items)
    best = np.argsort(-count, kind="stable")[:K]
    return np.tile(best, (test.asked.n_users, 1))


def followers(test: Test) -> Array:
    """Give the items that most often followed the last item, ties to the smaller code."""
    train, n_items = test.train, test.train.n_items
    same = np.diff(train.user) == 0
    pair = train.item[:-1][same].astype(np.int64) * n_items + train.item[1:][same]
    pair, count = np.unique(pair, return_counts=True)
    first, second = np.divmod(pair, n_items)
    order = np.lexsort((second, -count, first))
    ptr = pointers(np.bincount(first, minlength=n_items))
    place = np.arange(len(order)) - ptr[:-1][first]
    table = np.full((n_items, K), -1, dtype=np.int64)
    kept = place < K
    table[first[kept], place[kept]] = second[order][kept]
    return table[test.asked.item[test.asked.user_ptr[1:] - 1]]


def chosen_model(train: Events) -> SessionKNN:
    """Choose settings on the newest training sessions."""
    small = validation(train)

    def score(settings: Settings) -> float:
        model = SessionKNN(**settings).fit(only(small.train))
        return sum(qualities(answered(model, small), small.target))

    return SessionKNN(**tuned(asdict(SessionKNN()), GRID, score))


def compare(name: str) -> list[dict[str, Any]]:
    """Choose settings on the validation part and measure all models on the test part."""
    test = read(name)
    trivial = {"popular items": popular(test), "what followed last": followers(test)}
    measured = [(other, *qualities(found, test.target), {}) for other, found in trivial.items()]
    best = max(hit_rate for _, hit_rate, *_ in measured)
    models = {"chosen": chosen_model(test.train), "defaults": SessionKNN()}
    models |= {n: getattr(SessionKNN, n)() for n in ("sknn", "vsknn", "stan", "vstan")}
    for other, model in models.items():
        started = time.perf_counter()
        model.fit(only(test.train))
        learned = time.perf_counter()
        found = answered(model, test)
        seconds = {"fit s": learned - started, "ask s": time.perf_counter() - learned}
        seconds["changed"] = {
            key: value
            for key, value in asdict(model).items()
            if other == "chosen" and value != asdict(SessionKNN())[key]
        }
        measured.append((other, *qualities(found, test.target), seconds))
    return [
        {
            "HR / trivial": hit_rate / best,
            "dataset": name,
            "model": other,
            "HR@20": hit_rate,
            "MRR@20": mrr,
            "fit s": more.get("fit s"),
            "ask s": more.get("ask s"),
            "asked": len(test.target),
            "changed settings": more.get("changed") or None,
        }
        for other, hit_rate, mrr, more in measured
    ]


def main() -> None:
    """Compare on every dataset."""
    names = ("diginetica_sessions", "retailrocket_sessions", "yoochoose_100k")
    rows = [row for name in names for row in compare(name)]
    report("sessions", "next item of a session, all items ranked", rows)


if __name__ == "__main__":
    main()
