"""A customer who is forgotten is in no view, in no stored row, and after a refresh in no model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
import shop

import recsql
from recsql.networks.leftovers import training_folder

Con = duckdb.DuckDBPyConnection
TASKS = ("bundle", "next", "for_you", "first")


def rows(con: Con, sql: str) -> list[tuple[Any, ...]]:
    return con.cursor().execute(sql).fetchall()


def trained_shop(path: Path | str = ":memory:") -> Con:
    con = recsql.connect(str(path))
    shop.fill(con)
    shop.bind(con)
    for task in TASKS:
        recsql.train(con, task=task)
    recsql.materialize(con, "next")
    return con


def state_naming(con: Con, user: Any) -> dict[str, int]:
    """Count the rows of the state that name a customer in any column, table by table."""
    found = {}
    for table, column in rows(
        con,
        "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'recsql' "
        "AND (column_name = 'user_id' OR (table_name = 'baseline' AND column_name = 'key')) "
        "AND table_name NOT IN ('forgotten_users')",
    ):
        kind = " AND t.kind = 'user'" if column == "key" else ""
        counted = rows(
            con,
            f"SELECT count(*) FROM recsql.{table} AS t WHERE t.{column}::VARCHAR = '{user}'{kind}",
        )
        found[table] = counted[0][0]
    return found


def learned_by(con: Con) -> bytes:
    """Give all bytes of all artifacts."""
    return b"".join(row[0] for row in rows(con, "SELECT bytes FROM recsql.artifacts"))


def test_what_killed_trainings_left_goes_with_a_customer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    training_folder().mkdir(parents=True)
    left = training_folder() / "weights.npz"
    left.write_bytes(b"weights")
    con = recsql.connect()
    shop.fill(con)
    shop.bind(con)
    con.execute("CALL recsql.forget_user(1)")
    assert not left.exists()


def test_a_customer_is_gone_at_once_and_from_models_after_a_refresh() -> None:
    con = trained_shop()
    user = rows(
        con, "SELECT user_id FROM recsql.user_scores ORDER BY transactions DESC, user_id LIMIT 1"
    )[0][0]
    seen = rows(con, f"SELECT count(*) FROM recsql.interactions WHERE user_id = {user!r}")[0][0]
    assert state_naming(con, user)["buyers"] == 1
    ((said, hidden, deleted, step),) = rows(con, f"CALL recsql.forget_user({user!r})")
    assert (said, hidden) == (str(user), seen)
    assert deleted > 0
    assert "CALL recsql.refresh()" in step
    named = state_naming(con, user)
    assert {table for table, count in named.items() if count} <= {"buyers", "buyer_days"}
    unknown = rows(con, "FROM recommend_next(-1)")
    assert rows(con, f"FROM recommend_next({user!r})") == unknown
    ((how, why, *_),) = rows(con, "CALL recsql.refresh(retrain := false)")
    assert (how, why) == ("rebuilt", "customers were forgotten")
    assert not any(state_naming(con, user).values())
    assert rows(con, "SELECT count(*) FROM recsql.forgotten_users WHERE removed_at IS NULL") == [
        (0,)
    ]
    ((how, *_),) = rows(con, "CALL recsql.refresh(retrain := false)")
    assert how == "nothing changed"


def test_answers_are_those_of_a_shop_without_the_customer() -> None:
    con, other = trained_shop(), recsql.connect()
    user = rows(con, "SELECT min(user_id) FROM recsql.user_scores")[0][0]
    recsql.forget_user(con, user)
    recsql.refresh(con, retrain=False)
    shop.fill(other)
    other.execute(f"DELETE FROM orders WHERE customer = {user!r}")
    other.execute(f"DELETE FROM customers WHERE id = {user!r}")
    shop.bind(other)
    recsql.train(other, task="bundle", models=["basket_copurchase"])
    asked = "SELECT count(*), count(DISTINCT user_id) FROM recsql.interactions"
    assert rows(con, asked) == rows(other, asked)
    scores = "FROM recsql.item_scores ORDER BY item_id"
    counted = "SELECT item_id, transactions, users, baskets "
    assert rows(con, counted + scores) == rows(other, counted + scores)


def test_models_before_the_forgetting_are_deleted() -> None:
    con = trained_shop()
    recsql.train(con, task="next")  # the models of before are kept as an earlier generation
    user = rows(con, "SELECT max(user_id) FROM recsql.user_scores")[0][0]
    recsql.forget_user(con, user)
    before = learned_by(con)
    recsql.refresh(con, retrain=False)
    kept = rows(
        con,
        "SELECT DISTINCT m.status FROM recsql.artifacts AS a JOIN recsql.models AS m "
        "USING (model_id)",
    )
    assert kept == [("incumbent",)]
    assert learned_by(con) != before


def test_who_is_forgotten_stays_so_when_tables_are_bound_again() -> None:
    con = trained_shop()
    user = rows(con, "SELECT max(user_id) FROM recsql.user_scores")[0][0]
    recsql.forget_user(con, user)
    shop.bind(con)
    assert rows(con, f"SELECT count(*) FROM recsql.interactions WHERE user_id = {user!r}") == [(0,)]
    assert rows(con, f"SELECT count(*) FROM recsql.users WHERE user_id = {user!r}") == [(0,)]


def test_an_id_that_cannot_be_one_is_refused() -> None:
    con = recsql.connect()
    shop.fill(con)
    shop.bind(con)
    with pytest.raises(duckdb.Error, match="user_id must be an id of type"):
        rows(con, "CALL recsql.forget_user(NULL)")
    with pytest.raises(recsql.NotBoundError, match="interactions must be bound first"):
        recsql.forget_user(recsql.connect(), 1)


def test_customers_are_found_however_their_own_table_writes_the_id(tmp_path: Path) -> None:
    con = recsql.connect()
    shop.fill(con)
    con.execute(
        "CREATE TABLE people AS SELECT lpad(c.id::VARCHAR, 3, '0') AS uid, c.country "
        "FROM customers AS c"
    )
    shop.bind(con)
    recsql.bind_users(con, "people", user_id="uid")
    recsql.train(con, task="bundle", models=["basket_copurchase"])
    recsql.forget_user(con, 7)
    recsql.refresh(con, retrain=False)
    assert rows(con, "SELECT count(*) FROM recsql.users WHERE user_id = '007'") == [(0,)]
    assert rows(con, "SELECT count(*) FROM recsql.user_features WHERE user_id = 7") == [(0,)]
    con.execute(
        "CREATE TABLE renamed AS SELECT o.* REPLACE (o.customer::BIGINT AS customer) "
        "FROM orders AS o"
    )
    recsql.bind_interactions(con, "renamed", user_id="customer", item_id="sku", ts="ordered_at")
    assert rows(con, "SELECT count(*) FROM recsql.interactions WHERE user_id = 7") == [(0,)]
    assert rows(con, "SELECT count(*) FROM recsql.users WHERE user_id = '007'") == [(0,)]


def test_what_cannot_learn_again_is_said_and_tried_at_the_next_refresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    con = trained_shop()
    user = rows(con, "SELECT max(user_id) FROM recsql.user_scores")[0][0]
    recsql.forget_user(con, user)

    def fail(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("recsql.selection.rebuild.write_vectors", fail)
        ((_, why, *_),) = recsql.refresh(con, retrain=False).rows
    assert why.startswith(
        "customers were forgotten, and are still known: for_you/vectors could not"
    )
    named = (
        "SELECT count(*) FROM recsql.user_scores AS u, similar_users(u.user_id, k := 50) AS r "
        f"WHERE r.user_id = {user}"
    )
    assert rows(con, named) > [(0,)]
    ((how, why, *_),) = recsql.refresh(con, retrain=False).rows
    assert (how, why) == ("rebuilt", "customers were forgotten")
    assert rows(con, named) == [(0,)]


def test_before_a_training_there_is_nothing_left_to_do() -> None:
    con = recsql.connect()
    shop.fill(con)
    shop.bind(con)
    (said,) = recsql.forget_user(con, 7).dicts()
    assert said["next_step"] == ""
    assert rows(con, "SELECT count(*) FROM recsql.forgotten_users WHERE removed_at IS NULL") == [
        (0,)
    ]
