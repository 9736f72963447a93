"""net_returns: a later negative quantity takes the latest purchases back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import recsql

Row = tuple[Any, ...]
FIXTURES_ARE_CLEANED = [HealthCheck.function_scoped_fixture]


def net(
    con: duckdb.DuckDBPyConnection, rows: Sequence[Row], columns: str = "user_id, ts, quantity"
) -> list[Row]:
    """Give (…columns) of the interactions that remain, in order."""
    names = [name.strip() for name in columns.split(",")]
    values = [dict(zip(names, row, strict=True)) for row in rows]
    con.execute(
        "CREATE TABLE IF NOT EXISTS sales (user_id VARCHAR, item_id VARCHAR, ts INTEGER, quantity "
        "DOUBLE, value DOUBLE, event VARCHAR)"
    )
    con.execute("DELETE FROM sales")
    if values:
        con.executemany(
            "INSERT INTO sales VALUES (?, ?, ?, ?, ?, ?)",
            [
                [
                    value.get("user_id", "ann"),
                    value.get("item_id", "tea"),
                    value.get("ts"),
                    value["quantity"],
                    value.get("value"),
                    value.get("event", "purchase"),
                ]
                for value in values
            ],
        )
    if not con.execute("FROM recsql.sources").fetchall():
        recsql.bind_interactions(
            con,
            "sales",
            user_id="user_id",
            item_id="item_id",
            ts="ts",
            quantity="quantity",
            value="value",
            event="event",
            net_returns=True,
        )
    return con.execute(f"SELECT {columns} FROM recsql.interactions ORDER BY ALL").fetchall()


def test_a_return_takes_the_latest_purchase_back_first(con: duckdb.DuckDBPyConnection) -> None:
    # 2 then 3, 4 come back: all 3 of the second, 1 of the first.
    assert net(con, [("ann", 1, 2), ("ann", 2, 3), ("ann", 3, -4)]) == [("ann", 1, 1.0)]


def test_a_purchase_after_the_return_stays_whole(con: duckdb.DuckDBPyConnection) -> None:
    assert net(con, [("ann", 1, 2), ("ann", 2, -2), ("ann", 3, 5)]) == [("ann", 3, 5.0)]


def test_a_return_of_more_than_was_bought_takes_nothing_from_later_purchases(
    con: duckdb.DuckDBPyConnection,
) -> None:
    # 2 - 5: nothing is left and 3 units of the return are lost; then 4 - 1 = 3.
    rows = [("ann", 1, 2), ("ann", 2, -5), ("ann", 3, 4), ("ann", 4, -1)]
    assert net(con, rows) == [("ann", 3, 3.0)]


def test_a_return_before_any_purchase_counts_for_nothing(con: duckdb.DuckDBPyConnection) -> None:
    assert net(con, [("ann", 1, -5), ("ann", 2, 3)]) == [("ann", 2, 3.0)]


def test_a_return_by_another_customer_or_of_another_item_takes_nothing(
    con: duckdb.DuckDBPyConnection,
) -> None:
    rows = [("ann", "tea", 1, 2), ("bob", "tea", 2, -1), ("ann", "milk", 2, -1)]
    kept = net(con, rows, "user_id, item_id, ts, quantity")
    assert kept == [("ann", "tea", 1, 2.0)]


def test_the_value_shrinks_with_the_units(con: duckdb.DuckDBPyConnection) -> None:
    # 4 units for 10, 1 comes back: 3 units for 10 * 3 / 4.
    rows = [("ann", 1, 4, 10.0), ("ann", 2, -1, -2.5)]
    assert net(con, rows, "user_id, ts, quantity, value") == [("ann", 1, 3.0, 7.5)]


def test_a_purchase_and_its_return_at_the_same_time_cancel(con: duckdb.DuckDBPyConnection) -> None:
    assert net(con, [("ann", 1, -2), ("ann", 1, 2)]) == []


def test_fractions_that_were_returned_whole_leave_no_crumbs(
    con: duckdb.DuckDBPyConnection,
) -> None:
    # 0.1 + 0.2 - 0.3 is 5.5e-17 in floating point.
    assert net(con, [("ann", 1, 0.1), ("ann", 2, 0.2), ("ann", 3, -0.3)]) == []


def test_equal_purchases_at_the_same_time_lose_only_what_came_back(
    con: duckdb.DuckDBPyConnection,
) -> None:
    rows = [("ann", 1, 2), ("ann", 1, 2), ("ann", 1, 2), ("ann", 2, -3)]
    # 6 - 3: one whole purchase and half of another remain.
    assert net(con, rows) == [("ann", 1, 1.0), ("ann", 1, 2.0)]


def test_views_without_units_are_left_alone_where_something_was_returned(
    con: duckdb.DuckDBPyConnection,
) -> None:
    rows = [
        ("ann", 1, None, "view"),
        ("ann", 2, 1, "purchase"),
        ("ann", 3, -1, "return"),
        ("ann", 4, 0, "click"),
    ]
    kept = net(con, rows, "user_id, ts, quantity, event")
    assert kept == [("ann", 1, None, "view"), ("ann", 4, 0.0, "click")]


def test_anonymous_purchases_stay_and_anonymous_returns_go(con: duckdb.DuckDBPyConnection) -> None:
    assert net(con, [(None, 1, 2), (None, 2, -2), (None, 3, None)]) == [
        (None, 1, 2.0),
        (None, 3, None),
    ]


def test_an_undated_return_takes_the_latest_purchase(con: duckdb.DuckDBPyConnection) -> None:
    assert net(con, [("ann", 1, 1), ("ann", 2, 1), ("ann", None, -1)]) == [("ann", 1, 1.0)]


def test_rows_without_an_item_are_not_netted(con: duckdb.DuckDBPyConnection) -> None:
    rows = [("ann", None, 1, 2), ("ann", None, 2, -2)]
    assert net(con, rows, "user_id, item_id, ts, quantity") == [("ann", None, 1, 2.0)]


def test_without_net_returns_a_return_is_a_row_of_its_own(con: duckdb.DuckDBPyConnection) -> None:
    net(con, [("ann", 1, 2), ("ann", 2, -2)])
    recsql.bind_interactions(
        con, "sales", user_id="user_id", item_id="item_id", ts="ts", quantity="quantity"
    )
    kept = con.execute("SELECT quantity FROM recsql.interactions ORDER BY 1").fetchall()
    assert kept == [(-2.0,), (2.0,)]


def test_the_order_of_nulls_that_a_user_sets_changes_nothing(
    con: duckdb.DuckDBPyConnection,
) -> None:
    rows = [("ann", 1, 1), ("ann", 2, 1), ("ann", None, -1)]
    con.execute("SET default_null_order = 'nulls_first'")
    assert net(con, rows) == [("ann", 1, 1.0)]


def slow_net(rows: Sequence[tuple[str, int, int]]) -> list[tuple[str, int, float]]:
    """The definition: a stack of purchases a customer; a return pops units from its top."""
    stacks: dict[str, list[list[Any]]] = {}
    for user, ts, quantity in sorted(rows, key=lambda row: (row[1], -row[2])):
        stack = stacks.setdefault(user, [])
        if quantity > 0:
            stack.append([ts, float(quantity)])
        while quantity < 0 and stack:
            taken = min(stack[-1][1], -quantity)
            stack[-1][1] -= taken
            quantity += taken
            if stack[-1][1] == 0:
                stack.pop()
    return sorted((user, ts, left) for user, stack in stacks.items() for ts, left in stack)


sale = st.tuples(
    st.sampled_from(["ann", "bob"]),
    st.integers(1, 12),
    st.integers(-4, 4).filter(lambda units: units != 0),
)


@settings(max_examples=60, deadline=None, suppress_health_check=FIXTURES_ARE_CLEANED)
@given(rows=st.lists(sale, max_size=25))
def test_any_history_nets_like_a_stack(
    con: duckdb.DuckDBPyConnection, rows: list[tuple[str, int, int]]
) -> None:
    assert net(con, rows) == slow_net(rows)


@pytest.mark.parametrize("given_value", ["yes", 1])
def test_net_returns_must_be_true_or_false(
    con: duckdb.DuckDBPyConnection, given_value: object
) -> None:
    con.execute("CREATE TABLE sales (item VARCHAR)")
    with pytest.raises(recsql.BindError, match=r"net_returns must be true or false, got"):
        recsql.bind_interactions(con, "sales", item_id="item", net_returns=given_value)  # type: ignore[arg-type]
