"""What is stored for everyone is what each would be told."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest
import shop

import recsql
from recsql.statements.materialize import size_in_bytes

Con = duckdb.DuckDBPyConnection


def rows(con: Con, sql: str) -> list[tuple[Any, ...]]:
    return con.cursor().execute(sql).fetchall()


@pytest.fixture(scope="module")
def con() -> Con:
    con = recsql.connect()
    shop.fill(con)
    shop.bind(con)
    recsql.train(con, task="next", models=["frequency", "markov"])
    recsql.train(con, task="for_you", models=["item_knn"])
    return con


STORED = "SELECT * EXCLUDE (task) FROM recsql.user_recommendations WHERE task = '{task}'"


@pytest.mark.parametrize("task", ["next", "for_you"])
@pytest.mark.parametrize("limit", ["1GB", "60 kB"])
def test_everyone_gets_what_the_function_gives(con: Con, task: str, limit: str) -> None:
    con.execute(f"CALL recsql.materialize('{task}', k := 7, memory_limit := '{limit}')").fetchall()
    told = rows(
        con,
        "SELECT c.id, r.rank, r.item_id, r.score, r.model FROM customers AS c, "
        f"recommend_{task}(c.id, k := 7) AS r ORDER BY c.id, r.rank",
    )
    assert rows(con, STORED.format(task=task)) == told
    assert len(told) > 5 * len({row[0] for row in told}) > 0


def test_other_tasks_keep_their_rows_and_a_new_call_replaces_its_own(con: Con) -> None:
    (result,) = recsql.materialize(con, "for_you", k=3).rows
    kept = rows(con, STORED.format(task="for_you"))
    recsql.materialize(con, "next", k=5)
    recsql.materialize(con, "next", k=2)
    assert rows(con, STORED.format(task="for_you")) == kept
    users = len({row[0] for row in kept})
    assert result[:4] == ("for_you", "item_knn", users, len(kept))
    assert len(rows(con, STORED.format(task="next"))) == 2 * users
    order = rows(con, "SELECT task, user_id, rank FROM recsql.user_recommendations")
    assert order == sorted(order)
    (run,) = rows(con, "SELECT statement FROM recsql.runs ORDER BY run_id DESC LIMIT 1")
    assert run == ("materialize",)


def test_readers_see_all_of_the_old_or_all_of_the_new(tmp_path: Path, con: Con) -> None:
    path = tmp_path / "shop.duckdb"
    own = recsql.connect(str(path))
    shop.fill(own)
    shop.bind(own)
    recsql.train(own, task="next", models=["frequency"])
    recsql.materialize(own, "next", k=1)
    seen: set[Any] = set()
    done = threading.Event()

    def read() -> None:
        reader = own.cursor()
        while not done.is_set():
            seen.update(
                reader.execute(
                    "SELECT max(rank), count(*) / count(DISTINCT user_id) "
                    "FROM recsql.user_recommendations"
                ).fetchall()
            )

    thread = threading.Thread(target=read)
    thread.start()
    for k in (2, 3, 4):
        recsql.materialize(own, "next", k=k)
    done.set()
    thread.join()
    assert seen <= {(k, float(k)) for k in (1, 2, 3, 4)}
    own.close()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("'nxt'", "Did you mean 'next'"),
        ("'bundle'", "which is stored already: recsql.top_items"),
        ("'next', k := 0", "k must be at least 1, got 0"),
        ("'next', memory_limit := 'much'", "must be a size, got 'much'"),
        ("'next', memory_limit := '1kB'", "must hold one customer, at least"),
    ],
)
def test_bad_arguments_are_refused(con: Con, call: str, sentence: str) -> None:
    with pytest.raises(duckdb.Error, match=sentence):
        rows(con, f"CALL recsql.materialize({call})")


def test_a_task_must_be_trained_first() -> None:
    con = recsql.connect()
    shop.fill(con)
    shop.bind(con)
    with pytest.raises(recsql.NotTrainedError, match="The task next must be trained first"):
        recsql.materialize(con, "next")


def test_sizes_are_read_as_people_write_them() -> None:
    assert [size_in_bytes(text) for text in ("1B", "2 KB", "1.5MB", "1GiB", "3tb")] == [
        1,
        2_000,
        1_500_000,
        2**30,
        3 * 10**12,
    ]
