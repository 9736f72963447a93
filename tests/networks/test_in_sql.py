"""Networks in the database: who competes, what is stored, and what answers when it is damaged."""

from __future__ import annotations

import json

import duckdb
import pytest

pytest.importorskip("torch")

from shop import check_answers_alone

import recsql
from recsql.database import Session
from recsql.models import network
from recsql.models.gru import GRU
from recsql.models.hrnn_meta import HRNNMeta
from recsql.selection import competition, upkeep


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


def test_the_trend_of_a_session_is_that_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        GRU, "variants", lambda *, real_time: [GRU(n_epochs=2, trend=True, smoothing=0.1)]
    )
    con = shop()
    recsql.train(con, task="next", models=["gru"])
    query = "SELECT r.item_id FROM recommend_session([1, 2, 3], k := 11) AS r WHERE r.rank = 1"
    before = con.sql(query).fetchall()
    other = (int(before[0][0]) + 1) % 11
    con.execute(
        f"INSERT INTO clicks SELECT 1000 + i, {other}, c.latest + INTERVAL 1 SECOND, 'click' "
        "FROM range(5000) AS r(i), (SELECT max(t) AS latest FROM clicks) AS c"
    )
    assert con.sql(query).fetchall() == [(other,)]


def test_a_refresh_goes_on_where_a_network_cannot_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    con = shop()
    recsql.train(con, task="next", models=["gru"])
    asked = "FROM recommend_next(3, k := 5)"
    before = con.sql(asked).fetchall()

    def broken(self: GRU, purchases: object) -> None:
        raise RuntimeError("a kernel is missing")

    monkeypatch.setattr(GRU, "_learned", broken)
    con.execute("UPDATE recsql.settings SET value = '30' WHERE name = 'max_group_items'")
    assert recsql.refresh(con).rows[0][0] == "rebuilt"
    assert con.sql(asked).fetchall() == before
    noted = con.sql(
        "SELECT r.changes ->> '$.not_learned.next' FROM recsql.runs AS r "
        "WHERE r.statement = 'refresh'"
    ).fetchall()
    assert noted == [("a kernel is missing",)]


def test_what_came_since_is_measured_with_the_attributes_of_customers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Everyone begins with the same item; what comes next depends on the country."""
    monkeypatch.setattr(upkeep, "K", 1)
    settings = {"n_epochs": 15, "learning_rate": 0.01, "held_out": 0.0}
    monkeypatch.setattr(HRNNMeta, "variants", lambda *, real_time: [HRNNMeta(**settings)])
    con = recsql.connect()
    con.execute(
        "CREATE TABLE clicks AS SELECT i AS u, CASE WHEN n = 0 THEN 'first' ELSE "
        "'of ' || (i % 3) END AS p, TIMESTAMP '2024-01-01' + INTERVAL (i + n * 300) MINUTE AS t "
        "FROM range(200) AS a(i), range(2) AS b(n)"
    )
    con.execute(
        "CREATE TABLE people AS SELECT i AS u, 'c' || (i % 3) AS country FROM range(400) AS a(i)"
    )
    recsql.bind_interactions(con, "clicks", user_id="u", item_id="p", ts="t")
    recsql.bind_users(con, "people", user_id="u", attributes=["country"])
    recsql.train(con, task="next", models=["hrnn_meta"])
    con.execute(
        "INSERT INTO clicks SELECT i, CASE WHEN n = 0 THEN 'first' ELSE 'of ' || (i % 3) END, "
        "CASE WHEN n = 0 THEN '2024-01-01' ELSE '2024-02-01' END::TIMESTAMP + INTERVAL (i) MINUTE "
        "FROM range(200, 300) AS a(i), range(2) AS b(n)"
    )
    rates = upkeep.live_hit_rate(Session(con.cursor()))
    assert rates is not None
    assert rates[0] == 1.0
