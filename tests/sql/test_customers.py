"""Recommendations for customers: live, by a model in memory, in every way of calling them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import duckdb
import numpy as np
import pytest
import shop

import recsql
from recsql import database
from recsql.data.live import read_live
from recsql.data.purchases import purchase_reader
from recsql.functions import known_key
from recsql.serving import residents
from recsql.serving.instances import session_of

Con = duckdb.DuckDBPyConnection


def rows(con: Con, sql: str) -> list[tuple[Any, ...]]:
    return con.cursor().execute(sql).fetchall()


@pytest.fixture(scope="module")
def trained_once() -> Con:
    con = recsql.connect()
    shop.fill(con)
    shop.bind(con)
    recsql.train(con, task="next", models=["frequency"])
    recsql.train(con, task="for_you")
    return con


@pytest.fixture
def con(trained_once: Con) -> Any:
    """Give the trained shop; its rows are put back afterwards."""
    trained_once.execute("CREATE OR REPLACE TABLE kept AS FROM orders")
    yield trained_once
    trained_once.execute("DELETE FROM orders")
    trained_once.execute("INSERT INTO orders FROM kept")


TASKS = pytest.mark.parametrize("task", ["next", "for_you"])


@TASKS
def test_every_way_of_calling_gives_the_same(con: Con, task: str) -> None:
    con.execute("CREATE OR REPLACE TABLE people AS SELECT unnest([1, 2, 3]) AS user_id")
    single = {user: rows(con, f"FROM recommend_{task}({user}, k := 4)") for user in (1, 2, 3)}
    for found in single.values():
        assert [row[0] for row in found] == list(range(1, len(found) + 1))
        assert len(found) > 1
    for argument in ("p.user_id", "user_id"):
        bulk = rows(
            con,
            f"SELECT p.user_id, r.* FROM people AS p, recommend_{task}({argument}, k := 4) AS r "
            "ORDER BY p.user_id, r.rank",
        )
        assert bulk == [(user, *row) for user, found in single.items() for row in found]
    con.execute(f"PREPARE q AS FROM recommend_{task}(?, k := 4)")
    assert con.execute("EXECUTE q(2)").fetchall() == single[2]
    con.execute(f"CREATE OR REPLACE VIEW v AS FROM recommend_{task}(3, k := 4)")
    assert rows(con, "FROM v") == single[3]


def test_a_purchase_counts_at_the_next_call(con: Con) -> None:
    before = rows(con, "FROM recommend_next(1, k := 3)")
    target = next(
        item
        for (item,) in rows(con, "SELECT DISTINCT sku FROM orders ORDER BY 1")
        if item not in {row[1] for row in before}
    )
    for number in range(40):
        con.execute(
            "INSERT INTO orders BY NAME SELECT 1 AS customer, ? AS sku, "
            "TIMESTAMP '2024-06-20' + to_hours(?) AS ordered_at, ? AS invoice, 1 AS qty",
            [target, number, f"new{number}"],
        )
    assert rows(con, "FROM recommend_next(1, k := 3)")[0][1] == target


def test_a_backdated_purchase_counts_too_and_only_from_its_time_on(con: Con) -> None:
    early = "FROM recommend_for_you(77, k := 20, at_time := TIMESTAMP '2023-01-05')"
    con.execute(
        "INSERT INTO orders BY NAME SELECT 77 AS customer, 'i01' AS sku, "
        "TIMESTAMP '2023-01-10' AS ordered_at, 'old' AS invoice, 1 AS qty"
    )
    now = {row[1] for row in rows(con, "FROM recommend_for_you(77, k := 20)")}
    then = {row[1] for row in rows(con, early)}
    assert then - now == {"i01"}


@TASKS
def test_a_new_customer_and_no_customer_get_best_sellers(con: Con, task: str) -> None:
    for user in ("4711", "NULL", "'nobody'"):
        found = rows(con, f"FROM recommend_{task}({user}, k := 5)")
        assert [row[0] for row in found] == [1, 2, 3, 4, 5]


@TASKS
def test_what_was_bought_can_be_left_out_or_kept(con: Con, task: str) -> None:
    bought = {item for (item,) in rows(con, "SELECT DISTINCT sku FROM orders WHERE customer = 1")}
    out = rows(con, f"FROM recommend_{task}(1, k := 20, exclude_bought := true)")
    kept = rows(con, f"FROM recommend_{task}(1, k := 20, exclude_bought := false)")
    assert not bought & {row[1] for row in out}
    assert bought & {row[1] for row in kept}
    assert len(out) + len(bought) == len(kept) == 20


@TASKS
def test_an_item_that_is_not_available_is_not_recommended(con: Con, task: str) -> None:
    (best,) = {row[1] for row in rows(con, f"FROM recommend_{task}(1, k := 1)")}
    con.execute("CREATE OR REPLACE TABLE closed AS SELECT ? AS sku, false AS open", [best])
    recsql.bind_items(con, "closed", item_id="sku", available="open")
    assert best not in {row[1] for row in rows(con, f"FROM recommend_{task}(1, k := 20)")}
    con.execute("UPDATE closed SET open = true")
    assert best in {row[1] for row in rows(con, f"FROM recommend_{task}(1, k := 20)")}


@TASKS
@pytest.mark.parametrize("k", ["0", "-3", "NULL"])
def test_a_k_below_one_is_refused(con: Con, task: str, k: str) -> None:
    wanted = "NULL" if k == "NULL" else k
    with pytest.raises(duckdb.InvalidInputException, match=f"k must be at least 1, got {wanted}"):
        rows(con, f"FROM recommend_{task}(1, k := {k})")


def test_models_in_memory_make_room_for_newer_ones(con: Con, monkeypatch: Any) -> None:
    monkeypatch.setattr(residents, "MOST_RESIDENT", 1)
    monkeypatch.setattr(residents, "_RESIDENT", OrderedDict())
    first = rows(con, "FROM recommend_next(1, k := 3)")
    rows(con, "FROM recommend_for_you(1, k := 3)")
    assert len(residents._RESIDENT) == 1
    assert rows(con, "FROM recommend_next(1, k := 3)") == first


def test_damaged_models_are_refused_with_the_remedy() -> None:
    con = recsql.connect()
    shop.fill(con)
    shop.bind(con)
    recsql.train(con, task="next")
    con.execute("UPDATE recsql.artifacts SET sha256 = 'x'")
    with pytest.raises(duckdb.InvalidInputException, match="must have SHA-256 x, got other bytes"):
        rows(con, "FROM recommend_next(1)")


def test_without_times_the_moment_is_refused(con: Con) -> None:
    other = recsql.connect()
    other.execute("CREATE TABLE t AS SELECT r % 4 AS who, r % 5 AS what FROM range(40) AS n(r)")
    recsql.bind_interactions(other, "t", user_id="who", item_id="what")
    recsql.train(other, task="next")
    assert len(rows(other, "FROM recommend_next(1, k := 2)")) == 2
    with pytest.raises(duckdb.InvalidInputException, match="at_time must be left out"):
        rows(other, "FROM recommend_next(1, at_time := 5)")


def test_a_session_is_answered_by_its_items_whoever_has_it(con: Con) -> None:
    found = rows(
        con, "FROM recommend_session(['i03', 'i03', 'i07'], k := 2, exclude_bought := false)"
    )
    assert [row[1] for row in found] == ["i03", "i07"]
    out = rows(con, "FROM recommend_session(['i03', 'i07'], k := 20, exclude_bought := true)")
    assert len(out) == 18
    assert not {"i03", "i07"} & {row[1] for row in out}
    bulk = rows(
        con,
        "SELECT s.n, r.* FROM (VALUES (1, ['i03', 'i03', 'i07']), (2, [])) AS s(n, cart), "
        "recommend_session(s.cart, k := 2, exclude_bought := false) AS r ORDER BY s.n, r.rank",
    )
    assert [row[1:] for row in bulk if row[0] == 1] == found
    assert len(bulk) == 4


@pytest.mark.parametrize("items", ["NULL", "[]", "['nothing']", "[NULL]"])
def test_a_session_of_nothing_known_gets_best_sellers(con: Con, items: str) -> None:
    assert len(rows(con, f"FROM recommend_session({items}, k := 3)")) == 3


@pytest.mark.parametrize("few", [1_000, 3])
@pytest.mark.parametrize("kind", ["HUGEINT", "UUID", "VARCHAR"])
def test_a_customer_alone_is_read_as_among_others_whatever_the_type_of_ids(
    kind: str, few: int, monkeypatch: Any
) -> None:
    monkeypatch.setattr(database, "FEW", few)
    con = recsql.connect()
    start = {
        "HUGEINT": f"1{'0' * 30}",
        "UUID": f"00000000-0000-0000-0000-{'0' * 11}",
        "VARCHAR": "v",
    }
    step = "((e.e + u.u) % 6)::INTEGER"
    con.execute(
        f"CREATE TABLE visits AS SELECT u.u AS customer, (u.u * 7 + e.e) % 11 AS item, "
        f"('{start[kind]}' || nullif({step}, 3))::{kind} AS visit, e.e % 5 + 1 AS stars, "
        "CASE WHEN e.e % 3 > 0 THEN 'buy' END AS what, "
        "TIMESTAMP '2024-01-01' + to_hours(e.e * 30) AS ts "
        "FROM range(12) AS u(u), range(10) AS e(e)"
    )
    recsql.bind_interactions(
        con,
        "visits",
        user_id="customer",
        item_id="item",
        ts="ts",
        basket_id="visit",
        session_id="visit",
        rating="stars",
        event="what",
    )
    customers = ["0", "5", "99"]
    with session_of(str(known_key(con))) as session:
        code_of = {str(item): item for item in range(11)}
        reader = purchase_reader(session, live=True)
        alone = [read_live(session, reader, [one], [None], code_of, 11) for one in customers]
        among = read_live(session, reader, customers, [None] * 3, code_of, 11)
    assert len(among.events.item) == 20
    for place, found in enumerate(alone):
        expected = among.events.of_users(np.array([place]))
        for name in ("item", "time", "basket", "session", "strength"):
            np.testing.assert_array_equal(getattr(found.events, name), getattr(expected, name))
        assert found.events.feedback is not None
        assert expected.feedback is not None
        np.testing.assert_array_equal(found.events.feedback.rating, expected.feedback.rating)
        kinds = [
            [one.kinds[code] if code >= 0 else None for code in one.kind]
            for one in (found.events.feedback, expected.feedback)
        ]
        assert kinds[0] == kinds[1]
