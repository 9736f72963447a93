"""Refreshing again and again."""

from __future__ import annotations

import threading
import time

import duckdb
import pytest
import shop

import recsql
from recsql.watching import interval_seconds

Con = duckdb.DuckDBPyConnection


@pytest.fixture
def con() -> Con:
    con = recsql.connect()
    shop.fill(con)
    shop.bind(con)
    return con


def refreshes(con: Con) -> int:
    sql = "SELECT count(*) FROM recsql.runs AS r WHERE r.statement = 'refresh'"
    return int(con.cursor().execute(sql).fetchall()[0][0])


def test_it_refreshes_as_often_as_asked(con: Con) -> None:
    recsql.train(con, task="popular")
    begun = time.monotonic()
    assert recsql.watch(con, 0.2, times=3) == 3
    assert refreshes(con) == 3
    assert time.monotonic() - begun >= 0.4


def test_what_is_refused_is_told_and_tried_again(
    con: Con, capsys: pytest.CaptureFixture[str]
) -> None:
    assert recsql.watch(con, 0.01, times=2) == 0
    assert capsys.readouterr().err.count("A task must be trained before a refresh") == 2


def test_it_stops_when_asked_to(con: Con) -> None:
    recsql.train(con, task="popular")
    stop = threading.Event()
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.append(recsql.watch(con, "1 hour", stop=stop)))
    thread.start()
    while refreshes(con) == 0:
        time.sleep(0.01)
    stop.set()
    thread.join(timeout=30)
    assert done == [1]


class Interrupted(threading.Event):
    """Somebody presses Ctrl+C while it waits."""

    def wait(self, timeout: float | None = None) -> bool:
        raise KeyboardInterrupt


def test_an_interrupt_ends_it(con: Con) -> None:
    recsql.train(con, task="popular")
    assert recsql.watch(con, "1 hour", stop=Interrupted()) == 1


def test_intervals_are_read_as_duckdb_reads_them() -> None:
    assert [interval_seconds(text) for text in ("10 minutes", "2 hours", 1.5)] == [600, 7200, 1.5]


@pytest.mark.parametrize("interval", ["soon", "0 seconds", 0, -1, True])
def test_an_interval_that_is_none_is_refused(con: Con, interval: object) -> None:
    with pytest.raises(recsql.ParameterError, match="interval must be a time above 0"):
        recsql.watch(con, interval)  # type: ignore[arg-type]


def test_times_must_be_at_least_one(con: Con) -> None:
    with pytest.raises(recsql.ParameterError, match="times must be at least 1, got 0"):
        recsql.watch(con, 1, times=0)
