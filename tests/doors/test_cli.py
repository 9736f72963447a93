"""The command line: what it prints, what it refuses, and how it leaves."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner, Result

import recsql
from recsql import doctor
from recsql.cli import app
from recsql.headers import read_header
from recsql.store.schema import SCHEMA_VERSION
from recsql.tasks import TASKS

# 60 customers with 5 orders each: two items of 12, an even one and the odd one that follows it.
SHOP = """
CREATE TABLE orders AS
SELECT c AS customer, 'i' || CASE j WHEN 0 THEN 2 * ((c + n) % 6) ELSE 2 * ((c + n) % 6) + 1 END
    AS sku, TIMESTAMP '2024-01-01' + to_days((7 * n + c % 5)::INTEGER) AS ordered_at,
    1 AS quantity, 2.5 AS price, 'o' || (10 * c + n) AS invoice
FROM range(60) AS a(c), range(5) AS b(n), range(2) AS d(j);
CREATE TABLE customers AS
SELECT c AS customer, ['France', 'Spain', 'Italy'][1 + c % 3] AS country, c % 7 AS visits
FROM range(60) AS a(c);
CREATE TABLE products AS
SELECT 'i' || n AS sku, 'Item [' || n || ']' AS name FROM range(12) AS a(n);
"""
RECSQL = str(Path(sys.executable).parent / "recsql")
COMMANDS = (
    "demo",
    "bind",
    "validate",
    "train",
    "refresh",
    "watch",
    "publish",
    "forget-user",
    "serve",
    "models",
    "leaderboard",
    "recommend",
    "sql",
    "doctor",
    "uninstall",
)
ON_A_DATABASE = {
    "bind": ["interactions", "orders", "--item-id", "sku"],
    "validate": [],
    "train": [],
    "refresh": [],
    "watch": ["--times", "1"],
    "publish": ["published.duckdb"],
    "forget-user": ["12748"],
    "serve": ["--address", "127.0.0.1:0"],
    "models import": ["model.onnx"],
    "leaderboard": [],
    "recommend": ["popular"],
    "sql": ["SELECT 1"],
    "doctor": [],
    "uninstall": ["--yes"],
}
BIND = (
    ["interactions", "orders", "--user-id", "customer", "--item-id", "sku", "--ts", "ordered_at",
     "--quantity", "quantity", "--value", "quantity * price", "--basket-id", "invoice"],
    ["users", "customers", "--user-id", "customer", "--attributes", "country"],
    ["items", "products", "--item-id", "sku", "--title", "name"],
)  # fmt: skip


def run(*arguments: str | Path, text: str | None = None) -> Result:
    command, *rest = map(str, arguments)  # a command of a group is two words
    return CliRunner().invoke(app, [*command.split(), *rest], input=text)


def answer(*arguments: str | Path, text: str | None = None) -> Any:
    done = run(*arguments, "--json", text=text)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refusal(*arguments: str | Path, text: str | None = None) -> str:
    done = run(*arguments, text=text)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def process(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [RECSQL, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def make_shop(path: Path) -> Path:
    with duckdb.connect(str(path)) as con:
        con.execute(SHOP)
    return path


@pytest.fixture(autouse=True)
def _no_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECSQL_DEBUG", raising=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a shop that went through bind and train on the command line; only read it."""
    path = make_shop(tmp_path_factory.mktemp("trained") / "shop.duckdb")
    for arguments in BIND:
        assert run("bind", path, *arguments).exit_code == 0
    assert run("train", path).exit_code == 0
    return path


@pytest.fixture
def shop(trained: Path, tmp_path: Path) -> Path:
    """Give a trained shop that a test may change."""
    return Path(shutil.copy(trained, tmp_path / "shop.duckdb"))


@pytest.fixture
def raw_shop(tmp_path: Path) -> Path:
    """Give a shop that knows nothing of recsql."""
    return make_shop(tmp_path / "shop.duckdb")


# Help and usage


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example(command: str) -> None:
    done = run(command, "--help")
    assert done.exit_code == 0
    assert f"\n  recsql {command}" in done.stdout


def test_the_commands_are_those_that_are_tested() -> None:
    listed = run("--help").stdout.split("Commands:\n")[1].split("\n\n")[0]
    assert tuple(line.split()[0] for line in listed.splitlines()) == COMMANDS


@pytest.mark.parametrize("source", ["interactions", "users", "items", "impressions", "knowledge"])
def test_every_argument_of_a_bind_statement_has_an_option(source: str) -> None:
    shown = run("bind", "shop.duckdb", source, "--help").stdout
    header = read_header("statements", f"bind_{source}")
    for argument in header.arguments:
        name = argument.name.replace("_", "-")
        assert (f" {name}" if argument is header.arguments[0] else f"--{name}") in shown


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version").stdout == f"{recsql.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [("recomend",), ("train",), ("train", "shop.duckdb", "--sed", "1"), ("sql", "shop.duckdb")],
)
def test_wrong_usage_leaves_with_2(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage:" in done.stderr


def test_a_misspelled_command_offers_the_nearest() -> None:
    assert "Did you mean 'recommend'" in run("recomend").stderr


def test_the_command_line_loads_no_heavy_library_until_a_command_needs_it() -> None:
    code = "import sys, recsql.cli; print([n for n in ('numba', 'pyarrow', 'numpy', 'scipy', "
    code += "'onnxruntime', 'pandas') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# The database file


@pytest.mark.parametrize("command", ON_A_DATABASE)
def test_a_misspelled_file_is_refused_and_not_created(command: str, raw_shop: Path) -> None:
    typo = raw_shop.parent / "shopp.duckdb"
    said = refusal(command, typo, *ON_A_DATABASE[command])
    assert said == (
        f"DATABASE must be a DuckDB file, got {typo}: no such file. Did you mean {raw_shop}?\n"
    )
    assert not typo.exists()


def test_a_folder_offers_the_databases_in_it(raw_shop: Path) -> None:
    said = refusal("train", raw_shop.parent)
    assert said.endswith(f"a folder. Did you mean {raw_shop}?\n")


def test_a_missing_folder_says_so(tmp_path: Path) -> None:
    assert refusal("train", tmp_path / "nowhere" / "x.duckdb").endswith("Check the folder.\n")


def test_an_empty_folder_has_nothing_to_offer(tmp_path: Path) -> None:
    assert refusal("train", tmp_path / "x.duckdb").endswith("no such file. Check the name.\n")


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    text = tmp_path / "orders.csv"
    text.write_text("customer,sku\n" * 1000)
    assert refusal("validate", text) == (
        f"DATABASE must be a DuckDB file, got {text}: another kind of file. Load it into one.\n"
    )


def test_a_file_called_recsql_is_refused(tmp_path: Path) -> None:
    path = make_shop(tmp_path / "recsql.duckdb")
    for command in sorted(set(ON_A_DATABASE) - {"doctor", "uninstall"}):
        said = refusal(command, path, *ON_A_DATABASE[command])
        assert said.startswith("The database must not be called recsql, got the file recsql.duckdb")


def test_uninstall_of_a_file_renamed_to_recsql_is_refused(shop: Path) -> None:
    renamed = shop.rename(shop.parent / "recsql.duckdb")
    assert "must not be called recsql" in refusal("uninstall", renamed, "--yes")
    assert "must not be called recsql" in part("database", renamed, exit_code=1)["detail"]


def test_a_database_that_another_process_holds_is_refused(shop: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", "import duckdb, sys; con = duckdb.connect(sys.argv[1]); "
         "print('held', flush=True); input()", str(shop)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for command, arguments in ON_A_DATABASE.items():
            if command != "doctor":
                said = refusal(command, shop, *arguments)
                assert said.startswith(f"The database {shop} must not be in use by another process")
        found = {row["part"]: row for row in findings(shop, exit_code=1)}
        assert found["database"]["remedy"] == "Close the process that has it open for writing."
    finally:
        holder.communicate("\n")


@pytest.mark.parametrize("command", ON_A_DATABASE)
def test_a_state_of_a_newer_recsql_is_refused(command: str, shop: Path) -> None:
    with duckdb.connect(str(shop)) as con:
        con.execute("UPDATE recsql.meta SET schema_version = 999, recsql_version = '9.9'")
    if command == "doctor":
        assert "Upgrade: pip install" in part("database", shop, exit_code=1)["detail"]
    else:
        said = refusal(command, shop, *ON_A_DATABASE[command])
        assert said.endswith("written by recsql 9.9. Upgrade: pip install -U duckdb-recsql.\n")
    with duckdb.connect(str(shop)) as con:
        assert con.execute("SELECT count(*) > 0 FROM recsql.top_items").fetchall() == [(True,)]


@pytest.mark.parametrize("command", ["validate", "leaderboard", "recommend"])
def test_what_only_reads_leaves_a_database_without_recsql_alone(
    command: str, raw_shop: Path
) -> None:
    before = raw_shop.read_bytes()
    said = refusal(command, raw_shop, *ON_A_DATABASE[command])
    assert said.startswith(f"The orders in {raw_shop} must be bound first. recsql bind {raw_shop} ")
    assert raw_shop.read_bytes() == before


# bind


def test_bind_says_what_each_column_reads(raw_shop: Path) -> None:
    rows = answer("bind", raw_shop, *BIND[0])
    assert [(row["name"], row["bound_to"], row["rows"]) for row in rows] == [
        ("user_id", "customer", 600),
        ("item_id", "sku", 600),
        ("ts", "ordered_at", 600),
        ("quantity", "quantity", 600),
        ("value", "quantity * price", 600),
        ("basket_id", "invoice", 600),
    ]


def test_bind_passes_lists_and_flags(raw_shop: Path) -> None:
    run("bind", raw_shop, *BIND[0], "--context", "price", "--context", "quantity", "--net-returns")
    run("bind", raw_shop, "users", "customers", "--user-id", "customer", "--private", "visits")
    stored = answer(
        "sql", raw_shop, "SELECT s.arguments, s.private FROM recsql.sources AS s ORDER BY s.source"
    )
    assert stored[0]["arguments"]["context"] == ["price", "quantity"]
    assert stored[0]["arguments"]["net_returns"] is True
    assert stored[1]["private"] == ["visits"]


def test_bind_prints_a_table_without_empty_columns(raw_shop: Path) -> None:
    heading = run("bind", raw_shop, *BIND[2]).stdout.splitlines()[0]
    assert "bound_to" in heading
    assert "note" not in heading


def test_bind_offers_the_nearest_table_and_column(raw_shop: Path) -> None:
    assert "Did you mean 'orders'" in refusal(
        "bind", raw_shop, "interactions", "ordrs", "--item-id", "sku"
    )
    assert "Did you mean 'sku'?" in refusal(
        "bind", raw_shop, "interactions", "orders", "--item-id", "skus"
    )


def test_bind_of_an_unknown_source_is_wrong_usage(raw_shop: Path) -> None:
    assert run("bind", raw_shop, "orders", "orders").exit_code == 2


# validate


def test_validate_gives_findings(trained: Path) -> None:
    found = answer("validate", trained)
    assert {"check_name", "severity", "advice"} <= set(found[0])


def test_validate_leaves_with_1_for_errors_only_when_strict(raw_shop: Path) -> None:
    with duckdb.connect(str(raw_shop)) as con:
        con.execute("DELETE FROM orders")
    run("bind", raw_shop, *BIND[0])
    assert "error" in {row["severity"] for row in answer("validate", raw_shop)}
    strict = run("validate", raw_shop, "--strict", "--json")
    assert strict.exit_code == 1
    assert json.loads(strict.stdout)


def test_validate_strict_is_content_with_warnings(trained: Path) -> None:
    assert run("validate", trained, "--strict").exit_code == 0


# train, refresh, leaderboard


def test_train_gives_the_leaderboard_of_the_run(shop: Path) -> None:
    rows = answer("train", shop, "--task", "bundle", "--models", "basket_copurchase", "--seed", "3")
    assert {row["task"] for row in rows} == {"bundle"}
    assert [row["status"] for row in rows].count("incumbent") == 1


def test_train_refuses_an_unknown_task_with_the_nearest(trained: Path) -> None:
    assert "Did you mean 'bundle'?" in refusal("train", trained, "--task", "bundel")


def test_train_needs_bound_orders(raw_shop: Path) -> None:
    assert "interactions must be bound first" in refusal("train", raw_shop)


def test_debug_shows_the_traceback(trained: Path) -> None:
    done = process("train", trained, "--task", "bundel", RECSQL_DEBUG="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    quiet = process("train", trained, "--task", "bundel")
    assert (quiet.returncode, quiet.stdout, quiet.stderr.count("\n")) == (1, "", 1)


def test_progress_bars_are_for_terminals_and_go_to_standard_error(shop: Path) -> None:
    piped = process("train", shop, "--task", "popular", "--json")
    assert (piped.returncode, piped.stderr) == (0, "")
    assert json.loads(piped.stdout)
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", closefd=True) as terminal:
        on_terminal = subprocess.run(
            [RECSQL, "train", str(shop), "--task", "popular", "--json"],
            stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"}, check=True,
        )  # fmt: skip
        os.close(theirs)
        assert json.loads(on_terminal.stdout)
        assert b"Training" in os.read(terminal.fileno(), 10_000)


def test_refresh_follows_new_orders(shop: Path) -> None:
    before = answer("recommend", shop, "bundle", "i0", "-k", "1")
    run("sql", shop, "INSERT INTO orders SELECT 999, s, TIMESTAMP '2024-02-01', 1, 2.5, 'new' "
        "FROM unnest(['i0', 'i1']) AS n(s)")  # fmt: skip
    (done,) = answer("refresh", shop)
    assert (done["how"], done["changed_buyers"]) == ("changed only", 1)
    after = answer("recommend", shop, "bundle", "i0", "-k", "1")
    assert [row["item_id"] for row in before + after] == ["i1", "i1"]
    assert after[0]["support"] == before[0]["support"] + 1


def test_refresh_needs_bound_orders(raw_shop: Path) -> None:
    assert "interactions must be bound first" in refusal("refresh", raw_shop)


def test_the_leaderboard_has_one_incumbent_a_task(trained: Path) -> None:
    rows = answer("leaderboard", trained)
    tasks = [row["task"] for row in rows if row["status"] == "incumbent"]
    assert tasks == sorted(set(TASKS) - {"repeat", "rating"})  # nobody bought anything on two days
    assert isinstance(rows[0]["setting"], dict)
    assert {row["task"] for row in answer("leaderboard", trained, "--task", "bundle")} == {"bundle"}


def test_the_leaderboard_prints_settings_without_those_not_given(trained: Path) -> None:
    shown = run("leaderboard", trained, "--task", "bundle").stdout
    assert "weighting: cosine, min_support: 2" in shown


@pytest.mark.parametrize("task", ["next", "for_you"])
def test_a_customer_is_recommended_for(trained: Path, task: str) -> None:
    rows = answer("recommend", trained, task, "1", "-k", "1")
    assert [row["rank"] for row in rows] == [1]
    assert "must be asked for one customer, got 2 ids" in refusal(
        "recommend", trained, task, "1", "2"
    )


def test_the_leaderboard_of_an_unknown_task_offers_the_nearest(trained: Path) -> None:
    assert "Did you mean 'trending'?" in refusal("leaderboard", trained, "--task", "trendin")


def test_the_leaderboard_before_training_says_what_to_run(raw_shop: Path) -> None:
    run("bind", raw_shop, *BIND[0])
    assert f"recsql train {raw_shop}" in refusal("leaderboard", raw_shop)


def test_the_leaderboard_of_retired_models_is_empty(shop: Path) -> None:
    run("bind", shop, *BIND[0], "--filter", "customer > 1")
    assert f"recsql train {shop}" in refusal("leaderboard", shop)


# recommend


@pytest.mark.parametrize(
    "asked",
    [("bundle", "i0"), ("related", "i0"), ("cart", "i0", "i5"), ("popular",), ("trending",)],
    ids=lambda asked: asked[0],
)
def test_recommend_gives_ranked_items_with_titles(asked: tuple[str, ...], trained: Path) -> None:
    rows = answer("recommend", trained, *asked, "-k", "2")
    assert [row["rank"] for row in rows] == [1, 2][: len(rows)]
    assert rows[0]["title"] == f"Item [{rows[0]['item_id'][1:]}]"
    shown = run("recommend", trained, *asked, "-k", "2").stdout
    assert rows[0]["title"] in shown  # brackets are data, not markup


def test_what_always_goes_together_is_the_bundle(trained: Path) -> None:
    assert answer("recommend", trained, "bundle", "i4", "-k", "1")[0]["item_id"] == "i5"


def test_popular_takes_days(trained: Path) -> None:
    assert answer("recommend", trained, "popular", "--days", "1000", "-k", "3")


def test_an_unknown_item_has_no_rows_and_is_no_error(trained: Path) -> None:
    assert answer("recommend", trained, "bundle", "nothing") == []
    assert run("recommend", trained, "bundle", "nothing").stdout == (
        "No rows: bundle has nothing stored for nothing.\n"
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("bundel", "i0"), "Did you mean 'bundle'?"),
        (("bundle",), "bundle must be asked about one item, got 0."),
        (("related", "i0", "i1"), "related must be asked about one item, got 2. Use cart"),
        (("cart",), "cart must be asked about at least one item, got none."),
        (("popular", "i0"), "popular must be asked without items, got 'i0'."),
        (("bundle", "i0", "--days", "3"), "--days must go with popular, got bundle."),
        (("bundle", "i0", "-k", "0"), "k must be at least 1, got 0."),
        (("bundle", "i0", "-k", "51"), "k must be at most 50, the stored depth, got 51."),
    ],
)
def test_recommend_refuses(asked: tuple[str, ...], said: str, trained: Path) -> None:
    assert said in refusal("recommend", trained, *asked)


def test_recommend_before_training_says_which_call_is_missing(raw_shop: Path) -> None:
    run("bind", raw_shop, *BIND[0])
    assert "CALL recsql.train(task := 'bundle')" in refusal("recommend", raw_shop, "bundle", "i0")


def test_recommend_finds_functions_with_a_prefix(shop: Path) -> None:
    with duckdb.connect(str(shop)) as con:
        recsql.register(con, prefix="rec_")
    assert answer("recommend", shop, "bundle", "i0", "-k", "1")[0]["item_id"] == "i1"


# sql


def test_sql_prints_a_table(trained: Path) -> None:
    shown = run("sql", trained, "FROM recommend_bundle('i0', k := 1)").stdout.splitlines()
    assert shown[0].split("┃")[1].strip() == "item_id"
    assert shown[2].split("│")[1].strip() == "i1"


def test_sql_gives_rows_of_one_statement_and_lists_of_several(trained: Path) -> None:
    assert answer("sql", trained, "SELECT 1 AS a") == [{"a": 1}]
    assert answer("sql", trained, "SELECT 1 AS a; SELECT 2 AS b") == [[{"a": 1}], [{"b": 2}]]


def test_sql_reads_standard_input_and_files(trained: Path, tmp_path: Path) -> None:
    assert answer("sql", trained, "-", text="SELECT 3 AS c") == [{"c": 3}]
    file = tmp_path / "q.sql"
    file.write_text("-- four\nSELECT 4 AS d;\n", encoding="utf-8")
    assert answer("sql", trained, "--file", file) == [{"d": 4}]
    assert "--file must be a file" in refusal("sql", trained, "--file", tmp_path / "none.sql")


def test_sql_takes_one_source_of_statements(trained: Path, tmp_path: Path) -> None:
    assert run("sql", trained, "SELECT 1", "--file", tmp_path / "q.sql").exit_code == 2


def test_sql_runs_calls(shop: Path) -> None:
    (done,) = answer("sql", shop, "CALL recsql.refresh()")
    assert done["changed_buyers"] == 0


def test_sql_says_a_refusal_without_what_duckdb_wraps_around_it(trained: Path) -> None:
    said = refusal("sql", trained, "CALL recsql.train(task := 'bundel')")
    assert said.startswith("task must be one of bundle, ")
    said = refusal("sql", trained, "FROM recommend_bundle('i0', k := 0)")
    assert said == "k must be at least 1, got 0.\n"


def test_sql_names_the_statement_that_failed(shop: Path) -> None:
    done = run("sql", shop, "CREATE TABLE kept (a INTEGER); FROM nowhere", "--json")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Statement 2 of 2:\nCatalog Error: Table with name nowhere")
    assert answer("sql", shop, "FROM kept") == []


def test_sql_refuses_a_syntax_error(trained: Path) -> None:
    assert "Parser Error" in refusal("sql", trained, "SELEC 1")


def test_sql_prints_nothing_for_statements_without_a_result(shop: Path) -> None:
    assert run("sql", shop, "CREATE TABLE a (b INTEGER); SET threads = 1").stdout == ""


def test_sql_says_that_there_are_no_rows(trained: Path) -> None:
    assert run("sql", trained, "FROM orders WHERE false").stdout.endswith("no rows\n")


def test_sql_shows_the_first_rows_and_counts_the_others(trained: Path) -> None:
    shown = run("sql", trained, "FROM orders", "--limit", "2").stdout.splitlines()
    assert len(shown) == 2 + 2 + 1
    assert shown[-1] == "… 598 more rows (--limit 0 shows all)"
    assert len(run("sql", trained, "FROM orders", "--limit", "0").stdout.splitlines()) == 602
    assert len(answer("sql", trained, "FROM orders", "--limit", "2")) == 600


def test_sql_read_only_refuses_changes(trained: Path) -> None:
    assert "read-only" in refusal("sql", trained, "DROP TABLE orders", "--read-only")


def test_sql_gives_every_type_as_json(trained: Path) -> None:
    (row,) = answer(
        "sql",
        trained,
        """SELECT 'nan'::DOUBLE AS nan, '-inf'::FLOAT AS inf, 1.50::DECIMAL(5, 2) AS part,
        3::DECIMAL(5, 0) AS whole, 'ab'::BLOB AS bytes, DATE '2024-02-29' AS day,
        TIME '10:30' AS hour, TIMESTAMP '2024-02-29 10:30:00' AS ts, INTERVAL 1 DAY AS span,
        MAP {'a': [1, 2]} AS map, {'x': NULL} AS struct, '{"k": [1]}'::JSON AS json,
        NULL::JSON AS missing, true AS yes, 170141183460469231731687303715884105727 AS huge,
        '6ccd780c-baba-1026-9564-5b8c656024db'::UUID AS uuid""",
    )
    assert row == {
        "nan": None,
        "inf": None,
        "part": 1.5,
        "whole": 3,
        "bytes": "YWI=",
        "day": "2024-02-29",
        "hour": "10:30:00",
        "ts": "2024-02-29T10:30:00",
        "span": "1 day, 0:00:00",
        "map": {"a": [1, 2]},
        "struct": {"x": None},
        "json": {"k": [1]},
        "missing": None,
        "yes": True,
        "huge": 170141183460469231731687303715884105727,
        "uuid": "6ccd780c-baba-1026-9564-5b8c656024db",
    }


def test_sql_gives_times_with_a_zone(trained: Path) -> None:
    rows = answer(
        "sql",
        trained,
        "SET TimeZone = 'UTC'; SELECT TIMESTAMPTZ '2024-02-29 10:30:00+02' AS at_time, "
        "{'n': NULL} AS struct",
    )[1]
    assert rows == [{"at_time": "2024-02-29T08:30:00+00:00", "struct": {"n": None}}]


def test_sql_keeps_both_columns_of_one_name(trained: Path) -> None:
    assert answer("sql", trained, "SELECT 1 AS a, 2 AS a") == [{"a": 1, "a_1": 2}]


# doctor


def findings(*arguments: str | Path, exit_code: int = 0) -> list[dict[str, str]]:
    done = run("doctor", *arguments, "--json")
    assert done.exit_code == exit_code, done.output
    told = json.loads(done.stdout)
    assert told["healthy"] == (exit_code == 0)
    return list(told["findings"])


def part(name: str, *arguments: str | Path, exit_code: int = 0) -> dict[str, str]:
    (found,) = [row for row in findings(*arguments, exit_code=exit_code) if row["part"] == name]
    return found


def test_doctor_names_versions_and_optional_parts() -> None:
    found = {row["part"]: row for row in findings()}
    assert found["recsql"]["detail"] == recsql.__version__
    assert found["duckdb"]["detail"] == f"{duckdb.__version__} (needs <3,>=1.5.2)"
    for name in ("lightfm", "hnswlib", "torch"):
        assert found[name]["status"] == "ok" or found[name]["remedy"].startswith("pip install ")
    assert run("doctor").exit_code == 0


@pytest.mark.parametrize(
    ("version", "range_", "fits"),
    [
        ("1.5.2", "<3,>=1.5.2", True),
        ("1.5.1", "<3,>=1.5.2", False),
        ("2.0.0", "<3,>=1.5.2", True),
        ("2.1.0rc1", "<3,>=1.5.2", True),
        ("3.0", "<3,>=1.5.2", False),
        ("0.70.0", "", True),
    ],
)
def test_versions_are_compared_by_number(version: str, range_: str, fits: bool) -> None:
    assert doctor._in_range("duckdb", version, range_).status == ("ok" if fits else "problem")


def test_doctor_reports_a_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    known = metadata.version

    def version(name: str) -> str:
        if name == "scipy":
            raise metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(metadata, "version", version)
    found = part("scipy", exit_code=1)
    assert (found["detail"], found["remedy"]) == ("not installed", "pip install 'scipy>=1.13'")


def test_doctor_reports_a_cache_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor, "_kernel_cache_folder", lambda: tmp_path / "cache")
    assert part("kernel cache")["remedy"] == "recsql doctor --warm"
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)
    assert "NUMBA_CACHE_DIR" in part("kernel cache", exit_code=1)["remedy"]

    def no_folder() -> Path:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(doctor, "_kernel_cache_folder", no_folder)
    assert part("kernel cache", exit_code=1)["detail"].startswith("cannot cache function")


def test_doctor_warm_runs_the_kernels() -> None:
    assert part("kernels", "--warm")["detail"].startswith("compiled and run in ")


def test_doctor_looks_into_a_database(trained: Path) -> None:
    found = {row["part"]: row for row in findings(trained)}
    assert found["state"]["detail"].startswith(f"schema version {SCHEMA_VERSION}, ")
    assert found["interactions"]["detail"] == "orders: 600 rows"
    assert found["task bundle"]["detail"].startswith("basket_copurchase, trained ")
    assert found["artifacts"]["detail"].endswith("with the SHA-256 they were stored with")
    assert found["last run"]["detail"].startswith("train at ")


def test_doctor_finds_damaged_artifacts(shop: Path) -> None:
    with duckdb.connect(str(shop)) as con:
        con.execute("UPDATE recsql.artifacts SET bytes = 'other'::BLOB")
    found = part("artifacts", shop, exit_code=1)
    assert found["detail"].startswith("other SHA-256 than stored: bundle/basket_copurchase/")
    assert found["remedy"] == f"recsql train {shop}"


def test_doctor_finds_a_source_that_is_gone(shop: Path) -> None:
    with duckdb.connect(str(shop)) as con:
        con.execute("DROP TABLE customers")
    assert part("users", shop, exit_code=1)["remedy"].startswith("Bind it again: recsql bind ")


def test_doctor_says_what_a_database_lacks(raw_shop: Path) -> None:
    assert part("database", raw_shop)["detail"].endswith("holds nothing of recsql yet")
    recsql.connect(str(raw_shop)).close()
    found = {row["part"]: row for row in findings(raw_shop)}
    assert found["interactions"]["detail"] == "not bound"
    assert found["models"]["remedy"] == f"recsql train {raw_shop}"
    assert found["last run"]["detail"] == "none yet"


def test_doctor_reports_a_damaged_file(raw_shop: Path) -> None:
    raw_shop.write_bytes(raw_shop.read_bytes()[:20] + b"x" * 10_000)
    assert "Check that it is a DuckDB file" in part("database", raw_shop, exit_code=1)["remedy"]


# uninstall


def test_uninstall_leaves_the_tables_of_the_user(shop: Path) -> None:
    assert answer("uninstall", shop, "--yes") == {"database": str(shop), "removed": True}
    with duckdb.connect(str(shop)) as con:
        tables = con.execute("SELECT t.table_name FROM duckdb_tables() AS t ORDER BY 1").fetchall()
        macros = con.execute(
            "SELECT count(*) FROM duckdb_functions() AS f WHERE NOT f.internal"
        ).fetchall()
    assert tables == [("customers",), ("orders",), ("products",)]
    assert macros == [(0,)]
    assert run("uninstall", shop, "--yes").stdout == f"{shop} holds no recsql.\n"


def test_uninstall_asks_first_and_needs_a_terminal_for_it(shop: Path) -> None:
    before = shop.read_bytes()
    done = run("uninstall", shop)
    assert done.exit_code == 2
    assert "Pass --yes" in done.stderr
    assert shop.read_bytes() == before
