"""Whole trainings on shops that lack something, of models that fail, and of a process that dies."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import shop
from processes import run

import recsql
from recsql import doctor
from recsql.models.catalogue import catalogue
from recsql.tasks import TASKS

Con = duckdb.DuckDBPyConnection
CALLS = (
    "recommend_bundle('i01')",
    "recommend_related('i01')",
    "recommend_cart(['i01', 'i02'])",
    "popular(days := NULL)",
    "trending()",
    "recommend_first(1)",
    "recommend_first_for({'country': 'France'})",
    "recommend_next(1)",
    "recommend_session(['i01'])",
    "recommend_for_you(1)",
    "recommend_repeat(1)",
    "due(DATE '2024-01-01', DATE '2025-12-31')",
    "recommend_bundle_for(1, 'i01')",
    "recommend_related_for(1, 'i01')",
    "similar_items('i01')",
    "similar_users(1)",
    "reference_customers(1, 'i01')",
    "explain(1, 'i01')",
)
MISSING = ("the task has no model",)
NO_REPEAT = "no customer bought an item on two days"


def rows(con: Con, sql: str) -> list[tuple[Any, ...]]:
    return con.execute(sql).fetchall()


def trained_shop(con: Con, *changes: str) -> None:
    """Train every task on the shop after some statements."""
    shop.fill(con)
    for change in changes:
        con.execute(change)
    con.execute("CREATE OR REPLACE TABLE customers AS SELECT DISTINCT o.customer AS id, "
                "CASE WHEN o.customer % 3 = 0 THEN 'France' ELSE 'Spain' END AS country "
                "FROM orders AS o")  # fmt: skip
    bound(con)


def bound(con: Con) -> None:
    shop.bind(con)
    recsql.bind_users(con, "customers", user_id="id", attributes=["country"])
    con.execute("CALL recsql.train()").fetchall()


def answered(con: Con) -> dict[str, list[tuple[Any, ...]]]:
    """Give the rows of every call; where a task has no model the call that is missing is named."""
    found = {}
    for call in CALLS:
        try:
            found[call] = rows(con, f"FROM {call}")
        except duckdb.InvalidInputException as error:
            named = re.search(
                r"must be trained first, .* CALL recsql\.train\(task := '", str(error)
            )
            if named is None:
                raise
            found[call] = [MISSING]
    return found


def check_rows(con: Con, *, without: tuple[str, ...] = ()) -> None:
    """Every task has one model that serves or rows that say why not; every number is finite.

    Nothing of a shop has a rating.
    """
    without = (*without, "rating")
    found = rows(
        con,
        "SELECT m.task, count(*) FILTER (m.status = 'incumbent'), count(*) FILTER ("
        "m.status IN ('failed', 'skipped') AND coalesce(m.error, '') = ''), "
        "bool_and(m.status IN ('failed', 'skipped')) FROM recsql.models AS m "
        "WHERE m.status <> 'retired' GROUP BY ALL ORDER BY 1",
    )
    assert found == [(task, int(task not in without), 0, task in without) for task in sorted(TASKS)]
    assert rows(con, "FROM recsql.metrics AS m WHERE NOT isfinite(m.value)") == []
    said = rows(con, "SELECT s.task FROM recsql.selections AS s WHERE s.why <> '' ORDER BY 1")
    assert [task for (task,) in said] == [task for task in sorted(TASKS) if task not in without]
    assert recsql.refresh(con).rows[0][0] == "nothing changed"


# Shops


def test_an_attribute_of_one_value_tells_nothing_and_disturbs_nothing(con: Con) -> None:
    shop.fill(con)
    con.execute("UPDATE customers SET country = 'France'")
    bound(con)
    check_rows(con)
    found = answered(con)
    assert all(found.values())
    assert MISSING not in [row for one in found.values() for row in one]
    someone = rows(con, "FROM recommend_first_for({'country': 'Spain'}, k := 20)")
    anyone = rows(con, "FROM recommend_first_for({'country': NULL}, k := 20)")
    assert someone == anyone  # a value that nobody has is none
    assert {row[1] for row in found["recommend_first_for({'country': 'France'})"]}


def test_where_all_times_are_equal_what_needs_an_order_is_left_out(con: Con) -> None:
    trained_shop(con, "UPDATE orders SET ordered_at = TIMESTAMP '2024-03-01 10:00:00'")
    check_rows(con, without=("repeat",))
    why = rows(con, "SELECT DISTINCT m.error FROM recsql.models AS m WHERE m.task = 'repeat'")
    assert why == [(NO_REPEAT,)]
    found = answered(con)
    missing = {call for call, answer in found.items() if answer == [MISSING]}
    assert {call.split("(")[0] for call in missing} == {"recommend_repeat", "due"}
    assert all(found.values())
    with pytest.raises(duckdb.InvalidInputException, match=NO_REPEAT):
        rows(con, "FROM recommend_repeat(1)")
    # Nothing comes after anything: what is hidden is chosen without time.
    assert rows(con, "SELECT DISTINCT s.protocol FROM recsql.splits AS s") == [("paper",)]


@pytest.mark.parametrize("whole_baskets", [True, False])
def test_where_every_customer_bought_once_there_are_answers(con: Con, whole_baskets: bool) -> None:
    once = "UPDATE orders SET customer = substr(invoice, 2)::INTEGER"
    one_line = (
        "CREATE OR REPLACE TABLE orders AS FROM orders AS o "
        "QUALIFY row_number() OVER (PARTITION BY o.invoice ORDER BY o.sku, o.ordered_at) = 1"
    )
    trained_shop(con, once, *([] if whole_baskets else [one_line]))
    check_rows(con, without=("repeat",))
    found = answered(con)
    # Without two items in one basket nothing goes with anything.
    together = ("recommend_bundle", "recommend_related", "recommend_cart", "similar_items")
    for call, answer in found.items():
        assert bool(answer) == (whole_baskets or not call.startswith(together)), call
    if not whole_baskets:
        why = "SELECT s.why FROM recsql.selections AS s WHERE s.task IN ('next', 'bundle')"
        assert rows(con, why) == [("too little data to compare",)] * 2


def test_an_item_that_only_the_evaluation_part_has_is_answered_after_training(con: Con) -> None:
    trained_shop(
        con,
        "INSERT INTO orders SELECT o.* REPLACE ('late' AS sku) FROM orders AS o "
        "WHERE o.ordered_at > TIMESTAMP '2024-06-20' AND o.qty = 1",
    )
    check_rows(con)
    parts = rows(
        con,
        "SELECT count(*), count(*) FILTER (s.item_id = 'late' AND s.role = 'hidden'), "
        "count(*) FILTER (s.cut_at::TIMESTAMP > TIMESTAMP '2024-06-20') "
        "FROM recsql.splits AS s",
    )
    assert parts[0][1] > 0  # it has to be found, and no model can
    assert parts[0][2] == 0  # all of its sales come after every cut
    assert all(answered(con).values())
    assert ("late",) in rows(con, "SELECT p.item_id FROM popular() AS p")
    for call in ("recommend_bundle('late')", "recommend_related('late')", "similar_items('late')"):
        assert rows(con, f"FROM {call}"), call


# Models that fail


def run_out(*_: object) -> None:
    raise MemoryError


def test_models_that_run_out_of_memory_fail_and_the_others_go_on(
    con: Con, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = ("constant_interval", "ials", "lightfm", "markov", "popularity", "random_walk")
    shop.fill(con)
    shop.bind(con)
    recsql.train(con, task="related")
    walk = "SELECT a.sha256 FROM recsql.artifacts AS a WHERE a.model_id = 'related/walk'"
    before = sorted(rows(con, walk))
    for name in broken:
        monkeypatch.setattr(catalogue()[name], "_fit", run_out)
    con.execute("INSERT INTO orders VALUES (1, 'i01', '2024-03-05', 'new', 1, 1)")
    recsql.train(con)
    failed = rows(
        con,
        "SELECT DISTINCT m.algorithm, m.error FROM recsql.models AS m "
        "WHERE m.status = 'failed' ORDER BY 1",
    )
    assert failed == [(name, "it ran out of memory") for name in broken]
    serving = rows(
        con,
        "SELECT m.task FROM recsql.models AS m WHERE m.status = 'incumbent' "
        f"AND m.algorithm NOT IN {broken} ORDER BY 1",
    )
    assert [task for (task,) in serving] == [task for task in shop.TASKS if task != "popular"]
    # Every model of this task is the one that failed.
    none = r"CALL recsql\.train\(task := 'popular'\)"
    with pytest.raises(duckdb.InvalidInputException, match=none):
        rows(con, "FROM popular()")
    # What a customer is shown beside an item is what was learned of it before.
    assert sorted(rows(con, walk)) == before
    assert rows(con, "FROM recommend_related_for(1, 'i01')")
    noted = "SELECT r.changes -> 'not_learned' FROM recsql.runs AS r ORDER BY r.run_id DESC LIMIT 1"
    assert json.loads(rows(con, noted)[0][0]) == dict.fromkeys(
        ("related/walk", "bundle/walk"), "it ran out of memory"
    )


@pytest.mark.parametrize("model", ["walk", "vectors"])
def test_what_could_not_be_learned_is_learned_by_the_next_training(
    model: str, trained: Con, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = {"walk": "write_walk", "vectors": "write_vectors"}[model]
    monkeypatch.setattr(f"recsql.selection.rebuild.{learn}", run_out)
    recsql.train(trained)
    for call in ("recommend_related_for(1, 'i01')", "similar_items('i01')", "similar_users(1)"):
        assert rows(trained, f"FROM {call}"), call
    monkeypatch.undo()
    recsql.train(trained)
    runs = rows(
        trained,
        "SELECT json_keys(r.changes -> 'not_learned') FROM recsql.runs AS r ORDER BY r.run_id",
    )
    missing = ["bundle/walk", "related/walk"] if model == "walk" else ["for_you/vectors"]
    assert [sorted(names) for (names,) in runs] == [[], missing, []]


def test_a_refresh_goes_on_where_a_model_of_customers_runs_out_of_memory(
    trained: Con, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = rows(
        trained,
        "SELECT m.algorithm FROM recsql.models AS m "
        "WHERE m.task = 'for_you' AND m.status = 'incumbent'",
    )
    call = "FROM recommend_for_you(1)"
    before = rows(trained, call)
    monkeypatch.setattr(catalogue()[serving[0][0]], "_fit", run_out)
    trained.execute("INSERT INTO orders VALUES (900, 'i01', '2024-06-05', 'new', 1, 1)")
    trained.execute("UPDATE recsql.settings SET value = '30' WHERE name = 'max_group_items'")
    assert recsql.refresh(trained).rows[0][0] == "rebuilt"
    assert rows(trained, call) == before
    noted = rows(
        trained,
        "SELECT r.changes ->> '$.not_learned.for_you' FROM recsql.runs AS r "
        "WHERE r.statement = 'refresh'",
    )
    assert noted == [("it ran out of memory",)]


# The process dies while it writes

KILLED = """
import json, os, shutil, signal
import duckdb, recsql, shop
import recsql.selection.rebuild as rebuild

template, folder, calls = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
points = sys.argv[4:]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def state(path):
    con = recsql.connect(path)
    tables = shop.stored(con, *shop.STORED, "models", "metrics", "selections", "splits", "runs")
    artifacts = con.execute("SELECT a.model_id, a.name, a.sha256, sha256(a.bytes) = a.sha256 "
                            "FROM recsql.artifacts AS a ORDER BY ALL").fetchall()
    answers = [con.execute(f"FROM {call}").fetchall() for call in calls]
    con.close()
    return tables, artifacts, answers

shop_now = os.path.join(folder, "before.duckdb")
shutil.copy(template, shop_now)
con = recsql.connect(shop_now)
con.execute("INSERT INTO orders SELECT o.* REPLACE ('z' || o.invoice AS invoice) "
            "FROM orders AS o WHERE o.qty = 1")
con.close()
before = state(shop_now)
found = {}
for point in points:
    path = os.path.join(folder, f"{point}.duckdb")
    shutil.copy(shop_now, path)
    child = os.fork()
    if child == 0:
        setattr(rebuild, point, die)
        recsql.connect(path).execute("CALL recsql.train()").fetchall()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    after = state(path)
    found[point] = [os.WTERMSIG(status), after == before, all(row[3] for row in after[1]),
                    len(after[0]["runs"]), sorted({row[0] for row in after[0]["splits"]})]
print(json.dumps(found))
"""
BEFORE_THE_COMMIT = (
    "write_top_items",  # models are learned, nothing but the purchases is written
    "write_competition",  # the incumbents are retired
    "write_model",  # rows of models, selections and splits are written
    "write_vectors",  # the models for customers are written
    "insert_run",  # all but the run
)


def test_a_training_that_is_killed_leaves_every_model_and_split_as_it_was_or_new(
    trained_template: Path, tmp_path: Path
) -> None:
    points = (*BEFORE_THE_COMMIT, "remember")
    calls = json.dumps([call for call in CALLS if not call.startswith("reference_customers")])
    printed = run(tmp_path, KILLED, trained_template, tmp_path, calls, *points)
    found = json.loads(printed.splitlines()[-1])
    asked = list(shop.TASKS)
    for point in BEFORE_THE_COMMIT:
        assert found[point] == [9, True, True, 1, asked], point
    assert found["remember"] == [9, False, True, 2, asked]
    for point in points:
        seen = doctor.examine(tmp_path / f"{point}.duckdb")
        checked = {one.part: one.status for one in seen}
        assert checked["artifacts"] == "ok"
        assert {checked[f"task {task}"] for task in shop.TASKS} == {"ok"}
