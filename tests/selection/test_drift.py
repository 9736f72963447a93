"""What moved, by how much, and what is done about it."""

from __future__ import annotations

import json
import math
from typing import Any

import duckdb
import pytest
import shop

import recsql
from recsql.database import Session
from recsql.selection.drift import new_rows_share, stability_index
from recsql.selection.upkeep import live_hit_rate

Con = duckdb.DuckDBPyConnection


@pytest.fixture
def con() -> Con:
    con = recsql.connect()
    shop.fill(con)
    shop.bind(con)
    recsql.train(con, task="next", models=["frequency"])
    return con


def insert(con: Con, share: float) -> None:
    """Repeat the newest baskets a month later."""
    con.execute(
        "INSERT INTO orders SELECT o.* REPLACE (o.ordered_at + INTERVAL 30 DAY AS ordered_at, "
        "'again' || o.invoice AS invoice) FROM orders AS o WHERE o.ordered_at >= "
        "(SELECT quantile_disc(p.ordered_at, ?) FROM orders AS p)",
        [1 - share],
    )


def runs(con: Con) -> list[tuple[str, str, dict[str, Any]]]:
    rows = con.execute(
        "SELECT r.statement, r.reason, r.changes FROM recsql.runs AS r ORDER BY r.run_id"
    ).fetchall()
    return [(statement, reason, json.loads(changes)) for statement, reason, changes in rows]


def test_nothing_new_keeps_everything(con: Con) -> None:
    assert recsql.refresh(con).rows[0][4:6] == ("kept", "0.0% of the rows are new")
    statement, _, numbers = runs(con)[-1]
    assert statement == "drift"
    assert numbers["new_rows_share"] == 0
    assert numbers["psi_items"] is None


def test_some_new_rows_let_the_incumbent_learn_again(con: Con) -> None:
    con.execute("UPDATE recsql.settings SET value = '9' WHERE name = 'drift_psi'")
    insert(con, 0.1)
    assert recsql.refresh(con).rows[0][4] == "relearn"
    assert [run[0] for run in runs(con)][-3:] == ["refresh", "drift", "refresh"]
    models = con.execute("SELECT m.status FROM recsql.models AS m WHERE m.status <> 'candidate'")
    assert models.fetchall() == [("incumbent",)]


def test_many_new_rows_let_all_models_compete(con: Con) -> None:
    insert(con, 0.5)
    decision, why = recsql.refresh(con).rows[0][4:6]
    assert decision == "compete"
    assert "of the rows are new (drift_new_rows_share 30.0%)" in why
    assert runs(con)[-1][0] == "train"
    assert runs(con)[-1][1].startswith("drift: ")
    assert recsql.refresh(con).rows[0][4] == "kept"  # measured from the new training


def test_only_tasks_that_serve_compete_again(con: Con) -> None:
    insert(con, 0.5)
    recsql.refresh(con)
    tasks = con.execute("SELECT DISTINCT m.task FROM recsql.models AS m").fetchall()
    assert tasks == [("next",)]


def test_another_mix_of_items_is_significant(con: Con) -> None:
    con.execute(
        "INSERT INTO orders SELECT c.c, 'i19', TIMESTAMP '2024-07-01' + to_hours(c.c::INTEGER), "
        "'m' || c.c, 1, 1.0 FROM range(60) AS c(c)"
    )
    decision, why = recsql.refresh(con).rows[0][4:6]
    assert decision == "compete"
    assert "stability index of items" in why


def test_refresh_without_retraining_decides_nothing(con: Con) -> None:
    insert(con, 0.5)
    before = len(runs(con))
    assert con.execute("SELECT * FROM recsql.refresh(retrain := false)").fetchall()[0][4] is None
    assert len(runs(con)) == before + 1


def test_the_share_of_new_rows_counts_what_came_and_what_went(con: Con) -> None:
    (there,) = con.execute("SELECT count(*) FROM orders").fetchall()[0]
    con.execute("DELETE FROM orders WHERE sku = 'i01'")
    (left,) = con.execute("SELECT count(*) FROM orders").fetchall()[0]
    con.execute("INSERT INTO orders VALUES (1, 'new', TIMESTAMP '2024-06-30', 'n', 1, 1.0)")
    recsql.refresh(con, retrain=False)
    assert new_rows_share(Session(con)) == pytest.approx((there - left + 1) / there)


def test_the_stability_index_is_the_sum_over_bins(con: Con) -> None:
    session = Session(con)
    insert(con, 0.2)
    recsql.refresh(con, retrain=False)
    then = dict(
        session.rows("SELECT b.bin, b.share FROM recsql.baseline_bins AS b WHERE b.kind = 'item'")
    )
    assert sum(then.values()) == pytest.approx(1)
    rows = session.rows(
        "SELECT b.bin, count(*) FROM orders AS o JOIN recsql.baseline AS b ON b.kind = 'item' "
        "AND b.key = o.sku WHERE o.invoice LIKE 'again%' GROUP BY b.bin"
    )
    now = {place: n / sum(count for _, count in rows) for place, n in rows}
    expected = 0.0
    for place in then.keys() | now.keys():
        p, q = (max(d.get(place, 0), 1e-4) for d in (then, now))
        expected += (q - p) * math.log(q / p)
    assert stability_index(session, "item") == pytest.approx(expected)


def test_the_hit_rate_is_measured_on_what_came_since(con: Con) -> None:
    assert live_hit_rate(Session(con)) is None  # nothing came
    con.execute(
        "INSERT INTO orders SELECT o.customer, o.sku, TIMESTAMP '2024-07-01', "
        "'last' || o.customer, 1, 1.0 FROM (SELECT p.customer, mode(p.sku ORDER BY p.sku) AS sku "
        "FROM orders AS p GROUP BY 1) AS o"
    )
    assert live_hit_rate(Session(con)) is None  # fewer than 50 came back
    con.execute(
        "INSERT INTO orders SELECT o.customer + 100, o.sku, o.ordered_at, 'x' || o.invoice, 1, 1.0 "
        "FROM orders AS o"
    )
    rates = live_hit_rate(Session(con))
    assert rates is not None
    now, before = rates
    assert now > 0.9  # everyone bought what they buy most
    assert 0 < before < 1


def test_thresholds_are_settings(con: Con) -> None:
    insert(con, 0.5)
    for name in ("drift_relearn_share", "drift_new_rows_share", "drift_psi"):
        con.execute("UPDATE recsql.settings SET value = '9' WHERE name = ?", [name])
    assert recsql.refresh(con).rows[0][4] == "kept"


def test_when_everything_is_gone_nothing_learns(con: Con) -> None:
    con.execute("DELETE FROM orders")
    assert recsql.refresh(con).rows[0][4:6] == ("kept", "there is nothing left to learn from")
