"""What ``validate`` finds: one small table a check, counts by hand."""

from __future__ import annotations

import pytest

import recsql
from recsql.data.purchases import purchase_reader
from recsql.data.sample import sample_path
from recsql.database import Session
from recsql.headers import read_header

# 6 customers x 3 days x 3 items = 54 rows over 20 days, 18 baskets, 12 items: nothing to find.
CLEAN = """
CREATE TABLE orders AS
SELECT u AS customer, 'A' || (100 + (2 * u + 3 * d + j) % 12) AS sku,
    TIMESTAMP '2024-01-01' + to_days((10 * d)::INTEGER) AS day, 'order' AS kind,
    1 AS quantity, 9.5 AS price, 'B' || (10 * u + d) AS basket
FROM range(1, 7) AS a(u), range(3) AS b(d), range(3) AS c(j);
CREATE TABLE customers AS
SELECT u AS customer, ['France', 'Spain'][1 + u % 2] AS country, 30 + u % 3 AS age
FROM range(1, 7) AS a(u);
CREATE TABLE products AS
SELECT 'A' || (100 + n) AS sku, 'Cup ' || n AS name, 'group ' || n % 3 AS category,
    n / 7 AS weight
FROM range(12) AS a(n);
"""
COLUMNS = {
    "user_id": "customer",
    "item_id": "sku",
    "ts": "day",
    "event": "kind",
    "quantity": "quantity",
    "value": "quantity * price",
    "basket_id": "basket",
}
ROW = "INSERT INTO orders VALUES "


@pytest.fixture
def con():
    connection = recsql.connect()
    connection.execute(CLEAN)
    yield connection
    connection.close()


def bind(con, **changes):
    given = {name: value for name, value in {**COLUMNS, **changes}.items() if value is not None}
    recsql.bind_interactions(con, "orders", **given)


def bind_homes(con):
    recsql.bind_users(con, "customers", user_id="customer")
    recsql.bind_items(con, "products", item_id="sku", title="name", category="category")


def findings(con, **changes):
    """Bind everything and give the findings by (check_name, source)."""
    bind(con, **changes)
    bind_homes(con)
    return found(con)


def found(con):
    rows = recsql.validate(con).dicts()
    named = {(row["check_name"], row["source"]): row for row in rows}
    assert len(named) == len(rows) or any(row["check_name"].startswith("empty_") for row in rows)
    assert all(0 <= row["share"] <= 1 and row["rows_affected"] >= 0 for row in rows)
    assert all(row["advice"].endswith(".") for row in rows)
    return named


def paste(con, advice, start="CALL "):
    """Run the statement that an advice ends with."""
    con.execute(advice[advice.index(start) :].removesuffix("."))


def counts(row):
    return row["severity"], row["rows_affected"], round(row["share"], 4)


def complaints(rows):
    return sorted(name for (name, _), row in rows.items() if row["severity"] != "info")


# What there is


def test_a_clean_data_set_gives_no_warning_and_no_error(con):
    rows = findings(con)
    assert complaints(rows) == []
    assert list(rows) == [
        ("rows", "interactions"),
        ("users", "interactions"),
        ("items", "interactions"),
        ("time_range", "interactions"),
        ("left_out", "interactions"),
    ]


def test_the_overview_counts_rows_customers_items_and_time(con):
    rows = findings(con)
    assert rows["rows", "interactions"]["example"] == "54 rows"
    assert rows["users", "interactions"]["example"] == "6 customers"
    assert rows["items", "interactions"]["example"] == "12 items"
    span = "2024-01-01 00:00:00 to 2024-01-21 00:00:00"
    assert rows["time_range", "interactions"]["example"] == span
    assert counts(rows["left_out", "interactions"]) == ("info", 0, 0.0)
    assert rows["left_out", "interactions"]["advice"] == "Training uses 54 of 54 rows."


def test_sql_and_python_give_the_same_rows(con):
    con.execute(ROW + "(NULL, NULL, NULL, NULL, NULL, NULL, NULL)")
    bind(con)
    assert con.execute("CALL recsql.validate()").fetchall() == recsql.validate(con).rows


def test_the_columns_are_those_of_the_header(con):
    bind(con)
    described = con.execute("DESCRIBE FROM recsql.validate()").fetchall()
    fields = read_header("statements", "validate").returns
    assert [(row[0], row[1]) for row in described] == [(f.name, f.type) for f in fields]


def test_validate_needs_bound_interactions(con):
    with pytest.raises(recsql.NotBoundError, match="interactions must be bound first"):
        recsql.validate(con)


def test_rows_of_an_open_transaction_are_said_not_to_be_checked(con):
    bind(con)
    con.execute("BEGIN")
    con.execute(ROW + "(1, 'A100', TIMESTAMP '2024-01-02', 'order', 1, 1.0, 'B99')")
    row = found(con)["uncommitted", "interactions"]
    con.execute("ROLLBACK")
    assert counts(row) == ("warning", 1, round(1 / 54, 4))
    assert "got 55 rows in this transaction and 54 committed. COMMIT" in row["advice"]


# Rows


def test_a_row_without_an_item_is_left_out(con):
    con.execute(
        ROW + "(1, NULL, TIMESTAMP '2024-01-02', 'order', 1, 1.0, 'B1'),"
        "(2, NULL, TIMESTAMP '2024-01-02', 'order', 1, 1.0, 'B2')"
    )
    rows = findings(con)
    assert counts(rows["null_item_id", "interactions"]) == ("warning", 2, round(2 / 56, 4))
    assert rows["null_item_id", "interactions"]["example"] == "user_id 1"
    assert rows["left_out", "interactions"]["example"] == "no item_id: 2"


def test_anonymous_rows_count_for_bundle_only_with_a_basket(con):
    con.execute(
        ROW + "(NULL, 'A100', TIMESTAMP '2024-01-02', 'order', 1, 1.0, 'B91'),"
        "(NULL, 'A101', TIMESTAMP '2024-01-02', 'order', 1, 1.0, 'B91'),"
        "(NULL, 'A102', TIMESTAMP '2024-01-02', 'order', 1, 1.0, NULL)"
    )
    rows = findings(con)
    row = rows["null_user_id", "interactions"]
    assert counts(row) == ("info", 3, round(3 / 57, 4))
    assert row["example"] == "basket_id 'B91'"
    assert "the 2 with a basket_id also for bundle" in row["advice"]
    assert complaints(rows) == []
    # 57 purchases: 3 without a customer, 1 without a basket.
    assert (
        "related leaves out 3 more (no user_id), bundle leaves out 1 more (no basket_id)"
        in (rows["left_out", "interactions"]["advice"])
    )


def test_a_row_without_a_time_is_counted(con):
    con.execute(ROW + "(1, 'A100', NULL, 'order', 1, 1.0, 'B1')")
    rows = findings(con)
    assert counts(rows["null_ts", "interactions"]) == ("warning", 1, round(1 / 55, 4))
    assert "trending leaves out 1 more (no ts)" in rows["left_out", "interactions"]["advice"]


def test_a_row_of_the_future_is_left_out_until_then(con):
    con.execute(ROW + "(1, 'A100', TIMESTAMP '2999-01-01', 'order', 1, 1.0, 'B1')")
    rows = findings(con)
    assert counts(rows["future_ts", "interactions"]) == ("warning", 1, round(1 / 55, 4))
    assert rows["future_ts", "interactions"]["example"] == "2999-01-01 00:00:00"
    assert rows["left_out", "interactions"]["example"] == "ts after the present: 1"


def test_the_setting_now_moves_the_present(con):
    con.execute("UPDATE recsql.settings SET value = '2024-01-15' WHERE name = 'now'")
    # The third of the three days is later: 6 customers x 3 items.
    assert counts(findings(con)["future_ts", "interactions"]) == ("warning", 18, round(18 / 54, 4))


@pytest.mark.parametrize("kind", ["DATE", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_NS"])
def test_every_kind_of_time_is_compared_with_the_present(con, kind):
    con.execute(ROW + "(1, 'A100', TIMESTAMP '2200-01-01', 'order', 1, 1.0, 'B1')")
    con.execute(f"ALTER TABLE orders ALTER day TYPE {kind}")
    rows = findings(con)
    assert complaints(rows) == ["future_ts"]
    assert rows["future_ts", "interactions"]["rows_affected"] == 1


def test_infinite_times_are_left_out_as_training_does(con):
    con.execute(
        ROW + "(1, 'A100', 'infinity', 'order', 1, 1.0, 'B1'),"
        "(1, 'A100', '-infinity', 'order', 1, 1.0, 'B1')"
    )
    assert findings(con)["future_ts", "interactions"]["rows_affected"] == 2


def test_repeated_rows_are_counted_without_the_first(con):
    # One row comes three times (2 repeats), another twice (1 repeat).
    con.execute("INSERT INTO orders FROM (FROM orders WHERE customer = 1 ORDER BY ALL LIMIT 1)")
    con.execute("INSERT INTO orders FROM (FROM orders WHERE customer = 1 ORDER BY ALL LIMIT 1)")
    con.execute("INSERT INTO orders FROM (FROM orders WHERE customer = 2 ORDER BY ALL LIMIT 1)")
    row = findings(con)["duplicate_rows", "interactions"]
    assert counts(row) == ("warning", 3, round(3 / 57, 4))
    assert row["example"].startswith("3 times user_id 1, basket_id 'B10', item_id")
    view = row["advice"].partition("twice: ")[2].partition(", and bind")[0]
    con.execute(view)
    assert con.execute("SELECT count(*) FROM distinct_rows").fetchall() == [(54,)]


def test_equal_rows_of_anonymous_customers_are_no_repeats(con):
    row = "(NULL, 'A100', TIMESTAMP '2024-01-02', 'order', 1, 1.0, NULL)"
    con.execute(f"{ROW} {row}, {row}")
    assert ("duplicate_rows", "interactions") not in findings(con)


def test_repeats_without_time_and_basket_may_be_repeated_purchases(con):
    con.execute("INSERT INTO orders FROM orders")
    row = findings(con, ts=None, basket_id=None)["duplicate_rows", "interactions"]
    assert row["severity"] == "info"
    assert "Bind ts or basket_id" in row["advice"]


def test_a_quantity_of_zero_is_no_purchase(con):
    con.execute(ROW + "(1, 'A100', TIMESTAMP '2024-01-02', 'order', 0, 1.0, 'B1')")
    rows = findings(con)
    assert counts(rows["zero_quantity", "interactions"]) == ("warning", 1, round(1 / 55, 4))
    assert rows["left_out", "interactions"]["example"] == "quantity of 0 or less: 1"


def test_returns_are_taken_back_by_the_call_of_the_advice(con):
    # The last purchase of customer 1 is returned: two rows fewer after netting.
    con.execute(
        "INSERT INTO orders SELECT customer, sku, day + to_hours(1), kind, -1, price, basket "
        "FROM orders WHERE customer = 1 ORDER BY day DESC, sku LIMIT 1"
    )
    rows = findings(con)
    row = rows["negative_quantity", "interactions"]
    assert counts(row) == ("warning", 1, round(1 / 55, 4))
    assert row["example"] == "quantity -1"
    paste(con, row["advice"])
    rows = found(con)
    assert ("negative_quantity", "interactions") not in rows
    assert rows["rows", "interactions"]["example"] == "53 rows"
    assert counts(rows["filtered", "interactions"]) == ("info", 2, round(2 / 55, 4))
    assert "The binding had left out 2 before." in rows["left_out", "interactions"]["advice"]


def test_rows_that_a_filter_hides_are_counted(con):
    rows = findings(con, filter="customer > 1")
    assert counts(rows["filtered", "interactions"]) == ("info", 9, round(9 / 54, 4))
    assert "because of filter." in rows["filtered", "interactions"]["advice"]


def test_a_table_of_the_same_name_in_another_schema_is_not_counted(con):
    con.execute("CREATE SCHEMA shop; CREATE TABLE shop.orders AS FROM orders LIMIT 20; USE shop")
    bind(con, filter="customer > 0")
    con.execute("USE main")
    rows = found(con)
    assert rows["rows", "interactions"]["example"] == "20 rows"
    assert ("filtered", "interactions") not in rows
    con.execute("DROP TABLE main.orders")
    assert ("filtered", "interactions") not in found(con)


def test_a_row_with_two_reasons_is_left_out_once(con):
    con.execute("INSERT INTO recsql.event_weights VALUES ('void', 0), ('order', 1)")
    con.execute(
        ROW + "(1, NULL, TIMESTAMP '2999-01-01', 'void', 0, 1.0, 'B1'),"
        "(1, 'A100', TIMESTAMP '2999-01-01', 'void', 1, 1.0, 'B1'),"
        "(1, 'A101', TIMESTAMP '2999-01-01', NULL, NULL, 1.0, 'B1')"
    )
    row = findings(con)["left_out", "interactions"]
    assert counts(row) == ("info", 3, round(3 / 57, 4))
    assert row["example"] == (
        "no item_id: 1; kind of event that weighs 0 or less: 1; ts after the present: 1"
    )


def test_what_validate_counts_as_purchases_is_what_training_reads(con):
    con.execute("INSERT INTO recsql.event_weights VALUES ('void', -1)")
    con.execute(
        "INSERT INTO orders SELECT nullif(n % 7, 0), nullif('A' || n % 5, 'A0'), "
        "[NULL, TIMESTAMP '2024-01-01', TIMESTAMP '2999-01-01', 'infinity'::TIMESTAMP][1 + n % 4], "
        "['order', 'void', NULL][1 + n % 3], [NULL, -1, 0, 2][1 + n % 4 * n % 4], 1.0, NULL "
        "FROM range(500) AS t(n)"
    )
    row = findings(con)["left_out", "interactions"]
    sql = purchase_reader(Session(con.cursor())).sql
    purchases = con.execute(f"SELECT count(*) FROM ({sql})").fetchall()[0][0]
    assert 54 < purchases < 554
    assert row["rows_affected"] == 554 - purchases


# Ids


def test_blanks_around_ids_are_trimmed_by_the_call_of_the_advice(con):
    con.execute("UPDATE orders SET sku = ' ' || sku WHERE sku = 'A100'")
    con.execute(ROW + "(1, '', TIMESTAMP '2024-01-02', 'order', 1, 1.0, 'B1')")
    rows = con.execute("SELECT count(*) FROM orders WHERE sku IN ('', ' A100')").fetchall()[0][0]
    row = findings(con)["blank_item_id", "interactions"]
    assert counts(row) == ("warning", rows, round(rows / 55, 4))
    assert row["example"] == "''"
    assert "got 2 such ids" in row["advice"]
    paste(con, row["advice"])
    assert complaints(found(con)) == ["null_item_id"]


def test_tabs_around_ids_are_blanks_too(con):
    con.execute("UPDATE orders SET sku = sku || chr(9) || chr(160) WHERE sku = 'A100'")
    row = findings(con)["blank_item_id", "interactions"]
    paste(con, row["advice"])
    assert complaints(found(con)) == []


def test_one_id_that_is_no_number_among_numbers_is_found(con):
    # 19 of 20 ids are whole numbers: 95%.
    con.execute(
        "CREATE OR REPLACE TABLE orders AS SELECT o.* REPLACE (CASE WHEN n = 0 THEN 'n/a' "
        "ELSE (1000 + n)::VARCHAR END AS sku) FROM orders AS o, range(20) AS t(n)"
    )
    bind(con)
    row = found(con)["mixed_item_id", "interactions"]
    assert counts(row) == ("warning", 54, 0.05)  # 54 of 1,080 rows
    assert row["example"] == "'n/a'"


def test_ids_that_differ_in_case_are_merged_by_the_call_of_the_advice(con):
    con.execute("UPDATE orders SET sku = lower(sku) WHERE sku = 'A105' AND customer = 1")
    lower = con.execute("SELECT count(*) FROM orders WHERE sku = 'a105'").fetchall()[0][0]
    rows = findings(con)
    row = rows["two_case_item_id", "interactions"]
    assert counts(row) == ("warning", lower, round(lower / 54, 4))
    assert row["example"] == "'A105', 'a105'"
    paste(con, row["advice"])
    assert complaints(found(con)) == []


def test_ids_with_and_without_leading_zeros_are_found(con):
    con.execute("UPDATE orders SET sku = replace(sku, 'A', '')")
    con.execute(
        ROW + "(1, '00100', TIMESTAMP '2024-01-02', 'order', 1, 1.0, 'B1'),"
        "(1, '000', TIMESTAMP '2024-01-02', 'order', 1, 1.0, 'B1'),"
        "(1, '0', TIMESTAMP '2024-01-02', 'order', 1, 1.0, 'B1')"
    )
    bind(con)
    row = found(con)["leading_zero_item_id", "interactions"]
    # '00100' beside '100', and one of '000' and '0'.
    assert counts(row) == ("warning", 2, round(2 / 57, 4))
    paste(con, row["advice"])
    assert ("leading_zero_item_id", "interactions") not in found(con)


def test_the_advice_keeps_the_expression_that_is_bound(con):
    con.execute("UPDATE orders SET sku = ' ' || sku WHERE sku = 'A100'")
    row = findings(con, item_id="sku || '-' || kind")["blank_item_id", "interactions"]
    assert "item_id := 'nullif(trim((sku || ''-'' || kind)), '''')'" in row["advice"]
    paste(con, row["advice"])
    assert ("blank_item_id", "interactions") not in found(con)


def test_one_item_and_one_customer_that_dominate_are_found(con):
    con.execute(
        "INSERT INTO orders SELECT 1, 'A100', TIMESTAMP '2024-01-02' + to_seconds(n), 'order', 1, "
        "1.0, 'B' || n FROM range(200) AS t(n)"
    )
    rows = findings(con)
    item, customer = (rows[f"dominating_{noun}", "interactions"] for noun in ("item", "customer"))
    own = con.execute("SELECT count(*) FROM orders WHERE sku = 'A100'").fetchall()[0][0]
    assert counts(item) == ("warning", own, round(own / 254, 4))
    assert item["example"] == "'A100'"
    assert counts(customer) == ("warning", 209, round(209 / 254, 4))  # 200 + 9 of before
    assert customer["example"] == "1"


# Users and items


def test_customers_and_items_without_a_row_are_found(con):
    con.execute("DELETE FROM customers WHERE customer = 3")
    con.execute("DELETE FROM products WHERE sku = 'A100'")
    rows = findings(con)
    customer = rows["customers_without_row", "interactions"]
    assert counts(customer) == ("warning", 9, round(9 / 54, 4))
    assert customer["example"] == "3"
    assert rows["items_without_row", "interactions"]["example"] == "'A100'"
    assert complaints(rows) == ["customers_without_row", "items_without_row"]


def test_ids_of_two_types_are_compared_as_text(con):
    con.execute("ALTER TABLE customers ALTER customer TYPE VARCHAR")
    assert complaints(findings(con)) == []
    con.execute("UPDATE customers SET customer = '0' || customer")
    advice = found(con)["customers_without_row", "interactions"]["advice"]
    assert "user_id is BIGINT here and VARCHAR there" in advice


def test_customers_and_items_never_seen_are_told(con):
    con.execute("INSERT INTO customers VALUES (77, 'France', 30)")
    con.execute("INSERT INTO products VALUES ('Z1', 'Cup', 'group 1', 1)")
    rows = findings(con)
    assert counts(rows["customers_never_seen", "users"]) == ("info", 1, round(1 / 7, 4))
    assert counts(rows["items_never_seen", "items"]) == ("info", 1, round(1 / 13, 4))
    assert complaints(rows) == []


def test_a_customer_row_without_an_id_is_found(con):
    con.execute("INSERT INTO customers VALUES (NULL, 'France', 30)")
    assert counts(findings(con)["null_user_id", "users"]) == ("warning", 1, round(1 / 7, 4))


def test_two_rows_of_one_customer_are_an_error(con):
    con.execute("INSERT INTO customers VALUES (2, 'Italy', 30), (2, 'Italy', 31)")
    row = findings(con)["duplicate_user_id", "users"]
    assert counts(row) == ("error", 2, round(2 / 8, 4))
    assert row["example"] == "3 rows of 2"
    con.execute(row["advice"].partition("more. ")[2].partition(", and bind")[0])
    recsql.bind_users(con, "one_row", user_id="customer")
    assert complaints(found(con)) == []


def test_useless_attributes_are_left_out_by_the_call_of_the_advice(con):
    con.execute(
        "CREATE OR REPLACE TABLE customers AS SELECT u AS customer, 'x' AS \"order\", "
        "NULL::INTEGER AS \"select\", 'mail' || u AS at, u % 2 AS good, u / 3 AS measure, "
        "CASE WHEN u > 3 THEN 'x' END AS flag FROM range(1, 13) AS t(u)"
    )
    bind(con)
    recsql.bind_users(con, "customers", user_id="customer", private=["at", "good"])
    rows = [row for row in recsql.validate(con).dicts() if row["source"] == "users"]
    useless = {row["check_name"]: row for row in rows if row["severity"] == "warning"}
    assert {name: row["example"] for name, row in useless.items()} == {
        "constant_attribute": "order",
        "empty_attribute": "select",
        "unique_attribute": "at",
    }
    assert all(counts(row) == ("warning", 12, 1.0) for row in useless.values())
    paste(con, useless["unique_attribute"]["advice"])
    kept = [row[0] for row in con.execute("DESCRIBE recsql.users").fetchall()]
    assert kept == ["user_id", "good", "measure", "flag"]
    assert complaints(found(con)) == []


def test_customers_without_any_attribute_are_told(con):
    con.execute("UPDATE customers SET country = NULL, age = NULL WHERE customer <= 2")
    assert counts(findings(con)["without_attributes", "users"]) == ("info", 2, round(2 / 6, 4))


def test_attributes_of_any_type_are_measured(con):
    con.execute(
        "CREATE OR REPLACE TABLE customers AS SELECT u AS customer, [u % 2, 1] AS tags, "
        "{'a': u % 2} AS record, MAP {'k': u % 2} AS pairs, (u % 2)::VARCHAR::BLOB AS bytes, "
        "to_days((u % 2)::INTEGER) AS length, u % 2 = 0 AS flag FROM range(1, 13) AS t(u)"
    )
    bind(con)
    recsql.bind_users(con, "customers", user_id="customer")
    assert complaints(found(con)) == []


# Events


def test_kinds_of_events_without_a_weight_get_one_by_the_advice(con):
    con.execute("UPDATE orders SET kind = 'view' WHERE customer = 1")
    con.execute("UPDATE orders SET kind = 'cancel''ed' WHERE customer = 2")
    con.execute("INSERT INTO recsql.event_weights VALUES ('order', 1)")
    row = findings(con)["unknown_events", "interactions"]
    assert counts(row) == ("warning", 18, round(18 / 54, 4))
    paste(con, row["advice"], "INSERT ")
    rows = found(con)
    assert complaints(rows) == []
    # What was cancelled is proposed with weight 0, and then left out.
    assert counts(rows["weightless_events", "interactions"]) == ("info", 9, round(9 / 54, 4))
    assert rows["left_out", "interactions"]["rows_affected"] == 9
    paste(con, rows["weightless_events", "interactions"]["advice"], "UPDATE ")
    assert found(con)["left_out", "interactions"]["rows_affected"] == 0


def test_rows_without_a_kind_of_event_are_told(con):
    con.execute("UPDATE orders SET kind = NULL WHERE customer = 1")
    row = findings(con)["null_event", "interactions"]
    assert counts(row) == ("info", 9, round(9 / 54, 4))
    paste(con, row["advice"])
    assert con.execute("SELECT count(event) FROM recsql.interactions").fetchall() == [(54,)]


# Goods


def test_postage_and_fees_are_taken_out_by_the_call_of_the_advice(con):
    con.execute(
        "INSERT INTO orders SELECT 1, sku, TIMESTAMP '2024-01-02', 'order', 1, 1.0, 'B' || sku "
        "FROM (VALUES ('X1'), ('X2'), ('X3')) AS v(sku)"
    )
    con.execute(
        "INSERT INTO products VALUES ('X1', 'DOTCOM POSTAGE', 'group 1', 1), "
        "('X2', 'Manual', 'group 1', 2), ('X3', 'Manual coffee grinder', 'group 2', 3)"
    )
    row = findings(con)["likely_non_goods", "interactions"]
    assert counts(row) == ("warning", 2, round(2 / 57, 4))
    assert row["example"] == "'X1': DOTCOM POSTAGE"
    paste(con, row["advice"])
    assert complaints(found(con)) == []
    assert con.execute(
        "SELECT count(*) FROM recsql.items AS i WHERE NOT i.available"
    ).fetchall() == [(2,)]


def test_ids_without_a_digit_among_ids_with_digits_are_looked_at(con):
    # 24 ids with a digit, 1 without: 96% have one.
    con.execute(
        "INSERT INTO orders SELECT 1, sku, TIMESTAMP '2024-01-02', 'order', 1, 1.0, 'B' || sku "
        "FROM (SELECT 'C' || n AS sku FROM range(12) AS t(n) UNION ALL SELECT 'PARTYBAG')"
    )
    bind(con)
    row = found(con)["likely_non_goods", "interactions"]  # no title says what it is
    assert counts(row) == ("warning", 1, round(1 / 67, 4))
    assert "available := 'item_id NOT IN (''PARTYBAG'')'" in row["advice"]
    con.execute("INSERT INTO products VALUES ('PARTYBAG', 'Bag for parties', 'group 1', 1)")
    bind_homes(con)
    assert counts(found(con)["odd_item_ids", "interactions"]) == ("info", 1, round(1 / 67, 4))


def test_the_availability_that_is_bound_stays_in_the_advice(con):
    con.execute("UPDATE products SET name = 'Gift voucher' WHERE sku = 'A100'")
    bind(con)
    recsql.bind_items(con, "products", item_id="sku", title="name", available="weight < 9")
    paste(con, found(con)["likely_non_goods", "interactions"]["advice"])
    assert ("likely_non_goods", "interactions") not in found(con)
    bound = con.execute(
        "SELECT s.arguments ->> 'available' FROM recsql.sources AS s WHERE s.source = 'items'"
    ).fetchall()[0][0]
    assert bound == "(weight < 9) AND \"sku\" NOT IN ('A100')"


# Groups


def test_a_basket_id_of_several_customers_is_found(con):
    con.execute("UPDATE orders SET basket = 'B10' WHERE basket = 'B20'")
    row = findings(con)["shared_basket_id", "interactions"]
    assert counts(row) == ("warning", 6, round(6 / 54, 4))  # two baskets of 3 rows
    assert row["example"] == "'B10'"


def test_customers_and_baskets_above_the_cap_are_counted(con):
    con.execute("DELETE FROM orders")
    # Customer 1 has 5 items in one basket, customer 2 has 4 in two, customer 3 has 2.
    con.execute(
        "INSERT INTO orders SELECT c, 'A' || (100 + n), TIMESTAMP '2024-01-01', 'order', 1, 1.0, b "
        "FROM (VALUES (1, 0, 'x'), (1, 1, 'x'), (1, 2, 'x'), (1, 3, 'x'), (1, 4, 'x'), "
        "(2, 0, 'x'), (2, 1, 'x'), (2, 2, 'y'), (2, 3, 'y'), (3, 0, 'z'), (3, 1, 'z'), "
        "(NULL, 0, 'w'), (NULL, 1, 'w'), (NULL, 2, 'w'), (NULL, 3, 'w')) AS v(c, n, b)"
    )
    con.execute("UPDATE recsql.settings SET value = '3' WHERE name = 'max_group_items'")
    bind(con)
    rows = found(con)
    # Customers: 5 - 3 and 4 - 3. Baskets: 5 - 3 of customer 1, 4 - 3 of nobody's basket w.
    customers = rows["large_customers", "interactions"]
    assert counts(customers) == ("warning", 3, round(3 / 15, 4))
    assert "got 2 customers with more" in customers["advice"]
    assert customers["example"] == "1: 5 items"
    baskets = rows["large_baskets", "interactions"]
    assert counts(baskets) == ("warning", 3, round(3 / 15, 4))
    assert baskets["example"] == "'x': 5 items"
    paste(con, customers["advice"], "UPDATE ")
    assert ("large_customers", "interactions") not in found(con)


# Tasks


def test_without_customers_and_time_the_tasks_that_need_them_are_errors(con):
    rows = findings(con, user_id=None, ts=None, basket_id=None)
    for task in ("related", "bundle", "trending", "next", "for_you", "repeat"):
        assert rows[f"too_little_for_{task}", "interactions"]["severity"] == "error"
    assert ("too_little_for_popular", "interactions") not in rows


def test_baskets_of_anonymous_customers_suffice_for_bundle(con):
    rows = findings(con, user_id=None)
    tasks = ("for_you", "next", "related", "repeat")
    assert complaints(rows) == [f"too_little_for_{task}" for task in tasks]
    assert "got ts bound" in rows["too_little_for_repeat", "interactions"]["advice"]


def test_windows_of_time_suffice_for_bundle(con):
    assert complaints(findings(con, basket_id=None)) == []
    con.execute("UPDATE orders SET day = day + to_days((2 * substr(sku, 2)::INTEGER)::INTEGER)")
    con.execute("DELETE FROM orders WHERE sku <> 'A100' AND customer > 1")
    # Now every row is a day of its own: no window holds two items.
    row = found(con)["too_little_for_bundle", "interactions"]
    assert row["severity"] == "error"
    assert "at least 2 baskets with 2 items or more, got 0 baskets" in row["advice"]


def test_windows_of_no_length_hold_one_item(con):
    con.execute("UPDATE recsql.settings SET value = '0' WHERE name = 'basket_hours'")
    assert complaints(findings(con, basket_id=None)) == ["too_little_for_bundle"]


def test_a_time_that_only_orders_gives_no_windows_and_no_trends(con):
    con.execute("ALTER TABLE orders ALTER day TYPE BIGINT USING epoch(day)")
    rows = findings(con, basket_id=None)
    tasks = ("bundle", "repeat", "trending")
    assert complaints(rows) == [f"too_little_for_{task}" for task in tasks]
    for task in ("repeat", "trending"):
        assert "got BIGINT" in rows[f"too_little_for_{task}", "interactions"]["advice"]


def test_one_customer_is_too_little_for_related(con):
    con.execute("DELETE FROM orders WHERE customer > 1")
    row = findings(con)["too_little_for_related", "interactions"]
    assert row["severity"] == "warning"
    assert "got 1 customer." in row["advice"]


def test_one_item_is_too_little_for_related_and_bundle(con):
    con.execute("UPDATE orders SET sku = 'A100'")
    rows = findings(con)
    assert rows["too_little_for_related", "interactions"]["severity"] == "error"
    assert rows["too_little_for_bundle", "interactions"]["severity"] == "error"


def test_a_week_is_too_little_for_trends(con):
    con.execute("DELETE FROM orders WHERE day > TIMESTAMP '2024-01-11'")
    row = findings(con)["too_little_for_trending", "interactions"]
    assert row["severity"] == "warning"
    assert "purchases over 14 days or more, got 10.0 days" in row["advice"]


def test_without_purchases_nothing_can_be_trained(con):
    con.execute("UPDATE orders SET quantity = -1")
    rows = findings(con)
    tasks = ("bundle", "popular", "related", "trending")
    assert complaints(rows) == ["negative_quantity", *(f"too_little_for_{t}" for t in tasks)]
    assert all(rows[f"too_little_for_{t}", "interactions"]["severity"] == "error" for t in tasks)


def test_reference_customers_need_attributes(con):
    bind(con)
    row = found(con)["too_little_for_reference_customers", "users"]
    assert counts(row) == ("warning", 0, 0.0)
    assert "CALL recsql.bind_users('your_customers'" in row["advice"]
    recsql.bind_users(con, "customers", user_id="customer", attributes=[])
    row = found(con)["too_little_for_reference_customers", "users"]
    assert "got users without any" in row["advice"]


# Bad input


def test_empty_tables_are_errors_and_no_crash(con):
    for table in ("orders", "customers", "products"):
        con.execute(f"DELETE FROM {table}")
    rows = findings(con)
    assert rows["empty_source", "interactions"]["severity"] == "error"
    assert rows["empty_source", "users"]["severity"] == "warning"
    assert rows["rows", "interactions"]["example"] == "0 rows"


def test_a_filter_that_leaves_nothing_is_named(con):
    rows = findings(con, filter="customer > 99")
    assert "Load it or change the filter" in rows["empty_source", "interactions"]["advice"]
    assert rows["filtered", "interactions"]["rows_affected"] == 54


def test_a_bound_column_without_a_value_is_found(con):
    con.execute("UPDATE orders SET price = NULL, sku = NULL")
    con.execute("UPDATE products SET name = NULL, category = NULL")
    bind(con, context=["price", "basket"])
    bind_homes(con)
    rows = [row for row in recsql.validate(con).dicts() if row["check_name"] == "empty_column"]
    assert [(row["source"], row["example"], row["severity"]) for row in rows] == [
        ("interactions", "item_id", "error"),
        ("interactions", "value", "warning"),
        ("interactions", "context.price", "warning"),
        ("items", "title", "warning"),
        ("items", "category", "warning"),
    ]
    assert all(row["share"] == 1.0 for row in rows)


def test_an_empty_table_of_impressions_is_found(con):
    con.execute("CREATE TABLE shown (sku VARCHAR, n INTEGER)")
    recsql.bind_impressions(con, "shown", item_id="sku")
    assert findings(con)["empty_source", "impressions"]["severity"] == "warning"


def test_uuid_ids_are_checked(con):
    con.execute(
        "CREATE OR REPLACE TABLE orders AS SELECT md5(customer::VARCHAR)::UUID AS customer, "
        "md5(sku)::UUID AS sku, day, kind, quantity, price, md5(basket)::UUID AS basket FROM orders"
    )
    con.execute("INSERT INTO orders FROM (FROM orders ORDER BY ALL LIMIT 1)")
    bind(con)
    rows = found(con)
    assert complaints(rows) == ["duplicate_rows", "too_little_for_reference_customers"]


def test_extreme_numbers_are_checked(con):
    low, high = -(2**63), 2**63 - 1
    con.execute(
        "CREATE OR REPLACE TABLE orders AS SELECT * REPLACE (CASE WHEN customer = 1 THEN "
        f"{low} ELSE {high} END AS customer, CASE WHEN customer = 1 THEN {low} ELSE {high} END "
        "AS day) FROM orders"
    )
    rows = findings(con)
    assert rows["customers_without_row", "interactions"]["example"] == str(high)
    assert rows["time_range", "interactions"]["example"] == f"{low} to {high}"


def test_strange_ids_are_shown_and_cut(con):
    names = ["it's", "🦆🦆", 'say "x"', "x" * 1000]
    con.executemany(
        ROW + "(1, ?, TIMESTAMP '2024-01-02', 'order', 1, 1.0, 'B1')", [[name] for name in names]
    )
    con.executemany(
        "INSERT INTO products VALUES (?, 'Postage', 'group 1', 1)", [[n] for n in names]
    )
    rows = findings(con)
    row = rows["likely_non_goods", "interactions"]
    assert row["rows_affected"] == 4
    paste(con, row["advice"])
    # The long id does not fit the advice; it is all that is left.
    row = found(con)["likely_non_goods", "interactions"]
    assert row["rows_affected"] == 1
    assert row["example"] == f"'{'x' * 79}…': Postage"


def test_columns_named_like_keywords_and_like_ours_are_checked(con):
    con.execute(
        'CREATE TABLE odd AS SELECT customer AS "order", sku AS "select", day AS "at", '
        'basket AS "rank", price AS "k" FROM orders'
    )
    con.execute("UPDATE odd SET \"select\" = ' A100' WHERE \"select\" = 'A100'")
    recsql.bind_interactions(
        con,
        "odd",
        user_id="order",
        item_id="select",
        ts="at",
        basket_id="rank",
        context=["k"],
    )
    paste(con, found(con)["blank_item_id", "interactions"]["advice"])
    assert complaints(found(con)) == ["too_little_for_reference_customers"]


def test_no_temporary_table_hides_a_table_of_the_user(con):
    for name in ("seen_user", "netted", "buyer", "users"):
        con.execute(f"CREATE TABLE {name} AS FROM orders")
        recsql.bind_interactions(con, name, **COLUMNS, net_returns=True)
        assert found(con)["rows", "interactions"]["example"] == "54 rows"
    temporary = con.execute("SELECT table_name FROM duckdb_tables() WHERE temporary").fetchall()
    assert temporary == []


def test_a_value_that_the_expression_cannot_take_is_a_sentence(con):
    con.execute("ALTER TABLE orders ALTER quantity TYPE VARCHAR")
    bind(con, value="price")
    con.execute("UPDATE orders SET quantity = 'many' WHERE customer = 1")
    with pytest.raises(recsql.BindError, match="The bound columns must be readable, got: Conv"):
        recsql.validate(con)


def test_a_setting_that_is_no_number_is_a_sentence(con):
    bind(con)
    con.execute("UPDATE recsql.settings SET value = 'many' WHERE name = 'max_group_items'")
    with pytest.raises(recsql.ParameterError, match="max_group_items must be a number"):
        recsql.validate(con)


def test_a_read_only_database_is_checked(tmp_path):
    path = str(tmp_path / "shop.duckdb")
    with recsql.connect(path) as writer:
        writer.execute(CLEAN)
        bind(writer)
        bind_homes(writer)
    with recsql.connect(path, read_only=True) as reader:
        assert complaints(found(reader)) == []


# Real data


def test_the_orders_of_a_real_retailer():
    with recsql.connect() as con:
        for table in ("interactions", "items", "users"):
            con.execute(f"CREATE TABLE {table} AS FROM '{sample_path(table)}'")
        recsql.bind_interactions(
            con,
            "interactions",
            user_id="user_id",
            item_id="item_id",
            ts="ts",
            event="event_type",
            quantity="quantity",
            value="quantity * price",
            basket_id="basket_id",
        )
        recsql.bind_users(con, "users", user_id="user_id")
        recsql.bind_items(con, "items", item_id="item_id", title="title")
        rows = found(con)
    assert rows["rows", "interactions"]["rows_affected"] == 541_909
    assert rows["users", "interactions"]["example"] == "4,372 customers"
    assert rows["items", "interactions"]["example"] == "4,070 items"
    assert rows["null_user_id", "interactions"]["rows_affected"] == 135_080
    assert rows["negative_quantity", "interactions"]["rows_affected"] == 10_624
    assert rows["left_out", "interactions"]["rows_affected"] == 10_624
    assert rows["two_case_item_id", "interactions"]["rows_affected"] == 1_907
    goods = rows["likely_non_goods", "interactions"]["advice"]
    assert all(f"''{name}''" in goods for name in ("POST", "DOT", "M", "BANK CHARGES", "AMAZONFEE"))
    assert "''gift_0001_10''" in goods
    assert rows["large_customers", "interactions"]["example"] == "14911: 1,787 items"
    assert not [row for row in rows.values() if row["severity"] == "error"]
