"""Interests as a second task of rankers: the area under the curve with and without it.

Of each customer the last event is the test and the one before it the validation; each is set
against one item drawn alike from those the customer never had. The learning rate of a ranker, and
of the same with interests, is chosen on the validation part; the share delta is 0.3 and the weight
1. For the test it learns from all but the last event, with seeds 0 to 4. The trivial answer is the
number of events of an item.

Of a dataset the N_ITEMS items with most events are taken, and at most N_CUSTOMERS of the customers
with five or more events of these, by chance. Histories are the newest 50 events, for one
dataset also the newest 10 and 20, and there the share delta is swept. Because interests double the
width of items, the ranker alone is measured with twice the width as well.

Each cell is a line of results/interests_cells.jsonl, and is not computed twice:
``python -m benchmarks.interests [dataset …]`` goes on where it was stopped. Delete the file where
the networks have changed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from benchmarks._data import FOLDER
from benchmarks._events import only
from benchmarks._report import RESULTS, report
from recsql.data.events import Events, number_in_order, pointers
from recsql.data.features import Features
from recsql.models.dien import DIEN
from recsql.models.din import DIN
from recsql.models.pair_network import PairNetwork
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.models.wide_deep import WideDeep

Array = np.ndarray[Any, np.dtype[Any]]
Settings = dict[str, Any]

N_CUSTOMERS, N_ITEMS = 4_000, 2_500
SEEDS = range(5)
DATASETS = {
    "amazon_sports_seq": "interactions",
    "amazon_videogames_seq": "interactions",
    "taobao_multibehavior": "train",
}
SWEPT, SWEPT_SEEDS = "amazon_videogames_seq", range(3)
SHARES = (0.0, 0.1, 0.2, 0.5, 0.7, 1.0)  # beside 0.3
RANKERS: dict[str, tuple[type[PairNetwork], Settings]] = {
    "wide_deep": (WideDeep, {"history": True, "n_crosses": 65_536}),
    "din": (DIN, {}),
    "dien": (DIEN, {}),
}
FIXED: Settings = {
    "n_negatives": 2,
    "uniform_share": 1.0,
    "n_factors": 16,
    "n_threads": 1,
    "device": "cpu",
}
RATES = (1e-3, 2e-3)
CELLS = RESULTS / "interests_cells.jsonl"


class Data(NamedTuple):
    """The events of customers, each with one item per event that the customer never had."""

    events: Events
    other: Array
    items: Features | None


def read(name: str) -> Data:
    """Read a dataset."""
    import duckdb

    con = duckdb.connect(config={"threads": 2})
    path = f"{FOLDER}/{name}/{DATASETS[name]}.parquet"
    rows = con.sql(_query(name, path))
    found = rows.fetchnumpy()
    ids, item = np.unique(found["item_id"], return_inverse=True)
    often = np.argsort(-np.bincount(item), kind="stable")[:N_ITEMS]
    kept = np.isin(item, often)
    item, owner = item[kept], np.unique(found["u"][kept], return_inverse=True)[1]
    ptr = pointers(np.bincount(owner))
    place = np.arange(len(item)) - np.repeat(ptr[:-1], np.diff(ptr))
    number = number_in_order(ptr, place)
    one = np.ones(len(item), dtype=np.float32)
    events = Events(len(ids), ptr, item.astype(np.int32), place + 1, number, number, one)
    rng = np.random.default_rng(0)
    size = np.diff(ptr)
    chosen = np.flatnonzero(size >= 5)
    if len(chosen) > N_CUSTOMERS:
        chosen = np.sort(rng.choice(chosen, N_CUSTOMERS, replace=False))
    events = events.of_users(chosen)
    kept, item = np.unique(events.item, return_inverse=True)
    events = replace(events, n_items=len(kept), item=item.astype(np.int32))
    return Data(events, never_had(events, rng), _attributes(name, ids[kept]))


def _query(name: str, path: str) -> str:
    at = "min(epoch_us(t.ts))" if name == "taobao_multibehavior" else "min(t.ts)"
    return (
        f"WITH q AS (SELECT t.user_id, t.item_id, {at} AS at FROM '{path}' AS t GROUP BY ALL) "
        "SELECT dense_rank() OVER (ORDER BY q.user_id) - 1 AS u, q.item_id FROM q "
        "ORDER BY u, q.at, q.item_id"
    )


def _attributes(name: str, ids: Array) -> Features | None:
    """Give the attributes of items, where a dataset has them."""
    import duckdb

    if name != "amazon_sports_seq":
        return None
    rows = duckdb.sql(
        f"SELECT i.item_id, unnest(i.attributes) AS value FROM '{FOLDER}/{name}/items.parquet' AS i"
    ).fetchnumpy()
    place = np.searchsorted(ids, rows["item_id"])
    kept = (place < len(ids)) & (ids[np.minimum(place, len(ids) - 1)] == rows["item_id"])
    values, code = np.unique(rows["value"][kept], return_inverse=True)
    pairs = np.unique(place[kept] * np.int64(len(values)) + code)
    row, code = np.divmod(pairs, len(values))
    names = tuple(("attribute", str(value)) for value in values)
    return Features(pointers(np.bincount(row, minlength=len(ids))), code.astype(np.int32), names)


def never_had(events: Events, rng: np.random.Generator) -> Array:
    """Give an item for each event, drawn alike from those its customer never had: int32[n]."""
    width = np.int64(events.n_items)
    had = np.unique(events.user * width + events.item)
    found = rng.integers(0, events.n_items, len(events.item))
    while True:
        again = np.isin(events.user * width + found, had)
        if not again.any():
            return found.astype(np.int32)
        found[again] = rng.integers(0, events.n_items, int(again.sum()))


def measured(data: Data, cls: type[PairNetwork], settings: Settings, back: int) -> dict[str, float]:
    """Learn from all but the last ``back`` events and rank the first of those: AUC and seconds."""
    events = data.events
    left = np.repeat(events.user_ptr[1:], np.diff(events.user_ptr)) - np.arange(len(events.item))
    known = events.select(left > back)
    asked = np.flatnonzero(left == back)
    purchases = Purchases(**(vars(only(known)) | {"item_features": data.items}))
    started = time.perf_counter()
    model = cls(**settings).fit(purchases)
    learned = time.perf_counter()
    requests = Requests.of_customers(np.arange(known.n_users), known)
    row = np.arange(len(asked))
    scores = [model.score_pairs(requests, row, item[asked]) for item in (events.item, data.other)]
    return {
        "auc": auc(*scores),
        "fit s": learned - started,
        "score s": time.perf_counter() - learned,
    }


def popular(data: Data) -> float:
    """Give the AUC of the number of events of an item."""
    events = data.events
    last = events.user_ptr[1:] - 1
    known = np.ones(len(events.item), dtype=bool)
    known[last] = False
    count = np.bincount(events.item[known], minlength=events.n_items)
    return auc(count[events.item[last]], count[data.other[last]])


def auc(positive: Array, negative: Array) -> float:
    """Give the probability that a positive is above a negative, half for a tie."""
    from scipy.stats import rankdata

    n, m = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def cells_of(name: str) -> list[dict[str, Any]]:
    """Give what was measured of a dataset."""
    if not CELLS.exists():
        return []
    rows = [json.loads(line) for line in CELLS.read_text("utf-8").splitlines()]
    return [row for row in rows if row["dataset"] == name]


def cell(name: str, data: Data, ranker: str, settings: Settings, part: str) -> float:
    """Give the AUC of a cell, measured now unless it was before."""
    cls, fixed = RANKERS[ranker]
    everything = FIXED | fixed | settings
    key = json.dumps([name, ranker, part, everything, N_CUSTOMERS, N_ITEMS], sort_keys=True)
    for row in cells_of(name):
        if row["key"] == key:
            return float(row["auc"])
    found = measured(data, cls, everything, 1 if part == "test" else 2)
    RESULTS.mkdir(exist_ok=True)
    line = {"dataset": name, "ranker": ranker, "part": part, **settings, **found, "key": key}
    with CELLS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(line, flush=True)
    return found["auc"]


def chosen(name: str, data: Data, ranker: str, more: Settings) -> Settings:
    """Choose the learning rate of a ranker with something more."""
    choices = [more | {"learning_rate": rate} for rate in RATES]
    return max(choices, key=lambda one: cell(name, data, ranker, one | {"seed": 0}, "validation"))


def lift(
    name: str, data: Data, ranker: str, both: tuple[Settings, Settings], more: Settings
) -> dict[str, Any]:
    """Give the mean AUC without and with interests over all seeds, and their difference.

    Parameters
    ----------
    both : the settings without and with interests
    more : what is changed of both, or of interests alone
    """
    without = {key: value for key, value in more.items() if not key.startswith("interest")}
    settings = both[0] | without, both[1] | more
    seeds = SWEPT_SEEDS if more else SEEDS
    pairs = np.array(
        [
            [cell(name, data, ranker, one | {"seed": seed}, "test") for one in settings]
            for seed in seeds
        ]
    )
    difference = pairs[:, 1] - pairs[:, 0]
    error = float(difference.std(ddof=1) / np.sqrt(len(seeds)))
    return {
        "lift / standard error": float(difference.mean()) / max(error, 1e-12),
        "dataset": name,
        "ranker": ranker,
        "changed": str(more) if more else "",
        "AUC": float(pairs[:, 0].mean()),
        "AUC with interests": float(pairs[:, 1].mean()),
        "lift": float(difference.mean()),
        "standard error": error,
        "seeds": len(seeds),
        "chosen": f"{both[0]}; {both[1]}",
    }


def rows_of(names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Measure datasets: first what is asked of all, then the double width, then the sweeps."""
    data = {name: read(name) for name in names}
    trivial = {name: popular(one) for name, one in data.items()}
    print({n: (one.events.n_users, one.events.n_items) for n, one in data.items()}, trivial)
    pairs = [(name, ranker) for name in names for ranker in RANKERS]
    best, rows = {}, {}
    for pair in pairs:
        best[pair] = (
            chosen(pair[0], data[pair[0]], pair[1], {}),
            chosen(pair[0], data[pair[0]], pair[1], {"interests": True}),
        )
        rows[pair] = lift(pair[0], data[pair[0]], pair[1], best[pair], {})
        print(rows[pair], flush=True)
    for name, ranker in pairs:
        settings = best[name, ranker][0]
        wide = settings | {"n_factors": 2 * FIXED["n_factors"]}
        found = [
            cell(name, data[name], ranker, wide | {"seed": seed}, "test") for seed in SWEPT_SEEDS
        ]
        more = {"AUC, twice as wide": float(np.mean(found)), "AUC of popularity": trivial[name]}
        yield rows[name, ranker] | more
    if SWEPT in names:
        changes: list[tuple[str, Settings]] = [("dien", {"max_length": n}) for n in (10, 20)]
        changes += [("din", {"interest_share": share}) for share in SHARES]
        more = {"AUC, twice as wide": None, "AUC of popularity": trivial[SWEPT]}
        for ranker, change in changes:
            yield lift(SWEPT, data[SWEPT], ranker, best[SWEPT, ranker], change) | more


def main() -> None:
    """Measure the datasets named, or all of them."""
    rows = list(rows_of(sys.argv[1:] or list(DATASETS)))
    report("interests", "area under the curve, one drawn item to one of the customer", rows)


if __name__ == "__main__":
    main()
