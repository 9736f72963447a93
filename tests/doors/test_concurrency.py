"""Many at once: every answer is wholly old or wholly new, and writers take turns."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest
import shop
from processes import in_threads

import recsql
from recsql.database import Session
from recsql.selection.rebuild import rebuild
from recsql.statements.follow import follow

Con = duckdb.DuckDBPyConnection
CHANGES = 50 if os.environ.get("RECSQL_FULL_TESTS") else 8
READERS = 8

# One basket more of tea and milk at each change: whatever is read must be of the same change.
QUESTIONS = {
    "tables": (
        "SELECT t.transactions, (SELECT sum(s.transactions) FROM recsql.item_scores AS s), "
        "(SELECT sum(d.transactions) FROM recsql.item_days AS d), "
        "(SELECT sum(u.transactions) FROM recsql.user_scores AS u), "
        "2 * (SELECT n.support FROM recsql.top_items AS n WHERE n.item_id = 'milk' "
        "AND n.task = 'bundle' AND n.other_item_id = 'tea') FROM recsql.totals AS t"
    ),
    "functions": (
        "SELECT p.transactions * 2, r.support * 2, c.support * 2, t.transactions "
        "FROM recommend_bundle('milk', k := 1) AS r, recommend_cart(['milk'], k := 1) AS c, "
        "popular(k := 1, days := NULL) AS p, recsql.totals AS t"
    ),
}


def sell(con: Con, number: int) -> None:
    con.execute(
        "INSERT INTO orders SELECT 1, v.sku, TIMESTAMP '2024-01-01', ?, 1, 1 "
        "FROM (VALUES ('milk'), ('tea')) AS v(sku)",
        [f"n{number:04}"],
    )


@pytest.fixture
def tea_shop(tmp_path: Path) -> Path:
    """A file where tea and milk were bought together three times, and nothing else ever."""
    path = tmp_path / "shop.duckdb"
    con = recsql.connect(str(path))
    shop.fill(con, baskets=1)
    con.execute("DELETE FROM orders")
    for number in range(3):
        sell(con, number)
    shop.bind(con)
    con.execute("CALL recsql.train()").fetchall()
    con.close()
    return path


@pytest.mark.parametrize("question", QUESTIONS)
def test_readers_never_see_old_and_new_together(tea_shop: Path, question: str) -> None:
    writer = recsql.connect(str(tea_shop))
    done = threading.Event()
    mixed: list[Any] = []
    generations: set[Any] = set()
    reads = [0] * READERS

    def read(number: int) -> None:
        con = duckdb.connect(str(tea_shop))
        while not done.is_set() or reads[number] == 0:
            rows = con.execute(QUESTIONS[question]).fetchall()
            reads[number] += 1
            generations.update(rows)
            mixed.extend(row for row in rows if len(set(row)) != 1)
            if len(rows) != 1:
                mixed.append(rows)
        con.close()

    def write(_: int) -> None:
        try:
            for number in range(CHANGES):
                sell(writer, 3 + number)
                call = "train(task := 'bundle')" if number % 3 == 0 else "refresh()"
                writer.execute(f"CALL recsql.{call}").fetchall()
        finally:
            done.set()

    failed = in_threads(lambda n: write(n) if n == READERS else read(n), READERS + 1)
    assert failed == [None] * (READERS + 1)
    assert mixed == []
    assert min(reads) > 0
    assert len(generations) > CHANGES / 2
    writer.close()


def test_two_threads_that_train_at_once_take_turns(trained_file: Path) -> None:
    con = recsql.connect(str(trained_file))
    before = con.execute("SELECT count(*) FROM recsql.runs").fetchall()[0][0]

    def train(number: int) -> Any:
        own = duckdb.connect(str(trained_file)) if number else con.cursor()
        rows = own.execute("CALL recsql.train(task := 'bundle')").fetchall()
        own.close()
        return {row[0] for row in rows}

    assert in_threads(train, 2) == [{"bundle"}, {"bundle"}]
    runs = con.execute("SELECT r.run_id FROM recsql.runs AS r ORDER BY 1").fetchall()
    assert [int(run) for (run,) in runs] == list(range(1, before + 3))
    serving = con.execute(
        "SELECT m.task, count(*) FROM recsql.models AS m WHERE m.status = 'incumbent' GROUP BY ALL "
        "ORDER BY 1"
    ).fetchall()
    assert serving == [(task, 1) for task in shop.TASKS]
    con.close()


def test_binding_training_and_refreshing_at_once_leave_a_state_that_a_rebuild_gives(
    trained_file: Path,
) -> None:
    con = recsql.connect(str(trained_file))

    def work(number: int) -> None:
        own = recsql.connect(str(trained_file))
        for turn in range(2):
            own.execute("INSERT INTO orders VALUES (?, 'i01', '2024-03-05', ?, 1, 1)",
                        [number, f"x{number}{turn}"])  # fmt: skip
            if number == 0:
                recsql.bind_items(own, "products", item_id="sku", available="for_sale")
            elif number == 1:
                recsql.train(own, task="popular")
            else:
                recsql.refresh(own)
        own.close()

    assert in_threads(work, 4) == [None] * 4
    con.execute("CALL recsql.refresh()").fetchall()
    refreshed = shop.stored(con)
    rebuild(Session(con.cursor()), "compared", follow)
    assert refreshed == shop.stored(con)
    con.close()


def test_rows_that_are_written_while_a_training_runs_come_with_the_next_refresh(
    trained_file: Path,
) -> None:
    con = recsql.connect(str(trained_file))
    done = threading.Event()

    def write(_: int) -> None:
        own = duckdb.connect(str(trained_file))
        for number in range(1000):
            if done.is_set():
                break
            own.execute(
                "INSERT INTO orders VALUES (1, 'i01', '2024-03-05', ?, 1, 1)", [f"new{number}"]
            )
            time.sleep(0.002)
        own.close()

    def train(_: int) -> None:
        try:
            for _turn in range(3):
                assert con.execute("CALL recsql.train(task := 'bundle')").fetchall() != []
                assert con.execute("CALL recsql.refresh()").fetchall() != []
        finally:
            done.set()

    assert in_threads(lambda n: train(n) if n else write(n), 2) == [None, None]
    con.execute("CALL recsql.refresh()").fetchall()
    (counted,) = con.execute("SELECT t.transactions FROM recsql.totals AS t").fetchall()[0]
    assert con.execute("SELECT count(*) FROM orders").fetchall() == [(counted,)]
    con.close()


def test_a_reader_in_a_transaction_keeps_its_answer(tea_shop: Path) -> None:
    con, reader = recsql.connect(str(tea_shop)), duckdb.connect(str(tea_shop))
    reader.execute("BEGIN")
    before = reader.execute(QUESTIONS["functions"]).fetchall()
    sell(con, 99)
    con.execute("CALL recsql.train()").fetchall()
    assert reader.execute(QUESTIONS["functions"]).fetchall() == before
    reader.execute("COMMIT")
    assert reader.execute(QUESTIONS["functions"]).fetchall() != before
    reader.close()
    con.close()


def test_an_open_transaction_of_a_reader_does_not_stop_a_training(trained_file: Path) -> None:
    con, reader = recsql.connect(str(trained_file)), duckdb.connect(str(trained_file))
    reader.execute("BEGIN")
    reader.execute("FROM recommend_bundle('i01')").fetchall()
    for _ in range(2):
        assert con.execute("CALL recsql.train(task := 'bundle')").fetchall() != []
    reader.execute("ROLLBACK")
    reader.close()
    con.close()


def test_a_change_that_conflicts_fails_as_a_whole_and_works_when_called_again(
    trained_file: Path,
) -> None:
    con, other = recsql.connect(str(trained_file)), duckdb.connect(str(trained_file))
    before = shop.stored(con)
    con.execute("INSERT INTO orders VALUES (1, 'i01', '2024-03-05', 'new', 1, 1)")
    other.execute("BEGIN")
    other.execute("DROP TABLE recsql.item_scores")
    with pytest.raises(duckdb.Error, match="onflict"):
        con.execute("CALL recsql.refresh()")
    assert shop.stored(con) == before
    other.execute("ROLLBACK")
    assert con.execute("CALL recsql.refresh()").fetchall()[0][0] == "changed only"
    other.close()
    con.close()
