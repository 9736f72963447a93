"""Networks in the database: who competes, what is stored, and what answers when it is damaged."""

from __future__ import annotations

import json

import duckdb
import pytest

pytest.importorskip("torch")

from shop import check_answers_alone

import recsql
from recsql.models import network
from recsql.selection import competition


def shop(path: str = ":memory:") -> duckdb.DuckDBPyConnection:
    con = recsql.connect(path)
    con.execute(
        "CREATE TABLE clicks AS SELECT i % 150 AS u, (i % 150 + i // 150 * (1 + i % 2)) % 11 AS p, "
        "TIMESTAMP '2024-01-01' + INTERVAL (i * 17) MINUTE AS t, "
        "CASE WHEN i % 4 = 0 THEN 'buy' ELSE 'click' END AS e FROM range(1200) AS r(i)"
    )
    recsql.bind_interactions(con, "clicks", user_id="u", item_id="p", ts="t", event="e")
    return con


def statuses(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, str | None]]:
    rows = con.sql(
        "SELECT m.algorithm, m.status, m.error FROM recsql.models AS m WHERE m.status <> 'retired'"
    ).fetchall()
    return {name: (status, error) for name, status, error in rows}


@pytest.fixture(scope="module")
def trained() -> duckdb.DuckDBPyConnection:
    con = shop()
    recsql.train(con, task="next", models=["hrnn"])
    return con


def test_networks_do_not_compete_where_nobody_asks_for_them() -> None:
    con = shop()
    recsql.train(con, task="next")
    found = statuses(con)
    assert found["sasrec"] == (
        "skipped",
        "networks compete where budget_s is given, or where they are named in models",
    )
    assert found["markov"][0] != "skipped"


def test_networks_compete_within_a_budget_and_are_left_out_by_a_setting() -> None:
    con = shop()
    recsql.train(con, task="next", budget_s=20.0)
    measured = con.sql(
        "SELECT DISTINCT l.algorithm FROM recsql.leaderboard AS l WHERE l.part = 'validation'"
    ).fetchall()
    assert ("dien",) in measured  # the first of them; the others may find the time used up
    con.execute("UPDATE recsql.settings SET value = 'never' WHERE name = 'networks'")
    recsql.train(con, task="next", budget_s=20.0)
    assert statuses(con)["gru"][0] == "skipped"
    con.execute("UPDATE recsql.settings SET value = 'sometimes' WHERE name = 'networks'")
    with pytest.raises(recsql.ParameterError, match="networks must be one of auto, always, never"):
        recsql.train(con, task="next")


def test_without_torch_networks_are_skipped_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network, "has_torch", lambda: False)
    monkeypatch.setattr(competition, "has_torch", lambda: False)
    con = shop()
    recsql.train(con, task="next", models=["gru", "markov"])
    found = statuses(con)
    assert found["gru"][0] == "skipped"
    assert "pip install 'duckdb-recsql[train]'" in found["gru"][1]
    assert found["markov"][0] == "incumbent"
    with pytest.raises(recsql.MissingExtraError, match="duckdb-recsql"):
        network.Network._module(recsql_model("gru"))


def recsql_model(name: str):  # type: ignore[no-untyped-def]
    from recsql.models.catalogue import model_named

    return model_named(name)()


def test_the_graph_and_its_signature_are_stored_beside_the_arrays(
    trained: duckdb.DuckDBPyConnection,
) -> None:
    rows = trained.sql("SELECT a.name, a.bytes FROM recsql.artifacts AS a ORDER BY 1").fetchall()
    stored = dict(rows)
    assert {"graph.onnx", "signature.json", "model", "items"} <= set(stored)
    signature = json.loads(stored["signature.json"])
    assert signature["network"] == "hrnn"
    assert [one["name"] for one in signature["inputs"]] == ["item", "length", "start", "gap"]
    assert len(signature["vocabulary"]) == len(signature["graph"]) == 64


def test_the_answer_follows_a_click_and_the_moment_asked_about(
    trained: duckdb.DuckDBPyConnection,
) -> None:
    query = "SELECT list(r.score) FROM recommend_next(3, k := 5) AS r"
    assert trained.sql("SELECT any_value(model) FROM recommend_next(3, k := 5)").fetchall() == [
        ("hrnn",)
    ]
    before = trained.sql(query).fetchall()
    trained.execute("INSERT INTO clicks VALUES (3, 4, '2024-01-20', 'buy')")
    after = trained.sql(query).fetchall()
    trained.execute("DELETE FROM clicks WHERE u = 3 AND t >= '2024-01-20'")
    assert after != before
    asked = "SELECT list(r.score) FROM recommend_next(3, k := 5, at_time := TIMESTAMP '{}') AS r"
    last = trained.sql("SELECT max(t) FROM clicks WHERE u = 3").fetchall()[0][0]
    moments = [str(last), str(last.replace(month=last.month + 1))]
    soon, later = (trained.sql(asked.format(moment)).fetchall() for moment in moments)
    assert soon != later


def test_everyone_is_answered_as_alone(trained: duckdb.DuckDBPyConnection) -> None:
    check_answers_alone(trained)


def test_a_damaged_graph_lets_the_model_before_it_answer_with_a_warning(tmp_path) -> None:  # type: ignore[no-untyped-def]
    con = shop(str(tmp_path / "shop.duckdb"))
    recsql.train(con, task="next", models=["markov"])
    recsql.train(con, task="next", models=["gru"])
    con.execute(
        "UPDATE recsql.artifacts AS a SET bytes = 'x'::BLOB WHERE a.name = 'graph.onnx' "
        "AND a.model_id IN (SELECT m.model_id FROM recsql.models AS m WHERE m.status = 'incumbent')"
    )
    with pytest.warns(RuntimeWarning, match="answers in place of the incumbent"):
        found = con.sql("SELECT any_value(model) FROM recommend_next(3, k := 3)").fetchall()
    assert found == [("markov",)]
