"""A published file, read by three clients without recsql, against the database it came from."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import shop

import recsql
from recsql.database import sql_names
from recsql.headers import read_header

Con = duckdb.DuckDBPyConnection
Answer = tuple[str | None, str | None]
Client = Callable[[Path, list[str]], list[Answer]]

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / ".clients"
HERE = Path(__file__).parent / "clients"
K = 7
GONE, KNOWN = "person-0007", "person-0004"
SECRET = "@example.org"

IDENTICAL = [
    "FROM recommend_bundle('i05')",
    "FROM recommend_related('i05', k := 3)",
    "FROM recommend_bundle('nothing')",
    "FROM recommend_cart(['i01', 'i07'], k := 4)",
    "FROM recommend_cart(['i01'], task := 'related')",
    "FROM popular()",
    "FROM popular(k := 5, days := 400, half_life_days := 20)",
    "FROM trending(k := 5)",
    "SELECT v.item_id, trend_score(v.item_id) AS t, product_transaction_score(v.item_id) AS p, "
    "product_choice_score(v.item_id) AS c, impact_score(v.item_id) AS i FROM recsql.items AS v",
    "SELECT user_transaction_score(u.user_id) AS s FROM recsql.users AS u",
    "FROM explain('person-0004', 'i05')",
    "FROM explain('nobody', 'i05')",
    "FROM reference_customers('person-0004', 'i05')",
    "FROM reference_customers('person-0004', 'i05', k := 9, weighting := 'count')",
    "SELECT v.title, r.* FROM recsql.items AS v, recommend_bundle(v.item_id, k := 3) AS r",
    "SELECT one, r.* FROM (SELECT item_id AS one FROM recsql.items), recommend_related(one) AS r",
]
MATERIALIZED = [
    *(
        query
        for name in ("recommend_next", "recommend_for_you", "recommend_first")
        for query in (
            f"FROM {name}('{KNOWN}', k := {K})",
            f"FROM {name}('nobody')".replace(")", f", k := {K})"),
            f"FROM {name}(NULL, k := 2)",
            f"SELECT u.user_id, r.* FROM recsql.users AS u, {name}(u.user_id, k := 4) AS r",
            f"SELECT user_id, r.* FROM recsql.users, {name}(user_id, k := {K}) AS r",
        )
    ),
    f"FROM recommend_repeat('{KNOWN}', k := 50)",
    "FROM recommend_repeat('nobody')",
    "SELECT u.user_id, r.* FROM recsql.users AS u, recommend_repeat(u.user_id) AS r",
    "FROM due(DATE '2024-06-01', DATE '2024-12-31')",
    "FROM due(DATE '2024-06-01', DATE '2024-12-31', min_probability := 0.15)",
    "FROM similar_items('i05', k := 5)",
    "SELECT u.user_id AS asked, r.* FROM recsql.users AS u, similar_users(u.user_id, k := 3) AS r",
]
REFUSED = [
    (f"FROM recommend_next('{KNOWN}', k := 0)", "k must be at least 1, got 0."),
    (f"FROM recommend_next('{KNOWN}', k := NULL)", "k must be at least 1, got NULL."),
    (f"FROM recommend_next('{KNOWN}', k := 99)", "k must be at most 7, which this file holds"),
    ("FROM similar_items('i05', k := 99)", "CALL recsql.publish(…, k := 99)"),
    (
        f"FROM recommend_next('{KNOWN}', k := 3, at_time := TIMESTAMP '2024-01-01')",
        "at_time must be left out of recommend_next in a published file.",
    ),
    (
        f"FROM recommend_next('{KNOWN}', k := 3, context := {{'device': 'phone'}})",
        "context must be left out of recommend_next in a published file.",
    ),
    (
        f"FROM recommend_for_you('{KNOWN}', k := 3, exclude_bought := false)",
        "exclude_bought must be left out of recommend_for_you in a published file.",
    ),
    (f"FROM recommend_repeat('{KNOWN}', on_date := DATE '2024-01-01')", "on_date must be left out"),
    ("FROM due(DATE '2024-02-01', DATE '2024-01-01')", "from_date must not be after to_date"),
    ("FROM due(DATE '2024-01-01', DATE '2024-02-01', min_probability := 2)", "from 0 to 1, got 2"),
    ("FROM recommend_session(['i01'])", "recommend_session must be asked where recsql runs"),
    ("FROM recommend_first_for({'country': 'Spain'})", "the model has to see the attributes"),
    (f"FROM recommend_bundle_for('{KNOWN}', 'i05')", "too many to store"),
    (f"FROM recommend_related_for('{KNOWN}', 'i05')", "too many to store"),
    *(
        (f"SELECT score_{task}('{KNOWN}', 'i05') AS score", f"score_{task} must be asked where")
        for task in ("first", "for_you", "next", "rating")
    ),
]


def as_text(query: str) -> str:
    """Give a query whose one value is all rows as JSON, in order."""
    return (
        "SELECT coalesce(string_agg(l.line, chr(10) ORDER BY l.line), '') AS lines "
        f"FROM (SELECT to_json(t)::VARCHAR AS line FROM ({query}) AS t) AS l"
    )


def bare_python(file: Path, queries: list[str]) -> list[Answer]:
    """Ask with the duckdb package alone."""
    python = CLIENTS / "bare/bin/python"
    return _ask([python, HERE / "ask.py", file], queries, CLIENTS)


def node(file: Path, queries: list[str]) -> list[Answer]:
    """Ask with @duckdb/node-api."""
    return _ask(["node", HERE / "ask.mjs", file], queries, CLIENTS / "node")


def command_line(file: Path, queries: list[str]) -> list[Answer]:
    """Ask with DuckDB's own command line, a process a query."""
    answers: list[Answer] = []
    for query in queries:
        done = subprocess.run(
            [CLIENTS / "cli/bin/duckdb", "-readonly", "-json", file, "-c", query],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            answers.append((None, done.stderr))
        else:
            answers.append((json.loads(done.stdout)[0]["lines"], None))
    return answers


def _ask(command: list[Any], queries: list[str], folder: Path) -> list[Answer]:
    done = subprocess.run(
        command, input=json.dumps(queries), capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return [(lines, error) for lines, error in json.loads(done.stdout)]


ALL_CLIENTS = pytest.mark.parametrize(
    "client", [bare_python, command_line, node], ids=lambda client: client.__name__
)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Con, Path]]:
    """Give a trained shop with text ids, one customer forgotten, and the file published from it."""
    if not (CLIENTS / "ready").exists():
        pytest.fail("The clients are not installed. Run: make .clients/ready")
    folder = tmp_path_factory.mktemp("published")
    con = recsql.connect(folder / "shop.duckdb")
    shop.fill(con)
    con.execute(
        "CREATE TABLE lines AS SELECT o.* REPLACE ('person-' || lpad(o.customer::VARCHAR, 4, '0') "
        "AS customer) FROM orders AS o"
    )
    con.execute(
        "CREATE TABLE people AS SELECT 'person-' || lpad(c.id::VARCHAR, 4, '0') AS id, c.country, "
        "c.email, 'street ' || c.id AS street FROM customers AS c "
        "UNION ALL SELECT 'person-lead', 'France', 'lead@example.org', 'street of the lead'"
    )
    recsql.bind_interactions(
        con,
        "lines",
        user_id="customer",
        item_id="sku",
        ts="ordered_at",
        basket_id="invoice",
        quantity="qty",
    )
    recsql.bind_users(con, "people", user_id="id", private=["email"])
    recsql.bind_items(con, "products", item_id="sku", title="label", available="for_sale")
    recsql.train(con)
    recsql.forget_user(con, GONE)
    recsql.refresh(con, retrain=False)
    path = folder / "shop_recs.duckdb"
    recsql.publish(con, path, k=K, include=["country"])
    # What is not included matches nobody: the file is compared with a database that never had it.
    recsql.bind_users(con, "people", user_id="id", attributes=["country"])
    yield con, path
    con.close()


@ALL_CLIENTS
def test_identical_and_materialized_functions_answer_as_the_database_does(
    published: tuple[Con, Path], client: Client
) -> None:
    con, path = published
    queries = [as_text(query) for query in IDENTICAL + MATERIALIZED]
    answers = client(path, queries)
    empty = 0
    for query, (lines, error) in zip(queries, answers, strict=True):
        assert error is None, f"{query}: {error}"
        assert lines == con.cursor().execute(query).fetchall()[0][0], query
        empty += lines == ""
    assert empty == 2  # of the item and the customer that nobody knows


@ALL_CLIENTS
def test_what_a_file_cannot_answer_is_a_sentence(
    published: tuple[Con, Path], client: Client
) -> None:
    answers = client(published[1], [as_text(query) for query, _ in REFUSED])
    for (query, sentence), (lines, error) in zip(REFUSED, answers, strict=True):
        assert lines is None, query
        assert error is not None
        assert sentence in error, query


def test_every_function_of_the_database_is_in_the_file_with_its_arguments_and_columns(
    published: tuple[Con, Path],
) -> None:
    con, path = published
    macros = (
        "SELECT f.function_name, f.parameters::VARCHAR, f.function_type FROM duckdb_functions() AS "
        "f WHERE NOT f.internal AND f.schema_name = 'main' AND f.function_type LIKE '%macro' "
        "AND f.database_name = current_database() ORDER BY 1"
    )
    asked = [query for query in IDENTICAL + MATERIALIZED if query.startswith("FROM")]
    with duckdb.connect(path, read_only=True) as file:
        assert file.execute(macros).fetchall() == con.cursor().execute(macros).fetchall()
        for query in [*asked, *(query for query, _ in REFUSED)]:
            described = [row[:2] for row in con.cursor().execute(f"DESCRIBE {query}").fetchall()]
            assert [row[:2] for row in file.execute(f"DESCRIBE {query}").fetchall()] == described
        said = dict(file.execute("SELECT function, answers FROM recsql.published").fetchall())
    assert said == {name: read_header("functions", name).in_a_file for name in NAMES}
    tried = " ".join(IDENTICAL + MATERIALIZED + [query for query, _ in REFUSED])
    assert [name for name in NAMES if name + "(" not in tried] == []


NAMES = sql_names("functions")


def test_private_attributes_and_forgotten_customers_are_not_in_the_file(
    published: tuple[Con, Path],
) -> None:
    _, path = published
    content = path.read_bytes()
    everything = _all_values(path)
    for hidden in (SECRET, GONE, "street"):
        assert hidden.encode() not in content
        assert hidden not in everything
    for shown in (KNOWN, "Spain", "Item i05"):
        assert shown in everything  # the scan finds what is there


def test_before_models_learned_again_nobody_forgotten_is_named(tmp_path: Path) -> None:
    con = recsql.connect()
    shop.fill(con)
    con.execute(
        "CREATE TABLE lines AS SELECT o.*, 'person-' || o.customer AS person FROM orders AS o"
    )
    recsql.bind_interactions(con, "lines", user_id="person", item_id="sku", ts="ordered_at")
    recsql.train(con, task="for_you", models=["item_knn"])
    recsql.forget_user(con, "person-17")
    done = recsql.publish(con, tmp_path / "x.duckdb").dicts()
    (said,) = (row for row in done if row["function"] == "similar_users")
    assert (said["answers"], "CALL recsql.refresh()" in said["note"]) == ("left out", True)
    assert "person-17" not in _all_values(tmp_path / "x.duckdb")
    recsql.refresh(con, retrain=False)
    recsql.publish(con, tmp_path / "x.duckdb")
    everything = _all_values(tmp_path / "x.duckdb")
    assert "person-17" not in everything
    assert "person-16" in everything
    with duckdb.connect(tmp_path / "x.duckdb", read_only=True) as file:
        assert file.execute("SELECT count(*) FROM similar_users('person-16')").fetchall() > [(0,)]


def _all_values(path: Path) -> str:
    with duckdb.connect(path, read_only=True) as con:
        tables = con.execute(
            "SELECT t.schema_name || '.' || t.table_name FROM duckdb_tables() AS t"
        ).fetchall()
        texts = [
            con.execute(f"SELECT string_agg(to_json(t)::VARCHAR) FROM {name} AS t").fetchall()[0][0]
            for (name,) in tables
        ]
        texts += [str(row) for row in con.execute("FROM duckdb_functions()").fetchall()]
    return "\n".join(text or "" for text in texts)


def test_without_included_attributes_references_are_the_latest_buyers(
    published: tuple[Con, Path], tmp_path: Path
) -> None:
    con, _ = published
    recsql.publish(con, tmp_path / "plain.duckdb")
    assert "Spain" not in _all_values(tmp_path / "plain.duckdb")
    asked = f"SELECT user_id, match_score, bought_at FROM reference_customers('{KNOWN}', 'i05')"
    with duckdb.connect(tmp_path / "plain.duckdb", read_only=True) as file:
        found = file.execute(asked).fetchall()
    assert len(found) == 5
    assert {score for _, score, _ in found} == {0.0}
    assert [at for _, _, at in found] == sorted((at for _, _, at in found), reverse=True)


def test_only_the_functions_asked_for_and_what_they_read_are_in_the_file(
    published: tuple[Con, Path], tmp_path: Path
) -> None:
    con, _ = published
    path = tmp_path / "small.duckdb"
    recsql.publish(con, path, functions=["recommend_bundle", "recommend_next"])
    with duckdb.connect(path, read_only=True) as file:
        tables = {
            name for (name,) in file.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        }
        assert "interactions" not in tables
        assert {"top_items", "user_recommendations"} <= tables
        assert file.execute("SELECT count(*) FROM recommend_bundle('i05')").fetchall() > [(0,)]
        with pytest.raises(duckdb.Error, match=r"popular must be in the file to be asked"):
            file.execute("FROM popular()")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("'x.duckdb', k := 0", "k must be at least 1, got 0"),
        ("''", "path must be the name of a file"),
        ("'x.duckdb', include := ['countri']", "Did you mean 'country'"),
        ("'x.duckdb', functions := ['popula']", "Did you mean 'popular'"),
        ("'x.duckdb', functions := ['recommend_session']", "must be those that a file can answer"),
        ("'x.duckdb', storage_version := 'v0.1'", "storage_version must be one that DuckDB"),
        ("'no/x.duckdb'", "must lie in a folder that exists"),
        ("'recsql.duckdb'", "must not be called recsql"),
        ("'shop.duckdb'", "must not be a database that is in use"),
        ("'orders.csv'", "must be free or a file that recsql.publish wrote"),
        ("'other.duckdb'", "must be free or a file that recsql.publish wrote"),
        ("'.'", "must be a file, got the folder"),
    ],
)
def test_bad_arguments_are_refused_and_leave_nothing(
    published: tuple[Con, Path], arguments: str, sentence: str
) -> None:
    con, path = published
    folder = path.parent
    (folder / "orders.csv").write_text("a,b\n1,2\n")
    with duckdb.connect(folder / "other.duckdb") as other:
        other.execute("CREATE TABLE IF NOT EXISTS mine AS SELECT 1 AS x")
    before = sorted(file.name for file in folder.iterdir())
    shown = arguments.replace("'", f"'{folder}/", 1) if arguments != "''" else arguments
    with pytest.raises(duckdb.Error, match=sentence):
        con.cursor().execute(f"CALL recsql.publish({shown})").fetchall()
    assert sorted(file.name for file in folder.iterdir()) == before


def test_private_attributes_cannot_be_included(tmp_path: Path) -> None:
    con = recsql.connect()
    shop.fill(con)
    shop.bind(con)
    recsql.bind_users(con, "customers", user_id="id", private=["email"])
    with pytest.raises(recsql.UnknownNameError, match="bound and not private, got 'email'"):
        recsql.publish(con, tmp_path / "x.duckdb", include=["email"])


def test_a_shop_that_is_not_trained_publishes_the_calls_that_are_missing(tmp_path: Path) -> None:
    con = recsql.connect()
    with pytest.raises(recsql.NotBoundError):
        recsql.publish(con, tmp_path / "x.duckdb")
    shop.fill(con)
    shop.bind(con)
    recsql.train(con, task="bundle", models=["basket_copurchase"])
    done = recsql.publish(con, tmp_path / "x.duckdb").dicts()
    left_out = {row["function"]: row["note"] for row in done if row["answers"] == "left out"}
    assert "CALL recsql.train(task := 'next')" in left_out["recommend_next"]
    with duckdb.connect(tmp_path / "x.duckdb", read_only=True) as file:
        assert file.execute("SELECT count(*) FROM recommend_bundle('i05')").fetchall() > [(0,)]
        with pytest.raises(duckdb.Error, match=r"CALL recsql\.train\(task := 'next'\)"):
            file.execute("FROM recommend_next(1)")


def test_a_read_only_database_publishes(published: tuple[Con, Path], tmp_path: Path) -> None:
    con, _ = published
    con.cursor().execute("CHECKPOINT")
    copy = tmp_path / "copy.duckdb"
    shutil.copy(Path(con.execute("SELECT path FROM duckdb_databases()").fetchall()[0][0]), copy)
    reader = recsql.connect(copy, read_only=True)
    recsql.publish(reader, tmp_path / "x.duckdb", functions=["popular", "recommend_first"])
    with duckdb.connect(tmp_path / "x.duckdb", read_only=True) as file:
        assert file.execute("SELECT count(*) FROM popular()").fetchall() > [(0,)]


def test_a_process_that_may_not_reach_files_may_not_publish(tmp_path: Path) -> None:
    con = recsql.connect()
    shop.fill(con)
    shop.bind(con)
    con.execute("SET enable_external_access = false")
    with pytest.raises(recsql.StateError, match="must be allowed to write files"):
        recsql.publish(con, tmp_path / "x.duckdb")
    assert list(tmp_path.iterdir()) == []


READER = """
import sys, time, duckdb
until = time.monotonic() + float(sys.argv[2])
read = 0
while time.monotonic() < until:
    with duckdb.connect(sys.argv[1], read_only=True) as con:
        known = con.execute("SELECT count(*) FROM recsql.published").fetchall()[0][0]
        assert known == {functions}, known
        assert con.execute("SELECT count(*) FROM popular(k := 3)").fetchall() == [(3,)]
    read += 1
print(read)
"""


def test_readers_never_see_half_a_file(published: tuple[Con, Path], tmp_path: Path) -> None:
    con, _ = published
    path = tmp_path / "x.duckdb"
    recsql.publish(con, path, functions=["popular"])
    reader = subprocess.Popen(
        [CLIENTS / "bare/bin/python", "-c", READER.format(functions=len(NAMES)), path, "6"],
        stdout=subprocess.PIPE,
        text=True,
    )
    times = 0
    while reader.poll() is None:
        recsql.publish(con, path, functions=["popular"])
        times += 1
    assert reader.returncode == 0
    assert int(reader.communicate()[0]) > 3
    assert times > 3
    assert [file.name for file in tmp_path.iterdir()] == ["x.duckdb"]


WRITER = """
import sys, recsql
con = recsql.connect(sys.argv[1], read_only=True)
while True:
    recsql.publish(con, sys.argv[2], functions=["popular", "recommend_next"])
    print("published", flush=True)
"""


def test_a_killed_process_leaves_the_file_as_it_was(
    published: tuple[Con, Path], tmp_path: Path
) -> None:
    con, _ = published
    con.cursor().execute("CHECKPOINT")
    copy, path = tmp_path / "copy.duckdb", tmp_path / "x.duckdb"
    shutil.copy(Path(con.execute("SELECT path FROM duckdb_databases()").fetchall()[0][0]), copy)
    for seconds in (0.05, 0.15, 0.3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, copy, path],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "published\n"
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        with duckdb.connect(path, read_only=True) as file:
            assert file.execute("SELECT count(*) FROM popular(k := 3)").fetchall() == [(3,)]
            assert file.execute("SELECT count(*) FROM recommend_next(NULL)").fetchall() > [(0,)]


def test_what_a_killed_process_left_is_removed_after_a_day(
    published: tuple[Con, Path], tmp_path: Path
) -> None:
    old, new, other = (tmp_path / name for name in (".x.db.1a.tmp", ".x.db.2b.tmp", ".y.db.3c.tmp"))
    for left in (old, new, other):
        left.write_bytes(b"half a file")
    for left in (old, other):
        os.utime(left, (time.time() - 100_000,) * 2)
    recsql.publish(published[0], tmp_path / "x.db", functions=["popular"])
    assert sorted(tmp_path.iterdir()) == sorted([new, other, tmp_path / "x.db"])


def test_two_publications_at_a_time_leave_one_whole_file(
    published: tuple[Con, Path], tmp_path: Path
) -> None:
    con, _ = published
    path = tmp_path / "x.duckdb"
    failed: list[BaseException] = []

    def work() -> None:
        try:
            recsql.publish(con.cursor(), path, functions=["popular"])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [file.name for file in tmp_path.iterdir()] == ["x.duckdb"]
