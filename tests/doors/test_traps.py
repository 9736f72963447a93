"""The traps of DuckDB that recsql has to step around: one test or more for each."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import shop
from processes import run

import recsql
from recsql.functions import python_functions
from recsql.serving import instances

Con = duckdb.DuckDBPyConnection
CALL_NAMES = ("bind_interactions", "refresh", "train", "validate")


def bundle(con: Con, item: str = "i01") -> list[Any]:
    return con.execute("FROM recommend_bundle(?)", [item]).fetchall()


# 1. Functions belong to the instance


def test_functions_are_seen_by_every_connection_and_gone_after_a_reopen(
    trained_file: Path,
) -> None:
    question = "SELECT count(*) FROM duckdb_functions() WHERE function_name = '_recsql_call_train'"
    con = recsql.connect(str(trained_file))
    other = duckdb.connect(str(trained_file))
    assert other.execute(question).fetchall() == con.cursor().execute(question).fetchall() == [(1,)]
    other.close()
    con.close()
    con = duckdb.connect(str(trained_file))
    assert con.execute(question).fetchall() == [(0,)]
    recsql.register(con)
    assert con.execute(question).fetchall() == [(1,)]
    con.close()


def test_instances_do_not_share_functions_or_data(tmp_path: Path) -> None:
    one, two = recsql.connect(), recsql.connect()
    assert instances.instance_key(one) != instances.instance_key(two)
    for con, sku in ((one, "a"), (two, "b")):
        con.execute("CREATE TABLE t AS SELECT ? AS sku", [sku])
        con.execute("CALL recsql.bind_interactions('t', item_id := 'sku')").fetchall()
    assert one.execute("SELECT i.item_id FROM recsql.interactions AS i").fetchall() == [("a",)]
    assert two.execute("SELECT i.item_id FROM recsql.interactions AS i").fetchall() == [("b",)]
    one.close()
    two.close()


# 2. A collected callable crashes the process; a held connection keeps the file locked


def test_every_registered_callable_is_kept_for_the_life_of_the_process() -> None:
    before = len(instances._KEPT)
    con = recsql.connect()
    registered = len(python_functions()) + 1  # and the one that tells the instance
    assert len(instances._KEPT) == before + registered
    recsql.register(con)
    assert len(instances._KEPT) == before + registered
    con.close()


def test_no_callable_holds_a_connection() -> None:
    con = recsql.connect()
    for function in instances._KEPT:
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        assert not [value for value in cells if isinstance(value, duckdb.DuckDBPyConnection)]
    con.close()


def test_nothing_leaks_at_exit(tmp_path: Path) -> None:
    script = """
import shop, recsql
con = recsql.connect()
shop.fill(con, baskets=60)
shop.bind(con)
con.execute("CALL recsql.train(task := 'popular')").fetchall()
try:
    con.execute("CALL recsql.train(task := 'no such task')")
except Exception:
    pass
sys.stderr = sys.stdout  # nanobind writes to the file itself
"""
    assert "leaked" not in run(tmp_path, script + "import os; os.dup2(1, 2)\n")


# 3. Stale plans, NULLs and empty batches


def test_a_prepared_call_runs_each_time(trained: Con) -> None:
    trained.execute("PREPARE again AS SELECT r.how FROM recsql.refresh() AS r")
    assert trained.execute("EXECUTE again").fetchall() == [("nothing changed",)]
    trained.execute("INSERT INTO orders SELECT * FROM orders LIMIT 3")
    assert trained.execute("EXECUTE again").fetchall() == [("changed only",)]
    assert trained.execute("EXECUTE again").fetchall() == [("nothing changed",)]


def test_a_prepared_answer_is_never_stale(trained: Con) -> None:
    trained.execute("PREPARE answer AS FROM recommend_bundle($1)")
    before = trained.execute("EXECUTE answer('i01')").fetchall()
    trained.execute("INSERT INTO orders SELECT 900 + r, s, TIMESTAMP '2024-06-01', 'x' || r, 1, 1 "
                    "FROM range(50) AS t(r), (VALUES ('i01'), ('i15')) AS v(s)")  # fmt: skip
    trained.execute("CALL recsql.refresh()").fetchall()
    after = trained.execute("EXECUTE answer('i01')").fetchall()
    assert after == bundle(trained)
    assert after != before
    assert after[0][1] == "i15"


def test_every_hidden_function_takes_an_empty_batch(con: Con) -> None:
    for function in python_functions():
        arguments = ", ".join(f"NULL::{kind}" for kind in function.parameters)
        assert con.execute(f"SELECT {function.name}({arguments}) WHERE false").fetchall() == []
        assert con.execute(
            f"SELECT {function.name}({arguments}) FROM range(3) AS t(r) WHERE r > 5"
        ).fetchall() == []  # fmt: skip


def test_the_instance_answers_any_number_of_rows(con: Con) -> None:
    rows = con.execute(
        "SELECT DISTINCT _recsql_instance(r > 3) FROM range(10000) AS t(r)"
    ).fetchall()
    assert rows == [(instances.instance_key(con),)]


# 4. A statement works inside of a query of the same connection


def test_a_call_works_on_the_connection_that_registered(con: Con) -> None:
    shop.fill(con, baskets=60)
    shop.bind(con)
    rows = con.execute("CALL recsql.train(task := 'popular')").fetchall()
    assert {row[0] for row in rows} == {"popular"}


@pytest.mark.parametrize(
    "call",
    [
        "CALL recsql.train('popular', ['popularity'], 60, 0)",
        "CALL recsql.train(task => 'popular', seed => 0, models => ['popularity'])",
        "CALL recsql.train(task := 'popular', budget_s := 1.5)",
        "CALL recsql.train(task := NULL, models := ['popularity'], budget_s := NULL, seed := NULL)",
        "CALL recsql.train(task := 'pop' || 'ular')",
        "FROM recsql.train(task := 'popular')",
        "SELECT t.* FROM (VALUES ('popular')) AS v(wanted), recsql.train(task := v.wanted) AS t",
        "SELECT t.* FROM (VALUES ('popular')) AS v(wanted), recsql.train(task := wanted) AS t",
    ],
)
def test_a_statement_takes_its_arguments_in_every_form(trained: Con, call: str) -> None:
    rows = trained.execute(call).fetchall()
    assert {row[0] for row in rows} == {"popular"}


def test_a_statement_takes_prepared_parameters(trained: Con) -> None:
    by_place = trained.execute("CALL recsql.train(?, ?)", ["popular", ["popularity"]]).fetchall()
    by_name = trained.execute(
        "CALL recsql.train(task := $task, seed := $seed)", {"task": "popular", "seed": 3}
    ).fetchall()
    assert {row[0] for row in by_place + by_name} == {"popular"}


def test_a_table_macro_in_from_runs_as_often_as_the_query_asks(trained: Con) -> None:
    """Why statements are to be run with CALL."""
    (before,) = trained.execute(
        "SELECT count(*) FROM recsql.runs WHERE statement = 'refresh'"
    ).fetchall()[0]
    trained.execute("CALL recsql.refresh()").fetchall()
    (after,) = trained.execute(
        "SELECT count(*) FROM recsql.runs WHERE statement = 'refresh'"
    ).fetchall()[0]
    assert after == before + 1


# 5. What an exception looks like in SQL


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({'task': 'bundel'}, recsql.UnknownNameError,
         "trending, first, next, repeat, for_you, rating, got 'bundel'. Did you mean 'bundle'?"),
        ({'task': 5}, recsql.UnknownNameError,
         "popular, trending, first, next, repeat, for_you, rating, got 5."),
        ({'models': ['popularty']}, recsql.UnknownNameError,
         "got 'popularty'. Did you mean 'popularity' or 'segment_popularity'?"),
        ({'models': 'popularity'}, recsql.ParameterError,
         "models must be a list of names, got 'popularity'. For example ['basket_copurchase']."),
        ({'models': [1]}, recsql.ParameterError, "models must be a list of names, got [1]."),
        ({'models': []}, recsql.ParameterError, "models must be a list of names, got []."),
        ({'task': 'bundle', 'models': ['popularity']}, recsql.ParameterError,
         "models for bundle must be among basket_copurchase, random_walk, got ['popularity']."),
        ({'budget_s': 0}, recsql.ParameterError, "budget_s must be above 0 seconds, got 0."),
        ({'budget_s': -1.5}, recsql.ParameterError, "budget_s must be above 0 seconds, got -1.5."),
        ({'budget_s': 'x'}, recsql.ParameterError, "budget_s must be above 0 seconds, got 'x'."),
        ({'budget_s': True}, recsql.ParameterError, "budget_s must be above 0 seconds, got True."),
        ({'seed': -1}, recsql.ParameterError, "seed must be a whole number >= 0, got -1."),
        ({'seed': 1.5}, recsql.ParameterError, "seed must be a whole number >= 0, got 1.5."),
        ({'seed': 'a'}, recsql.ParameterError, "seed must be a whole number >= 0, got 'a'."),
        ({'seed': True}, recsql.ParameterError, "seed must be a whole number >= 0, got True."),
    ],
)  # fmt: skip
def test_an_error_reaches_sql_and_python_with_the_same_sentence(
    trained: Con, arguments: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    text = ", ".join(f"{name} := {value!r}" for name, value in arguments.items())
    with pytest.raises(duckdb.InvalidInputException) as from_sql:
        trained.execute(f"CALL recsql.train({text})")
    assert sentence in str(from_sql.value)
    with pytest.raises(error) as from_python:
        recsql.train(trained, **arguments)
    assert sentence in str(from_python.value)
    assert isinstance(from_python.value, recsql.RecsqlError)


def test_the_message_in_sql_begins_with_the_sentence(trained: Con) -> None:
    # What DuckDB adds after it (the stack of the calling thread) is not ours to shorten.
    with pytest.raises(duckdb.InvalidInputException) as caught:
        trained.execute("CALL recsql.train(task := 'x')")
    first = str(caught.value).splitlines()[0]
    assert "UnknownNameError: task must be one of bundle" in first


@pytest.mark.parametrize("name", ["train", "refresh", "validate"])
def test_a_statement_without_a_binding_names_the_call_that_is_missing(con: Con, name: str) -> None:
    sentence = "interactions must be bound first. CALL recsql.bind_interactions('your_table', item_"
    with pytest.raises(duckdb.InvalidInputException) as from_sql:
        con.execute(f"CALL recsql.{name}()")
    assert sentence in str(from_sql.value)
    with pytest.raises(recsql.NotBoundError) as from_python:
        getattr(recsql, name)(con)
    assert sentence in str(from_python.value)


def test_a_refresh_before_any_training_names_the_call_that_is_missing(shop_con: Con) -> None:
    sentence = "A task must be trained before a refresh, got none. CALL recsql.train()."
    with pytest.raises(duckdb.InvalidInputException) as from_sql:
        shop_con.execute("CALL recsql.refresh()")
    assert sentence in str(from_sql.value)
    with pytest.raises(recsql.NotTrainedError):
        recsql.refresh(shop_con)


def test_training_on_nothing_is_refused(con: Con) -> None:
    con.execute("CREATE TABLE t (sku VARCHAR)")
    recsql.bind_interactions(con, "t", item_id="sku")
    with pytest.raises(recsql.StateError, match="must hold at least one purchase, got none"):
        recsql.train(con)
    con.execute("INSERT INTO t VALUES (NULL)")
    with pytest.raises(recsql.StateError, match="must hold at least one purchase, got none"):
        recsql.train(con)


def test_an_unknown_argument_of_a_statement_is_a_type_error(trained: Con) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'tusk'"):
        recsql.train(trained, tusk="bundle")  # type: ignore[call-arg]
    with pytest.raises(duckdb.BinderException, match="task := NULL"):
        trained.execute("CALL recsql.train(tusk := 'bundle')")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "stored_depth",
            "many",
            r"Setting stored_depth must be a number, got 'many'\. UPDATE recsql",
        ),
        ("stored_depth", None, r"Setting stored_depth must be a number, got None\. UPDATE recsql"),
        ("stored_depth", "0", r"Setting stored_depth must be at least 1, got 0\. UPDATE recsql"),
        (
            "stored_depth",
            "nan",
            r"Setting stored_depth must be at least 1, got nan\. UPDATE recsql",
        ),
        ("stored_depth", "1.5", r"Setting stored_depth must be a whole number, got 1\.5\. UPDATE"),
        ("stored_depth", "inf", r"Setting stored_depth must be a whole number, got inf\. UPDATE"),
        (
            "max_group_items",
            "1",
            r"Setting max_group_items must be at least 2, got 1\. UPDATE recs",
        ),
    ],
)
def test_a_setting_out_of_its_range_is_refused_and_the_old_answers_stay(
    trained: Con, name: str, value: str | None, message: str
) -> None:
    before = shop.stored(trained)
    trained.execute("UPDATE recsql.settings SET value = ? WHERE name = ?", [value, name])
    with pytest.raises(duckdb.InvalidInputException, match=message):
        trained.execute("CALL recsql.train()")
    with pytest.raises(recsql.ParameterError, match=message):
        recsql.train(trained)
    assert shop.stored(trained) == before


# 6. No implicit casts


@pytest.mark.parametrize(
    ("sql_type", "ids"),
    [("BIGINT", [-(2**63), 7, 2**63 - 1]), ("UBIGINT", [0, 7, 2**64 - 1]),
     ("HUGEINT", [-(2**127), 7, 2**127 - 1]),
     ("TINYINT", [-128, 7, 127]),
     ("UUID", ["00000000-0000-0000-0000-000000000001", "7fffffff-ffff-ffff-ffff-ffffffffffff",
               "ffffffff-ffff-ffff-ffff-ffffffffffff"]),
     ("VARCHAR", ["O'Brien", "🛒 " + "x" * 998, "Äpfel \"x\""]), ("VARCHAR", ["A", "a", "á"])],
)  # fmt: skip
def test_ids_of_every_type_come_back_as_they_went_in(
    con: Con, sql_type: str, ids: list[Any]
) -> None:
    con.execute(f"CREATE TABLE t (basket INTEGER, who {sql_type}, item {sql_type})")
    con.executemany(
        "INSERT INTO t SELECT ?, ?::VARCHAR, ?::VARCHAR",
        [[basket, str(ids[0]), str(item)] for basket in range(3) for item in ids],
    )
    recsql.bind_interactions(con, "t", item_id="item", user_id="who", basket_id="basket")
    recsql.train(con)
    expected = con.execute("SELECT DISTINCT t.item FROM t ORDER BY 1").fetchall()
    for (item,) in expected:
        others = [other for (other,) in expected if other != item]
        for call in ("recommend_bundle($1)", "recommend_bundle($1::VARCHAR, k := 10.0)"):
            rows = con.execute(f"SELECT r.item_id FROM {call} AS r ORDER BY 1", [item]).fetchall()
            assert [other for (other,) in rows] == others
    con.execute("INSERT INTO t SELECT 3, t.who, t.item FROM t WHERE t.basket = 0")
    assert con.execute("CALL recsql.refresh()").fetchall()[0][0] == "changed only"
    rows = con.execute(
        "SELECT s.item_id, s.baskets FROM recsql.item_scores AS s ORDER BY 1"
    ).fetchall()
    assert rows == [(item, 4) for (item,) in expected]


# 7. Macros: captured names, and the order of things in a backup


@pytest.mark.parametrize("function", ["recommend_bundle", "recommend_related"])
def test_a_lateral_argument_is_not_captured_by_a_column_of_the_macro(
    trained: Con, function: str
) -> None:
    qualified = trained.execute(
        "SELECT a.item_id, r.rank, r.item_id FROM (SELECT s.item_id FROM recsql.item_scores AS s) "
        f"AS a, {function}(a.item_id, k := 3) AS r ORDER BY ALL"
    ).fetchall()
    unqualified = trained.execute(
        "SELECT a.item_id, r.rank, r.item_id FROM (SELECT s.item_id FROM recsql.item_scores AS s) "
        f"AS a, {function}(item_id, k := 3) AS r ORDER BY ALL"
    ).fetchall()
    assert qualified == unqualified
    one = trained.execute(f"FROM {function}('i01', k := 3)").fetchall()
    assert [row[1:] for row in qualified if row[0] == "i01"] == [row[:2] for row in one] != []


def test_a_copy_of_the_database_answers(trained: Con, tmp_path: Path) -> None:
    copy = tmp_path / "copy.duckdb"
    trained.execute(f"ATTACH '{copy}' AS other; COPY FROM DATABASE shop TO other; DETACH other")
    con = recsql.connect(str(copy))
    assert bundle(con) == bundle(trained) != []
    assert con.execute("CALL recsql.refresh()").fetchall()[0][0] == "nothing changed"
    con.close()


def test_an_export_without_recsql_can_be_imported_and_bound_anew(
    trained: Con, tmp_path: Path
) -> None:
    """A macro cannot be made before its hidden function, so an export with recsql fails."""
    folder = tmp_path / "export"
    recsql.uninstall(trained)
    trained.execute(f"EXPORT DATABASE '{folder}'")
    con = duckdb.connect()
    con.execute(f"IMPORT DATABASE '{folder}'")
    recsql.register(con)
    shop.bind(con)
    con.execute("CALL recsql.train(task := 'bundle')").fetchall()
    assert bundle(con) != []
    con.close()


# 8. TEMP macros belong to one connection


def test_a_temp_macro_of_the_user_is_no_collision() -> None:
    con = duckdb.connect()
    con.execute("CREATE TEMP MACRO popular(x) AS x + 1")
    recsql.register(con)
    assert con.execute("SELECT popular(1)").fetchall() == [(2,)]
    con.close()


# 9. Versions of DuckDB: results, types of NULL, settings of the session


def test_arrow_results_are_read_on_every_version(trained: Con) -> None:
    result = recsql.train(trained, task="popular")
    assert isinstance(result.to_arrow(), pa.Table)
    assert trained.sql("FROM popular(days := NULL)").to_arrow_table().num_rows > 0


def test_an_unfinished_result_does_not_block_a_statement(trained: Con) -> None:
    trained.execute("FROM range(100000)").fetchone()
    assert recsql.refresh(trained).rows[0][0] == "nothing changed"
    trained.execute("FROM range(100000)").fetchone()
    assert trained.execute("CALL recsql.refresh()").fetchall()[0][0] == "nothing changed"


@pytest.mark.parametrize("name", ["interactions", "users", "items", "impressions", "knowledge"])
def test_no_column_of_an_unbound_view_has_an_unknown_type(con: Con, name: str) -> None:
    types = {row[1] for row in con.execute(f"DESCRIBE recsql.{name}").fetchall()}
    assert types <= {
        "VARCHAR", "TIMESTAMP", "DOUBLE", "BOOLEAN", "INTEGER", "STRUCT(unbound BOOLEAN)"
    }  # fmt: skip


ZONES = ("UTC", "America/Los_Angeles", "Asia/Tokyo")


def answers(con: Con, ts: str) -> Any:
    recsql.bind_interactions(
        con, "orders", user_id="customer", item_id="sku", ts=ts, quantity="qty"
    )
    recsql.train(con)
    stored = shop.stored(con)
    con.execute("INSERT INTO orders SELECT o.* FROM orders AS o WHERE o.customer = 11")
    recsql.refresh(con)
    return stored, shop.stored(con)


@pytest.mark.parametrize("ts", ["ordered_at", "ordered_tz", "ordered_at::DATE"])
def test_the_time_zone_of_a_session_changes_no_result(ts: str) -> None:
    found = []
    for zone in ZONES:
        con = recsql.connect()
        shop.fill(con, baskets=60)
        con.execute("SET TimeZone = 'UTC'")
        con.execute("ALTER TABLE orders ADD COLUMN ordered_tz TIMESTAMPTZ")
        con.execute("UPDATE orders SET ordered_tz = ordered_at::TIMESTAMPTZ")
        con.execute(f"SET TimeZone = '{zone}'")
        found.append(answers(con, ts))
        con.close()
    assert found[0] == found[1] == found[2]


def test_the_order_of_nulls_that_a_user_sets_changes_no_result() -> None:
    found = []
    for order in ("nulls_last", "nulls_first"):
        con = recsql.connect()
        shop.fill(con, baskets=60)
        con.execute("UPDATE orders SET customer = NULL WHERE customer < 5")
        con.execute("UPDATE orders SET ordered_at = NULL WHERE customer = 7")
        con.execute(f"SET default_null_order = '{order}'")
        found.append(answers(con, "ordered_at"))
        con.close()
    assert found[0] == found[1]


def test_a_timestamp_with_time_zone_is_a_moment_and_a_day_begins_in_utc(con: Con) -> None:
    con.execute(
        "CREATE TABLE t AS SELECT 'a' AS sku, TIMESTAMPTZ '2024-01-01 23:30:00-02' AS bought_at"
    )
    recsql.bind_interactions(con, "t", item_id="sku", ts="bought_at")
    recsql.train(con)
    # 23:30 two hours west of Greenwich is 01:30 of the next day: 19,724 days since 1970.
    assert con.execute("SELECT d.day FROM recsql.item_days AS d").fetchall() == [(19724,)]


def test_a_day_before_1970_begins_at_midnight_too(con: Con) -> None:
    con.execute("CREATE TABLE t AS SELECT 'a' AS sku, TIMESTAMP '1969-12-31 23:00:00' AS bought_at")
    recsql.bind_interactions(con, "t", item_id="sku", ts="bought_at")
    recsql.train(con)
    assert con.execute("SELECT d.day FROM recsql.item_days AS d").fetchall() == [(-1,)]
    assert con.execute("SELECT t.today FROM recsql.totals AS t").fetchall() == [(-1,)]


def test_a_purchase_in_the_future_waits_until_it_is_there(con: Con) -> None:
    con.execute("CREATE TABLE t AS SELECT 'old' AS sku, TIMESTAMP '2024-01-01' AS bought_at")
    con.execute("INSERT INTO t VALUES ('new', now()::TIMESTAMP + INTERVAL 400 DAY)")
    recsql.bind_interactions(con, "t", item_id="sku", ts="bought_at")
    recsql.train(con)
    assert con.execute("SELECT s.item_id FROM recsql.item_scores AS s").fetchall() == [("old",)]
    later = dt.datetime.now() + dt.timedelta(days=500)
    con.execute("UPDATE recsql.settings SET value = ? WHERE name = 'now'", [str(later)])
    recsql.refresh(con)
    rows = con.execute("SELECT s.item_id FROM recsql.item_scores AS s ORDER BY 1").fetchall()
    assert rows == [("new",), ("old",)]


def test_infinite_times_count_as_no_time(con: Con) -> None:
    con.execute("CREATE TABLE t AS SELECT 'a' AS sku, TIMESTAMP '2024-01-01' AS bought_at")
    con.execute("INSERT INTO t VALUES ('b', 'infinity'), ('c', '-infinity')")
    recsql.bind_interactions(con, "t", item_id="sku", ts="bought_at")
    recsql.train(con)
    rows = con.execute("SELECT d.item_id, d.day FROM recsql.item_days AS d ORDER BY 1").fetchall()
    assert rows == [("a", 19723), ("b", None), ("c", None)]
    assert con.execute("SELECT t.today FROM recsql.totals AS t").fetchall() == [(19723,)]


# 10. Files that a session without external access may read


def test_a_view_over_parquet_works_where_its_path_is_allowed(tmp_path: Path) -> None:
    path, parquet = str(tmp_path / "a.duckdb"), tmp_path / "orders.parquet"
    con = recsql.connect(path)
    shop.fill(con, baskets=60)
    con.execute(f"COPY orders TO '{parquet}' (FORMAT parquet); DROP TABLE orders")
    con.execute(f"CREATE VIEW orders AS FROM '{parquet}'")
    shop.bind(con)
    con.close()
    con = recsql.connect(path)
    con.execute(f"SET allowed_paths = ['{parquet}']; SET enable_external_access = false")
    assert con.execute("CALL recsql.train(task := 'bundle')").fetchall() != []
    assert con.execute("CALL recsql.refresh()").fetchall()[0][0] == "nothing changed"
    con.close()
