"""Sequences of customers with their last items hidden, and how well lists find them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from benchmarks._data import FOLDER
from recsql.data.events import Events, number_in_order, pointers
from recsql.data.history import History
from recsql.data.snapshot import ItemDays
from recsql.models.base import Recommender, ScoringRecommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests

Array = np.ndarray[Any, np.dtype[Any]]
Settings = dict[str, Any]

UCI = (
    "SELECT t.user_id, t.item_id, epoch_us(t.ts::TIMESTAMP) AS time, t.basket_id AS basket FROM "
    f"'{FOLDER}/uci_online_retail/interactions.parquet' AS t "
    "WHERE t.quantity > 0 AND t.event_type = 'purchase' AND t.user_id IS NOT NULL"
)
BEAUTY = (
    "SELECT t.user_id, t.item_id, t.ts::BIGINT AS time, t.ts AS basket FROM "
    f"'{FOLDER}/amazon_beauty_seq/interactions.parquet' AS t"
)


class Hidden(NamedTuple):
    """What is learned from, who is asked, and the item that each of them bought next."""

    purchases: Purchases
    requests: Requests
    target: Array


@dataclass
class MostSold(ScoringRecommender):
    """Rank items by their sales, for everyone alike."""

    name: ClassVar[str] = "most sold"

    def _fit(self, purchases: Purchases) -> None:
        assert purchases.events is not None
        self.count_ = np.bincount(purchases.events.item, minlength=purchases.n_items)

    def _scores(self, requests: Requests) -> Array:
        return np.tile(self.count_.astype(np.float32), (len(requests), 1))


def read_sequences(query: str) -> Events:
    """Read the events of customers; at the same time they are in order of item."""
    import duckdb

    con = duckdb.connect(config={"threads": 2})
    rows = con.sql(
        "SELECT dense_rank() OVER (ORDER BY q.user_id) - 1 AS u, "
        "dense_rank() OVER (ORDER BY q.item_id) - 1 AS i, q.time, "
        f"dense_rank() OVER (ORDER BY q.basket) AS b FROM ({query}) AS q ORDER BY u, q.time, i, b"
    ).fetchnumpy()
    ptr = pointers(np.bincount(rows["u"]))
    basket = number_in_order(ptr, rows["b"].astype(np.int64))
    item = rows["i"].astype(np.int32)
    one = np.ones(len(item), dtype=np.float32)
    return Events(int(item.max()) + 1, ptr, item, rows["time"], basket, basket, one)


def hide(events: Events, n_hidden: int, *, exclude_bought: bool) -> Hidden:
    """Hide the last ``n_hidden`` items of each customer and ask for the first of them.

    A customer of as few items is not asked, and keeps one item.
    """
    size = np.diff(events.user_ptr)
    place = np.arange(len(events.item)) - np.repeat(events.user_ptr[:-1], size)
    known = events.select(place < np.repeat(np.maximum(size - n_hidden, 1), size))
    asked = np.flatnonzero(size > n_hidden)
    requests = Requests.of_customers(asked, known.of_users(asked), exclude_bought=exclude_bought)
    empty, start = np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    nobody = History(events.n_items, empty == 1, start, start, empty.astype(np.int32), empty)
    purchases = Purchases(nobody, ItemDays(empty, empty, empty), None, 1000, known)
    return Hidden(purchases, requests, events.item[events.user_ptr[1:][asked] - n_hidden])


def quality(item: Array, target: Array) -> dict[str, float]:
    """Give hit@1, hit@10 and NDCG@10 of lists of 10 or more against one item each."""
    hit = item[:, :10] == target[:, None]
    gain = (hit / np.log2(np.arange(hit.shape[1]) + 2.0)).sum(axis=1)
    return {
        "hit@1": float(hit[:, 0].mean()),
        "hit@10": float(hit.any(axis=1).mean()),
        "ndcg@10": float(gain.mean()),
    }


def grid(**choices: list[Any]) -> list[Settings]:
    """Give every combination; a choice may set several settings at once, as a dictionary."""
    return [
        {key: value for part in parts for key, value in part.items()}
        for parts in itertools.product(
            *(
                [one if isinstance(one, dict) else {name: one} for one in values]
                for name, values in choices.items()
            )
        )
    ]


def choose(cls: type[Recommender], settings: list[Settings], data: Hidden) -> Settings:
    """Give the settings of the best NDCG@10; the first of equals."""

    def value(one: Settings) -> float:
        found = cls(**one).fit(data.purchases).recommend(data.requests, 10)
        return quality(found.item, data.target)["ndcg@10"]

    return max(settings, key=value)
