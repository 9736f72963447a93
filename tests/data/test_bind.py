"""Binding the user's own tables: what they may be, how they are found, what is refused."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import recsql

Con = duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def shared() -> Iterator[Con]:
    """A database whose tables a test may replace, but must not miss."""
    opened = recsql.connect()
    yield opened
    opened.close()


@pytest.fixture(name="orders")
def orders_table(shared: Con) -> Con:
    shared.execute(
        "CREATE OR REPLACE TABLE orders AS SELECT * FROM (VALUES "
        "(1, 'a', TIMESTAMP '2024-01-01', 2, 1.5, 'phone', 'fr'), "
        "(2, 'b', TIMESTAMP '2024-01-02', 1, NULL, 'phone', 'de'), "
        "(NULL, 'b', TIMESTAMP '2024-01-03', 1, 2.5, 'desk', 'de')) "
        "AS v(customer, sku, ordered_at, qty, price, device, language)"
    )
    return shared


def items_of(con: Con, relation: str, item_id: str = "sku") -> list[Any]:
    recsql.bind_interactions(con, relation, item_id=item_id)
    rows = con.execute("SELECT i.item_id FROM recsql.interactions AS i ORDER BY 1").fetchall()
    return [item for (item,) in rows]


def types_of(con: Con, view: str) -> dict[str, str]:
    return {row[0]: row[1] for row in con.execute(f"DESCRIBE recsql.{view}").fetchall()}


# What is bound


def test_the_view_has_every_column_with_its_type_and_default(orders: Con) -> None:
    recsql.bind_interactions(orders, "orders", item_id="sku")
    assert types_of(orders, "interactions") == {
        "user_id": "VARCHAR",
        "item_id": "VARCHAR",
        "ts": "TIMESTAMP",
        "event": "VARCHAR",
        "quantity": "DOUBLE",
        "value": "DOUBLE",
        "rating": "DOUBLE",
        "basket_id": "VARCHAR",
        "session_id": "VARCHAR",
        "context": "STRUCT(unbound BOOLEAN)",
    }
    first = orders.execute("FROM recsql.interactions ORDER BY item_id LIMIT 1").fetchall()
    assert first == [(None, "a", None, "purchase", 1.0, None, None, None, None, None)]


def test_every_argument_is_read_from_its_column(orders: Con) -> None:
    recsql.bind_interactions(
        orders,
        "orders",
        user_id="customer",
        item_id="sku",
        ts="ordered_at",
        event="device",
        quantity="qty",
        value="qty * price",
        rating="price",
        basket_id="language",
        session_id="customer",
        context=["device", "LANGUAGE"],
        filter="customer = 1",
    )
    assert orders.execute("FROM recsql.interactions").fetchall() == [
        (1, "a", dt.datetime(2024, 1, 1), "phone", 2.0, 3.0, 1.5, "fr", 1,
         {"device": "phone", "language": "fr"})
    ]  # fmt: skip


def test_the_result_counts_rows_and_what_is_missing(orders: Con) -> None:
    bound = recsql.bind_interactions(
        orders, "orders", user_id="customer", item_id="sku", value="qty * price", context=["device"]
    )
    assert bound.columns == (
        "source", "name", "bound_to", "type", "rows", "missing", "distinct_values", "note"
    )  # fmt: skip
    assert [row[:3] + row[4:] for row in bound] == [
        ("interactions", "user_id", "customer", 3, 1, 2, ""),
        ("interactions", "item_id", "sku", 3, 0, 2, ""),
        ("interactions", "value", "qty * price", 3, 1, 2, ""),
        ("interactions", "context", "device", 3, 0, 2, ""),
    ]
    assert [row[3] for row in bound] == ["INTEGER", "VARCHAR", "DOUBLE", "STRUCT(device VARCHAR)"]


def test_a_column_is_one_field_of_the_context_however_often_it_is_named(orders: Con) -> None:
    recsql.bind_interactions(orders, "orders", item_id="sku", context=["device", "DEVICE"])
    types = {name: kind for name, kind, *_ in orders.sql("DESCRIBE recsql.interactions").fetchall()}
    assert types["context"] == "STRUCT(device VARCHAR)"


def test_sql_and_python_bind_the_same(orders: Con) -> None:
    from_python = recsql.bind_interactions(
        orders, "orders", user_id="customer", item_id="sku", ts="ordered_at", context=["device"]
    )
    from_sql = orders.execute(
        "CALL recsql.bind_interactions('orders', user_id := 'customer', item_id := 'sku', "
        "ts := 'ordered_at', context := ['device'])"
    ).fetchall()
    assert list(from_python) == from_sql


def test_prepared_parameters_bind(orders: Con) -> None:
    rows = orders.execute(
        "CALL recsql.bind_interactions(?, item_id := ?, context := ?)",
        ["orders", "sku", ["device"]],
    ).fetchall()
    assert [row[2] for row in rows] == ["sku", "device"]


def test_users_take_all_other_columns_as_attributes(con: Con) -> None:
    con.execute(
        "CREATE TABLE people (id INTEGER, Country VARCHAR, user_id VARCHAR, tags VARCHAR[])"
    )
    con.execute("INSERT INTO people VALUES (1, 'fr', 'x', ['a'])")
    bound = recsql.bind_users(con, "people", user_id="id", private=["COUNTRY"])
    assert types_of(con, "users") == {
        "user_id": "INTEGER", "Country": "VARCHAR", "tags": "VARCHAR[]"
    }  # fmt: skip
    assert bound.rows[-1][-1] == "user_id is not an attribute: recsql uses the name"
    assert con.execute("SELECT s.private FROM recsql.sources AS s").fetchall() == [(["Country"],)]


def test_items_take_the_listed_attributes_once(con: Con) -> None:
    con.execute("CREATE TABLE products (sku VARCHAR, name VARCHAR, sold INTEGER, brand VARCHAR)")
    con.execute("INSERT INTO products VALUES ('a', 'Tea', 1, 'x')")
    recsql.bind_items(
        con,
        "products",
        item_id="sku",
        title="name",
        available="sold",
        attributes=["BRAND", "BRAND"],
    )
    assert con.execute("FROM recsql.items").fetchall() == [("a", "Tea", None, True, "x")]
    assert list(types_of(con, "items")) == ["item_id", "title", "category", "available", "brand"]


def test_impressions_are_bound_with_a_position(orders: Con) -> None:
    recsql.bind_impressions(orders, "orders", item_id="sku", position="qty", attributes=[])
    rows = orders.execute("SELECT i.item_id, i.position FROM recsql.impressions AS i ORDER BY ALL")
    assert rows.fetchall() == [("a", 2), ("b", 1), ("b", 1)]
    # DuckDB 1.5 takes position as a name only in quotes.
    called = orders.execute(
        "CALL recsql.bind_impressions('orders', item_id := 'sku', \"position\" := 'qty')"
    ).fetchall()
    assert ("position", "qty") in [row[1:3] for row in called]


def test_a_binding_is_stored_and_found_again_on_reopen(tmp_path: Path) -> None:
    path = str(tmp_path / "shop.duckdb")
    con = recsql.connect(path)
    con.execute("CREATE TABLE orders AS SELECT 'a' AS sku, 3 AS qty")
    recsql.bind_interactions(con, "orders", item_id="sku", value="qty * 2")
    con.close()
    con = recsql.connect(path)
    rows = con.execute("SELECT i.item_id, i.value FROM recsql.interactions AS i").fetchall()
    assert rows == [("a", 6.0)]
    arguments, types = con.execute(
        "SELECT s.arguments::VARCHAR, s.column_types::VARCHAR FROM recsql.sources AS s"
    ).fetchall()[0]
    assert json.loads(arguments) == {"item_id": "sku", "value": "qty * 2"}
    assert json.loads(types)["value"] == "DOUBLE"
    con.close()


def test_new_rows_are_seen_at_once_because_nothing_is_copied(orders: Con) -> None:
    recsql.bind_interactions(orders, "orders", item_id="sku")
    orders.execute("INSERT INTO orders (sku) VALUES ('new')")
    found = orders.execute("SELECT count(*) FROM recsql.interactions WHERE item_id = 'new'")
    assert found.fetchall() == [(1,)]


# Where the source may lie


def test_a_view_over_parquet_can_be_bound(con: Con, tmp_path: Path) -> None:
    file = tmp_path / "orders.parquet"
    con.execute(f"COPY (SELECT 'a' AS sku) TO '{file}' (FORMAT parquet)")
    con.execute(f"CREATE VIEW orders AS FROM '{file}'")
    assert items_of(con, "orders") == ["a"]


@pytest.mark.parametrize(
    "name", ["crm.orders", "CRM.Orders", '"crm"."orders"', "memory.crm.orders"]
)
def test_a_table_of_another_schema_can_be_bound(shared: Con, name: str) -> None:
    shared.execute("CREATE SCHEMA IF NOT EXISTS crm")
    shared.execute("CREATE OR REPLACE TABLE crm.orders AS SELECT 'from crm' AS sku")
    assert items_of(shared, name) == ["from crm"]


def test_a_name_is_looked_up_in_the_schema_in_use_first(shared: Con) -> None:
    shared.execute("CREATE SCHEMA IF NOT EXISTS crm")
    shared.execute("CREATE OR REPLACE TABLE crm.sales AS SELECT 'from crm' AS sku")
    shared.execute("CREATE OR REPLACE TABLE main.sales AS SELECT 'from main' AS sku")
    cursor = shared.cursor()
    assert items_of(cursor, "sales") == ["from main"]
    cursor.execute("USE crm")
    assert items_of(cursor, "sales") == ["from crm"]
    cursor.execute("CALL recsql.bind_interactions('main.sales', item_id := 'sku')")
    assert cursor.execute("SELECT item_id FROM recsql.interactions").fetchall() == [("from main",)]
    cursor.execute("CALL recsql.bind_interactions('sales', item_id := 'sku')")
    assert cursor.execute("SELECT item_id FROM recsql.interactions").fetchall() == [("from crm",)]


@pytest.mark.parametrize(
    "name", ["warehouse.orders", "warehouse.main.orders", '"warehouse".orders']
)
def test_a_table_of_an_attached_database_can_be_bound(con: Con, tmp_path: Path, name: str) -> None:
    con.execute(f"ATTACH '{tmp_path / 'other.duckdb'}' AS warehouse")
    con.execute("CREATE TABLE warehouse.orders AS SELECT 'attached' AS sku")
    assert items_of(con, name) == ["attached"]


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("My Orders", "My Orders"),
        ("My Orders", '"My Orders"'),
        ("we.ird", "we.ird"),
        ("we.ird", '"we.ird"'),
        ("we.ird", 'main."we.ird"'),
        ('o"dd', 'o"dd'),
        ('o"dd', '"o""dd"'),
        ("commandes_é🛒", "commandes_é🛒"),
        ("order", "order"),
        ("select", "select"),
        ("source", "source"),
        ("interactions", "interactions"),
        ("items", "items"),
        ("bound", "bound"),
    ],
)
def test_a_table_is_found_whatever_it_is_called(shared: Con, table: str, name: str) -> None:
    quoted = '"' + table.replace('"', '""') + '"'
    shared.execute(f"CREATE OR REPLACE TABLE {quoted} AS SELECT 'x' AS sku, 2 AS price")
    assert items_of(shared, name) == ["x"]
    recsql.bind_items(shared, name, item_id="sku", filter="price > 1 AND source.price < 3")
    assert shared.execute("SELECT i.price FROM recsql.items AS i").fetchall() == [(2,)]
    shared.execute(f"DROP TABLE {quoted}")


RESERVED = (
    "at", "order", "select", "item_id", "rank", "k", "source", "user_id", "ts", "event", "filter",
    "quantity", "value", "context", "position", "relation", "group", "table", "bound", "time",
)  # fmt: skip


@pytest.mark.parametrize("table", ["orders", "source", "bound", "item_id", "order", "k"])
def test_columns_called_like_keywords_or_like_our_own_can_be_bound(shared: Con, table: str) -> None:
    columns = ", ".join(f'{n} AS "{name}"' for n, name in enumerate(RESERVED))
    shared.execute(f'CREATE OR REPLACE TABLE "{table}" AS SELECT {columns}')
    arguments = ("item_id", "user_id", "value", "basket_id", "session_id")
    for first in range(0, len(RESERVED), len(arguments)):
        names = RESERVED[first : first + len(arguments)]
        recsql.bind_interactions(
            shared,
            table,
            filter=" AND ".join(f'"{name}" = {RESERVED.index(name)}' for name in names),
            context=[name for name in RESERVED if name not in names[:2]],
            **dict(zip(arguments, names, strict=True)),
        )
        rows = shared.execute(f"SELECT {', '.join(arguments)}, context FROM recsql.interactions")
        found = rows.fetchall()[0]
        assert found[:-1] == tuple(range(first, first + len(arguments)))
        told = {name: n for n, name in enumerate(RESERVED) if name not in names[:2]}
        assert found[-1] == told
    recsql.bind_users(shared, table, user_id="k")
    rows = shared.execute('SELECT u."at", u."order", u."source" FROM recsql.users AS u')
    assert rows.fetchall() == [(0, 1, 6)]
    recsql.bind_items(shared, table, item_id="item_id", title="select", attributes=["at", "rank"])
    assert shared.execute("FROM recsql.items").fetchall() == [(3, "2", None, True, 0, 4)]
    shared.execute(f'DROP TABLE "{table}"')


def test_a_struct_column_called_source_does_not_confuse_the_source(con: Con) -> None:
    con.execute("CREATE TABLE t AS SELECT 'a' AS sku, {'sku': 'wrong', 'x': 1} AS source")
    recsql.bind_items(con, "t", item_id="sku", attributes=["source"], title="sku")
    rows = con.execute("SELECT i.item_id, i.title, i.source FROM recsql.items AS i").fetchall()
    assert rows == [("a", "a", {"sku": "wrong", "x": 1})]


# Ids and times


@pytest.mark.parametrize(
    ("sql_type", "values"),
    [
        ("TINYINT", [-128, 127]),
        ("SMALLINT", [-32768, 32767]),
        ("INTEGER", [-(2**31), 2**31 - 1]),
        ("BIGINT", [-(2**63), 0, 2**63 - 1]),
        ("HUGEINT", [-(2**127), 2**127 - 1]),
        ("UTINYINT", [0, 255]),
        ("USMALLINT", [0, 65535]),
        ("UINTEGER", [0, 2**32 - 1]),
        ("UBIGINT", [0, 2**64 - 1]),
        ("UUID", [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)]),
        ("VARCHAR", ["", " a", "A", "O'Brien", "a", 'x"y', "x" * 1000, "é", "🛒"]),
    ],
)
def test_ids_of_any_integer_text_or_uuid_keep_type_and_value(
    shared: Con, sql_type: str, values: list[Any]
) -> None:
    shared.execute(f"CREATE OR REPLACE TABLE t (id {sql_type})")
    shared.executemany("INSERT INTO t VALUES (?::VARCHAR)", [[str(value)] for value in values])
    recsql.bind_interactions(shared, "t", item_id="id", user_id="id", basket_id="id")
    types = types_of(shared, "interactions")
    assert (types["item_id"], types["user_id"], types["basket_id"]) == (sql_type,) * 3
    rows = shared.execute("SELECT i.item_id FROM recsql.interactions AS i ORDER BY 1").fetchall()
    assert [value for (value,) in rows] == values


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("qty::DOUBLE", "DOUBLE"),
        ("{'a': sku}", r"STRUCT\(a VARCHAR\)"),
        ("[sku]", r"VARCHAR\[\]"),
        ("ordered_at", "TIMESTAMP"),
        ("qty > 1", "BOOLEAN"),
        ("qty::DECIMAL(9, 2)", r"DECIMAL\(9,2\)"),
        ("qty::UHUGEINT", "UHUGEINT"),
    ],
)
@pytest.mark.parametrize("argument", ["item_id", "user_id", "basket_id", "session_id"])
def test_an_id_of_another_type_is_refused_with_a_cast(
    orders: Con, argument: str, expression: str, kind: str
) -> None:
    with pytest.raises(
        recsql.BindError,
        match=rf"^{argument} must be an integer, VARCHAR or UUID, got {kind}\. Bind an expression, "
        r"for example '.*::VARCHAR'\.$",
    ) as caught:
        recsql.bind_interactions(orders, "orders", **{"item_id": "sku", argument: expression})
    remedy = str(caught.value).split("for example '")[1].removesuffix("'.")
    recsql.bind_interactions(orders, "orders", **{"item_id": "sku", argument: remedy})


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("ordered_at", "TIMESTAMP"),
        ("ordered_at::DATE", "DATE"),
        ("ordered_at::TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"),
        ("ordered_at::TIMESTAMP_S", "TIMESTAMP_S"),
        ("ordered_at::TIMESTAMP_MS", "TIMESTAMP_MS"),
        ("ordered_at::TIMESTAMP_NS", "TIMESTAMP_NS"),
        ("qty", "INTEGER"),
        ("qty::UBIGINT", "UBIGINT"),
    ],
)
def test_a_time_may_have_any_of_these_types(orders: Con, expression: str, kind: str) -> None:
    recsql.bind_interactions(orders, "orders", item_id="sku", ts=expression)
    assert types_of(orders, "interactions")["ts"] == kind


def test_a_time_as_text_is_refused_with_a_remedy_that_works(orders: Con) -> None:
    orders.execute("CREATE OR REPLACE TABLE t AS SELECT 'a' AS sku, '2024-02-03' AS day")
    with pytest.raises(
        recsql.BindError,
        match=r"^ts must be a TIMESTAMP, TIMESTAMPTZ, DATE or an integer that orders, got VARCHAR"
        r"\. Bind an expression, for example 'strptime\(day, ''%Y-%m-%d''\)'\.$",
    ):
        recsql.bind_interactions(orders, "t", item_id="sku", ts="day")
    recsql.bind_interactions(orders, "t", item_id="sku", ts="strptime(day, '%Y-%m-%d')")
    rows = orders.execute("SELECT i.ts FROM recsql.interactions AS i").fetchall()
    assert rows == [(dt.datetime(2024, 2, 3),)]


@pytest.mark.parametrize("expression", ["ordered_at::TIME", "price", "[qty]"])
def test_a_time_of_another_type_is_refused(orders: Con, expression: str) -> None:
    with pytest.raises(recsql.BindError, match="ts must be a TIMESTAMP, TIMESTAMPTZ, DATE or"):
        recsql.bind_interactions(orders, "orders", item_id="sku", ts=expression)


# What is refused


def refusal(con: Con, relation: Any, **arguments: Any) -> str:
    with pytest.raises(recsql.BindError) as caught:
        recsql.bind_interactions(con, relation, **arguments)
    return str(caught.value)


def test_an_unknown_table_names_the_nearest(orders: Con) -> None:
    message = refusal(orders, "order_s", item_id="sku")
    assert message.startswith(
        "The source must be a committed table or view, got 'order_s', which does not exist"
    )
    assert " Did you mean 'orders'" in message


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("customers", "crm.customers"),
        ("crm.customer", "crm.customers"),
        ("Invoice", "warehouse.invoices"),
        ("warehouse.invoice", "warehouse.invoices"),
    ],
)
def test_a_table_elsewhere_is_offered_by_a_name_that_works(
    con: Con, tmp_path: Path, name: str, offered: str
) -> None:
    con.execute("CREATE SCHEMA crm; CREATE TABLE crm.customers AS SELECT 'from crm' AS sku")
    con.execute(f"ATTACH '{tmp_path / 'other.duckdb'}' AS warehouse")
    con.execute("CREATE TABLE warehouse.invoices AS SELECT 'attached' AS sku")
    assert refusal(con, name, item_id="sku").endswith(f"Did you mean {offered!r}?")
    assert items_of(con, offered) != []


def test_a_temp_table_is_refused_by_its_name(orders: Con) -> None:
    orders.execute("CREATE OR REPLACE TEMP TABLE today AS FROM orders")
    expected = (
        "The source must be a committed table or view, got the TEMP table or registered DataFrame "
        "'today', which only its own session can see. CREATE TABLE … AS FROM today, and bind that."
    )
    assert refusal(orders, "today", item_id="sku") == expected
    with pytest.raises(duckdb.InvalidInputException) as caught:
        orders.execute("CALL recsql.bind_interactions('today', item_id := 'sku')")
    assert expected in str(caught.value)


def test_a_registered_dataframe_is_refused(orders: Con) -> None:
    orders.register("frame", pa.table({"sku": ["a"]}))
    message = refusal(orders, "frame", item_id="sku")
    expected = "got the TEMP table or registered DataFrame 'frame'"
    assert expected in message
    with pytest.raises(duckdb.InvalidInputException, match=expected):
        orders.execute("CALL recsql.bind_interactions('frame', item_id := 'sku')")


@pytest.mark.parametrize("hidden_by", ["a TEMP table", "a TEMP view", "a DataFrame"])
@pytest.mark.parametrize("source", ["interactions", "users", "items", "impressions", "knowledge"])
def test_a_table_that_something_temporary_hides_is_refused(
    con: Con, source: str, hidden_by: str
) -> None:
    con.execute("CREATE TABLE orders AS SELECT 'committed' AS sku")
    if hidden_by == "a DataFrame":
        con.register("orders", pa.table({"sku": ["temporary"]}))
    else:
        con.execute(f"CREATE {hidden_by[2:]} orders AS SELECT 'temporary' AS sku")
    expected = (
        "The source must be a committed table or view, got 'orders', which a TEMP table or "
        "registered DataFrame of the same name hides. Give that another name, and bind again."
    )
    identifier = {"users": "user_id", "knowledge": "head"}.get(source, "item_id")
    with pytest.raises(recsql.BindError) as from_python:
        getattr(recsql, f"bind_{source}")(con, "orders", **{identifier: "sku"})
    assert str(from_python.value) == expected
    with pytest.raises(duckdb.InvalidInputException) as from_sql:
        con.execute(f"CALL recsql.bind_{source}('orders', {identifier} := 'sku')")
    assert expected in str(from_sql.value)


def test_a_table_of_an_open_transaction_can_be_bound_once_it_is_committed(con: Con) -> None:
    con.execute("BEGIN")
    con.execute("CREATE TABLE orders AS SELECT 'a' AS sku")
    assert "nor is what is not committed: COMMIT first)" in refusal(con, "orders", item_id="sku")
    con.execute("COMMIT")
    assert items_of(con, "orders") == ["a"]


@pytest.mark.parametrize(
    "text",
    [
        "read_csv('/etc/passwd')",
        "'/etc/passwd'",
        "/etc/passwd",
        "(SELECT 'a' AS sku)",
        "orders AS o",
        "orders; DROP TABLE orders",
        "orders WHERE true",
        "orders --",
    ],
)
def test_a_source_that_is_more_than_a_name_is_refused(orders: Con, text: str) -> None:
    before = orders.execute("FROM recsql.sources").fetchall()
    message = refusal(orders, text, item_id="sku")
    assert message.startswith(f"The source must be a committed table or view, got {text!r}, which")
    with pytest.raises(duckdb.InvalidInputException, match="must be a committed table or view"):
        orders.execute("CALL recsql.bind_interactions(?, item_id := 'sku')", [text])
    assert orders.execute("SELECT count(*) FROM orders").fetchall() == [(3,)]
    assert orders.execute("FROM recsql.sources").fetchall() == before


def test_a_dataframe_in_a_variable_is_refused(orders: Con) -> None:
    basket = pa.table({"sku": ["a"]})
    assert "DataFrames are not visible here" in refusal(orders, "basket", item_id="sku")
    assert refusal(orders, basket, item_id="sku").startswith(
        "The source must be the name of a table or view, got Table. CREATE TABLE"
    )


@pytest.mark.parametrize("name", ["", "  ", None, 7])
def test_a_source_without_a_name_is_refused(orders: Con, name: Any) -> None:
    message = refusal(orders, name, item_id="sku")
    assert message.startswith("The source must be the name of a table or view, got ")


def test_a_null_source_is_refused_in_sql(orders: Con) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="must be the name of a table or view"):
        orders.execute("CALL recsql.bind_interactions(NULL, item_id := 'sku')")


@pytest.mark.parametrize("name", ["recsql.interactions", "recsql.top_items", "memory.recsql.meta"])
def test_a_table_of_recsql_is_refused(orders: Con, name: str) -> None:
    message = refusal(orders, name, item_id="item_id")
    assert message.startswith("The source must be a table or view of yours, got recsql.")


def test_a_view_that_reads_the_binding_itself_is_refused(orders: Con) -> None:
    recsql.bind_interactions(orders, "orders", item_id="sku")
    orders.execute(
        "CREATE OR REPLACE VIEW mirror AS SELECT i.item_id FROM recsql.interactions AS i"
    )
    assert refusal(orders, "mirror", item_id="item_id") == (
        "The source must not read recsql.interactions, got mirror, which does. "
        "Bind what stands behind it."
    )
    assert orders.execute("SELECT count(*) FROM recsql.interactions").fetchall() == [(3,)]


def test_a_view_over_a_table_that_is_gone_is_refused(orders: Con) -> None:
    orders.execute("CREATE OR REPLACE TABLE gone (sku VARCHAR)")
    orders.execute("CREATE OR REPLACE VIEW broken AS FROM gone")
    orders.execute("DROP TABLE gone")
    message = refusal(orders, "broken", item_id="sku")
    assert message.startswith("The source must be a relation that can be read, got main.broken: Ca")


def test_an_item_id_is_needed(orders: Con) -> None:
    assert refusal(orders, "orders") == (
        "item_id must be bound for interactions, got nothing. Pass item_id := '…', one of "
        "customer, sku, ordered_at, qty, price, device, language."
    )
    with pytest.raises(recsql.BindError, match="user_id must be bound for users, got nothing"):
        recsql.bind_users(orders, "orders")


def test_a_value_that_does_not_fit_its_type_leaves_the_old_binding(orders: Con) -> None:
    recsql.bind_interactions(orders, "orders", item_id="sku", quantity="qty")
    message = refusal(orders, "orders", item_id="sku", quantity="device")
    assert message.startswith("Every column must fit the source and its type, got: Conversion Err")
    assert "'phone'" in message or "'desk'" in message
    rows = orders.execute("SELECT i.quantity FROM recsql.interactions AS i ORDER BY 1").fetchall()
    assert rows == [(1.0,), (1.0,), (2.0,)]


def test_a_type_that_cannot_be_cast_is_refused(orders: Con) -> None:
    message = refusal(orders, "orders", item_id="sku", quantity="[qty]")
    assert message.startswith("Every column must fit the source and its type, got: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"context": "device"},
            "context must be a list of column names, got 'device'. Write it in",
        ),
        ({"context": 5}, "context must be a list of column names, got 5. Write it in brackets."),
        (
            {"context": ["devise"]},
            "context must name columns of the source, got 'devise'. Did you m",
        ),
        (
            {"context": ["SKU"]},
            "context must be what is known of a request, got 'sku', which is bound as item_id. Lea",
        ),
        (
            {"user_id": "Customer", "context": ["device", "customer"]},
            "context must be what is known of a request, got 'customer', which is bound as user_id",
        ),
        ({"context": [1]}, "context must name columns of the source, got 1. The columns are cust"),
    ],
)
def test_a_list_of_columns_must_be_one(orders: Con, arguments: Any, message: str) -> None:
    assert refusal(orders, "orders", item_id="sku", **arguments).startswith(message)


def test_attributes_and_private_must_name_columns(orders: Con) -> None:
    for arguments, message in [
        ({"attributes": "device"}, "attributes must be a list of column names, got 'device'"),
        (
            {"attributes": ["devise"]},
            "attributes must name columns of the source, got 'devise'. Did",
        ),
        ({"private": "device"}, "private must be a list of column names, got 'device'"),
        ({"private": ["devise"]}, "private must name attributes of the source, got 'devise'. Did"),
        ({"private": ["sku"], "attributes": []}, "The attributes are none."),
    ]:
        with pytest.raises(recsql.BindError, match=message):
            recsql.bind_users(orders, "orders", user_id="customer", **arguments)


def test_an_attribute_called_like_a_column_of_the_view_is_refused(con: Con) -> None:
    con.execute("CREATE TABLE t AS SELECT 'a' AS sku, 'x' AS title")
    with pytest.raises(
        recsql.BindError,
        match=r"attributes must not be called like a column of recsql\.items, got 'title'\. Rename",
    ):
        recsql.bind_items(con, "t", item_id="sku", attributes=["title"])


def test_an_unknown_argument_is_a_type_error_in_python_and_an_error_in_sql(orders: Con) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'item'"):
        recsql.bind_interactions(orders, "orders", item="sku")  # type: ignore[call-arg]
    with pytest.raises(duckdb.BinderException, match="item_id := NULL"):
        orders.execute("CALL recsql.bind_interactions('orders', item := 'sku')")


# Odd data


def test_an_empty_table_can_be_bound(con: Con) -> None:
    con.execute("CREATE TABLE t (sku VARCHAR, at_day DATE)")
    bound = recsql.bind_interactions(con, "t", item_id="sku", ts="at_day")
    assert [row[4:7] for row in bound] == [(0, 0, 0), (0, 0, 0)]


def test_a_column_of_nulls_can_be_bound_and_is_counted(con: Con) -> None:
    con.execute("CREATE TABLE t AS SELECT NULL::INTEGER AS sku, 1 AS who FROM range(3)")
    bound = recsql.bind_interactions(con, "t", item_id="sku", user_id="who")
    assert [(row[1], row[4:7]) for row in bound] == [("user_id", (3, 0, 1)), ("item_id", (3, 3, 0))]


# Binding again


def test_binding_the_same_again_keeps_what_is_trained(trained: Con) -> None:
    def bind() -> list[Any]:
        return list(
            recsql.bind_interactions(
                trained, "orders", user_id="customer", item_id="sku", ts="ordered_at",
                quantity="qty", basket_id="invoice",
            )
        )  # fmt: skip

    before = trained.execute("SELECT count(*) FROM recsql.top_items").fetchall()
    assert [row[-1] for row in bind()] == [""] * 5
    assert trained.execute("SELECT count(*) FROM recsql.top_items").fetchall() == before
    assert before != [(0,)]


def test_binding_other_interactions_says_what_no_longer_fits(trained: Con) -> None:
    bound = recsql.bind_interactions(trained, "orders", user_id="customer", item_id="sku")
    assert bound.rows[-1][-1] == (
        "the models of bundle, first, for_you, next, popular, related, repeat, trending no longer "
        "fit: CALL recsql.train()"
    )
    assert trained.execute("SELECT count(*) FROM recsql.top_items").fetchall() == [(0,)]
    with pytest.raises(duckdb.Error, match=r"CALL recsql.train\(task := 'bundle'\)"):
        trained.execute("FROM recommend_bundle('i01')").fetchall()


def test_binding_other_items_says_that_a_refresh_follows(trained: Con) -> None:
    bound = recsql.bind_items(trained, "products", item_id="sku")
    assert bound.rows[-1][-1] == (
        "stored answers (bundle, first, for_you, next, popular, related, repeat, trending) follow "
        "at the next CALL recsql.refresh()"
    )
    assert trained.execute("SELECT count(*) FROM recsql.top_items").fetchall() != [(0,)]


def test_rebinding_to_another_id_type_and_back_changes_the_type_of_the_answers(
    trained: Con,
) -> None:
    def answer_type() -> str:
        trained.execute("CALL recsql.train(task := 'bundle')").fetchall()
        described = trained.execute("DESCRIBE FROM recommend_bundle('1')").fetchall()
        return {row[0]: row[1] for row in described}["item_id"]

    for expression, kind in [("substr(sku, 2)::BIGINT", "BIGINT"), ("sku", "VARCHAR")]:
        recsql.bind_interactions(
            trained, "orders", user_id="customer", item_id=expression, basket_id="invoice"
        )
        assert answer_type() == kind
        assert trained.execute("SELECT count(*) > 0 FROM recsql.top_items").fetchall() == [(True,)]


def test_a_change_of_the_column_type_counts_as_another_binding(trained: Con) -> None:
    trained.execute("ALTER TABLE orders ALTER customer TYPE VARCHAR")
    bound = recsql.bind_interactions(
        trained, "orders", user_id="customer", item_id="sku", ts="ordered_at", quantity="qty",
        basket_id="invoice",
    )  # fmt: skip
    assert "no longer fit" in bound.rows[-1][-1]
    assert types_of(trained, "user_scores")["user_id"] == "VARCHAR"


# A source that is gone


def test_a_database_whose_source_is_gone_opens_answers_and_is_bound_anew(
    trained_file: Path,
) -> None:
    con = recsql.connect(str(trained_file))
    expected = con.execute("FROM recommend_bundle('i01')").fetchall()
    recsql.bind_users(con, "orders", user_id="customer", attributes=["sku"])
    con.execute("ALTER TABLE orders RENAME TO sales")
    con.close()

    con = recsql.connect(str(trained_file))
    assert con.execute("FROM recommend_bundle('i01')").fetchall() == expected
    with pytest.raises(duckdb.Error, match="orders"):
        con.execute("CALL recsql.refresh()")
    recsql.bind_interactions(con, "sales", item_id="sku", basket_id="invoice")
    con.execute("CALL recsql.bind_interactions('sales', item_id := 'sku')")
    con.close()


def test_a_database_whose_attached_source_is_not_attached_opens(tmp_path: Path) -> None:
    path, other = str(tmp_path / "shop.duckdb"), tmp_path / "warehouse.duckdb"
    con = recsql.connect(path)
    con.execute(f"ATTACH '{other}' AS warehouse")
    con.execute("CREATE TABLE warehouse.lines AS SELECT 'a' AS sku")
    recsql.bind_interactions(con, "warehouse.lines", item_id="sku")
    con.close()
    con = recsql.connect(path)
    with pytest.raises(duckdb.Error, match="warehouse"):
        con.execute("FROM recsql.interactions")
    con.execute(f"ATTACH '{other}' AS warehouse")
    assert con.execute("SELECT i.item_id FROM recsql.interactions AS i").fetchall() == [("a",)]
    con.close()
