"""Connecting, registering and uninstalling: what each refuses, and what each leaves behind."""

from __future__ import annotations

import gc
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import duckdb
import pytest
import shop
from processes import in_threads, run

import recsql
from recsql.serving import instances
from recsql.store import schema

Con = duckdb.DuckDBPyConnection


def bundle(con: Con, item: str = "i01") -> list[Any]:
    return con.execute("FROM recommend_bundle(?)", [item]).fetchall()


def catalog(con: Con) -> list[Any]:
    """Everything a user could see in the catalog, but the hidden functions of this process."""
    return con.execute(
        "SELECT 'table', t.schema_name, t.table_name, t.sql FROM duckdb_tables() AS t UNION ALL "
        "SELECT 'view', v.schema_name, v.view_name, v.sql FROM duckdb_views() AS v "
        "WHERE NOT v.internal UNION ALL SELECT 'function', f.schema_name, f.function_name, "
        "f.macro_definition FROM duckdb_functions() AS f "
        "WHERE NOT f.internal AND f.function_name NOT LIKE '\\_recsql\\_%' ESCAPE '\\' UNION ALL "
        "SELECT 'schema', s.schema_name, NULL, NULL FROM duckdb_schemas() AS s "
        "WHERE NOT s.internal ORDER BY ALL"
    ).fetchall()


# Connect and register


def test_connect_gives_a_plain_duckdb_connection_in_memory() -> None:
    con = recsql.connect()
    assert type(con) is duckdb.DuckDBPyConnection
    assert con.execute("SELECT count(*) FROM recsql.meta").fetchall() == [(1,)]
    con.close()


def test_connect_passes_its_options_to_duckdb(tmp_path: Path) -> None:
    con = recsql.connect(tmp_path / "a.duckdb", config={"threads": 1})
    assert con.execute("SELECT current_setting('threads')").fetchall() == [(1,)]
    con.close()


def test_an_error_of_duckdb_that_is_no_lock_stays_what_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "blocks"
    with pytest.raises(duckdb.IOException, match="database does not exist"):
        recsql.connect(str(folder / "none.duckdb"), read_only=True)


def test_register_gives_the_connection_back_and_may_be_called_again(trained: Con) -> None:
    before = catalog(trained)
    assert recsql.register(trained) is trained
    assert recsql.register(recsql.register(trained)) is trained
    assert catalog(trained) == before


def test_registering_again_writes_nothing(trained_file: Path) -> None:
    con = recsql.connect(str(trained_file))
    con.close()
    written = trained_file.stat().st_mtime_ns
    con = recsql.connect(str(trained_file))
    recsql.register(con)
    con.close()
    assert trained_file.stat().st_mtime_ns == written


def test_every_cursor_and_connection_of_the_process_has_the_functions(trained_file: Path) -> None:
    first = recsql.connect(str(trained_file))
    second = duckdb.connect(str(trained_file))
    for con in (first.cursor(), second, second.cursor()):
        assert bundle(con) == bundle(first) != []
        assert con.execute("CALL recsql.refresh()").fetchall()[0][0] == "nothing changed"
    second.close()
    first.close()


def test_a_cursor_can_be_registered_and_works_when_its_parent_does(trained: Con) -> None:
    cursor = trained.cursor()
    assert recsql.register(cursor) is cursor
    assert cursor.execute("CALL recsql.refresh()").fetchall()[0][0] == "nothing changed"


def test_answers_survive_a_reopen(trained_file: Path) -> None:
    con = recsql.connect(str(trained_file))
    expected = bundle(con)
    con.close()
    for _ in range(2):
        con = recsql.connect(str(trained_file))
        assert bundle(con) == expected != []
        con.close()


def test_plain_duckdb_opens_the_file_and_stored_answers_work_without_recsql(
    trained_file: Path,
) -> None:
    script = """
import duckdb
con = duckdb.connect(sys.argv[1])
print(len(con.execute("FROM recommend_bundle('i01')").fetchall()))
try:
    con.execute("CALL recsql.refresh()")
except duckdb.CatalogException as error:
    print(str(error).splitlines()[0])
"""
    lines = run(trained_file.parent, script, trained_file).splitlines()
    assert int(lines[0]) > 0
    assert "Scalar Function with name _recsql_call_refresh does not exist!" in lines[1]


def test_an_unfinished_result_of_the_connection_does_not_keep_it_from_registering(
    tmp_path: Path,
) -> None:
    con = duckdb.connect(str(tmp_path / "a.duckdb"))
    con.execute("FROM range(100000)").fetchone()
    recsql.register(con)
    con.execute("FROM range(100000)").fetchone()
    recsql.register(con)
    con.execute("CREATE TABLE t AS SELECT 'a' AS sku")
    con.execute("FROM range(100000)").fetchone()
    assert len(recsql.bind_interactions(con, "t", item_id="sku")) == 1
    con.close()


# Read-only


def test_a_read_only_database_answers(trained_file: Path) -> None:
    con = recsql.connect(str(trained_file), read_only=True)
    assert bundle(con) != []
    assert recsql.register(con) is con
    con.close()


@pytest.mark.parametrize(
    "call",
    [
        "recommend_related('i01')",
        "recommend_cart(['i01', 'i02'])",
        "popular(days := NULL)",
        "trending()",
        "explain(1, 'i01')",
        "recsql.leaderboard",
        "recsql.validate()",
    ],
)
def test_every_function_answers_read_only_as_it_does_for_writing(
    trained_file: Path, call: str
) -> None:
    con = recsql.connect(str(trained_file))
    expected = con.execute(f"FROM {call}").fetchall()
    con.close()
    con = recsql.connect(str(trained_file), read_only=True)
    assert con.execute(f"FROM {call}").fetchall() == expected != []
    con.close()


def test_a_read_only_database_without_state_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = str(tmp_path / "a.duckdb")
    duckdb.connect(path).close()
    with pytest.raises(
        recsql.StateError,
        match=r"^The database must have been prepared by recsql to be used read-only, got one that "
        r"was not\. Open it once without read_only: recsql\.connect\(path\)\.$",
    ):
        recsql.connect(path, read_only=True)
    recsql.connect(path).close()
    recsql.connect(path, read_only=True).close()


@pytest.mark.parametrize(
    "call",
    [
        "recsql.train()",
        "recsql.refresh()",
        "recsql.bind_interactions('orders', item_id := 'sku')",
        "recsql.bind_users('customers', user_id := 'id')",
    ],
)
def test_a_statement_that_writes_is_refused_at_once_on_a_read_only_database(
    trained_file: Path, call: str
) -> None:
    con = recsql.connect(str(trained_file), read_only=True)
    with pytest.raises(
        duckdb.InvalidInputException, match="must be open for writing, got a read-only one"
    ):
        con.execute(f"CALL {call}")
    con.close()


def test_uninstall_is_refused_on_a_read_only_database(trained_file: Path) -> None:
    con = recsql.connect(str(trained_file), read_only=True)
    with pytest.raises(
        recsql.StateError, match="must be open for writing to uninstall, got a read"
    ):
        recsql.uninstall(con)
    con.close()


def test_another_prefix_is_refused_on_a_read_only_database(trained_file: Path) -> None:
    con = recsql.connect(str(trained_file), read_only=True)
    with pytest.raises(recsql.StateError, match="must be brought up to date, got a read-only data"):
        recsql.register(con, prefix="rec_")
    con.close()


# Names


@pytest.mark.parametrize("file", ["recsql.duckdb", "RecSQL.db", "recsql", "recsql.2024.duckdb"])
def test_a_database_called_recsql_is_refused_and_not_created(tmp_path: Path, file: str) -> None:
    path = tmp_path / file
    message = (
        f"The database must not be called recsql, got the file {file}: every recsql.x would be "
        "ambiguous. Rename the file, for example to shop.duckdb."
    )
    with pytest.raises(recsql.StateError) as caught:
        recsql.connect(str(path))
    assert str(caught.value) == message
    assert not path.exists()
    con = duckdb.connect(str(path))
    with pytest.raises(recsql.StateError, match="must not be called recsql, got the file"):
        recsql.register(con)
    con.close()


def test_an_attached_database_called_recsql_is_refused(tmp_path: Path) -> None:
    con = duckdb.connect()
    con.execute(f"ATTACH '{tmp_path / 'other.duckdb'}' AS recsql")
    with pytest.raises(
        recsql.StateError, match="No attached database must be called recsql, got r"
    ):
        recsql.register(con)
    con.execute("DETACH recsql")
    recsql.register(con)
    con.close()


def test_another_database_in_use_is_refused(tmp_path: Path) -> None:
    con = duckdb.connect()
    con.execute(f"ATTACH '{tmp_path / 'other.duckdb'}' AS other; USE other")
    with pytest.raises(
        recsql.StateError,
        match=r"^The database in use must be memory, which was opened, got other\. USE memory, or "
        r"open the file of other with recsql\.connect\.$",
    ):
        recsql.register(con)
    con.execute("USE memory")
    recsql.register(con)
    con.close()


@pytest.mark.parametrize("name", ["popular", "Recommend_Bundle"])
def test_a_macro_of_the_user_is_not_overwritten_and_a_prefix_is_offered(
    tmp_path: Path, name: str
) -> None:
    path = str(tmp_path / "a.duckdb")
    con = duckdb.connect(path)
    con.execute(f"CREATE MACRO {name}(x) AS x + 1")
    before = catalog(con)
    with pytest.raises(
        recsql.StateError,
        match=rf"^The function name {name} must be free, got a macro of yours with that name\. "
        r"Register with another prefix: recsql\.register\(con, prefix='rec_'\)\.$",
    ):
        recsql.register(con)
    assert catalog(con) == before
    recsql.register(con, prefix="rec_")
    assert con.execute(f"SELECT {name}(1)").fetchall() == [(2,)]
    assert con.execute("DESCRIBE FROM rec_popular()").fetchall()
    con.close()
    con = recsql.connect(path)  # the prefix persists
    assert con.execute(f"SELECT {name}(1)").fetchall() == [(2,)]
    assert con.execute("DESCRIBE FROM rec_popular()").fetchall()
    con.close()


def test_a_macro_made_after_registering_is_not_overwritten_when_another_version_comes(
    trained_file: Path,
) -> None:
    con = duckdb.connect(str(trained_file))
    # As if an older recsql had no function of that name and the user made one.
    con.execute("DROP MACRO TABLE popular")
    con.execute("DELETE FROM recsql.functions WHERE name = 'popular'")
    con.execute("CREATE MACRO popular(x) AS x + 1")
    with pytest.raises(
        recsql.StateError, match="The function name popular must be free, got a mac"
    ):
        recsql.register(con)
    assert con.execute("SELECT popular(1)").fetchall() == [(2,)]
    con.close()


def test_a_new_prefix_renames_the_functions(trained: Con) -> None:
    expected = bundle(trained)
    recsql.register(trained, prefix="rec_")
    assert trained.execute("FROM rec_recommend_bundle('i01')").fetchall() == expected
    with pytest.raises(duckdb.CatalogException, match="recommend_bundle does not exist"):
        bundle(trained)
    recsql.register(trained, prefix="")
    assert bundle(trained) == expected


@pytest.mark.parametrize("prefix", ["rec-", "1rec", "a b", "é", "x'; DROP TABLE orders; --", 5])
def test_a_prefix_that_is_no_name_is_refused(con: Con, prefix: Any) -> None:
    with pytest.raises(recsql.ParameterError, match=r"^prefix must be letters, digits and _, got"):
        recsql.register(con, prefix=prefix)


def test_a_schema_recsql_of_the_user_is_refused_and_left_alone(tmp_path: Path) -> None:
    con = duckdb.connect(str(tmp_path / "a.duckdb"))
    con.execute("CREATE SCHEMA RecSQL; CREATE TABLE recsql.mine AS SELECT 1 AS a")
    before = catalog(con)
    with pytest.raises(
        recsql.StateError, match="The schema recsql must be free, got one of yours with mine"
    ):
        recsql.register(con)
    recsql.uninstall(con)
    assert catalog(con) == before
    con.close()


def test_an_empty_schema_recsql_is_taken(tmp_path: Path) -> None:
    con = duckdb.connect(str(tmp_path / "a.duckdb"))
    con.execute("CREATE SCHEMA recsql")
    recsql.register(con)
    assert con.execute("SELECT count(*) FROM recsql.meta").fetchall() == [(1,)]
    con.close()


# Versions of the state


def test_a_state_of_a_newer_recsql_is_refused(trained_file: Path) -> None:
    con = duckdb.connect(str(trained_file))
    con.execute("UPDATE recsql.meta SET schema_version = 99, recsql_version = '9.9'")
    con.close()
    for options in ({}, {"read_only": True}):
        with pytest.raises(
            recsql.StateError,
            match=r"^The state must have schema version \d+ or older, got 99, written by recsql "
            r"9\.9\. Upgrade: pip install -U duckdb-recsql\.$",
        ):
            recsql.connect(str(trained_file), **options)


def test_a_state_without_its_version_is_refused(trained_file: Path) -> None:
    con = duckdb.connect(str(trained_file))
    con.execute("DELETE FROM recsql.meta")
    with pytest.raises(recsql.StateError, match=r"The table recsql\.meta must have one row, got 0"):
        recsql.register(con)
    con.close()


def test_an_older_state_is_migrated_in_one_transaction(
    trained_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = schema.SCHEMA_VERSION + 1
    steps = {schema.SCHEMA_VERSION: "ALTER TABLE recsql.meta ADD COLUMN note VARCHAR"}
    monkeypatch.setattr(schema, "SCHEMA_VERSION", newer)
    monkeypatch.setattr(schema, "MIGRATIONS", steps)
    with pytest.raises(recsql.StateError, match="must be brought up to date, got a read-only data"):
        recsql.connect(str(trained_file), read_only=True)
    con = recsql.connect(str(trained_file))
    rows = con.execute("SELECT m.schema_version, m.note FROM recsql.meta AS m").fetchall()
    assert rows == [(newer, None)]
    assert bundle(con) != []
    con.close()


def test_a_state_before_ratings_and_facts_gets_their_tables_and_weights(trained_file: Path) -> None:
    con = duckdb.connect(str(trained_file))
    con.execute("DELETE FROM recsql.ranking_weights AS w WHERE w.task = 'rating'")
    con.execute("DROP VIEW recsql.knowledge")
    con.execute("DROP TABLE recsql.item_facts")
    con.execute("UPDATE recsql.meta SET schema_version = 2")
    con.close()
    con = recsql.connect(str(trained_file))
    weighed = con.execute(
        "SELECT w.metric FROM recsql.ranking_weights AS w WHERE w.task = 'rating' AND w.weight > 0"
    ).fetchall()
    assert ("rmse",) in weighed
    assert con.execute("SELECT count(*) FROM recsql.item_facts").fetchall() == [(0,)]
    assert con.execute("SELECT count(*) FROM recsql.knowledge").fetchall() == [(0,)]
    assert bundle(con) != []
    con.close()


def test_a_setting_that_is_no_number_does_not_keep_the_database_from_opening(
    trained_file: Path,
) -> None:
    con = recsql.connect(str(trained_file))
    con.execute("UPDATE recsql.settings SET value = 'many' WHERE name = 'stored_depth'")
    con.close()
    con = recsql.connect(str(trained_file))
    assert bundle(con) != []
    with pytest.raises(duckdb.InvalidInputException, match="Setting stored_depth must be a number"):
        con.execute("CALL recsql.train()")
    con.close()


def test_the_depth_in_the_error_is_what_is_stored_and_not_what_the_setting_asks_for(
    trained_file: Path,
) -> None:
    con = recsql.connect(str(trained_file))
    con.execute("UPDATE recsql.settings SET value = '80' WHERE name = 'stored_depth'")
    con.close()
    con = recsql.connect(str(trained_file))
    with pytest.raises(duckdb.Error, match="k must be at most 50, the stored depth, got 80"):
        con.execute("FROM recommend_bundle('i01', k := 80)").fetchall()
    con.execute("CALL recsql.refresh()").fetchall()
    assert con.execute("FROM recommend_bundle('i01', k := 80)").fetchall() != []
    con.close()


# Uninstall


def test_uninstall_removes_every_trace_and_nothing_of_the_user(tmp_path: Path) -> None:
    path = str(tmp_path / "a.duckdb")
    con = duckdb.connect(path)
    shop.fill(con)
    con.execute("CREATE VIEW old_orders AS SELECT * FROM orders WHERE ordered_at < '2024-02-01'")
    con.execute("CREATE MACRO twice(x) AS 2 * x; CREATE MACRO few(k) AS TABLE FROM range(k)")
    con.execute("CREATE SCHEMA crm; CREATE TABLE crm.leads (id INTEGER)")
    before = catalog(con)
    recsql.register(con)
    shop.bind(con)
    con.execute("CALL recsql.train(task := 'bundle')").fetchall()
    assert catalog(con) != before
    recsql.uninstall(con)
    assert catalog(con) == before
    recsql.uninstall(con)
    con.close()
    con = duckdb.connect(path)
    hidden = "SELECT count(*) FROM duckdb_functions() WHERE function_name LIKE '%recsql%'"
    assert catalog(con) == before
    assert con.execute(hidden).fetchall() == [(0,)]
    con.close()


def test_after_uninstall_a_connection_can_be_registered_again(trained: Con) -> None:
    recsql.uninstall(trained)
    with pytest.raises(duckdb.CatalogException):
        trained.execute("CALL recsql.refresh()")
    recsql.register(trained)
    shop.bind(trained)
    trained.execute("CALL recsql.train(task := 'bundle')").fetchall()
    assert bundle(trained) != []


def test_uninstall_with_a_prefix_leaves_the_users_macro(tmp_path: Path) -> None:
    con = duckdb.connect(str(tmp_path / "a.duckdb"))
    con.execute("CREATE MACRO popular(x) AS x + 1")
    before = catalog(con)
    recsql.register(con, prefix="rec_")
    recsql.uninstall(con)
    assert catalog(con) == before
    con.close()


def test_uninstall_of_a_database_without_recsql_does_nothing() -> None:
    con = duckdb.connect()
    before = catalog(con)
    recsql.uninstall(con)
    assert catalog(con) == before
    con.close()


def test_uninstall_refuses_the_state_of_a_newer_recsql(trained: Con) -> None:
    trained.execute("UPDATE recsql.meta SET schema_version = 99, recsql_version = '9.9'")
    before = catalog(trained)
    with pytest.raises(recsql.StateError, match=r"got 99, written by recsql 9\.9\. Upgrade: pip"):
        recsql.uninstall(trained)
    assert catalog(trained) == before


def test_uninstall_refuses_to_take_a_table_of_the_user_with_it(trained: Con) -> None:
    trained.execute("CREATE TABLE recsql.mine AS SELECT 1 AS a")
    with pytest.raises(
        recsql.StateError,
        match=r"^The schema recsql must hold nothing of yours to be removed, got mine\. Move it to "
        r"another schema or DROP it, and uninstall again\.$",
    ):
        recsql.uninstall(trained)
    assert trained.execute("FROM recsql.mine").fetchall() == [(1,)]
    assert bundle(trained) != []
    trained.execute("DROP TABLE recsql.mine")
    recsql.uninstall(trained)


def test_uninstall_in_a_file_renamed_to_recsql_is_refused_until_it_has_another_name(
    trained_file: Path,
) -> None:
    renamed = trained_file.rename(trained_file.parent / "recsql.duckdb")
    con = duckdb.connect(str(renamed))
    with pytest.raises(recsql.StateError, match="must not be called recsql, got the file recsql"):
        recsql.uninstall(con)
    con.close()
    con = duckdb.connect(str(renamed.rename(trained_file)))
    assert bundle(con) != []
    recsql.uninstall(con)
    con.close()


def test_uninstall_beside_an_attached_database_called_recsql_is_refused(
    trained: Con, tmp_path: Path
) -> None:
    trained.execute(f"ATTACH '{tmp_path / 'other.duckdb'}' AS recsql")
    with pytest.raises(recsql.StateError, match="No attached database must be called recsql"):
        recsql.uninstall(trained)
    trained.execute("DETACH recsql")
    recsql.uninstall(trained)


def test_uninstall_inside_a_transaction_loses_no_row_of_it(trained: Con) -> None:
    (before,) = trained.execute("SELECT count(*) FROM orders").fetchall()[0]
    trained.execute("BEGIN")
    trained.execute("INSERT INTO orders SELECT * FROM orders LIMIT 2")
    recsql.uninstall(trained)
    trained.execute("COMMIT")
    assert trained.execute("SELECT count(*) FROM orders").fetchall() == [(before + 2,)]
    assert "recsql" not in {row[1] for row in catalog(trained)}


# Threads


@pytest.mark.parametrize("attempt", range(3))
def test_threads_that_register_at_once_all_succeed_with_one_key(
    tmp_path: Path, attempt: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "a.duckdb")

    def slow_key() -> str:
        time.sleep(0.05)  # time for the others to want a key as well
        return uuid.uuid4().hex

    monkeypatch.setattr("recsql.functions.new_key", slow_key)
    before = set(instances._INSTANCES)
    first = duckdb.connect(path)
    shop.fill(first, baskets=60)

    def register(number: int) -> str | None:
        con = recsql.register(duckdb.connect(path) if number % 2 else first.cursor())
        return instances.instance_key(con)

    keys = in_threads(register, 8)
    assert [key for key in keys if not isinstance(key, str)] == []
    assert len(set(keys)) == 1
    assert set(instances._INSTANCES) - before == set(keys)
    shop.bind(first)
    assert first.execute("CALL recsql.train(task := 'popular')").fetchall() != []
    first.close()


def test_threads_that_connect_to_a_new_file_at_once_all_succeed(tmp_path: Path) -> None:
    path = str(tmp_path / "a.duckdb")
    cons = in_threads(lambda _: recsql.connect(path), 8)
    assert [con for con in cons if not isinstance(con, duckdb.DuckDBPyConnection)] == []
    for con in cons:
        assert con.execute("SELECT count(*) FROM recsql.meta").fetchall() == [(1,)]
    for con in cons:
        con.close()


def test_a_connection_is_registered_while_another_trains(trained_file: Path) -> None:
    con = recsql.connect(str(trained_file))
    con.cursor().execute("CALL recsql.train(task := 'bundle')").fetchall()
    key = instances.instance_key(con)
    assert key is not None
    results: list[Any] = []
    with instances.writer_lock(key):  # as a training that lasts
        thread = threading.Thread(
            target=lambda: results.append(recsql.connect(str(trained_file)).close())
        )
        thread.start()
        thread.join(timeout=20)
        assert results == [None]
    con.close()


# Connections that come and go


def test_when_the_registering_connection_is_closed_others_go_on(trained_file: Path) -> None:
    first = recsql.connect(str(trained_file))
    second = duckdb.connect(str(trained_file))
    first.close()
    gc.collect()
    assert second.execute("CALL recsql.train(task := 'bundle')").fetchall() != []
    assert second.execute("CALL recsql.refresh()").fetchall() != []
    second.close()


def test_in_memory_a_closed_connection_is_replaced_by_one_that_is_registered_and_open() -> None:
    con = recsql.connect()
    shop.fill(con, baskets=60)
    shop.bind(con)
    first, second = recsql.register(con.cursor()), con.cursor()
    first.close()
    assert second.execute("CALL recsql.train(task := 'popular')").fetchall() != []
    con.close()


def test_no_open_registered_connection_is_said_with_the_remedy() -> None:
    with pytest.raises(
        recsql.StateError,
        match=r"^A registered connection must be open, got none: each one was closed\. "
        r"Call recsql\.register\(con\) on this connection\.$",
    ):
        instances.cursor_for("no such instance")


def test_a_closed_connection_cannot_be_registered() -> None:
    con = duckdb.connect()
    con.close()
    with pytest.raises(duckdb.ConnectionException, match="already closed"):
        recsql.register(con)


def test_a_function_outlives_the_connection_that_registered_it(trained_file: Path) -> None:
    """A collected callable crashes the process, so this needs one of its own."""
    script = """
import gc, duckdb, recsql
other = duckdb.connect(sys.argv[1])
def scope():
    recsql.connect(sys.argv[1])
scope()
gc.collect()
for _ in range(3):
    print(len(other.execute("CALL recsql.refresh()").fetchall()))
    print(len(other.execute("FROM recommend_bundle('i01')").fetchall()) > 0)
other.close()
"""
    assert run(trained_file.parent, script, trained_file).split() == ["1", "True"] * 3


@pytest.mark.parametrize("delay", [0.05, 0.4])
def test_closing_the_registering_connection_while_another_trains_harms_no_one(
    trained_file: Path, delay: float
) -> None:
    script = """
import threading, time, duckdb, recsql
first = recsql.connect(sys.argv[1])
second = duckdb.connect(sys.argv[1])
done = []
def train():
    for _ in range(2):
        done.append(len(second.execute("CALL recsql.train(task := 'bundle')").fetchall()))
thread = threading.Thread(target=train)
thread.start()
time.sleep(float(sys.argv[2]))
first.close()
thread.join()
print(len(done), min(done) > 0)
second.close()
"""
    assert run(trained_file.parent, script, trained_file, delay).split() == ["2", "True"]


def test_the_file_is_free_when_every_connection_is_closed(trained_file: Path) -> None:
    con = recsql.connect(str(trained_file))
    con.execute("CALL recsql.train(task := 'bundle')").fetchall()
    recsql.register(con.cursor())
    con.close()
    script = "import recsql; con = recsql.connect(sys.argv[1]); print('open'); con.close()"
    assert run(trained_file.parent, script, trained_file).split() == ["open"]


def test_a_file_in_use_by_another_process_is_said_with_the_remedy(trained_file: Path) -> None:
    con = recsql.connect(str(trained_file))
    script = """
import recsql
for options in ({}, {"read_only": True}):
    try:
        recsql.connect(sys.argv[1], **options)
    except recsql.StateError as error:
        print(error)
"""
    lines = run(trained_file.parent, script, trained_file).splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith(
            f"The database {trained_file} must not be in use by another process, got: IO Error: "
        )
        assert line.endswith("Close it there, or open a copy of the file.")
    assert bundle(con) != []
    con.close()


# Transactions


def test_registering_inside_a_transaction_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    con = duckdb.connect(str(tmp_path / "a.duckdb"))
    con.execute("CREATE TABLE t (a INTEGER)")
    before = catalog(con)
    con.execute("BEGIN")
    con.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(
        recsql.StateError,
        match=r"^A database must be registered outside of a transaction, got an open one\. COMMIT "
        r"or ROLLBACK, and register then\.$",
    ):
        recsql.register(con)
    con.execute("COMMIT")  # the rows of the user are not lost
    assert con.execute("FROM t").fetchall() == [(1,)]
    assert catalog(con) == before
    recsql.register(con)
    con.close()


def test_registering_again_inside_a_transaction_is_allowed(trained: Con) -> None:
    trained.execute("BEGIN")
    trained.execute("DELETE FROM orders")
    assert recsql.register(trained) is trained
    trained.execute("ROLLBACK")
    assert trained.execute("SELECT count(*) > 0 FROM orders").fetchall() == [(True,)]


@pytest.mark.parametrize("call", ["recsql.train()", "recsql.refresh()"])
def test_a_call_that_cannot_see_uncommitted_rows_is_refused_in_sql(trained: Con, call: str) -> None:
    (committed,) = trained.execute("SELECT count(*) FROM orders").fetchall()[0]
    trained.execute("BEGIN")
    trained.execute("INSERT INTO orders SELECT * FROM orders LIMIT 2")
    with pytest.raises(
        duckdb.InvalidInputException,
        match=rf"The interactions must be committed first, got a transaction that sees "
        rf"{committed + 2:,} rows where {committed:,} are committed\. ROLLBACK, change the rows "
        r"again, COMMIT, and call again\.",
    ):
        trained.execute(f"CALL {call}")
    trained.execute("ROLLBACK")
    assert trained.execute(f"CALL {call}").fetchall() != []


@pytest.mark.parametrize(
    "change", ["DELETE FROM orders WHERE qty = 1", "INSERT INTO orders FROM orders"]
)
def test_a_call_that_cannot_see_uncommitted_rows_is_refused_in_python_and_loses_none(
    trained: Con, change: str
) -> None:
    trained.execute("BEGIN")
    trained.execute(change)
    with pytest.raises(recsql.StateError, match=r"are committed\. COMMIT, and call again\.$"):
        recsql.refresh(trained)
    trained.execute("COMMIT")
    assert recsql.refresh(trained).rows[0][0] == "changed only"


def test_an_uncommitted_change_of_rows_is_not_read_and_not_lost(trained: Con) -> None:
    before = shop.stored(trained)
    trained.execute("BEGIN")
    trained.execute("UPDATE orders SET sku = 'new' WHERE sku = 'i01'")
    trained.execute("CALL recsql.refresh()").fetchall()
    assert shop.stored(trained) == before
    trained.execute("COMMIT")
    assert trained.execute("CALL recsql.refresh()").fetchall()[0][0] == "changed only"
    assert bundle(trained, "new") != []


def test_rows_that_others_commit_meanwhile_do_not_stop_a_call(trained_file: Path) -> None:
    con = recsql.connect(str(trained_file))
    other = duckdb.connect(str(trained_file))
    con.execute("BEGIN")
    con.execute("SELECT count(*) FROM orders").fetchall()  # from here on its own snapshot
    other.execute("INSERT INTO orders SELECT * FROM orders LIMIT 5")
    assert con.execute("CALL recsql.refresh()").fetchall()[0][0] == "changed only"
    con.execute("ROLLBACK")
    con.close()
    other.close()


def test_what_a_call_commits_stays_when_the_caller_rolls_back(trained: Con) -> None:
    trained.execute("INSERT INTO orders SELECT * FROM orders LIMIT 5")
    trained.execute("BEGIN")
    trained.execute("SELECT 1").fetchall()
    trained.execute("CALL recsql.refresh()").fetchall()
    trained.execute("ROLLBACK")
    again = trained.execute("CALL recsql.refresh()").fetchall()
    assert again[0][0] == "nothing changed"


# Without access to files


def test_everything_works_without_external_access(tmp_path: Path) -> None:
    con = recsql.connect(
        str(tmp_path / "a.duckdb"), config={"enable_external_access": False, "threads": 2}
    )
    shop.fill(con, baskets=60)
    shop.bind(con)
    assert con.execute("CALL recsql.train()").fetchall() != []
    assert con.execute("FROM popular(days := NULL)").fetchall() != []
    con.execute("INSERT INTO orders SELECT * FROM orders LIMIT 5")
    assert con.execute("CALL recsql.refresh()").fetchall()[0][0] != "nothing changed"
    con.close()


def test_everything_works_on_a_locked_configuration(trained: Con) -> None:
    trained.execute("SET lock_configuration = true")
    assert trained.execute("FROM recommend_next(1)").fetchall() != []
    assert trained.execute("CALL recsql.train(task := 'popular')").fetchall() != []
    assert trained.execute("CALL recsql.refresh()").fetchall()[0][0] == "nothing changed"
