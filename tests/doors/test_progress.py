"""How far a training is: what the command line, Python and SQL show of the rounds of a network."""

from __future__ import annotations

import json
import logging
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

pytest.importorskip("torch")

import recsql
from recsql.models.gru import GRU
from recsql.networks.limits import learning_until, tell, telling_of, time_left, told_to
from recsql.statements import progress

FEW_ROUNDS = """
from recsql.models.gru import GRU
GRU.variants = classmethod(lambda cls, *, real_time: [cls(n_epochs=3)])
"""
COMMAND = [sys.executable, "-c", f"{FEW_ROUNDS}\nfrom recsql.cli import main\nmain()"]
ROUND = r"round \d of at most 3, loss \d+\.\d{4}, best in round \d, at most \d+ s left"
PARTS = ("validation part", "test part", "everything")
TRAIN = ("--task", "next", "--models", "gru", "--json")


def fill(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE TABLE clicks AS SELECT i % 50 AS u, (i % 50 + i // 50 * (1 + i % 2)) % 11 AS p, "
        "TIMESTAMP '2024-01-01' + INTERVAL (i * 17) MINUTE AS t FROM range(400) AS r(i)"
    )
    recsql.bind_interactions(con, "clicks", user_id="u", item_id="p", ts="t")


@pytest.fixture(scope="module")
def bound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop") / "shop.duckdb"
    with recsql.connect(path) as con:
        fill(con)
    return path


@pytest.fixture
def shop(bound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(bound, tmp_path / "shop.duckdb"))


def train(shop: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "train", str(shop), *TRAIN, *options], capture_output=True, text=True, check=True
    )


def test_the_command_line_prints_lines_where_there_is_no_terminal(shop: Path) -> None:
    done = train(shop)
    assert [row["status"] for row in json.loads(done.stdout)].count("incumbent") == 1
    lines = done.stderr.splitlines()
    for part in PARTS:
        assert any(line.startswith(f"next, gru, {part}: round 1 of") for line in lines)
    for line in lines:
        assert re.fullmatch(rf"next, gru, ({'|'.join(PARTS)}): {ROUND}", line)


def test_the_command_line_prints_nothing_when_quiet(shop: Path) -> None:
    done = train(shop, "--quiet")
    assert json.loads(done.stdout)
    assert done.stderr == ""


def test_a_terminal_shows_one_line_that_changes(shop: Path) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", closefd=True) as terminal:
        done = subprocess.Popen(
            [*COMMAND, "train", str(shop), *TRAIN],
            stdout=subprocess.PIPE, stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
        )  # fmt: skip
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(terminal.fileno(), 10_000):
                shown += piece
        except OSError:  # Linux: the other end was closed
            pass
        assert json.loads(done.communicate()[0])
    text = shown.decode()
    assert "Training" in text
    assert re.search(rf"next, gru, validation part: {ROUND}", text)
    assert text.count("\n") <= 1  # all else is written over


@pytest.fixture
def con(monkeypatch: pytest.MonkeyPatch) -> duckdb.DuckDBPyConnection:
    """Give a shop where ``gru`` learns in three rounds."""
    monkeypatch.setattr(GRU, "variants", classmethod(lambda cls, *, real_time: [cls(n_epochs=3)]))
    found = recsql.connect()
    fill(found)
    return found


def test_python_shows_it_where_it_is_asked_to_and_the_logger_always_hears_it(
    con: duckdb.DuckDBPyConnection,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, logger="recsql"):
        recsql.train(con, task="next", models=["gru"])
    assert capfd.readouterr().err == ""
    heard = [record.getMessage() for record in caplog.records]
    assert [line.partition(", loss")[0] for line in heard] == [
        f"next, gru, {part}: round {round_} of at most 3" for part in PARTS for round_ in (1, 2, 3)
    ]
    recsql.train(con, task="next", models=["gru"], progress=True)
    assert capfd.readouterr().err.startswith("next, gru, validation part: round 1 of at most 3")


def test_sql_shows_it_where_the_progress_bar_of_duckdb_is_on(
    con: duckdb.DuckDBPyConnection, capfd: pytest.CaptureFixture[str]
) -> None:
    call = "CALL recsql.train(task := 'next', models := ['gru'])"
    for wanted in (False, True):
        con.execute(f"SET enable_progress_bar = {wanted}")
        con.execute(call).fetchall()
        assert capfd.readouterr().err.startswith("next, gru, validation part: round 1") is wanted


def test_a_network_that_learns_again_at_a_refresh_is_shown_too(
    con: duckdb.DuckDBPyConnection, capfd: pytest.CaptureFixture[str]
) -> None:
    recsql.train(con, task="next", models=["gru"])
    recsql.forget_user(con, 3)  # what serves learns again without them
    recsql.refresh(con, progress=True)
    assert capfd.readouterr().err.startswith("next, gru, everything: round 1 of at most 3, loss")


def test_the_time_left_is_that_of_the_rounds_or_of_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "perf_counter", lambda: 110.0)
    assert time_left(100.0, 2, 6) == "at most 30 s left"  # 10 s of 2 rounds, 6 follow
    with learning_until(118.0):
        assert time_left(100.0, 2, 6) == "at most 8 s left"
    with learning_until(90.0):
        assert time_left(100.0, 2, 6) == "at most 0 s left"


def test_plain_lines_are_the_first_of_each_training_and_then_some(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now)
    with progress.learning_shown("Training", True) as each:
        assert list(each(["next"])) == ["next"]
        for subject in ("a", "b"):
            with telling_of(subject):
                for seconds in (0, 4, 5, 1):
                    now += seconds
                    tell(f"{now:.0f}")
    assert capsys.readouterr().err.splitlines() == ["a: 100", "a: 110", "b: 110", "b: 120"]


def test_nobody_is_told_outside_of_the_block() -> None:
    heard: list[str] = []
    with told_to(heard.append), telling_of("one"):
        tell("inside")
    tell("outside")
    assert heard == ["one: inside"]
