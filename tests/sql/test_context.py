"""Clicks depend on the device alone: answers in SQL are those of the context of the request."""

from __future__ import annotations

import duckdb
import pytest

pytest.importorskip("torch")

from shop import check_answers_alone

import recsql
from recsql.database import Session
from recsql.selection import upkeep


def shop() -> duckdb.DuckDBPyConnection:
    """Give clicks of 150 customers: item 0 at a desk, 1 on a phone, one in eight of 2 to 5."""
    con = recsql.connect()
    con.execute(
        "CREATE TABLE clicks AS SELECT i % 150 AS u, CASE WHEN hash(i) % 8 = 0 "
        "THEN 2 + hash(i + 3000) % 4 ELSE hash(i + 5000) % 2 END::INTEGER AS p, "
        "TIMESTAMP '2024-01-01' + INTERVAL (i * 17) MINUTE AS t, "
        "CASE WHEN hash(i + 5000) % 2 = 1 THEN 'phone' ELSE 'desk' END AS device, "
        "hash(i + 9000) % 100 / 7 AS wind FROM range(1200) AS r(i)"
    )
    recsql.bind_interactions(
        con, "clicks", user_id="u", item_id="p", ts="t", context=["device", "wind"]
    )
    return con


@pytest.fixture(scope="module")
def trained() -> duckdb.DuckDBPyConnection:
    con = shop()
    recsql.train(con, task="next", models=["hrnn_meta"])
    recsql.train(con, task="first", models=["deepfm"])
    return con


def best(con: duckdb.DuckDBPyConnection, call: str) -> int:
    return int(con.sql(f"SELECT r.item_id FROM {call} AS r WHERE r.rank = 1").fetchall()[0][0])


@pytest.mark.parametrize(
    "call",
    [
        "recommend_next(3, exclude_bought := false",
        "recommend_first(999",
        "recommend_first_for(MAP {'colour': 'red'}",
    ],
)
def test_the_answer_is_that_of_the_device(trained: duckdb.DuckDBPyConnection, call: str) -> None:
    assert best(trained, f"{call}, context := {{'device': 'phone'}})") == 1
    assert best(trained, f"{call}, context := {{'device': 'desk', 'wind': 3.5}})") == 0
    assert best(trained, f"{call}, context := MAP {{'DEVICE': 'phone'}})") == 1
    unknown = trained.sql(f"FROM {call})").fetchall()
    for context in ("NULL", "{'device': NULL, 'wind': NULL}", "{'device': 'fridge'}"):
        assert trained.sql(f"FROM {call}, context := {context})").fetchall() == unknown


def test_a_session_is_answered_in_its_context(trained: duckdb.DuckDBPyConnection) -> None:
    """The score of item 1 above that of item 0 is higher on a phone than at a desk."""
    ahead = {}
    for device in ("phone", "desk", "fridge"):
        rows = trained.sql(
            "SELECT r.score FROM recommend_session([4, 5], k := 6, exclude_bought := false, "
            f"context := {{'device': '{device}'}}) AS r WHERE r.item_id < 2 ORDER BY r.item_id"
        ).fetchall()
        ahead[device] = rows[1][0] - rows[0][0]
    assert ahead["phone"] > ahead["fridge"] > ahead["desk"]


def test_a_click_a_moment_ago_is_read_with_its_context(trained: duckdb.DuckDBPyConnection) -> None:
    query = "SELECT r.score FROM recommend_next(7, k := 6) AS r ORDER BY r.item_id"
    scores = []
    for device in ("'phone'", "'desk'", "NULL"):
        trained.execute(
            f"INSERT INTO clicks VALUES (7, 2, '2024-01-16', {device}, 1), "
            f"(7, 2, '2024-01-16 00:20:00', {device}, 1)"
        )
        scores.append(trained.sql(query).fetchall())
        trained.execute("DELETE FROM clicks WHERE t >= '2024-01-16'")
    assert scores[0] != scores[1]
    assert scores[1] != scores[2]


def test_everyone_is_answered_as_alone(trained: duckdb.DuckDBPyConnection) -> None:
    check_answers_alone(trained)
    scored = trained.sql(
        "SELECT score_next(r.user_id, r.item_id), r.score FROM recsql.user_recommendations AS r"
    ).fetchall()
    assert [one for one, _ in scored] == pytest.approx(
        [other for _, other in scored], rel=1e-4, abs=1e-6
    )


def test_what_the_context_means_is_stored_and_goes_with_the_graph(
    trained: duckdb.DuckDBPyConnection,
) -> None:
    names = "SELECT a.name FROM recsql.artifacts AS a WHERE a.model_id LIKE 'next/%' ORDER BY 1"
    assert ("context",) in trained.sql(names).fetchall()
    first = "SELECT a.name FROM recsql.artifacts AS a WHERE a.model_id LIKE 'first/%'"
    assert ("context",) in trained.sql(first).fetchall()


def test_a_context_that_is_not_bound_is_refused(trained: duckdb.DuckDBPyConnection) -> None:
    for call, sentence in (
        ("{'devise': 'phone'}", "context must be among device, wind, got 'devise'. Did you mean"),
        ("5", r"context must be values by name, got 5. For example \{'device': 'phone'\}."),
    ):
        with pytest.raises(duckdb.Error, match=sentence):
            trained.sql(f"FROM recommend_next(3, context := {call})").fetchall()


def test_a_model_that_reads_none_answers_alike_in_any_context() -> None:
    con = shop()
    recsql.train(con, task="next", models=["markov"])
    assert (
        con.sql("SELECT a.name FROM recsql.artifacts AS a WHERE a.name = 'context'").fetchall()
        == []
    )
    asked = "FROM recommend_next(3{})"
    told = con.sql(asked.format(", context := {'device': 'phone'}")).fetchall()
    assert told == con.sql(asked.format("")).fetchall()
    with pytest.raises(duckdb.Error, match="context must be among device, wind, got 'lamp'"):
        con.sql("FROM recommend_next(3, context := {'lamp': 'on'})").fetchall()
    recsql.bind_interactions(con, "clicks", user_id="u", item_id="p", ts="t")
    recsql.train(con, task="next", models=["markov"])
    with pytest.raises(duckdb.Error, match="context must be left out where none is bound, got dev"):
        con.sql("FROM recommend_next(3, context := {'device': 'phone'})").fetchall()


def test_drift_is_measured_in_the_context_of_each_request(
    trained: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "K", 1)
    trained.execute(
        "INSERT INTO clicks SELECT i % 150, i // 150 % 2, "
        "TIMESTAMP '2024-02-01' + INTERVAL (i) MINUTE, "
        "CASE WHEN i // 150 % 2 = 1 THEN 'phone' ELSE 'desk' END, 1 FROM range(300) AS r(i)"
    )
    try:
        rates = upkeep.live_hit_rate(Session(trained.cursor()))
    finally:
        trained.execute("DELETE FROM clicks WHERE t >= '2024-02-01'")
    assert rates is not None
    assert rates[0] == 1.0
