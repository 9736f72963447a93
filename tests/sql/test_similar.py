"""Items like an item and customers like a customer: by who bought what, in every way of calling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pytest
import shop

import recsql
from recsql.models import similar
from recsql.serving import residents

Con = duckdb.DuckDBPyConnection
FUNCTIONS = pytest.mark.parametrize(
    ("function", "asked"),
    [("similar_items", ("i01", "i02", "i03")), ("similar_users", ("1", "2", "3"))],
)


def rows(con: Con, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    return con.cursor().execute(sql, values).fetchall()


def train(con: Con) -> None:
    recsql.train(con, task="for_you", models=["item_knn"])


@pytest.fixture(scope="module")
def trained_once() -> Iterator[Con]:
    con = recsql.connect()
    shop.fill(con)
    shop.bind(con)
    train(con)
    yield con
    con.close()


@pytest.fixture
def con(trained_once: Con) -> Iterator[Con]:
    """Give the trained shop; its rows are put back afterwards."""
    trained_once.execute("CREATE OR REPLACE TABLE kept AS FROM orders")
    yield trained_once
    trained_once.execute("DELETE FROM orders")
    trained_once.execute("INSERT INTO orders FROM kept")


def buy(con: Con, customer: int, *items: str) -> None:
    for number, item in enumerate(items):
        con.execute(
            "INSERT INTO orders BY NAME SELECT ? AS customer, ? AS sku, "
            "TIMESTAMP '2024-06-29' + to_minutes(?) AS ordered_at, ? AS invoice, 1 AS qty",
            [customer, item, number, f"new{customer}"],
        )


def vectors_of(con: Con) -> dict[tuple[Any, Any], float]:
    """Give 1 / sqrt(n * m) of each customer of n items and item of m customers."""
    return {
        (customer, item): weight
        for customer, item, weight in rows(
            con,
            "SELECT p.customer, p.sku, 1 / sqrt(count(*) OVER (PARTITION BY p.customer) * "
            "count(*) OVER (PARTITION BY p.sku)) "
            "FROM (SELECT DISTINCT customer, sku FROM orders) AS p",
        )
    }


def cosines(table: Any, one: int) -> Any:
    length = np.sqrt((table**2).sum(axis=1))
    return table @ table[one] / (length * length[one])


@FUNCTIONS
def test_in_a_small_shop_the_similarity_is_the_cosine_of_who_bought_what(
    con: Con, function: str, asked: tuple[str, ...]
) -> None:
    entries = vectors_of(con)
    customers, items = (sorted({key[side] for key in entries}) for side in (0, 1))
    table = np.array([[entries.get((u, i), 0.0) for i in items] for u in customers])
    ids = customers if function == "similar_users" else items
    for one in asked:
        place = [str(known) for known in ids].index(one)
        expected = cosines(table if function == "similar_users" else table.T, place)
        found = rows(con, f"FROM {function}('{one}', k := 1000)")
        assert [row[0] for row in found] == list(range(1, len(found) + 1))
        told = {row[1]: row[2] for row in found}
        assert ids[place] not in told
        wanted = {
            known: cosine
            for known, cosine in zip(ids, expected, strict=True)
            if cosine > 0.002 and known != ids[place]
        }
        assert wanted.keys() <= told.keys()
        assert {known: told[known] for known in wanted} == pytest.approx(wanted, abs=1e-3)
        assert sorted(told.values(), reverse=True) == list(told.values())


@FUNCTIONS
def test_every_way_of_calling_gives_the_same(
    con: Con, function: str, asked: tuple[str, ...]
) -> None:
    column = "user_id" if function == "similar_users" else "item_id"
    con.execute(
        f"CREATE OR REPLACE TABLE asked AS SELECT unnest(?) AS {column}, unnest([3, 5, 3]) AS k",
        [list(asked)],
    )
    single = {
        one: rows(con, f"FROM {function}('{one}', k := {k})")
        for one, k in zip(asked, (3, 5, 3), strict=True)
    }
    assert [len(found) for found in single.values()] == [3, 5, 3]
    for argument, k in ((f"a.{column}", "a.k"), (column, "k")):
        bulk = rows(
            con,
            f"SELECT a.{column}, r.* FROM asked AS a, {function}({argument}, k := {k}) AS r "
            f"ORDER BY a.{column}, r.rank",
        )
        assert bulk == [(one, *row) for one, found in single.items() for row in found]
    expected = single[asked[1]]
    assert rows(con, f"FROM {function}('{asked[1]}', 5)") == expected
    assert rows(con, f"FROM {function}(k := 5, {column} := '{asked[1]}')") == expected
    assert rows(con, f"FROM {function}(?, k := ?)", asked[1], 5) == expected
    con.execute(f"PREPARE q AS FROM {function}($1, k := $2)")
    assert con.execute(f"EXECUTE q('{asked[1]}', 5)").fetchall() == expected
    assert len(rows(con, f"FROM {function}('{asked[1]}')")) == 10


def test_items_of_the_same_customers_are_alike_and_ties_go_to_the_smaller_id() -> None:
    con = recsql.connect()
    con.execute(
        "CREATE TABLE orders AS SELECT u AS customer, unnest(CASE WHEN u % 2 = 0 "
        "THEN ['a', 'b', 'c'] ELSE ['x', 'y', 'z'] END) AS sku FROM range(40) AS r(u)"
    )
    recsql.bind_interactions(con, "orders", user_id="customer", item_id="sku")
    train(con)
    found = rows(con, "FROM similar_items('b')")
    assert [row[:2] for row in found] == [(1, "a"), (2, "c")]
    assert [row[2] for row in found] == pytest.approx([1, 1])
    twins = rows(con, "FROM similar_users(8, k := 100)")
    assert [row[1] for row in twins] == [u for u in range(0, 40, 2) if u != 8]
    assert [row[2] for row in twins] == pytest.approx([1] * 19, abs=1e-4)


def test_a_twin_is_the_most_similar_and_a_purchase_counts_at_the_next_call(con: Con) -> None:
    assert rows(con, "FROM similar_users(900)") == []
    bought = rows(con, "SELECT DISTINCT sku FROM orders WHERE customer = 7")
    buy(con, 900, *(item for (item,) in bought))
    found = rows(con, "FROM similar_users(900, k := 2)")
    assert found[0][1] == 7
    assert found[0][2] == pytest.approx(1, abs=1e-4)
    buy(con, 7, *(f"i{item:02}" for item in range(10)))
    assert rows(con, "FROM similar_users(7, k := 2)") != rows(con, "FROM similar_users(900, 2)")
    assert rows(con, "FROM similar_users(900, k := 2)") == found  # others are as of training


def test_nobody_is_in_their_own_list_however_the_id_is_written(con: Con) -> None:
    expected = rows(con, "FROM similar_users(7, k := 100)")
    assert 7 not in {row[1] for row in expected}
    assert len(expected) > 30
    for text in ("'07'", "7.0", "' 7'"):
        assert rows(con, f"FROM similar_users({text}, k := 100)") == expected


@pytest.mark.parametrize(
    "call",
    [
        "similar_items('nothing')",
        "similar_items(NULL)",
        "similar_users(4711)",
        "similar_users('nobody')",
        "similar_users(NULL)",
    ],
)
def test_what_is_not_known_has_no_rows(con: Con, call: str) -> None:
    assert rows(con, f"FROM {call}") == []


@FUNCTIONS
@pytest.mark.parametrize("k", ["0", "-3", "NULL"])
def test_a_k_below_one_is_refused(con: Con, function: str, asked: tuple[str, ...], k: str) -> None:
    with pytest.raises(duckdb.InvalidInputException, match=f"k must be at least 1, got {k}"):
        rows(con, f"FROM {function}('{asked[0]}', k := {k})")


def test_an_item_that_is_not_available_is_left_out(con: Con) -> None:
    before = rows(con, "FROM similar_items('i05', k := 20)")
    best = before[0][1]
    con.execute("CREATE OR REPLACE TABLE closed AS SELECT ? AS sku, false AS open", [best])
    recsql.bind_items(con, "closed", item_id="sku", available="open")
    assert rows(con, "FROM similar_items('i05', k := 20)") == [
        (rank, *row[1:]) for rank, row in enumerate(before[1:], start=1)
    ]
    assert rows(con, f"FROM similar_items('{best}', k := 3)")
    con.execute("UPDATE closed SET open = true")
    assert rows(con, "FROM similar_items('i05', k := 20)") == before


def test_training_again_stores_the_same_vectors(con: Con) -> None:
    kept = "SELECT a.name, a.sha256 FROM recsql.artifacts AS a WHERE a.model_id = 'for_you/vectors'"
    before = rows(con, f"{kept} ORDER BY 1")
    assert len(before) == 4
    train(con)
    assert rows(con, f"{kept} ORDER BY 1") == before


def test_a_random_part_of_many_customers_is_compared_with(monkeypatch: Any) -> None:
    monkeypatch.setattr(similar, "MOST_CUSTOMERS", 10)
    con = recsql.connect()
    shop.fill(con)
    shop.bind(con)
    train(con)
    found = [rows(con, f"FROM similar_users({user}, k := 100)") for user in range(40)]
    others = {row[1] for one in found for row in one}
    assert len(others) == 10
    assert all(found)
    assert others != set(range(10))


def test_training_learns_the_vectors_again(shop_con: Con) -> None:
    con = shop_con
    train(con)
    buy(con, 901, "i01", "i02")
    assert 901 not in {row[1] for row in rows(con, "FROM similar_users(1, k := 100)")}
    train(con)
    assert 901 in {row[1] for row in rows(con, "FROM similar_users(1, k := 100)")}


@FUNCTIONS
def test_without_for_you_or_its_vectors_the_remedy_is_named(
    function: str, asked: tuple[str, ...], monkeypatch: Any
) -> None:
    con = recsql.connect()
    shop.fill(con)
    shop.bind(con)
    recsql.train(con, task="bundle")
    with pytest.raises(duckdb.InvalidInputException, match=r"CALL recsql\.train\(task := 'for_y"):
        rows(con, f"FROM {function}('{asked[0]}')")
    train(con)
    assert rows(con, f"FROM {function}('{asked[0]}')")
    con.execute("DELETE FROM recsql.artifacts AS a WHERE a.model_id = 'for_you/vectors'")
    monkeypatch.setattr(residents, "_RESIDENT", type(residents._RESIDENT)())
    with pytest.raises(duckdb.InvalidInputException, match=r"CALL recsql\.train\(\) to make it"):
        rows(con, f"FROM {function}('{asked[0]}')")
