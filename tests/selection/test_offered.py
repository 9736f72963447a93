"""Items that nobody bought: their codes among all, and what measures make of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from bought import Row, bought
from hypothesis import given, settings
from hypothesis import strategies as st

import recsql
from recsql.columns import MICROSECONDS_PER_DAY
from recsql.data.events import pointers
from recsql.data.features import Features
from recsql.data.offered import Unsold, removed_items
from recsql.data.snapshot import Snapshot, read_snapshot
from recsql.database import Session
from recsql.models.base import Array, Recommender
from recsql.models.popularity import Popularity
from recsql.models.purchases import Purchases
from recsql.models.requests import Recommended, Requests
from recsql.selection.evaluate import evaluate
from recsql.selection.evaluated import Evaluated
from recsql.splits.protocols import split

SOLD = st.lists(st.sampled_from("abcdefghijklmn"), min_size=1, unique=True)


def unsold_of(sold: list[str], more: list[str]) -> Unsold:
    """Give items that nobody bought, with one attribute each."""
    more = sorted(more)
    before = np.array([sum(one < other for one in sold) for other in more], dtype=np.int64)
    features = Features(
        pointers(np.ones(len(more), dtype=np.int64)),
        np.zeros(len(more), dtype=np.int32),
        (("colour", "red"),),
    )
    there = np.ones(len(more), dtype=bool)
    return Unsold(pa.array(more, pa.string()), before, there, features, len(sold))


@given(SOLD, SOLD)
@settings(deadline=None)
def test_all_items_are_numbered_in_order_of_their_ids(one: list[str], other: list[str]) -> None:
    sold, more = sorted(one), sorted(set(other) - set(one))
    unsold = unsold_of(sold, more)
    every = sorted(sold + more)
    assert unsold.all_ids(pa.array(sold, pa.string())).to_pylist() == every
    assert [every[code] for code in unsold.sold_code] == sold
    assert [every[code] for code in unsold.code] == more
    kind = unsold.among_all(np.zeros(len(sold)), 1.0)
    assert kind.tolist() == [float(text in more) for text in every]
    codes = np.arange(-1, len(every), dtype=np.int32)
    back = [-1, *(sold.index(text) if text in sold else -1 for text in every)]
    assert unsold.only_sold(codes).tolist() == back


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    con = recsql.connect()
    con.execute(
        "CREATE TABLE orders AS FROM (VALUES (1, 10, 1), (1, 30, 2), (2, 30, 1), (2, 9, 2)) "
        "AS t(customer, sku, n)"
    )
    con.execute(
        "CREATE TABLE products AS FROM (VALUES ('30', 'red', true), ('9', 'blue', true), "
        "('10', 'red', true), ('100', 'red', true), ('20', 'blue', NULL), ('20', 'blue', false), "
        "('2', 'blue', false), ('25', NULL, true), ('26', 'green', true), ('x', 'red', true), "
        "('007', 'red', true), (NULL, 'red', true)) AS t(sku, colour, stocked)"
    )
    recsql.bind_interactions(con, "orders", user_id="customer", item_id="sku", ts="n")
    yield con
    con.close()


def snapshot_of(con: duckdb.DuckDBPyConnection, *, with_unsold: bool = True) -> Snapshot:
    session = Session(con.cursor())
    return read_snapshot(session, with_events=True, with_features=True, with_unsold=with_unsold)


def test_bound_items_that_nobody_bought_are_read_where_they_share_an_attribute(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """Ids are numbers: 'x' and '007' are none as they stand; 25 and 26 share no value."""
    recsql.bind_items(con, "products", item_id="sku", available="stocked", attributes=["colour"])
    found = snapshot_of(con)
    assert found.item_ids.to_pylist() == [9, 10, 30]
    assert found.ids_of_all(unsold=False).to_pylist() == [9, 10, 30]
    assert found.ids_of_all(unsold=True).to_pylist() == [2, 9, 10, 20, 30, 100]
    assert found.unsold is not None
    assert found.unsold.available.tolist() == [False, True, True]  # one row of 20 may be available
    assert found.item_features is not None
    assert found.unsold.features.names == found.item_features.names
    assert [found.unsold.features.names[code][1] for code in found.unsold.features.feature] == [
        "blue", "blue", "red",
    ]  # fmt: skip
    assert snapshot_of(con, with_unsold=False).unsold is None


def test_a_filter_leaves_items_that_nobody_bought_out(con: duckdb.DuckDBPyConnection) -> None:
    recsql.bind_items(
        con, "products", item_id="sku", attributes=["colour"], filter="coalesce(stocked, false)"
    )
    assert snapshot_of(con).ids_of_all(unsold=True).to_pylist() == [9, 10, 30, 100]


@pytest.mark.parametrize("skus", [["9", "10", "30"], ["9", "30", "25", "26"]])
def test_where_nothing_can_be_offered_codes_are_those_of_the_items_that_were_bought(
    con: duckdb.DuckDBPyConnection, skus: list[str]
) -> None:
    assert snapshot_of(con).unsold is None  # no items are bound
    condition = f"list_contains({skus}, sku)"
    recsql.bind_items(con, "products", item_id="sku", attributes=["colour"], filter=condition)
    found = snapshot_of(con)
    assert found.unsold is None
    assert found.ids_of_all(unsold=True).to_pylist() == [9, 10, 30]


def test_removed_items_are_neither_bound_nor_sold(con: duckdb.DuckDBPyConnection) -> None:
    recsql.bind_items(con, "products", item_id="sku", attributes=["colour"])
    recsql.train(con, task="next", models=["markov"])
    session = Session(con.cursor())
    assert removed_items(session, []) == frozenset()
    con.execute("DELETE FROM products WHERE sku IN ('30', '100')")
    assert removed_items(session, ["2", "30", "100", "999"]) == {"100", "999"}


@dataclass
class Shelf(Recommender):
    """Recommend all items in order of code, those that nobody bought too."""

    name: ClassVar[str] = "shelf"
    tasks: ClassVar[tuple[str, ...]] = ("next",)
    needs_events: ClassVar[bool] = True
    unsold: bool = True

    def offers_unsold(self) -> bool:
        return self.unsold

    def _fit(self, purchases: Purchases) -> None:
        pass

    def _recommend(self, requests: Requests, k: int, candidates: Array | None) -> Recommended:
        assert requests.events is not None
        assert requests.events.n_items == self.n_items_
        order = np.arange(self.n_items_) if candidates is None else np.flatnonzero(candidates)
        item = np.full((len(requests), k), -1, dtype=np.int32)
        item[:, : len(order)] = order[:k]
        return Recommended(item, np.zeros(item.shape), np.zeros_like(item))


def measured(purchases: Purchases, model: Recommender) -> Evaluated:
    parts = split("next", purchases, 0, "time")
    assert parts
    return evaluate(model, parts, np.ones(purchases.n_items, dtype=bool), 1)


def test_an_item_that_nobody_bought_takes_a_place_and_is_no_item_of_any_metric() -> None:
    """All buy b, then c; the shelf holds a, b, c, d, of which nobody bought a and d."""
    rows = [
        Row(user, item, (400 + user + 200 * item) * MICROSECONDS_PER_DAY, item)
        for user in range(20)
        for item in (0, 1)
    ]
    plain = bought(rows, 2)
    beside = replace(plain, unsold=unsold_of(["b", "c"], ["a", "d"]))
    alone, among = measured(plain, Shelf()), measured(beside, Shelf())
    assert alone.per_query["mrr"].tolist() == [1 / 2] * len(alone.per_query["mrr"])  # b, c
    assert among.per_query["mrr"].tolist() == [1 / 3] * len(among.per_query["mrr"])  # a, b, c, d
    assert alone.overall == among.overall
    assert alone.overall["coverage"] == 1.0
    for other in (Shelf(unsold=False), Popularity(days=None)):
        assert measured(plain, other).overall == measured(beside, other).overall
        for name, values in measured(plain, other).per_query.items():
            assert values.tolist() == measured(beside, other).per_query[name].tolist()
    hidden = replace(unsold_of(["b", "c"], ["a", "d"]), available=np.zeros(2, dtype=bool))
    unavailable = measured(replace(plain, unsold=hidden), Shelf())
    assert unavailable.per_query["mrr"].tolist() == alone.per_query["mrr"].tolist()
