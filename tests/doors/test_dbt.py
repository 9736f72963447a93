"""dbt build on the example: what it builds, what it builds again, and what its tests catch."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dbt_runs
import duckdb
import pytest

import recsql

Rows = list[tuple[Any, ...]]

BUYER, RETURNER, GONE = 12720, 13408, 15856


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dbt_runs.Project:
    """The example, built once for all workers; copy it, never change it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "dbt_shop"
    said = folder / "said.txt"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # held until the file is closed
        if not said.exists():
            project = dbt_runs.small_shop(folder)
            project.succeed("deps")
            said.write_text(project.succeed("build"))
    return dbt_runs.Project(folder / dbt_runs.PARTS[0])


@pytest.fixture
def project(built: dbt_runs.Project, tmp_path: Path) -> dbt_runs.Project:
    """A copy of the built example."""
    return built.copy(tmp_path / "copy")


@pytest.fixture
def shop(project: dbt_runs.Project) -> Iterator[duckdb.DuckDBPyConnection]:
    """The database of a copy, open."""
    con = project.connect()
    yield con
    con.close()


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> Rows:
    return con.cursor().execute(sql).fetchall()


def test_every_model_is_built_and_every_test_passes_without_a_warning(
    built: dbt_runs.Project,
) -> None:
    assert set(built.statuses().values()) <= {"success", "pass", "no-op"}
    said = (built.folder.parents[1] / "said.txt").read_text()
    assert "WARN=0 ERROR=0 SKIP=0" in said
    assert "eprecat" not in said
    assert "Concurrency: 4 threads" in said
    for task in ("bundle", "next", "repeat", "popular", "trending"):
        assert f"recsql: {task} is answered by " in said


def test_no_statistics_are_sent_about_whoever_uses_the_example() -> None:
    settings = (dbt_runs.ROOT / "examples/dbt_shop/dbt_project.yml").read_text("utf-8")
    assert re.search(r"^flags:\n  send_anonymous_usage_stats: false$", settings, re.MULTILINE)


DIRECT = {
    "next_purchases": "SELECT c.user_id, r.rank, r.item_id, r.score, r.model "
    "FROM raw.customers AS c, recommend_next(c.user_id, k := 5) AS r",
    "reorders": "SELECT c.user_id, r.rank, r.item_id, r.due_on, r.due_low, r.due_high, "
    "r.probability, r.times_bought "
    "FROM raw.customers AS c, recommend_repeat(c.user_id, k := 3) AS r",
    "product_bundles": "SELECT p.sku, b.rank, b.item_id, o.name, b.score, b.support "
    "FROM stg_products AS p, recommend_bundle(p.sku, k := 5) AS b "
    "JOIN stg_products AS o ON o.sku = b.item_id WHERE p.is_offered",
    "moving_products": "SELECT 'popular', r.rank, r.item_id, p.title FROM popular(k := 20) AS r "
    "JOIN raw.products AS p USING (item_id) UNION ALL SELECT 'trending', r.rank, r.item_id, "
    "p.title FROM trending(k := 20) AS r JOIN raw.products AS p USING (item_id)",
}


@pytest.mark.parametrize("model", DIRECT)
def test_a_table_holds_what_the_function_answers(
    shop: duckdb.DuckDBPyConnection, model: str
) -> None:
    left_out = "EXCLUDE (answered_from)" if model == "next_purchases" else ""
    table = rows(shop, f"SELECT * {left_out} FROM {model} ORDER BY ALL")
    assert table == rows(shop, f"SELECT * FROM ({DIRECT[model]}) ORDER BY ALL")
    assert len(table) >= 40


def test_the_leaderboard_is_that_of_recsql(shop: duckdb.DuckDBPyConnection) -> None:
    assert rows(
        shop, "SELECT l.task, l.algorithm, l.status FROM leaderboard AS l ORDER BY ALL"
    ) == (
        rows(
            shop,
            "SELECT m.task, m.algorithm, m.status FROM recsql.models AS m "
            "WHERE m.status <> 'retired' ORDER BY ALL",
        )
    )


def test_the_plugin_gives_the_sample_as_a_source(shop: duckdb.DuckDBPyConnection) -> None:
    path = recsql.data.sample.sample_path("items")
    assert rows(shop, f"FROM raw.products EXCEPT ALL FROM '{path}'") == []
    assert rows(shop, "SELECT count(*) FROM raw.products") == rows(
        shop, f"SELECT count(*) FROM '{path}'"
    )


def test_the_docs_describe_every_model_and_every_column(project: dbt_runs.Project) -> None:
    project.succeed("docs", "generate")
    catalog, manifest = (
        json.loads((project.folder / f"target/{name}.json").read_text("utf-8"))
        for name in ("catalog", "manifest")
    )
    models = {n: node for n, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    assert len(models) == 8
    for name, model in models.items():
        assert model["description"], name
        told = {c for c, column in model["columns"].items() if column["description"]}
        assert told == set(catalog["nodes"][name]["columns"]), name
    assert all(source["description"] for source in manifest["sources"].values())
    assert all(one["description"] for one in manifest["exposures"].values())
    shown = {
        parent for one in manifest["exposures"].values() for parent in one["depends_on"]["nodes"]
    }
    assert {n for n in models if ".stg_" not in n} == shown
    package = [m for m in manifest["macros"].values() if m["package_name"] == "recsql"]
    undocumented = [m["name"] for m in package if not m["description"]]
    assert undocumented == []


ANSWERS = "SELECT n.* FROM next_purchases AS n ORDER BY ALL"


def test_a_build_after_new_orders_writes_only_the_customers_that_changed(
    project: dbt_runs.Project,
) -> None:
    con = project.connect()
    before, learned = rows(con, ANSWERS), rows(con, "SELECT m.model_id FROM recsql.models AS m")
    bought = {row[2] for row in before if row[0] == BUYER}
    # One customer buys, an order of another one is deleted, a third one leaves.
    con.execute(
        "DELETE FROM raw.orders AS o WHERE o.user_id = ? AND o.ts < '2011-09-01'", [RETURNER]
    )
    con.execute("DELETE FROM raw.customers AS c WHERE c.user_id = ?", [GONE])
    con.close()
    project.succeed(
        "run-operation", "new_order", "--args", f"{{customer_id: {BUYER}, sku: {min(bought)!r}}}"
    )
    said = project.succeed("build")
    assert "refresh: changed only, 2 customers or baskets changed; models kept" in said
    con = project.connect()
    after = rows(con, ANSWERS)
    changed = {row[0] for row in set(before) ^ set(after)}
    assert changed == {BUYER, RETURNER, GONE}
    assert not [row for row in after if row[0] == GONE]
    assert rows(con, "SELECT m.model_id FROM recsql.models AS m") == learned
    direct = rows(con, f"{DIRECT['next_purchases']} WHERE c.user_id IN ({BUYER}, {RETURNER})")
    assert sorted(row[:5] for row in after if row[0] in (BUYER, RETURNER)) == sorted(direct)
    con.close()


BROKEN_MODELS = {
    "answers": "SELECT * FROM {{ ref('next_purchases') }}",
    "moment": "SELECT 1 AS one",
    # Each recommends what the customer has bought, or what is not for sale, or itself.
    "bought": "SELECT DISTINCT o.customer_id, o.sku FROM {{ ref('stg_orders') }} AS o "
    "WHERE o.customer_id IS NOT NULL",
    "not_for_sale": "SELECT 1 AS customer_id, p.sku FROM {{ ref('stg_products') }} AS p "
    "WHERE NOT p.is_offered",
    "itself": "SELECT p.sku, p.sku AS offer_sku FROM {{ ref('stg_products') }} AS p "
    "WHERE p.is_offered LIMIT 3",
    "few": "SELECT c.customer_id, '22423' AS sku FROM {{ ref('stg_customers') }} AS c "
    "WHERE c.customer_id % 3 = 0",
    "backtest": "SELECT o.customer_id, o.sku, min(o.ordered_at) AS asked_at "
    "FROM {{ ref('stg_orders') }} AS o SEMI JOIN {{ ref('stg_products') }} AS p "
    "ON p.sku = o.sku AND p.is_offered "
    "WHERE o.customer_id IS NOT NULL AND o.quantity > 0 GROUP BY ALL",
}


class Case(NamedTuple):
    """A test of a model, or of its column, and whether it must pass."""

    name: str
    passes: bool
    model: str
    kind: str
    arguments: str
    column: str


EACH, COVERAGE = "user_id: customer_id, item_id: sku", "coverage_at_least"
CASES = [Case(*case) for case in (
    ("new_to_them", False, "bought", "no_leakage", f"task: for_you, {EACH}", ""),
    ("known_may_be_bought", True, "answers", "no_leakage",
     f"task: repeat, {EACH}", ""),
    ("known_left_out", False, "bought", "no_leakage",
     f"task: repeat, {EACH}, exclude_bought: true", ""),
    ("as_of_then", True, "backtest", "no_leakage",
     f"task: for_you, {EACH}, as_of: asked_at", ""),
    ("as_of_now", False, "backtest", "no_leakage",
     f"task: for_you, {EACH}", ""),
    ("available", False, "not_for_sale", "no_leakage", "task: repeat, item_id: sku", ""),
    ("another", False, "itself", "no_leakage",
     "task: repeat, item_id: offer_sku, asked_item_id: sku", ""),
    ("cut_of_next", False, "answers", "no_leakage", "task: next, item_id: sku", ""),
    ("cut_of_popular", False, "answers", "no_leakage", "task: popular, item_id: sku", ""),
    ("cut_of_bundle", True, "answers", "no_leakage", "task: bundle, item_id: sku", ""),
    ("half_of_customers", False, "few", COVERAGE, "share: 0.5, of: customers",
     "customer_id"),
    ("third_of_customers", True, "few", COVERAGE, "share: 0.25, of: customers",
     "customer_id"),
    ("two_rows_each", False, "few", COVERAGE, "share: 0.25, of: customers, k: 2",
     "customer_id"),
    ("half_of_buyers", False, "few", COVERAGE, "share: 0.5, of: buyers",
     "customer_id"),
    ("all_of_a_model", False, "few", COVERAGE,
     "share: 1, of: ref('stg_customers'), field: customer_id", "customer_id"),
    ("own_rows", True, "few", COVERAGE, "share: 1, of: ref('few'), field: customer_id",
     "customer_id"),
    ("one_item", False, "few", COVERAGE, "share: 0.01, of: catalogue", "sku"),
    ("an_hour", False, "moment", "fresh_within", "interval: 1 hour", ""),
    ("a_week", True, "moment", "fresh_within", "interval: 7 days", ""),
    ("task_an_hour", False, "moment", "fresh_within", "interval: 1 hour, task: next", ""),
    ("task_a_week", True, "moment", "fresh_within", "interval: 7 days, task: next", ""),
    ("task_untrained", False, "moment", "fresh_within", "interval: 7 days, task: first", ""),
    ("data_a_day", False, "moment", "fresh_within", "interval: 1 day, compared_to: data", ""),
    ("data_a_week", True, "moment", "fresh_within", "interval: 7 days, compared_to: data", ""),
    ("drifted", False, "moment", "drift_below", "", ""),
    ("drift_of_rows", False, "moment", "drift_below",
     "new_rows_share: 0.05, psi: null, hit_rate_drop: null", ""),
    ("drift_of_psi", False, "moment", "drift_below",
     "new_rows_share: null, psi: 0.25, hit_rate_drop: null", ""),
    ("drift_of_hits", False, "moment", "drift_below",
     "new_rows_share: null, psi: null, hit_rate_drop: 0.3", ""),
    ("drift_allowed", True, "moment", "drift_below",
     "new_rows_share: 0.9, psi: 3, hit_rate_drop: 0.9", ""),
)]  # fmt: skip
DRIFT = (
    '{"new_rows_share": 0.1, "psi_items": 0.4, "psi_users": null, "hit_rate": 0.1, '
    '"hit_rate_before": 0.4, "decision": "compete"}'
)
VIOLATIONS = (
    # Test queries of next and popular whose cut is after everything: what they ask for came before.
    "UPDATE recsql.splits SET cut_at = '2030-01-01 00:00:00' WHERE task IN ('next', 'popular')",
    "UPDATE recsql.runs SET started_at = started_at - INTERVAL 2 DAYS",
    "UPDATE recsql.models SET trained_at = trained_at - INTERVAL 2 DAYS",
    f"INSERT INTO recsql.runs VALUES ('999999', 'drift', 'moved', "
    f"now()::TIMESTAMP - INTERVAL 2 DAYS, 0, '{DRIFT}')",
    "INSERT INTO raw.orders BY NAME SELECT o.* REPLACE (o.ts + INTERVAL 3 DAYS AS ts) "
    "FROM raw.orders AS o ORDER BY o.ts DESC LIMIT 1",
)


def test_the_tests_of_the_package_fail_when_they_should_and_only_then(
    project: dbt_runs.Project,
) -> None:
    folder = project.folder / "models" / "broken"
    folder.mkdir()
    for name, sql in BROKEN_MODELS.items():
        (folder / f"{name}.sql").write_text(sql)
    (folder / "broken.yml").write_text(properties(CASES))
    con = project.connect()
    for sql in VIOLATIONS:
        con.execute(sql).fetchall()
    con.close()
    done = project.dbt("build", "--select", "path:models/broken")
    found = project.statuses()
    assert {case.name: found.get(case.name) for case in CASES} == {
        case.name: "pass" if case.passes else "fail" for case in CASES
    }, done.stdout[-3000:]


def test_a_few_rows_that_stand_out_are_no_drift(project: dbt_runs.Project) -> None:
    con = project.connect()
    con.execute(
        "INSERT INTO recsql.runs VALUES ('999999', 'drift', 'moved', now()::TIMESTAMP, 0, ?::JSON)",
        [DRIFT.replace("0.1,", "0.01,", 1).replace('"hit_rate": 0.1', '"hit_rate": null')],
    )
    con.close()
    project.succeed("test", "--select", "leaderboard")
    assert project.statuses()["recsql_drift_below_leaderboard_"] == "pass"


def properties(cases: list[Case]) -> str:
    """Write the models and their tests as YAML."""
    text = ["models:"]
    for model in BROKEN_MODELS:
        text.append(f"  - name: {model}")
        for place, column in (("    ", ""), ("        ", "customer_id"), ("        ", "sku")):
            tests = [
                f"{place}  - recsql.{case.kind}: "
                f"{{name: {case.name}, arguments: {{{case.arguments}}}}}"
                for case in cases
                if case.model == model and case.column == column
            ]
            if not tests:
                continue
            if column:
                if "    columns:" not in text[text.index(f"  - name: {model}") :]:
                    text.append("    columns:")
                text.append(f"      - name: {column}")
            text += [f"{place}data_tests:", *tests]
    return "\n".join(text)


HOOKED = """
{{ config(pre_hook=[
    {"sql": "CALL recsql.train(task := 'popular', models := ['popularity'])", "transaction": false}
]) }}
SELECT p.* FROM popular(k := 3) AS p
"""


def test_a_hook_outside_of_a_transaction_may_call_a_statement(project: dbt_runs.Project) -> None:
    con = project.connect()
    trained = rows(con, "SELECT count(*) FROM recsql.runs AS r WHERE r.statement = 'train'")[0][0]
    con.close()
    (project.folder / "models/hooked.sql").write_text(HOOKED)
    (project.folder / "models/hooked_too.sql").write_text(
        "{{ config(post_hook={'sql': 'CALL recsql.refresh()', 'transaction': false}) }}\n"
        "-- depends_on: {{ ref('hooked') }}\nSELECT 1 AS one"
    )
    project.succeed("run", "--select", "hooked", "hooked_too")
    con = project.connect()
    runs = rows(con, "SELECT r.statement FROM recsql.runs AS r ORDER BY r.run_id")
    assert [statement for (statement,) in runs].count("train") == trained + 1
    assert [statement for (statement,) in runs][-2:] == ["refresh", "drift"]
    assert rows(con, "FROM hooked ORDER BY ALL") == rows(con, "FROM popular(k := 3) ORDER BY ALL")
    con.close()


def test_statements_run_as_operations_and_a_full_refresh_trains_anew(
    project: dbt_runs.Project,
) -> None:
    said = project.succeed("run-operation", "recsql.refresh")
    assert "recsql: refresh: nothing changed" in said
    project.succeed("run-operation", "recsql.materialize", "--args", "{task: next, k: 2}")
    only_popular = "{path: offers.duckdb, functions: [popular]}"
    said = project.succeed("run-operation", "recsql.publish", "--args", only_popular)
    assert "recsql: published offers.duckdb" in said
    with duckdb.connect(project.folder / "offers.duckdb", read_only=True) as file:
        assert len(file.execute("FROM popular(k := 3)").fetchall()) == 3
    only = "{recsql_tasks: {popular: [popularity]}}"
    said = project.succeed("run", "--full-refresh", "--select", "leaderboard", "--vars", only)
    assert "recsql: popular is answered by popularity" in said
    con = project.connect()
    found = rows(con, "SELECT r.statement FROM recsql.runs AS r ORDER BY r.run_id DESC LIMIT 2")
    assert found == [("train",), ("materialize",)]
    con.close()


@pytest.mark.parametrize(
    ("macro", "arguments", "sentence"),
    [
        ("recsql.train", "{tasks: bundel}", "task must be one of .*Did you mean 'bundle'"),
        ("recsql.bind_items", "{relation: prodcts, item_id: sku}", "must be a committed table"),
    ],
)
def test_what_recsql_refuses_is_what_dbt_says(
    project: dbt_runs.Project, macro: str, arguments: str, sentence: str
) -> None:
    done = project.dbt("run-operation", macro, "--args", arguments)
    assert done.returncode == 1
    assert re.search(sentence, done.stdout, re.DOTALL), done.stdout
