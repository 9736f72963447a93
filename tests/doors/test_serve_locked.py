"""What a server keeps from its clients, and the starts that it refuses."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from processes import in_threads
from served import BIN, CAN_SERVE, WHY_NOT, RefusedError, Served, served

import recsql
from recsql.database import Session
from recsql.server import extension
from recsql.server import log as query_log
from recsql.server.address import check_token, read_address
from recsql.server.files import allowed_files
from recsql.server.policy import refusal

needs_extension = pytest.mark.skipif(not CAN_SERVE, reason=WHY_NOT)
pytestmark = pytest.mark.xdist_group("serve locked")

SECRET_TEXT = "nobody may read this"
REFUSED_BY_DUCKDB = (
    "FROM read_text('{secret}')",
    "FROM read_csv('{secret}')",
    "FROM read_blob('{secret}')",
    "FROM glob('{folder}/*')",
    "FROM '{secret}'",
    "FROM parquet_metadata('{secret}')",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SET threads = 1",
    "RESET GLOBAL allowed_paths",
    "CREATE OR REPLACE MACRO system.main._recsql_admit(a, b) AS true",
    "DROP FUNCTION system.main._recsql_admit",
)
REFUSED_BY_POLICY = (
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY orders FROM '{secret}'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/out.csv'",
    "PREPARE p AS COPY (SELECT 1) TO '{folder}/out.csv'",
    "EXPORT DATABASE '{folder}/out'",
    "IMPORT DATABASE '{folder}'",
    "ATTACH '{folder}/other.duckdb' AS other",
    "ATTACH ':memory:' AS recsql",
    "/* a */ attach ':memory:' AS recsql",
    "SELECT 1; -- and\nATTACH ':memory:' AS recsql",
    "DETACH shop",
    "INSTALL spatial",
    "LOAD parquet",
    "FORCE CHECKPOINT",
    "CREATE SECRET (TYPE quack, TOKEN 'abc')",
    "CREATE OR REPLACE PERSISTENT SECRET s (TYPE quack, TOKEN 'abc')",
    "PRAGMA enable_profiling",
    "CALL quack_serve('quack:127.0.0.1:9', token := 'abcd')",
    "FROM \"Quack_Serve\"('quack:127.0.0.1:9')",
    "CALL quack_stop('quack:127.0.0.1:9')",
    "FROM quack_active_connections()",
    "FROM quack_query('quack:127.0.0.1:9', 'SELECT 1', token := 'abcd')",
    "FROM query('CALL quack' || '_serve()')",
    "FROM system.main.\"query\" /* c */ ('SELECT 1')",
    "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "CREATE MACRO m() AS TABLE FROM query('SELECT 1')",
    "CREATE OR REPLACE MACRO quack_check_token(a, b, c) AS true",
    "CALL enable_logging(storage := 'file', storage_config := {{'path': '{folder}/logs'}})",
    "CALL disable_logging()",
    "FROM duckdb_logs",
    "CALL recsql.publish('{folder}/out.duckdb')",
    "CALL recsql.import_model('{secret}')",
    "SELECT _recsql_call_import_model('{secret}')",
    "SELECT _recsql_call_publish('{folder}/out.duckdb')",
    'SELECT U&"\\0061" FROM orders',
)
ADMITTED = (
    "FROM recommend_next(1, k := 3)",
    "(SELECT 1) UNION ALL SELECT 2",
    "SELECT 'ATTACH; COPY quack_serve' AS text -- LOAD",
    'SELECT 1 AS "query", 2 AS copy',
    "CALL recsql.train()",
    "INSERT INTO orders VALUES (1)",
    "CREATE TABLE secret AS SELECT 1",
    "CREATE TEMP TABLE t (secret INTEGER)",
    "BEGIN; UPDATE t SET a = 1; COMMIT",
    "EXPLAIN SELECT 1",
    "PRAGMA table_info('orders')",
    "",
    " ; ",
)


@pytest.mark.parametrize("sql", REFUSED_BY_POLICY)
def test_the_policy_refuses_what_duckdb_would_do(sql: str) -> None:
    assert refusal(sql.format(folder="/f", secret="/s")) is not None


@pytest.mark.parametrize("sql", ADMITTED)
def test_the_policy_admits_ordinary_work(sql: str) -> None:
    assert refusal(sql) is None


@pytest.fixture(scope="module")
def server(trained_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("locked")
    (folder / "secret.csv").write_text(SECRET_TEXT)
    file = folder / "shop.duckdb"
    file.write_bytes(trained_template.read_bytes())
    with served(file) as running:
        yield running


@needs_extension
@pytest.mark.parametrize("sql", REFUSED_BY_DUCKDB + REFUSED_BY_POLICY)
def test_a_client_reaches_nothing_outside_of_the_database(server: Served, sql: str) -> None:
    folder = Path(server.ready["database"]).parent
    before = {path.name for path in folder.iterdir()}
    with pytest.raises(RefusedError) as caught:
        server.ask(sql.format(folder=folder, secret=folder / "secret.csv"))
    assert SECRET_TEXT not in str(caught.value)
    if sql in REFUSED_BY_POLICY:
        assert "Authorization failed" in str(caught.value)
    assert {path.name for path in folder.iterdir()} - before <= {"shop.duckdb.wal"}


@needs_extension
def test_no_client_can_put_its_own_doorkeeper_in_the_place_of_ours(server: Served) -> None:
    server.ask("CREATE OR REPLACE MACRO _recsql_admit(a, b) AS true")
    with pytest.raises(RefusedError, match="Authorization failed"):
        server.ask("ATTACH ':memory:' AS recsql")
    assert server.ask("FROM recommend_next(1, k := 1)")[0]


@needs_extension
def test_sources_over_files_are_read_and_what_lies_beside_them_is_not(tmp_path: Path) -> None:
    data = tmp_path / "data" / "2024"
    data.mkdir(parents=True)
    file = tmp_path / "shop.duckdb"
    with recsql.connect(str(file)) as con:
        for part in range(2):
            con.execute(
                "COPY (SELECT n // 2 % 9 AS customer, 'i' || n % 2 AS sku, n // 2 AS basket "
                f"FROM range(90) AS r(n) WHERE n % 2 = {part}) TO '{data}/{part}.parquet'"
            )
        con.execute(f"COPY (SELECT 'i1' AS sku, 'One' AS name) TO '{tmp_path}/names.csv'")
        con.execute(f"COPY (SELECT 1 AS a) TO '{tmp_path}/other.parquet'")
        con.execute(f"CREATE VIEW parts AS FROM read_parquet('{tmp_path}/data/*/*.parquet')")
        con.execute("CREATE VIEW orders AS SELECT customer, sku, basket FROM parts")
        con.execute(f"CREATE VIEW products AS FROM '{tmp_path}/names.csv'")
        recsql.bind_interactions(
            con, "orders", user_id="customer", item_id="sku", basket_id="basket"
        )
        recsql.bind_items(con, "products", item_id="sku", title="name")
        recsql.train(con, task="bundle")
        found = allowed_files(Session(con.cursor()))
        assert found.folders == {str(tmp_path / "data")}
        assert found.paths == {str(tmp_path / "names.csv")}
    with served(file) as running:
        assert running.ask("CALL recsql.refresh()", "FROM recommend_bundle('i1')")[1]
        assert running.ask("SELECT i.title FROM recsql.items AS i") == [[{"title": "One"}]]
        for path in ("other.parquet", "data/../other.parquet"):
            with pytest.raises(RefusedError, match="disabled by configuration"):
                running.ask(f"FROM read_parquet('{tmp_path}/{path}')")
        with pytest.raises(RefusedError, match="Authorization failed"):
            running.ask(f"COPY (SELECT 1) TO '{data}/0.parquet'")
        # A file that comes later is of the source too.
        (data / "2.parquet").write_bytes((data / "1.parquet").read_bytes())
        assert running.ask("CALL recsql.refresh()")[0]
        assert running.ask("SELECT count(*) AS n FROM recsql.interactions") == [[{"n": 135}]]


@needs_extension
def test_a_source_whose_files_are_not_seen_must_be_named(tmp_path: Path) -> None:
    file = tmp_path / "shop.duckdb"
    with recsql.connect(str(file)) as con:
        con.execute(f"COPY (SELECT 'a' AS sku, 1 AS basket) TO '{tmp_path}/o.parquet'")
        con.execute(f"CREATE VIEW orders AS FROM read_parquet('{tmp_path}/o.' || 'parquet')")
        recsql.bind_interactions(con, "orders", item_id="sku", basket_id="basket")
    with pytest.raises(recsql.ParameterError, match=r"Name it, or its folder, with --allow\.$"):
        recsql.serve(file, "127.0.0.1:0")
    with recsql.serve(file, "127.0.0.1:0", allow=[str(tmp_path / "o.parquet")]) as running:
        assert running.uri.startswith("quack:127.0.0.1:")


# The Python twin


@needs_extension
def test_a_server_in_python_ends_with_its_block(trained_file: Path) -> None:
    log = trained_file.parent / "queries.log"
    with recsql.serve(trained_file, "127.0.0.1:0", log=log) as running:
        client = duckdb.connect()
        for load in running.loads:
            client.execute(load)
        client.execute(f"ATTACH '{running.uri}' AS shop (TOKEN '{running.token}')")
        rows = client.execute("FROM shop.query('FROM recommend_next(1, k := 2)')").fetchall()
        assert [row[0] for row in rows] == [1, 2]
    with pytest.raises(duckdb.Error):
        client.execute("FROM shop.query('SELECT 1')")
    client.close()
    assert "recommend_next" in log.read_text()
    assert running.stop() == 0  # once more: nothing is left to stop
    with recsql.connect(str(trained_file)) as con:
        assert con.execute("FROM recommend_bundle('i01')").fetchall()


@needs_extension
def test_a_log_that_is_emptied_while_clients_ask_has_each_query_once(
    trained_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_log, "_KEPT_ROWS", 40)
    written = io.StringIO()
    with recsql.serve(trained_file, "127.0.0.1:0", log=written) as running:
        client = duckdb.connect()
        for load in running.loads:
            client.execute(load)
        client.execute(f"ATTACH '{running.uri}' AS shop (TOKEN '{running.token}')")

        def ask(number: int) -> None:
            own = client.cursor()
            for turn in range(150):
                own.execute(f"FROM shop.query('SELECT {number * 1000 + turn}')").fetchall()

        assert in_threads(ask, 4) == [None] * 4
        client.close()
    told = re.findall(r"  (SELECT \d+)\n", written.getvalue())
    asked = [f"SELECT {number * 1000 + turn}" for number in range(4) for turn in range(150)]
    assert sorted(told) == sorted(asked)


@needs_extension
def test_clients_that_wait_keep_nobody_out(trained_file: Path) -> None:
    with recsql.serve(trained_file, "127.0.0.1:0") as running:
        waiting = []
        for _ in range(40):
            client = duckdb.connect(config={"threads": 1})
            for load in running.loads:
                client.execute(load)
            client.execute(f"ATTACH '{running.uri}' AS shop (TOKEN '{running.token}')")
            assert client.execute("FROM shop.query('SELECT 1')").fetchall() == [(1,)]
            waiting.append(client)
        for client in waiting:
            assert client.execute("FROM shop.query('SELECT 2')").fetchall() == [(2,)]
            client.close()


@needs_extension
def test_an_open_connection_can_be_served_and_served_again(trained_file: Path) -> None:
    con = recsql.connect(str(trained_file))
    for _ in range(2):
        with recsql.serve(con, "127.0.0.1:0"):
            assert con.execute("CALL recsql.refresh()").fetchall()
    with pytest.raises(recsql.ParameterError, match="read_only must be left out for an open conn"):
        recsql.serve(con, "127.0.0.1:0", read_only=True)
    con.close()


@needs_extension
def test_a_connection_that_somebody_locked_is_refused(trained_file: Path) -> None:
    con = recsql.connect(str(trained_file))
    con.execute("SET lock_configuration = true")
    with pytest.raises(recsql.StateError, match="must be open to be served, got lock_config"):
        recsql.serve(con, "127.0.0.1:0")
    con.close()


@needs_extension
def test_an_address_in_use_is_refused(trained_file: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(recsql.StateError, match=rf"must be free, got 127\.0\.0\.1:{port}, wh"):
            recsql.serve(trained_file, f"127.0.0.1:{port}")


@needs_extension
def test_a_log_that_cannot_be_written_is_refused(trained_file: Path) -> None:
    with pytest.raises(recsql.ParameterError, match="log must be a file that can be written, got"):
        recsql.serve(trained_file, "127.0.0.1:0", log=trained_file.parent / "none" / "q.log")


# Addresses and tokens


def test_an_address_open_to_the_network_needs_a_token(trained_file: Path) -> None:
    for address in ("0.0.0.0", "0.0.0.0:9494", "[::]:0", "shop.example.org:9494"):
        with pytest.raises(
            recsql.ParameterError, match="address must be a loopback one where no token is given"
        ):
            recsql.serve(trained_file, address)
    assert check_token(read_address("0.0.0.0:9494"), "x" * 16) == "x" * 16


def test_the_command_line_refuses_an_open_address_without_a_token(trained_file: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "RECSQL_TOKEN"}
    done = subprocess.run(
        [str(BIN / "recsql"), "serve", str(trained_file), "--address", "0.0.0.0:9494"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("address must be a loopback one where no token is given, got 0.")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1:1", "localhost", "[::1]:9494"])
def test_a_loopback_address_gets_a_random_token(address: str) -> None:
    first, second = (check_token(read_address(address), None) for _ in range(2))
    assert first != second
    assert min(len(first), len(second)) >= 32


@pytest.mark.parametrize("address", ["", "a b", "127.0.0.1:", "127.0.0.1:70000", "::1", "x:y"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(recsql.ParameterError, match="address must be a host or host:port, got"):
        read_address(address)


@pytest.mark.parametrize("token", ["", "short", "x" * 15, "with a space in it!", "ümlaut" * 4])
def test_a_weak_token_is_refused(token: str) -> None:
    with pytest.raises(recsql.ParameterError, match="token must have at least 16 characters of v"):
        check_token(read_address("127.0.0.1"), token)


# The extension


def test_where_the_extension_is_missing_the_remedy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extension, "packaged_file", lambda name, version: None)
    nowhere = {
        "extension_directory": str(tmp_path),
        "custom_extension_repository": str(tmp_path / "none"),
        "autoinstall_known_extensions": False,
    }
    remedy = (
        r"pip install (duckdb==1\.5\.5 )?duckdb-extension-httpfs==1\.5\.\d duckdb-extension-quack"
        if duckdb.__version__.startswith("1.")
        else "Run INSTALL httpfs; INSTALL quack; once in DuckDB where it can reach extensions"
    )
    with (
        duckdb.connect(config=nowhere) as con,
        pytest.raises(
            recsql.MissingExtraError,
            match=rf"DuckDB's extension httpfs must be installed to serve, got none for DuckDB "
            rf"{duckdb.__version__}: .*{remedy}",
        ),
    ):
        extension.load_extensions(con)


def test_the_remedy_names_the_release_that_fits() -> None:
    assert extension.remedy("1.5.4") == (
        "pip install duckdb-extension-httpfs==1.5.4 duckdb-extension-quack==1.5.4"
    )
    assert extension.remedy("1.5.6").startswith("pip install duckdb==1.5.5 duckdb-extension-httpfs")
    assert extension.remedy("2.0.0").startswith("Run INSTALL httpfs; INSTALL quack;")
