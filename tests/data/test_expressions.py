"""What may be bound as an expression or a filter, and what is refused with a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import recsql

COLUMNS = (
    "customer INTEGER, sku VARCHAR, ordered_at TIMESTAMP, qty INTEGER, price DOUBLE, country "
    "VARCHAR, tags VARCHAR[], extra STRUCT(device VARCHAR), doc JSON"
)


def fill(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    con.execute(f"CREATE TABLE orders ({COLUMNS})")
    con.execute(
        "INSERT INTO orders VALUES (1, ' a1', '2024-01-01', 2, 1.5, 'France', ['x', 'y'], "
        "{'device': 'phone'}, '{\"n\": 7}'), (2, 'b2', '2024-01-02', -1, 3, NULL, NULL, NULL, NULL)"
    )
    return con


@pytest.fixture(scope="module")
def orders() -> Iterator[duckdb.DuckDBPyConnection]:
    opened = fill(recsql.connect())
    yield opened
    opened.close()


def values_of(con: duckdb.DuckDBPyConnection, expression: str) -> list[Any]:
    recsql.bind_interactions(con, "orders", item_id="sku", value=expression)
    rows = con.execute("SELECT i.value FROM recsql.interactions AS i ORDER BY i.item_id").fetchall()
    return [value for (value,) in rows]


@pytest.mark.parametrize(
    ("expression", "first", "second"),
    [
        ("qty * price", 3.0, -3.0),
        ("source.price", 1.5, 3.0),
        ("qty::DOUBLE / 4", 0.5, -0.25),
        ("CAST(price AS DECIMAL(10, 2))", 1.5, 3.0),
        ("TRY_CAST(sku AS INTEGER)", None, None),
        ("round(price) -- the price", 2.0, 3.0),
        ("/* of */ price", 1.5, 3.0),
        ("CASE WHEN qty > 0 THEN 1 ELSE 0 END", 1.0, 0.0),
        ("coalesce(nullif(country, 'France'), '9')::INTEGER", 9.0, 9.0),
        ("qty BETWEEN 1 AND 5", 1.0, 0.0),
        ("qty IN (2, 3)", 1.0, 0.0),
        ("country IS NULL", 0.0, 1.0),
        ("country LIKE 'F%' AND NOT qty = 3", 1.0, None),
        ("country ~ 'F.*'", 1.0, None),
        ("len(tags)", 2.0, None),
        ("list_sum(list_transform(tags, lambda tag: length(tag)))", 2.0, None),
        ("length(tags[1] || 'z')", 2.0, None),
        ("length(extra.device)", 5.0, None),
        ("(doc ->> 'n')::INTEGER", 7.0, None),
        ("(doc -> '$.n')::INTEGER", 7.0, None),
        ("extract(year FROM ordered_at)", 2024.0, 2024.0),
        ("date_diff('day', DATE '2024-01-01', ordered_at)", 0.0, 1.0),
        ("epoch(ordered_at + INTERVAL 1 DAY) / 86400", 19724.0, 19725.0),
        ("split_part('1-2', '-', 2)::INTEGER", 2.0, 2.0),
        ("position('a' IN sku)", 2.0, 0.0),
        ("if(qty > 0, 1, 2)", 1.0, 2.0),
        ("price.round()", 2.0, 3.0),
        ("'1' COLLATE NOCASE", 1.0, 1.0),
        ("- qty", -2.0, 1.0),
        ("true", 1.0, 1.0),
        ("NULL", None, None),
    ],
)
def test_one_expression_over_the_columns_can_be_bound(
    orders: duckdb.DuckDBPyConnection, expression: str, first: float | None, second: float | None
) -> None:
    assert values_of(orders, expression) == [first, second]


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("(SELECT max(price) FROM orders)", "a subquery is not allowed"),
        ("qty IN (SELECT 1)", "a subquery is not allowed"),
        ("EXISTS (SELECT 1)", "a subquery is not allowed"),
        ("qty = ANY([1])", "a subquery is not allowed"),
        ("price; DROP TABLE orders", "SELECT statements can be serialized"),
        ("price; SELECT 1", "it is more than an expression"),
        ("price FROM orders", "it is more than an expression"),
        ("price AS p", "it is more than an expression"),
        ("price, qty", "it is more than an expression"),
        ("DISTINCT price", "it is more than an expression"),
        ("price WHERE true", "it is more than an expression"),
        ("price ORDER BY 1", "it is more than an expression"),
        ("price LIMIT 1", "it is more than an expression"),
        ("price GROUP BY ALL", "it is more than an expression"),
        ("price UNION SELECT 1", "it is more than an expression"),
        ("price USING SAMPLE 1", "it is more than an expression"),
        ("price WINDOW w AS ()", "syntax error at or near"),
        ("price)", "syntax error at or near"),
        ("(price", "syntax error at"),
        ("price) FROM orders --", "syntax error at or near"),
        ("price /* open", "unterminated /* comment"),
        ("price * 'open", "unterminated"),
        (" ", "SELECT clause without selection list"),
        ("sum(price)", "sum is not a built-in scalar function"),
        ("count(*)", "count_star is not a built-in scalar function"),
        ("wavg(price, qty)", "wavg is not a built-in scalar function"),
        ("sum(price) OVER ()", "a window is not allowed"),
        ("lag(price) OVER (ORDER BY qty)", "a window is not allowed"),
        ("unnest(tags)", "unnest is not a built-in scalar function"),
        ("read_csv('/etc/passwd')", "read_csv is not a built-in scalar function"),
        ("read_text('/etc/passwd')", "read_text is not a built-in scalar function"),
        ("getvariable('x')", "getvariable is not a built-in scalar function"),
        ("current_setting('threads')", "current_setting is not a built-in scalar function"),
        ("random()", "random is not a built-in scalar function"),
        ("price + RANDOM()", "random is not a built-in scalar function"),
        ("uuid()", "uuid is not a built-in scalar function"),
        ("nextval('s')", "nextval is not a built-in scalar function"),
        ("now()", "now is not a built-in scalar function"),
        ("age(ordered_at)", "age is not a built-in scalar function"),
        ("ago(INTERVAL 1 DAY)", "ago is not a built-in scalar function"),
        ("pg_sleep(9)", "pg_sleep is not a built-in scalar function"),
        ("pg_get_viewdef(1)", "pg_get_viewdef is not a built-in scalar function"),
        ("error('boo')", "error is not a built-in scalar function"),
        ("no_such_function(price)", "no_such_function is not a built-in scalar function"),
        ("qty + current_date", "there is no column 'current_date'."),
        ("epoch(current_timestamp)", "there is no column 'current_timestamp'."),
        ("length(current_user)", "there is no column 'current_user'."),
        ("rowid + 1", "there is no column 'rowid'."),
        ("quantity * price", "there is no column 'quantity'."),
        ("orders.price * 2", "there is no column 'orders'."),
        ("*", "a star is not allowed"),
        ("COLUMNS('p.*')", "a star is not allowed"),
        ("$1", "a parameter is not allowed"),
        ("price + ?", "a parameter is not allowed"),
        ("#1", "a positional reference is not allowed"),
        ("DEFAULT + 1", "a default is not allowed"),
    ],
)
def test_more_than_a_pure_expression_is_refused_with_the_reason(
    orders: duckdb.DuckDBPyConnection, expression: str, reason: str
) -> None:
    before = orders.execute("FROM recsql.sources").fetchall()
    with pytest.raises(recsql.BindError) as caught:
        values_of(orders, expression)
    message = str(caught.value)
    assert message.startswith("value must be one expression over the columns of the source with")
    assert reason in message
    assert orders.execute("SELECT count(*) FROM orders").fetchall() == [(2,)]
    assert orders.execute("FROM recsql.sources").fetchall() == before


def test_an_unknown_column_in_an_expression_names_the_nearest(
    orders: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(recsql.BindError, match=r"no column 'prise'\. Did you mean 'price'\? The c"):
        values_of(orders, "qty * prise")


@pytest.mark.parametrize("name", ["prise", " prise ", "Pricee"])
def test_an_unknown_column_names_the_nearest_and_all_others(
    orders: duckdb.DuckDBPyConnection, name: str
) -> None:
    with pytest.raises(
        recsql.BindError,
        match=r"^value must be a column of the source or an expression, got .*: there is no column "
        r".*\. Did you mean 'price'.*\? The columns are customer, sku, ",
    ):
        values_of(orders, name)


def test_an_unknown_column_of_two_words_names_the_nearest(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute('CREATE TABLE orders (sku VARCHAR, "Unit Price" DOUBLE)')
    with pytest.raises(recsql.BindError, match=r"Did you mean 'Unit Price'\?$"):
        values_of(con, "UnitPrice eur")


@pytest.mark.parametrize("name", ["PRICE", '"price"', "Price", " price"])
def test_a_column_is_found_as_duckdb_finds_it(orders: duckdb.DuckDBPyConnection, name: str) -> None:
    assert values_of(orders, name) == [1.5, 3.0]


def test_a_macro_of_the_user_is_refused(con: duckdb.DuckDBPyConnection) -> None:
    orders = fill(con)
    orders.execute("CREATE MACRO twice(x) AS x * 2")
    with pytest.raises(recsql.BindError, match="twice is not a built-in scalar function"):
        values_of(orders, "twice(price)")


@pytest.mark.parametrize("name", ["round", "ROUND"])
def test_a_macro_that_shadows_a_built_in_function_is_refused(
    con: duckdb.DuckDBPyConnection, name: str
) -> None:
    orders = fill(con)
    orders.execute(f"CREATE MACRO {name}(x) AS random()")
    with pytest.raises(recsql.BindError, match="round is not a built-in scalar function"):
        values_of(orders, "round(price)")


def test_a_python_function_of_the_user_is_refused(con: duckdb.DuckDBPyConnection) -> None:
    orders = fill(con)
    orders.create_function("taxed", lambda price: price * 1.2, ["DOUBLE"], "DOUBLE")  # type: ignore[call-overload]
    with pytest.raises(recsql.BindError, match="taxed is not a built-in scalar function"):
        values_of(orders, "taxed(price)")


def test_an_expression_sees_the_columns_of_the_source_and_not_those_of_the_view(
    con: duckdb.DuckDBPyConnection,
) -> None:
    # quantity of the view is units; quantity of the table is something else.
    con.execute("CREATE TABLE orders (sku VARCHAR, units INTEGER, quantity INTEGER)")
    con.execute("INSERT INTO orders VALUES ('a', 2, 100)")
    recsql.bind_interactions(
        con, "orders", item_id="sku", quantity="units", value="quantity * 1", filter="quantity > 50"
    )
    rows = con.execute("SELECT i.quantity, i.value FROM recsql.interactions AS i").fetchall()
    assert rows == [(2.0, 100.0)]


def test_an_expression_cannot_use_a_column_that_only_the_view_has(
    orders: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(recsql.BindError, match="there is no column 'quantity'"):
        recsql.bind_interactions(
            orders, "orders", item_id="sku", quantity="qty", value="quantity + 1"
        )


def test_a_filter_keeps_the_rows_where_it_is_true(orders: duckdb.DuckDBPyConnection) -> None:
    recsql.bind_interactions(orders, "orders", item_id="sku", filter="country <> 'Spain' -- why")
    # NULL is not true: the second row goes.
    assert orders.execute("SELECT i.item_id FROM recsql.interactions AS i").fetchall() == [(" a1",)]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("qty", "filter must be true or false for a row, got 'qty', which is INTEGER"),
        ("'yes'", "filter must be true or false for a row, got \"'yes'\", which is VARCHAR"),
        ("", "filter must be one expression .* SELECT clause without selection list"),
        (5, "filter must be a condition, got 5. Write it as text."),
        ("qty > 0; DROP TABLE orders", "filter must be one expression"),
        ("EXISTS (FROM read_csv('/etc/passwd'))", "a subquery is not allowed"),
        ("qty > (SELECT 1)", "a subquery is not allowed"),
        ("true) OR (true", "filter must be one expression .* syntax error"),
        ("qty > 0 GROUP BY ALL", "filter must be one expression .* more than an expression"),
        ("qqty > 0", r"no column 'qqty'\. Did you mean 'qty'\?"),
        ("country > 0 AND len(price) > 1", "Every column must fit the source and its type, got"),
    ],
)
def test_a_filter_that_is_no_plain_condition_is_refused(
    orders: duckdb.DuckDBPyConnection, condition: Any, message: str
) -> None:
    with pytest.raises(recsql.BindError, match=message):
        recsql.bind_interactions(orders, "orders", item_id="sku", filter=condition)


def test_a_refused_expression_reaches_sql_with_its_sentence(
    orders: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="a subquery is not allowed"):
        orders.execute(
            "CALL recsql.bind_interactions('orders', item_id := 'sku', "
            "filter := 'qty > (SELECT 1)')"
        )


def test_a_file_cannot_be_read_through_an_expression(
    orders: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("password\nhunter2\n")
    for expression in (
        f"(SELECT password FROM '{secret}')",
        f"read_csv('{secret}')",
        f"read_text('{secret}').content",
        f"sku || (FROM '{secret}')",
    ):
        with pytest.raises(recsql.BindError, match="item_id must be one expression"):
            recsql.bind_interactions(orders, "orders", item_id=expression)


@pytest.mark.parametrize("value", [5, ["price"], True])
def test_a_column_argument_must_be_text(orders: duckdb.DuckDBPyConnection, value: Any) -> None:
    with pytest.raises(recsql.BindError, match="value must be a column name or expression, got"):
        values_of(orders, value)
