"""What to offer somebody who has bought nothing yet, judged by attributes."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

import recsql

Con = duckdb.DuckDBPyConnection


def rows(con: Con, sql: str) -> list[tuple[Any, ...]]:
    return con.cursor().execute(sql).fetchall()


def shop(con: Con) -> None:
    """Customers of one country begin with tea, those of the other with coffee; all go on alike."""
    con.execute(
        "CREATE TABLE people AS SELECT c.c AS id, ['France', 'Italy'][1 + c.c % 2] AS country, "
        "20 + c.c % 40 AS age, 'p' || c.c || '@example.org' AS email FROM range(400) AS c(c)"
    )
    con.execute(
        "CREATE TABLE orders AS SELECT c.c AS customer, CASE WHEN n.n > 0 THEN 'bread' "
        "WHEN (c.c * 7) % 10 = 0 THEN 'milk' ELSE ['tea', 'coffee'][1 + c.c % 2] END AS sku, "
        "TIMESTAMP '2024-01-01' + to_hours(((c.c * 37) % 4000 + n.n * 48)::INTEGER) AS ts "
        "FROM range(390) AS c(c), range(2) AS n(n)"
    )
    recsql.bind_interactions(con, "orders", user_id="customer", item_id="sku", ts="ts")
    recsql.bind_users(con, "people", user_id="id", private=["email"])


@pytest.fixture(scope="module", params=["segment_popularity", "hnsw_customers"])
def con(request: pytest.FixtureRequest) -> Con:
    con = recsql.connect()
    shop(con)
    recsql.train(con, task="first", models=[request.param])
    return con


def test_a_lead_without_purchases_gets_what_those_alike_began_with(con: Con) -> None:
    assert rows(con, "SELECT item_id FROM recommend_first(398, k := 1)") == [("tea",)]
    assert rows(con, "SELECT item_id FROM recommend_first(399, k := 1)") == [("coffee",)]


def test_attributes_alone_are_enough(con: Con) -> None:
    for country, item in (("France", "tea"), ("Italy", "coffee")):
        for given in (f"{{'country': '{country}'}}", f"MAP {{'COUNTRY': '{country}'}}"):
            found = rows(con, f"SELECT item_id FROM recommend_first_for({given}, k := 1)")
            assert found == [(item,)]


def test_a_row_of_attributes_is_answered_as_the_customer_who_has_them(con: Con) -> None:
    of_customer = rows(con, "FROM recommend_first(398, k := 3)")
    alike = "(SELECT {'country': p.country, 'age': p.age} FROM people AS p WHERE p.id = 398)"
    assert rows(con, f"FROM recommend_first_for({alike}, k := 3)") == of_customer


def test_an_attribute_changed_a_moment_ago_counts(con: Con) -> None:
    con.execute("UPDATE people SET country = 'Italy' WHERE id = 398")
    try:
        assert rows(con, "SELECT item_id FROM recommend_first(398, k := 1)") == [("coffee",)]
    finally:
        con.execute("UPDATE people SET country = 'France' WHERE id = 398")


def test_every_way_of_calling_gives_the_same(con: Con) -> None:
    single = {user: rows(con, f"FROM recommend_first({user}, k := 2)") for user in (397, 398, 399)}
    bulk = rows(
        con,
        "SELECT p.id, r.* FROM people AS p, recommend_first(p.id, k := 2) AS r "
        "WHERE p.id >= 397 ORDER BY p.id, r.rank",
    )
    assert bulk == [(user, *row) for user, found in single.items() for row in found]
    con.execute("PREPARE q AS FROM recommend_first(?, k := 2)")
    assert con.execute("EXECUTE q(398)").fetchall() == single[398]
    alike = rows(
        con,
        "SELECT p.id, r.* FROM people AS p, recommend_first_for({'country': p.country, "
        "'age': p.age}, k := 2) AS r WHERE p.id >= 397 ORDER BY p.id, r.rank",
    )
    assert alike == bulk


def test_what_was_bought_is_left_out(con: Con) -> None:
    bought = {item for (item,) in rows(con, "SELECT sku FROM orders WHERE customer = 1")}
    found = {item for (item,) in rows(con, "SELECT item_id FROM recommend_first(1, k := 9)")}
    assert found
    assert not bought & found


def test_nobody_gets_what_most_begin_with(con: Con) -> None:
    for call in ("recommend_first(NULL)", "recommend_first(12345)", "recommend_first_for(NULL)"):
        assert {row[1] for row in rows(con, f"FROM {call}")} == {"tea", "coffee", "milk", "bread"}


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("recommend_first_for({'contry': 'x'})", "Did you mean 'country'"),
        ("recommend_first_for({'email': 'x'})", "attributes must be among country, age, got"),
        ("recommend_first_for([1, 2])", "must be values by name"),
        ("recommend_first(1, k := 0)", "k must be at least 1"),
    ],
)
def test_bad_arguments_are_refused(con: Con, call: str, sentence: str) -> None:
    with pytest.raises(duckdb.Error, match=sentence):
        rows(con, f"FROM {call}")


def test_without_attributes_everyone_gets_best_first_sellers() -> None:
    con = recsql.connect()
    shop(con)
    con.execute("CALL recsql.bind_users('people', user_id := 'id', attributes := [])")
    recsql.train(con, task="first", models=["segment_popularity"])
    assert rows(con, "SELECT item_id FROM recommend_first(399, k := 2)") == rows(
        con, "SELECT item_id FROM recommend_first(398, k := 2)"
    )
