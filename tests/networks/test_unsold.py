"""Products that nobody bought, recommended by their attributes in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("torch")

import recsql
from recsql.data.events import Events, pointers
from recsql.data.features import Features
from recsql.data.history import History
from recsql.data.offered import Unsold
from recsql.data.snapshot import ItemDays
from recsql.database import Session
from recsql.models.hrnn_meta import HRNNMeta
from recsql.models.purchases import Purchases
from recsql.selection.upkeep import live_hit_rate

Con = duckdb.DuckDBPyConnection
RED, BLUE = 2, 3  # a customer who buys red things, and one who buys blue ones
SOLD = [f"{colour}{n}" for colour in "br" for n in range(5)]


def shop(path: str = ":memory:") -> Con:
    """Even customers buy red things, odd ones blue things; some products nobody bought."""
    con = recsql.connect(path)
    con.execute(
        "CREATE TABLE orders AS SELECT c AS customer, "
        "(CASE WHEN c % 2 = 0 THEN 'r' ELSE 'b' END) || (hash(c, n) % 5)::VARCHAR AS sku, "
        "TIMESTAMP '2024-01-01' + INTERVAL (c * 3 + n * 700) MINUTE AS ts "
        "FROM range(100) AS a(c), range(6) AS b(n)"
    )
    con.execute(
        "CREATE TABLE products AS SELECT DISTINCT sku, "
        "CASE WHEN sku[1] = 'r' THEN 'red' ELSE 'blue' END AS colour, "
        "true AS stocked, false AS ended FROM orders"
    )
    con.execute(
        "INSERT INTO products VALUES ('r2new', 'red', true, false), ('a0', 'blue', true, false), "
        "('green', 'green', true, false), ('later', 'red', false, false), "
        "('ended', 'red', true, true)"
    )
    recsql.bind_interactions(con, "orders", user_id="customer", item_id="sku", ts="ts")
    recsql.bind_items(
        con,
        "products",
        item_id="sku",
        available="stocked",
        attributes=["colour"],
        filter="NOT ended",
    )
    return con


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """Let the network learn for a few rounds."""

    def variants(*, real_time: bool) -> list[HRNNMeta]:
        short = {"n_epochs": 10, "learning_rate": 0.01, "held_out": 0.0, "n_threads": 1}
        return [HRNNMeta(**short, n_factors=16, n_hidden=16)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HRNNMeta, "variants", variants)
        yield


@pytest.fixture(scope="module")
def learned(quick: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unsold") / "shop.duckdb"
    con = shop(str(path))
    con.execute("CALL recsql.train(task := 'next', models := ['hrnn_meta'])")
    con.close()
    return path


@pytest.fixture
def con(learned: Path, tmp_path: Path) -> Iterator[Con]:
    """Give a copy of the trained shop, to be changed at will."""
    path = tmp_path / "shop.duckdb"
    path.write_bytes(learned.read_bytes())
    con = recsql.connect(str(path))
    yield con
    con.close()


def items(con: Con, customer: int, k: int = 6, more: str = "") -> list[str]:
    rows = con.sql(
        f"SELECT r.item_id FROM recommend_next({customer}, k := {k} {more}) AS r ORDER BY r.rank"
    ).fetchall()
    return [item for (item,) in rows]


def score(con: Con, customer: int, item: str) -> float | None:
    found: float | None = con.sql(f"SELECT score_next({customer}, '{item}')").fetchall()[0][0]
    return found


def test_a_product_that_nobody_bought_is_recommended_to_who_buys_its_like(con: Con) -> None:
    red, blue = items(con, RED), items(con, BLUE)
    assert sorted(red) == ["r0", "r1", "r2", "r2new", "r3", "r4"]
    assert sorted(blue) == ["a0", "b0", "b1", "b2", "b3", "b4"]
    assert con.sql(f"SELECT DISTINCT model FROM recommend_next({RED}, k := 6)").fetchall() == [
        ("hrnn_meta",)
    ]
    red_score, blue_score = score(con, RED, "r2new"), score(con, BLUE, "r2new")
    assert red_score is not None
    assert blue_score is not None
    assert red_score > blue_score
    listed = con.sql(
        f"SELECT r.score FROM recommend_next({RED}, k := 6) AS r WHERE r.item_id = 'r2new'"
    ).fetchall()
    assert listed[0][0] == pytest.approx(red_score, rel=1e-5)


def test_a_product_of_which_nothing_is_known_has_no_score(con: Con) -> None:
    con.execute("INSERT INTO products VALUES ('since', 'red', true, false)")
    for item in ("green", "ended", "since", "nothing"):
        assert score(con, RED, item) is None
    assert set(items(con, RED, 100)) == {*SOLD, "r2new", "a0"}
    assert con.sql("SELECT DISTINCT m.n_items FROM recsql.models AS m").fetchall() == [(10,)]


def test_a_product_is_recommended_while_it_is_available(con: Con) -> None:
    """Of equal attributes and so of equal scores, 'later' is the smaller id."""
    assert "later" not in items(con, RED, 100)
    assert score(con, RED, "later") == score(con, RED, "r2new")
    con.execute("UPDATE products SET stocked = true WHERE sku = 'later'")
    red = items(con, RED, 7)
    assert red.index("later") + 1 == red.index("r2new")
    con.execute("UPDATE products SET stocked = false WHERE sku = 'r2new'")
    assert "r2new" not in items(con, RED, 100)


@pytest.mark.parametrize(
    "change",
    ["DELETE FROM products WHERE sku = 'r2new'", "UPDATE products SET ended = true"],
    ids=["removed", "filtered"],
)
def test_a_product_that_is_bound_no_more_and_was_never_bought_is_not_recommended(
    con: Con, change: str
) -> None:
    con.execute(change)
    assert "r2new" not in items(con, RED, 100)
    assert set(SOLD) <= set(items(con, RED, 100))


def test_the_first_purchase_after_training_is_read_by_its_attributes(con: Con) -> None:
    con.execute("INSERT INTO orders VALUES (999, 'r2new', '2024-01-20')")
    assert {item for item in items(con, 999) if item[0] == "b"} == set()
    assert "r2new" not in items(con, 999, 100, ", exclude_bought := true")
    assert "r2new" in items(con, 999, 100, ", exclude_bought := false")
    con.execute("CALL recsql.refresh()")
    assert "r2new" in items(con, RED)
    con.execute("DELETE FROM products WHERE sku = 'r2new'")
    assert "r2new" in items(con, RED)  # sold by now, and available like any that is not bound


def test_everyone_and_a_published_file_are_answered_as_alone(con: Con, tmp_path: Path) -> None:
    con.execute("CALL recsql.materialize('next', k := 6)")
    rows = con.sql(
        "SELECT r.item_id FROM recsql.user_recommendations AS r "
        f"WHERE r.task = 'next' AND r.user_id = {RED} ORDER BY r.rank"
    ).fetchall()
    assert [item for (item,) in rows] == items(con, RED)
    con.execute(f"CALL recsql.publish('{tmp_path}/published.duckdb', k := 6)")
    with duckdb.connect(f"{tmp_path}/published.duckdb", read_only=True) as file:
        assert items(file, RED, 6) == items(con, RED)


def test_learning_again_keeps_them(con: Con) -> None:
    con.execute("INSERT INTO products VALUES ('since', 'red', true, false)")
    con.execute("UPDATE recsql.settings SET value = '900' WHERE name = 'max_group_items'")
    con.execute("CALL recsql.refresh()")
    assert {"since", "r2new"} <= set(items(con, RED, 7))


def test_what_came_since_is_measured_with_them(con: Con) -> None:
    con.execute(
        "INSERT INTO orders SELECT c, (CASE WHEN c % 2 = 0 THEN 'r' ELSE 'b' END) || (c % 5), "
        "'2024-02-01' FROM range(80) AS a(c)"
    )
    rates = live_hit_rate(Session(con.cursor()))
    assert rates is not None
    assert rates[0] > 0.8
    # With nothing else to recommend than what nobody bought, nothing is found.
    con.execute("UPDATE products SET stocked = sku IN ('a0', 'r2new')")
    rates = live_hit_rate(Session(con.cursor()))
    assert rates is not None
    assert rates[0] == 0.0


def test_other_models_never_recommend_what_nobody_bought_and_measure_as_before(
    quick: None,
) -> None:
    con = shop()
    measured = []
    for names in (["markov", "tifuknn", "hrnn_meta"], ["markov", "tifuknn"]):
        con.execute(f"CALL recsql.train(task := 'next', models := {names})")
        measured.append(
            con.sql(
                "SELECT l.algorithm, l.params::VARCHAR, l.part, l.metric, l.value "
                "FROM recsql.leaderboard AS l WHERE l.algorithm <> 'hrnn_meta' "
                "AND l.part <> 'cost' ORDER BY ALL"
            ).fetchall()
        )
    assert measured[0] == measured[1]
    assert measured[0]
    for name in names:
        con.execute(f"CALL recsql.train(task := 'next', models := ['{name}'])")
        assert set(items(con, RED, 100)) == set(SOLD)
        assert score(con, RED, "r2new") is None


def bought(unsold: bool) -> Purchases:
    """Give purchases of items 0 to 7, four of each colour; b, d and z are bound beside them."""
    rng = np.random.default_rng(2)
    rows = [rng.permutation(4) + 4 * (user % 2) for user in range(100)]
    ptr = pointers(np.full(100, 4))
    item = np.concatenate(rows).astype(np.int32)
    number = np.tile(np.arange(4, dtype=np.int32), 100)
    ones = np.ones(400, dtype=np.float32)
    events = Events(8, ptr, item, number.astype(np.int64), number, number, ones)
    names = (("colour", "red"), ("colour", "blue"))
    colours = Features(np.arange(9), np.repeat(np.arange(2, dtype=np.int32), 4), names)
    none, start = np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    history = History(8, none.astype(bool), start, start, none.astype(np.int32), none)
    days = ItemDays(none.astype(np.int32), none, none)
    known = Purchases(history, days, None, 1000, events, None, colours)
    if not unsold:
        return known
    more = Features(np.arange(4), np.array([0, 1, 1], dtype=np.int32), names)
    before, there = np.array([0, 2, 8]), np.ones(3, dtype=bool)
    return replace(known, unsold=Unsold(pa.array(["b", "d", "z"]), before, there, more, 8))


def test_what_is_learned_of_sold_items_does_not_depend_on_what_is_beside_them() -> None:
    settings = {"n_epochs": 3, "n_factors": 8, "n_hidden": 8, "n_threads": 1, "trend": True}
    alone = HRNNMeta(**settings).fit(bought(unsold=False))  # type: ignore[arg-type]
    among = HRNNMeta(**settings).fit(bought(unsold=True))  # type: ignore[arg-type]
    sold = [1, 2, 4, 5, 6, 7, 8, 9]
    for name in ("table", "bias", "known", "counts", "lately"):
        assert np.array_equal(among.arrays()[name][sold], alone.arrays()[name]), name
    assert among.unsold_items().tolist() == [0, 3, 10]
    assert alone.unsold_items().tolist() == []
    assert among.known_.all()
    table = among.arrays()["table"]
    assert np.array_equal(table[3], table[10])
    assert not np.array_equal(table[0], table[3])
    restored = HRNNMeta(**settings).restore(among.arrays(), 11, among.files("v"), "v")  # type: ignore[arg-type]
    assert restored.unsold_items().tolist() == [0, 3, 10]
    plain = HRNNMeta(**settings, item_features=False).fit(bought(unsold=True))  # type: ignore[arg-type]
    assert plain.n_items_ == 8
