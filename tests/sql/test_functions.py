"""The SQL functions over stored answers: every way of calling them, every id, every refusal."""

from __future__ import annotations

import re
import uuid

import duckdb
import pytest
from hand_filled import (
    ALL_TASKS,
    buy,
    empty_shop,
    insert,
    promote,
    rows_of,
    set_totals,
    store_item,
    store_neighbours,
)

import recsql
from recsql.database import body, sql_names, sql_text
from recsql.headers import read_header

NAMES = sql_names("functions")
CALLS = {
    "due": "due(DATE '2024-01-01', DATE '2024-12-31')",
    "explain": "explain(1, 'a')",
    "impact_score": "impact_score('a')",
    "popular": "popular()",
    "product_choice_score": "product_choice_score('a')",
    "product_transaction_score": "product_transaction_score('a')",
    "recommend_bundle": "recommend_bundle('a')",
    "recommend_bundle_for": "recommend_bundle_for(1, 'a')",
    "recommend_cart": "recommend_cart(['a'])",
    "recommend_first": "recommend_first(1)",
    "recommend_first_for": "recommend_first_for({'country': 'x'})",
    "recommend_for_you": "recommend_for_you(1)",
    "recommend_next": "recommend_next(1)",
    "recommend_related": "recommend_related('a')",
    "recommend_related_for": "recommend_related_for(1, 'a')",
    "recommend_repeat": "recommend_repeat(1)",
    "recommend_session": "recommend_session(['a'])",
    "reference_customers": "reference_customers(1, 'a')",
    "score_first": "score_first(1, 'a')",
    "score_for_you": "score_for_you(1, 'a')",
    "score_next": "score_next(1, 'a')",
    "score_rating": "score_rating(1, 'a')",
    "similar_items": "similar_items('a')",
    "similar_users": "similar_users(1)",
    "trend_score": "trend_score('a')",
    "trending": "trending()",
    "user_transaction_score": "user_transaction_score(1)",
}
TYPES = {"ITEM": "VARCHAR", "USER": "BIGINT"}


@pytest.fixture
def shop():
    """Give a database with neighbours of the items a and b and scores of four items."""
    con = empty_shop()
    neighbours = [("a", "b", 0.9, 9), ("a", "c", 0.5, 5), ("a", "d", 0.1, 1)]
    neighbours += [("b", "a", 0.9, 9), ("b", "c", 0.3, 3)]
    store_neighbours(con, "bundle", neighbours)
    store_neighbours(con, "related", [("a", "d", 0.8, 4), ("d", "a", 0.8, 4)])
    for rank, item in enumerate("abcd", start=1):
        store_item(con, item, trend_z=4.0 - rank, trend_score=0.5**rank, trend_rank=rank)
    con.execute("CREATE TABLE customers AS SELECT unnest([1, 2]) AS id, 'x' AS country")
    recsql.bind_users(con, "customers", user_id="id")
    promote(con, *ALL_TASKS)
    con.execute("CREATE TABLE items AS SELECT unnest(['a', 'b', 'c']) AS item_id")
    return con


def call_sql(name):
    """Give a query of one function."""
    table = read_header("functions", name).kind == "TABLE"
    return f"FROM {CALLS[name]}" if table else f"SELECT {CALLS[name]} AS {name}"


@pytest.mark.parametrize("name", NAMES)
def test_every_function_returns_what_its_header_says(shop, name):
    expected = [
        (column.name, TYPES.get(column.type, column.type))
        for column in read_header("functions", name).returns
    ]
    described = rows_of(shop, f"DESCRIBE {call_sql(name)}")
    assert [(row[0], row[1]) for row in described] == expected


@pytest.mark.parametrize("name", NAMES)
def test_every_function_has_the_parameters_of_its_header(shop, name):
    header = read_header("functions", name)
    known = rows_of(
        shop,
        "SELECT f.parameters FROM duckdb_functions() AS f WHERE f.function_name = ?",
        name,
    )
    names = [part.split(":=")[0].strip() for part in header.signature.split(",")]
    assert known == [(names,)]
    assert [argument.name for argument in header.arguments] == names


@pytest.mark.parametrize("name", NAMES)
def test_before_binding_a_function_names_the_missing_call(name):
    con = recsql.connect()
    with pytest.raises(
        duckdb.InvalidInputException, match=r"must be bound first.*CALL recsql\.bind"
    ):
        rows_of(con, call_sql(name))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"reference_customers"}))
def test_before_training_a_function_names_the_missing_call(name):
    con = empty_shop()
    with pytest.raises(duckdb.InvalidInputException, match=r"first\. CALL recsql\.train\("):
        rows_of(con, call_sql(name))


def test_reference_customers_need_users_but_no_training():
    con = empty_shop()
    with pytest.raises(duckdb.InvalidInputException, match=r"CALL recsql\.bind_users"):
        rows_of(con, "FROM reference_customers(1, 'a')")
    con.execute("CREATE TABLE customers AS SELECT 1 AS id, 'x' AS country")
    recsql.bind_users(con, "customers", user_id="id")
    assert rows_of(con, "FROM reference_customers(1, 'a')") == []


def test_a_bundle_has_rank_item_score_support_and_model(shop):
    assert rows_of(shop, "FROM recommend_bundle('a', k := 2)") == [
        (1, "b", 0.9, 9, "model_of_bundle"),
        (2, "c", 0.5, 5, "model_of_bundle"),
    ]


def test_related_items_are_those_of_their_own_task(shop):
    assert rows_of(shop, "FROM recommend_related('a')") == [(1, "d", 0.8, 4, "model_of_related")]


def test_arguments_are_positional_or_named_or_prepared(shop):
    expected = rows_of(shop, "FROM recommend_bundle('a', 2)")
    for query, parameters in (
        ("FROM recommend_bundle(item_id := 'a', k := 2)", []),
        ("FROM recommend_bundle(k := 2, item_id := 'a')", []),
        ("FROM recommend_bundle(?, k := ?)", ["a", 2]),
        ("FROM recommend_bundle($2, $1)", [2, "a"]),
    ):
        assert rows_of(shop, query, *parameters) == expected
    shop.execute("PREPARE bundle AS FROM recommend_bundle($1, k := $2)")
    assert shop.execute("EXECUTE bundle('a', 2)").fetchall() == expected
    assert len(shop.execute("EXECUTE bundle('a', 3)").fetchall()) == 3


LATERAL = {
    "recommend_bundle": ("recommend_bundle({item_id}, k := {k})", "b.rank, b.item_id, b.score"),
    "recommend_related": ("recommend_related({item_id}, k := {k})", "b.rank, b.item_id, b.score"),
    "recommend_cart": (
        "recommend_cart({items}, k := {k}, task := {task})",
        "b.rank, b.item_id, b.score",
    ),
    "popular": ("popular(k := {k}, days := {days})", "b.rank, b.item_id, b.score"),
    "trending": ("trending(k := {k})", "b.rank, b.item_id, b.score"),
    "reference_customers": (
        "reference_customers({user_id}, {item_id}, k := {k}, weighting := {weighting})",
        "b.rank, b.user_id, b.match_score",
    ),
    "explain": ("explain({user_id}, {item_id})", "b.rank, b.kind, b.detail"),
}
ASKED = [
    {"item_id": "a", "k": 2, "items": ["a", "b"], "task": "bundle", "days": 3, "user_id": 1}
    | {"weighting": "rarity", "score": 1.0, "rank": 7},
    {"item_id": "b", "k": 1, "items": ["b"], "task": "bundle", "days": None, "user_id": 2}
    | {"weighting": "count", "score": 2.0, "rank": 8},
    {"item_id": "?", "k": 5, "items": [], "task": "related", "days": 1, "user_id": 3}
    | {"weighting": "count", "score": 3.0, "rank": 9},
]


def fill_for_lateral(con):
    """Add purchases, days and a table asked whose columns are called like ours."""
    buy(con, (1, "a"), (2, "b"), (1, "c"), (2, "a"))
    days = [(10, "a", 3), (9, "b", 2), (1, "c", 9)]
    for day, item, transactions in days:
        row = {"day": day, "item_id": item, "transactions": transactions, "strength": transactions}
        insert(con, "recsql.item_days", [row])
    set_totals(con, today=10)
    con.execute(
        "CREATE TABLE asked (item_id VARCHAR, k INTEGER, items VARCHAR[], task VARCHAR, "
        "days INTEGER, user_id BIGINT, weighting VARCHAR, score DOUBLE, rank INTEGER)"
    )
    insert(con, "asked", ASKED)


@pytest.mark.parametrize("prefix", ["asked.", "", "t.", "answer.", "stored.", "i.", "line."])
@pytest.mark.parametrize("name", sorted(LATERAL))
def test_lateral_calls_answer_like_single_calls(shop, name, prefix):
    fill_for_lateral(shop)
    text, columns = LATERAL[name]
    alias = prefix.rstrip(".") or "asked"
    values = {column: f"{prefix}{column}" for column in ASKED[0]}
    lateral = rows_of(
        shop,
        f"SELECT {alias}.user_id, {columns} FROM asked AS {alias}, {text.format(**values)} AS b "
        "ORDER BY ALL",
    )
    single = []
    for row in ASKED:
        used = [column for column in row if f"{{{column}}}" in text]
        marks = {column: f"${place}" for place, column in enumerate(used, start=1)}
        single += [
            (row["user_id"], *found)
            for found in rows_of(
                shop,
                f"SELECT {columns} FROM {text.format(**marks)} AS b",
                *(row[column] for column in used),
            )
        ]
    assert lateral == sorted(single)
    assert lateral


@pytest.mark.parametrize("name", sorted(LATERAL))
def test_an_argument_may_be_a_column_called_like_anything_inside_the_function(shop, name):
    fill_for_lateral(shop)
    text, columns = LATERAL[name]
    used = [column for column in ASKED[0] if f"{{{column}}}" in text]
    marks = {column: f"${place}" for place, column in enumerate(used, start=1)}
    values = [ASKED[0][column] for column in used]
    expected = rows_of(shop, f"SELECT {columns} FROM {text.format(**marks)} AS b", *values)
    assert expected
    words = set(re.findall(r"\b(?!_our_)[a-z_]+\b", body(sql_text("functions", name))))
    captured = []
    for column in used:
        others = {other: f"${place}" for place, other in enumerate(set(used) - {column}, start=1)}
        for word in sorted(words):
            call = text.format(**others, **{column: f'"{word}"'})
            query = (
                f'SELECT {columns} FROM (SELECT a.{column} AS "{word}" FROM asked AS a '
                f"WHERE a.user_id = 1) AS of_user, {call} AS b ORDER BY b.rank"
            )
            if rows_of(shop, query, *(ASKED[0][other] for other in others)) != expected:
                captured.append((column, word))
    assert captured == []


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in NAMES
        if read_header("functions", name).kind == "DOUBLE"
        and len(read_header("functions", name).arguments) == 1  # those of pairs: test_scores.py
    ],
)
def test_scalar_functions_take_columns_of_any_name(shop, name):
    set_totals(shop, transactions=4, users=2, items=4, user_transactions=3, buyers=2)
    insert(shop, "recsql.user_scores", [{"user_id": 1, "transactions": 3}])
    argument, values = ("user_id", [1, 9]) if name.startswith("user") else ("item_id", ["a", "?"])
    for column in (argument, "score", "transactions", "k", "_key", "stored"):
        expected = [rows_of(shop, f"SELECT {name}(?)", value)[0][0] for value in values]
        assert expected[0] is not None
        assert expected[1] is None
        shop.execute("CREATE OR REPLACE TABLE wanted AS SELECT unnest(?) AS " + column, [values])
        for text in (column, f"wanted.{column}", f"s.{column}"):
            alias = "s" if text.startswith("s.") else "wanted"
            got = rows_of(shop, f"SELECT {name}({text}) FROM wanted AS {alias} ORDER BY rowid")
            assert [row[0] for row in got] == expected


def test_views_tables_subqueries_and_macros_can_be_built_on_functions(shop):
    expected = rows_of(shop, "FROM recommend_bundle('a', k := 2)")
    shop.execute("CREATE VIEW best AS FROM recommend_bundle('a', k := 2)")
    shop.execute("CREATE TABLE kept AS FROM recommend_bundle('a', k := 2)")
    shop.execute("CREATE MACRO pair(what) AS TABLE FROM recommend_bundle(what, k := 2)")
    assert rows_of(shop, "FROM best") == expected
    assert rows_of(shop, "FROM kept") == expected
    assert rows_of(shop, "FROM pair('a')") == expected
    counted = rows_of(
        shop,
        "SELECT i.item_id, (SELECT count(*) FROM recommend_bundle(i.item_id)) AS n "
        "FROM items AS i ORDER BY 1",
    )
    assert counted == [("a", 3), ("b", 2), ("c", 0)]
    found = rows_of(
        shop,
        "SELECT i.item_id FROM items AS i WHERE i.item_id IN (SELECT b.item_id FROM best AS b)",
    )
    assert sorted(found) == [("b",), ("c",)]


def test_answers_follow_the_stored_tables_without_new_macros(shop):
    shop.execute("PREPARE bundle AS FROM recommend_bundle($1)")
    assert len(shop.execute("EXECUTE bundle('a')").fetchall()) == 3
    rows_of(shop, "DELETE FROM recsql.top_items AS t WHERE t.rank = 3")
    assert len(shop.execute("EXECUTE bundle('a')").fetchall()) == 2


@pytest.mark.parametrize("name", ["recommend_bundle", "recommend_related"])
@pytest.mark.parametrize("item", ["a", "nobody knows it"])
class TestBadK:
    @pytest.mark.parametrize(("k", "shown"), [("0", "0"), ("-3", "-3"), ("NULL", "NULL")])
    def test_k_below_one_is_an_error_even_without_rows(self, shop, name, item, k, shown):
        with pytest.raises(
            duckdb.InvalidInputException, match=f"k must be at least 1, got {shown}"
        ):
            rows_of(shop, f"FROM {name}('{item}', k := {k})")

    def test_k_above_the_stored_depth_says_how_to_store_more(self, shop, name, item):
        assert rows_of(shop, f"FROM {name}('{item}', k := 50)") is not None
        with pytest.raises(duckdb.InvalidInputException) as error:
            rows_of(shop, f"FROM {name}('{item}', k := 51)")
        assert (
            "k must be at most 50, the stored depth, got 51. UPDATE recsql.settings SET value = "
            "'51' WHERE name = 'stored_depth', then CALL recsql.train()." in str(error.value)
        )

    def test_k_as_a_column_is_checked_too(self, shop, name, item):
        with pytest.raises(duckdb.InvalidInputException, match="k must be at least 1, got 0"):
            rows_of(shop, f"FROM (SELECT '{item}' AS i, 0 AS k) AS a, {name}(a.i, k := a.k) AS b")


@pytest.mark.parametrize(
    "call",
    [
        "recommend_cart(['a'], k := {})",
        "popular(k := {})",
        "trending(k := {})",
        "reference_customers(1, 'a', k := {})",
    ],
)
@pytest.mark.parametrize("k", ["0", "-1", "NULL"])
def test_k_below_one_is_an_error_in_the_other_functions(shop, call, k):
    with pytest.raises(duckdb.InvalidInputException, match=f"k must be at least 1, got {k}"):
        rows_of(shop, f"FROM {call.format(k)}")


@pytest.mark.parametrize(
    ("call", "rows"),
    [("recommend_cart(['a', 'b'], k := {})", 2), ("popular(k := {})", 3), ("trending(k := {})", 4)],
)
def test_k_above_the_stored_depth_gives_all_there_is_in_the_other_functions(shop, call, rows):
    fill_for_lateral(shop)
    for k in (51, 2**62):
        assert len(rows_of(shop, f"FROM {call.format(k)}")) == rows


VARCHAR_IDS = ["it's", '"quoted"', "😀", "x" * 1000, "", " ", "Ä", "a;b", "NULL", "Case", "case"]
UUIDS = [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.UUID(int=7)]
IDS = {
    "VARCHAR": VARCHAR_IDS,
    "BIGINT": [-(2**63), 2**63 - 1, 0],
    "UBIGINT": [2**64 - 1, 0, 1],
    "HUGEINT": [-(2**127) + 1, 2**127 - 1, 5],
    "TINYINT": [-128, 127, 0],
    "UUID": UUIDS,
}


@pytest.mark.parametrize("kind", sorted(IDS))
def test_ids_of_every_type_come_back_as_they_are(kind):
    con = empty_shop(item_type=kind)
    ids = IDS[kind]
    for task in ("bundle", "related"):
        store_neighbours(con, task, [(item, other, 0.5, 1) for item in ids for other in ids])
    for item in ids:
        store_item(con, item, trend_rank=1)
    set_totals(con, transactions=len(ids), users=1, items=len(ids), stored_depth=len(ids))
    promote(con, *ALL_TASKS)
    con.execute(f"CREATE TABLE wanted (item_id {kind})")
    insert(con, "wanted", [{"item_id": item} for item in ids])
    for item in ids:
        got = rows_of(
            con, "SELECT b.item_id FROM recommend_bundle(?, k := 3) AS b ORDER BY rank", item
        )
        assert [row[0] for row in got] == ids[:3]
        assert rows_of(con, "SELECT impact_score(?)", item)[0][0] is not None
        as_text = rows_of(
            con, "SELECT count(*) FROM recommend_related(?::VARCHAR, k := 3)", str(item)
        )
        assert as_text == [(3,)]
    got = rows_of(con, "SELECT b.item_id FROM recommend_cart(?) AS b ORDER BY 1", [ids[0]])
    assert [row[0] for row in got] == sorted(ids[1:])[: len(got)]
    lateral = "SELECT count(*) FROM wanted, recommend_bundle(item_id, k := 2)"
    assert rows_of(con, lateral) == [(2 * len(ids),)]
    described = rows_of(con, "DESCRIBE FROM trending()")
    assert described[1][:2] == ("item_id", kind)


@pytest.mark.parametrize("kind", ["VARCHAR", "BIGINT", "UUID"])
@pytest.mark.parametrize(
    "unknown",
    [
        "'?'",
        "''",
        "NULL",
        "-5",
        "1e30",
        "true",
        "DATE '2020-01-01'",
        "uuid()",
        "[1, 2]",
        "{'a': 1}",
    ],
)
def test_an_unknown_id_of_any_form_gives_no_rows(kind, unknown):
    con = empty_shop(item_type=kind)
    known = {"VARCHAR": "a", "BIGINT": 1, "UUID": uuid.UUID(int=1)}[kind]
    store_neighbours(con, "bundle", [(known, known, 1.0, 1)])
    store_item(con, known)
    promote(con, *ALL_TASKS)
    assert rows_of(con, f"FROM recommend_bundle({unknown})") == []
    assert rows_of(con, f"FROM recommend_cart([{unknown}])") == []
    assert rows_of(con, f"SELECT product_choice_score({unknown})") == [(None,)]
    assert rows_of(con, f"FROM explain(1, {unknown})") == []


def test_columns_of_the_source_may_be_called_like_parameters():
    con = recsql.connect()
    con.execute(
        "CREATE TABLE raw AS SELECT 1 AS user_id, 'a' AS item_id, 2 AS k, 'x' AS task, 3 AS days, "
        "TIMESTAMP '2020-01-01' AS seed, 'y' AS weighting"
    )
    con.execute("CREATE VIEW orders AS SELECT * FROM raw WHERE user_id > 0 AND k > 0 AND days > 0")
    recsql.bind_interactions(
        con, "orders", user_id="user_id + 0", item_id="item_id || task", ts="seed", quantity="k"
    )
    con.execute("CREATE TABLE customers AS SELECT 2 AS user_id, 'z' AS weighting, 1 AS k")
    recsql.bind_users(con, "customers", user_id="user_id")
    promote(con, *ALL_TASKS)
    got = rows_of(con, "SELECT r.user_id FROM reference_customers(2, 'ax') AS r")
    assert got == [(1,)]
    assert rows_of(con, "FROM explain(1, 'ax')") == []


def test_a_prefix_stands_before_every_function():
    con = duckdb.connect()
    recsql.register(con, prefix="rec_")
    con.execute("CREATE TABLE orders AS SELECT 1 AS customer, 'a' AS sku")
    recsql.bind_interactions(con, "orders", user_id="customer", item_id="sku")
    store_neighbours(con, "bundle", [("a", "b", 1.0, 1)])
    promote(con, "bundle")
    assert rows_of(con, "SELECT r.item_id FROM rec_recommend_bundle('a') AS r") == [("b",)]
