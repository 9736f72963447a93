"""Baskets: bound ones, windows of time, and rows that neither rule can group."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import recsql
from recsql.data.history import History
from recsql.data.snapshot import Snapshot, read_snapshot
from recsql.database import Session

Con = duckdb.DuckDBPyConnection
Row = tuple[Any, ...]
Baskets = dict[Any, list[tuple[int, tuple[str, ...]]]]

COLUMNS = {"customer": "INTEGER", "sku": "VARCHAR", "bought_at": "TIMESTAMP", "basket": "VARCHAR"}
HOUR = 3_600_000_000
BOUND = {"user_id": "customer", "item_id": "sku", "ts": "bought_at", "basket_id": "basket"}
WINDOWS = {"user_id": "customer", "item_id": "sku", "ts": "bought_at"}
NONE = {"user_id": "customer", "item_id": "sku"}


@pytest.fixture(scope="module")
def sales() -> Iterator[Con]:
    """A table sales; a test fills it and binds it in one of the ways above."""
    opened = recsql.connect()
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    opened.execute(f"CREATE TABLE sales ({columns})")
    yield opened
    opened.close()


def fill(con: Con, rows: Sequence[Row]) -> None:
    con.execute("DELETE FROM sales")
    if rows:
        con.executemany("INSERT INTO sales VALUES (?, ?, ?, ?)", [list(row) for row in rows])


def snapshot(con: Con, bound: dict[str, str], rows: Sequence[Row]) -> Snapshot:
    fill(con, rows)
    recsql.bind_interactions(con, "sales", **bound)
    return read_snapshot(Session(con.cursor()))


def baskets_of(read: Snapshot, history: History | None = None) -> Baskets:
    """Give the baskets (time, items) of each buyer: a user id, or ('basket', basket id)."""
    history = history or read.history
    names = read.item_ids.to_pylist()
    found: Baskets = {}
    buyers = read.buyers.select(["user_id", "basket_id"]).to_pylist()
    for place in range(history.n_buyers):
        buyer = buyers[place]
        key = buyer["user_id"] if history.is_user[place] else ("basket", buyer["basket_id"])
        found[key] = sorted(
            (
                int(history.basket_time[basket]),
                tuple(
                    names[code]
                    for code in history.basket_item[
                        history.basket_ptr[basket] : history.basket_ptr[basket + 1]
                    ]
                ),
            )
            for basket in range(history.buyer_ptr[place], history.buyer_ptr[place + 1])
        )
    return found


def at(hours: float) -> str:
    return str(dt.datetime(2024, 1, 1) + dt.timedelta(hours=hours))


def micros(hours: float) -> int:
    return int(dt.datetime(2024, 1, 1, tzinfo=dt.UTC).timestamp() * 1e6 + hours * HOUR)


def groups(group: tuple[Any, Any]) -> list[list[int]]:
    ptr, item = group
    return [item[ptr[n] : ptr[n + 1]].tolist() for n in range(len(ptr) - 1)]


# Bound baskets


def test_rows_of_one_basket_id_are_one_basket_whenever_they_were_bought(sales: Con) -> None:
    rows = [(1, "b", at(0), "n1"), (1, "a", at(300), "n1"), (1, "c", at(1), "n2")]
    assert baskets_of(snapshot(sales, BOUND, rows)) == {
        1: [(micros(0), ("a", "b")), (micros(1), ("c",))]
    }


def test_the_time_of_a_basket_is_that_of_its_first_row(sales: Con) -> None:
    rows = [(1, "a", at(9), "n1"), (1, "b", at(5), "n1"), (1, "c", None, "n1")]
    assert baskets_of(snapshot(sales, BOUND, rows)) == {1: [(micros(5), ("a", "b", "c"))]}


def test_a_basket_id_of_two_customers_is_a_basket_of_each(sales: Con) -> None:
    rows = [(1, "a", at(0), "n1"), (2, "b", at(0), "n1"), (None, "c", at(0), "n1")]
    assert baskets_of(snapshot(sales, BOUND, rows)) == {
        1: [(micros(0), ("a",))],
        2: [(micros(0), ("b",))],
        ("basket", "n1"): [(micros(0), ("c",))],
    }


def test_a_basket_without_a_customer_is_a_buyer_of_its_own(sales: Con) -> None:
    rows = [(None, "a", at(0), "n1"), (None, "b", at(1), "n1"), (None, "a", at(2), "n2")]
    read = snapshot(sales, BOUND, rows)
    assert baskets_of(read) == {
        ("basket", "n1"): [(micros(0), ("a", "b"))],
        ("basket", "n2"): [(micros(2), ("a",))],
    }
    assert read.history.is_user.tolist() == [False, False]
    assert groups(read.history.user_groups(1000)) == []


def test_a_row_without_a_basket_id_is_a_basket_of_its_own(sales: Con) -> None:
    rows = [(1, "a", at(0), None), (1, "b", at(0), None), (1, "c", at(0), "n1")]
    assert baskets_of(snapshot(sales, BOUND, rows)) == {
        1: [(micros(0), ("a",)), (micros(0), ("b",)), (micros(0), ("c",))]
    }


def test_a_row_without_basket_and_customer_makes_no_basket_but_counts_as_sold(sales: Con) -> None:
    read = snapshot(sales, BOUND, [(None, "a", at(0), None), (1, "b", at(0), "n1")])
    assert baskets_of(read) == {1: [(micros(0), ("b",))]}
    assert read.item_days.transactions.tolist() == [1, 1]


def test_an_item_twice_in_a_basket_counts_once(sales: Con) -> None:
    rows = [(1, "a", at(0), "n1"), (1, "a", at(0), "n1"), (1, "b", at(0), "n1")]
    assert baskets_of(snapshot(sales, BOUND, rows)) == {1: [(micros(0), ("a", "b"))]}


# Windows of 24 hours


def test_an_event_exactly_24_hours_after_the_first_opens_the_next_basket(sales: Con) -> None:
    rows = [(1, "a", at(0), None), (1, "b", at(24), None)]
    assert baskets_of(snapshot(sales, WINDOWS, rows)) == {
        1: [(micros(0), ("a",)), (micros(24), ("b",))]
    }


def test_an_event_one_microsecond_earlier_belongs_to_the_basket(sales: Con) -> None:
    rows = [(1, "a", "2024-01-01 00:00:00", None), (1, "b", "2024-01-01 23:59:59.999999", None)]
    assert baskets_of(snapshot(sales, WINDOWS, rows)) == {1: [(micros(0), ("a", "b"))]}


def test_a_window_begins_with_its_first_event_and_does_not_slide(sales: Con) -> None:
    # 23 is within 24 hours of 0; 30 is not, though it is within 24 hours of 23.
    rows = [(1, "c", at(30), None), (1, "a", at(0), None), (1, "b", at(23), None)]
    assert baskets_of(snapshot(sales, WINDOWS, rows)) == {
        1: [(micros(0), ("a", "b")), (micros(30), ("c",))]
    }


def test_each_customer_has_windows_of_his_own(sales: Con) -> None:
    rows = [(1, "a", at(0), None), (2, "b", at(20), None), (2, "c", at(40), None)]
    assert baskets_of(snapshot(sales, WINDOWS, rows)) == {
        1: [(micros(0), ("a",))],
        2: [(micros(20), ("b", "c"))],
    }


def test_an_undated_row_is_a_basket_of_its_own(sales: Con) -> None:
    rows = [(1, "a", None, None), (1, "b", None, None), (1, "c", at(0), None)]
    assert baskets_of(snapshot(sales, WINDOWS, rows)) == {
        1: [(0, ("a",)), (0, ("b",)), (micros(0), ("c",))]
    }


def test_an_anonymous_row_makes_no_basket_without_a_basket_id(sales: Con) -> None:
    read = snapshot(sales, WINDOWS, [(None, "a", at(0), None), (None, "b", at(0), None)])
    assert baskets_of(read) == {}
    assert read.n_items == 2


def test_the_length_of_a_window_is_a_setting(sales: Con) -> None:
    rows = [(1, "a", at(0), None), (1, "b", at(1.5), None)]
    sales.execute("UPDATE recsql.settings SET value = '1.5' WHERE name = 'basket_hours'")
    try:
        assert baskets_of(snapshot(sales, WINDOWS, rows)) == {
            1: [(micros(0), ("a",)), (micros(1.5), ("b",))]
        }
    finally:
        sales.execute("UPDATE recsql.settings SET value = '24' WHERE name = 'basket_hours'")


@pytest.mark.parametrize("value", ["-1", "a day", "", "nan"])
def test_a_length_that_is_no_number_of_hours_is_refused(sales: Con, value: str) -> None:
    sales.execute("UPDATE recsql.settings SET value = ? WHERE name = 'basket_hours'", [value])
    try:
        with pytest.raises(recsql.ParameterError, match="Setting basket_hours must be"):
            snapshot(sales, WINDOWS, [(1, "a", at(0), None)])
    finally:
        sales.execute("UPDATE recsql.settings SET value = '24' WHERE name = 'basket_hours'")


def test_days_are_24_hours_apart(sales: Con) -> None:
    rows = [(1, "a", at(5), None), (1, "b", at(7), None), (1, "c", at(26), None)]
    bound = WINDOWS | {"ts": "bought_at::DATE"}
    assert baskets_of(snapshot(sales, bound, rows)) == {
        1: [(micros(0), ("a", "b")), (micros(24), ("c",))]
    }


def test_an_integer_that_only_orders_makes_no_windows(sales: Con) -> None:
    rows = [(1, "a", at(0), None), (1, "b", at(0), None)]
    bound = WINDOWS | {"ts": "hour(bought_at)"}
    assert baskets_of(snapshot(sales, bound, rows)) == {1: [(0, ("a",)), (0, ("b",))]}


def test_without_time_and_basket_every_row_is_a_basket(sales: Con) -> None:
    rows = [(1, "a", at(0), "n1"), (1, "b", at(0), "n1"), (2, "a", None, None)]
    assert baskets_of(snapshot(sales, NONE, rows)) == {
        1: [(0, ("a",)), (0, ("b",))],
        2: [(0, ("a",))],
    }


# What counts


@pytest.mark.parametrize("quantity", [0, -1])
def test_a_row_of_no_units_is_no_purchase(con: Con, quantity: int) -> None:
    con.execute("CREATE TABLE t AS SELECT 1 AS customer, 'a' AS sku, 1 AS qty")
    con.execute("INSERT INTO t VALUES (1, 'b', ?), (1, 'c', NULL)", [quantity])
    recsql.bind_interactions(con, "t", user_id="customer", item_id="sku", quantity="qty")
    assert read_snapshot(Session(con.cursor())).item_ids.to_pylist() == ["a", "c"]


def test_a_kind_of_event_that_weighs_nothing_is_no_purchase(con: Con) -> None:
    con.execute("CREATE TABLE t AS SELECT 1 AS customer, 'a' AS sku, 'purchase' AS kind")
    con.execute("INSERT INTO t VALUES (1, 'b', 'view'), (1, 'c', 'dislike'), (1, 'd', NULL)")
    con.execute("INSERT INTO recsql.event_weights VALUES ('view', 0), ('dislike', -1)")
    recsql.bind_interactions(con, "t", user_id="customer", item_id="sku", event="kind")
    assert read_snapshot(Session(con.cursor())).item_ids.to_pylist() == ["a", "d"]


def test_a_row_without_an_item_is_no_purchase(sales: Con) -> None:
    read = snapshot(sales, BOUND, [(1, None, at(0), "n1"), (1, "a", at(0), "n1")])
    assert baskets_of(read) == {1: [(micros(0), ("a",))]}


# Views of the history


ROWS = [
    (1, "a", at(0), "n1"), (1, "b", at(0), "n1"), (1, "c", at(48), "n2"), (1, "a", at(48), "n2"),
    (2, "c", at(24), "n3"), (None, "a", at(72), "n4"), (None, "c", at(72), "n4"),
]  # fmt: skip


def test_a_cap_keeps_the_newest_items_of_a_customer(sales: Con) -> None:
    history = snapshot(sales, BOUND, ROWS).history
    assert groups(history.user_groups(3)) == [[0, 1, 2], [2]]
    # a and c are of hour 48, b of hour 0.
    assert groups(history.user_groups(2)) == [[0, 2], [2]]


def test_a_cap_keeps_the_smallest_ids_of_a_basket(sales: Con) -> None:
    history = snapshot(sales, BOUND, ROWS).history
    assert groups(history.basket_groups(2)) == [[0, 1], [0, 2], [2], [0, 2]]
    assert groups(history.basket_groups(1)) == [[0], [0], [2], [0]]


def test_a_history_can_be_cut_in_time(sales: Con) -> None:
    read = snapshot(sales, BOUND, ROWS)
    cut = micros(48)
    assert baskets_of(read, read.history.before(cut)) == {
        1: [(micros(0), ("a", "b"))],
        2: [(micros(24), ("c",))],
        ("basket", "n4"): [],
    }
    assert baskets_of(read, read.history.since(cut)) == {
        1: [(micros(48), ("a", "c"))],
        2: [],
        ("basket", "n4"): [(micros(72), ("a", "c"))],
    }


def test_some_buyers_can_be_selected(sales: Con) -> None:
    chosen = snapshot(sales, BOUND, ROWS).history.select(np.array([False, True, True]))
    assert chosen.is_user.tolist() == [True, False]
    assert groups(chosen.basket_groups(9)) == [[2], [0, 2]]
    assert chosen.basket_time.tolist() == [micros(24), micros(72)]


def test_items_can_be_called_otherwise(sales: Con) -> None:
    history = snapshot(sales, BOUND, ROWS).history.recoded(np.array([2, 0, 1], dtype=np.int32))
    assert groups(history.basket_groups(9)) == [[0, 2], [1, 2], [1], [1, 2]]


def test_an_empty_table_is_an_empty_history(sales: Con) -> None:
    for bound in (BOUND, WINDOWS, NONE):
        history = snapshot(sales, bound, []).history
        assert (history.n_buyers, history.n_baskets, history.n_items) == (0, 0, 0)
        assert groups(history.user_groups(9)) == groups(history.basket_groups(9)) == []
        assert history.before(5).n_baskets == history.since(5).n_baskets == 0


# Any rows


def slow_baskets(rows: Sequence[Row], bound: dict[str, str]) -> Baskets:
    """The definition: rows in order of time, each put into the basket that takes it."""
    found: dict[Any, list[list[Any]]] = defaultdict(list)
    dated = [
        (user, item, None if when is None else micros(when), basket)
        for user, item, when, basket in rows
        if item is not None
    ]
    for user, item, time, basket in sorted(dated, key=lambda row: (row[2] is None, row[2] or 0)):
        if "ts" not in bound:
            time = None
        key = user if user is not None else ("basket", basket)
        if user is None and ("basket_id" not in bound or basket is None):
            continue
        same: list[list[Any]] = []
        if "basket_id" in bound:
            same = [] if basket is None else [b for b in found[key] if b[2] == basket]
        elif time is not None:
            same = [b for b in found[key] if b[2] is not None and time - b[2] < 24 * HOUR]
        if same:
            same[-1][1].add(item)
        else:
            label = basket if "basket_id" in bound else time
            found[key].append([time or 0, {item}, label])
    return {
        key: sorted((time, tuple(sorted(items))) for time, items, _ in baskets)
        for key, baskets in found.items()
    }


sale = st.tuples(
    st.sampled_from([1, 1, 2, 3, None]),
    st.sampled_from(["a", "b", "c", "d", "e", None]),
    st.one_of(st.none(), st.sampled_from([0, 1, 23, 24, 25, 47, 48, 49, 72, 96, 700])),
    st.sampled_from(["n1", "n2", "n3", None]),
)


@pytest.mark.parametrize("bound", [BOUND, WINDOWS, NONE], ids=["bound", "windows", "none"])
def test_any_rows_fall_into_the_baskets_of_the_definition(
    sales: Con, bound: dict[str, str]
) -> None:
    recsql.bind_interactions(sales, "sales", **bound)

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(rows=st.lists(sale, max_size=30))
    def check(rows: list[Row]) -> None:
        fill(sales, [(u, i, None if t is None else at(t), b) for u, i, t, b in rows])
        assert baskets_of(read_snapshot(Session(sales.cursor()))) == slow_baskets(rows, bound)

    check()
