"""Published files of odd shops: what they answer is what the database answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
import shop

import recsql
from recsql.database import sql_names

Con = duckdb.DuckDBPyConnection
NAMES = sql_names("functions")


def small_shop(*tasks: str, **arguments: Any) -> Con:
    """Give a shop with customers 0 to 39 and these tasks trained."""
    con = recsql.connect()
    con.execute("SET threads = 2")
    shop.fill(con)
    recsql.bind_interactions(
        con, "orders", user_id="customer", item_id="sku", ts="ordered_at", **arguments
    )
    for task in tasks:
        recsql.train(con, task=task)
    return con


def in_both(con: Con, path: Path, query: str) -> list[Any]:
    """Give what a query finds in the database, which must be what it finds in the file."""
    with duckdb.connect(path, read_only=True) as file:
        found = con.cursor().execute(query).fetchall()
        assert file.execute(query).fetchall() == found
    return found


def test_a_customer_for_whom_nothing_is_left_is_not_somebody_unknown(tmp_path: Path) -> None:
    con = small_shop()
    con.execute(
        "INSERT INTO orders SELECT DISTINCT 900, o.sku, TIMESTAMP '2024-06-01', 'x', 1, 1 "
        "FROM orders AS o"
    )
    recsql.train(con, task="for_you", models=["item_knn"])
    recsql.publish(con, tmp_path / "x.duckdb", functions=["recommend_for_you"])
    assert in_both(con, tmp_path / "x.duckdb", "FROM recommend_for_you(900)") == []
    assert len(in_both(con, tmp_path / "x.duckdb", "FROM recommend_for_you(901)")) == 10


def test_an_event_that_counts_nothing_does_not_empty_the_file(tmp_path: Path) -> None:
    con = small_shop(event="CASE WHEN qty = 1 THEN '' ELSE 'sold' END")
    con.execute("CREATE TABLE people AS SELECT DISTINCT o.customer AS id FROM orders AS o")
    recsql.bind_users(con, "people", user_id="id")
    con.execute("INSERT INTO recsql.event_weights VALUES ('', 0), ('sold', 2)")
    recsql.train(con, task="bundle", models=["basket_copurchase"])
    recsql.publish(con, tmp_path / "x.duckdb")
    assert len(in_both(con, tmp_path / "x.duckdb", "FROM reference_customers(4, 'i05')")) == 5
    assert in_both(con, tmp_path / "x.duckdb", "FROM explain(4, 'i05')")


def test_purchases_that_are_all_gone_are_published_as_nothing(tmp_path: Path) -> None:
    con = small_shop("repeat", "next")
    con.execute("DELETE FROM orders")
    recsql.refresh(con, retrain=False)
    recsql.publish(con, tmp_path / "x.duckdb")
    assert in_both(con, tmp_path / "x.duckdb", "FROM recommend_repeat(4)") == []
    assert (
        in_both(con, tmp_path / "x.duckdb", "FROM due(DATE '2024-01-01', DATE '2025-01-01')") == []
    )


def test_fewer_than_ten_are_what_a_call_without_k_gives(tmp_path: Path) -> None:
    con = small_shop("next")
    recsql.publish(con, tmp_path / "x.duckdb", k=5)
    with duckdb.connect(tmp_path / "x.duckdb", read_only=True) as file:
        assert len(file.execute("FROM recommend_next(4)").fetchall()) == 5


def test_a_table_that_has_changed_is_said(tmp_path: Path) -> None:
    con = small_shop("popular")
    recsql.bind_users(con, "customers", user_id="id")
    con.execute("ALTER TABLE customers DROP COLUMN country")
    with pytest.raises(recsql.BindError, match=r"behind recsql\.users must be as it was"):
        recsql.publish(con, tmp_path / "x.duckdb")


def test_a_link_goes_on_pointing_to_the_file(tmp_path: Path) -> None:
    con = small_shop("popular")
    (tmp_path / "there").mkdir()
    real, link = tmp_path / "there" / "x.duckdb", tmp_path / "x.duckdb"
    link.symlink_to(real)
    recsql.publish(con, link)
    assert link.is_symlink()
    assert in_both(con, real, "FROM popular(k := 3)")


def test_a_prefix_is_that_of_the_file_too(tmp_path: Path) -> None:
    con = recsql.register(duckdb.connect(), prefix="rec_")
    shop.fill(con)
    shop.bind(con)
    recsql.train(con, task="bundle", models=["basket_copurchase"])
    said = recsql.publish(con, tmp_path / "x.duckdb").dicts()
    assert {row["function"] for row in said} == {"rec_" + name for name in NAMES}
    assert in_both(con, tmp_path / "x.duckdb", "FROM rec_recommend_bundle('i05', k := 3)")


@pytest.mark.parametrize("kind", ["HUGEINT", "UUID", "BIGINT"])
def test_ids_and_attributes_keep_their_types(tmp_path: Path, kind: str) -> None:
    con = recsql.connect()
    shop.fill(con)
    cast = "md5({0}::VARCHAR)::UUID" if kind == "UUID" else f"{{0}}::{kind}"
    user = cast.format("o.customer")
    recsql.bind_interactions(con, "orders", user_id=user.replace("o.", ""), item_id="sku")
    con.execute(
        f"CREATE TABLE people AS SELECT DISTINCT {user} AS id, '101'::BIT AS bits, "
        "TIMETZ '10:00:00+02' AS opens, 12.5::DECIMAL(9, 3) AS amount, [1, 2] AS sizes, "
        "{'a': 1} AS parts, (o.customer::HUGEINT * 10::HUGEINT ** 20) AS huge, "
        "'x'::ENUM ('x', 'y') AS chosen FROM orders AS o"
    )
    recsql.bind_users(con, "people", user_id="id")
    recsql.train(con, task="next", models=["frequency"])
    attributes = ["bits", "opens", "amount", "sizes", "parts", "huge", "chosen"]
    path = tmp_path / "x.duckdb"
    recsql.publish(con, path, include=attributes)
    assert in_both(
        con, path, f"SELECT user_id, {', '.join(attributes)} FROM recsql.users ORDER BY 1"
    )
    types = "SELECT typeof(user_id), typeof(huge), typeof(bits) FROM recsql.users LIMIT 1"
    assert in_both(con, path, types)[0][0] == kind
    asked = "SELECT u.user_id AS one, r.* FROM recsql.users AS u, recommend_next(u.user_id) AS r "
    asked += "ORDER BY ALL"
    assert in_both(con, path, asked)
