"""A refresh gives what counting everything again would give, row for row."""

from __future__ import annotations

import datetime as dt
import os
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pytest
import shop
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import recsql
from recsql.database import Session
from recsql.selection import kept_pairs
from recsql.selection.rebuild import rebuild
from recsql.selection.refresh import refresh
from recsql.statements.follow import follow

Con = duckdb.DuckDBPyConnection
Step = tuple[str, tuple[Any, ...]]
EXAMPLES = 100 if os.environ.get("RECSQL_FULL_TESTS") else 3


@dataclass(frozen=True)
class Setup:
    """One way to bind the lines."""

    name: str
    id_type: str
    bound: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)

    def item(self, number: int) -> str:
        """Give an item id; odd numbers are new and lie between the others."""
        return f"i{number:02}" if self.id_type == "VARCHAR" else str(number * 10**16)


ALL = {"user_id": "customer", "basket_id": "basket", "ts": "bought_at", "quantity": "qty"}
SETUPS = [
    Setup("baskets of customers", "VARCHAR", ALL),
    Setup(
        "windows of time",
        "BIGINT",
        {"user_id": "customer", "ts": "bought_at", "event": "kind"},
        weights={"view": "0.25", "dislike": "-1"},
    ),
    Setup("anonymous baskets", "BIGINT", {"basket_id": "basket", "ts": "bought_at"}),
    Setup("customers only", "VARCHAR", {"user_id": "customer", "quantity": "qty"}),
    Setup("times that only order", "VARCHAR", ALL | {"ts": "epoch(bought_at)::BIGINT"}),
    Setup("returns taken back", "BIGINT", ALL | {"net_returns": "yes"}),
    Setup("capped groups", "VARCHAR", ALL, settings={"max_group_items": "3", "stored_depth": "4"}),
]


def train_counted(con: Con) -> None:
    """Train all tasks with the models whose answers refresh exactly."""
    counted = ["basket_copurchase", "user_copurchase", "popularity", "ema_trend", "frequency"]
    recsql.train(con, models=counted)


def at(hours: int) -> str:
    return str(dt.datetime(2024, 1, 1) + dt.timedelta(hours=hours))


def make(setup: Setup) -> Con:
    """Give a database with trained models for one setup."""
    con = recsql.connect()
    con.execute(
        f"CREATE TABLE lines (line INTEGER, customer INTEGER, sku {setup.id_type}, bought_at "
        "TIMESTAMP, basket VARCHAR, qty INTEGER, kind VARCHAR)"
    )
    con.execute(f"CREATE TABLE products (sku {setup.id_type}, for_sale BOOLEAN)")
    con.execute("CREATE TABLE people (id INTEGER, country VARCHAR)")
    for name, value in setup.settings.items():
        con.execute("UPDATE recsql.settings SET value = ? WHERE name = ?", [value, name])
    for event, weight in setup.weights.items():
        con.execute("INSERT INTO recsql.event_weights VALUES (?, ?)", [event, weight])
    arguments: dict[str, Any] = dict(setup.bound)
    if "net_returns" in arguments:
        arguments["net_returns"] = True
    recsql.bind_interactions(con, "lines", item_id="sku", **arguments)
    recsql.bind_items(con, "products", item_id="sku", available="for_sale")
    recsql.bind_users(con, "people", user_id="id")
    lines = [
        (number % 7, 2 * (number % 5 + number // 9 % 3), number * 5, number // 3, 1, "purchase")
        for number in range(60)
    ]
    insert(con, setup, lines)
    train_counted(con)
    return con


def insert(con: Con, setup: Setup, lines: Any) -> None:
    (last,) = con.execute("SELECT coalesce(max(line), 0) FROM lines").fetchall()[0]
    values = [
        [last + n, customer, setup.item(item), None if hours is None else at(hours),
         None if basket is None else f"n{basket}", qty, kind]
        for n, (customer, item, hours, basket, qty, kind) in enumerate(lines, start=1)
    ]  # fmt: skip
    if values:
        con.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def apply(con: Con, setup: Setup, step: Step) -> None:
    """Change the tables of the user."""
    what, values = step
    if what == "insert":
        insert(con, setup, values)
    elif what == "vanish":
        con.execute("DELETE FROM lines WHERE sku = ?", [setup.item(values[0])])
    elif what == "available":
        con.execute("DELETE FROM products WHERE sku = ?", [setup.item(values[0])])
        con.execute("INSERT INTO products VALUES (?, ?)", [setup.item(values[0]), values[1]])
    elif what == "person":
        con.execute("DELETE FROM people WHERE id = ?", [values[0]])
        con.execute("INSERT INTO people VALUES (?, ?)", list(values))
    else:
        every, rest, value = values
        change = {
            "delete": "DELETE FROM lines",
            "move": f"UPDATE lines SET bought_at = bought_at + INTERVAL ({value} * 5) HOUR",
            "undate": "UPDATE lines SET bought_at = NULL",
            "reitem": f"UPDATE lines SET sku = '{setup.item(value)}'",
            "recustomer": f"UPDATE lines SET customer = {value % 9}",
            "anonymous": "UPDATE lines SET customer = NULL",
            "rebasket": f"UPDATE lines SET basket = 'n{value}'",
            "unbasket": "UPDATE lines SET basket = NULL",
            "requantity": f"UPDATE lines SET qty = {value % 4 - 1}",
            "rekind": f"UPDATE lines SET kind = '{('view', 'dislike', 'purchase')[value % 3]}'",
        }[what]
        con.execute(f"{change} WHERE line % {every} = {rest}")


line = st.tuples(
    st.sampled_from([*range(9), None]),
    st.integers(0, 15),
    st.one_of(st.integers(-200, 500), st.none()),
    st.one_of(st.integers(0, 25), st.none()),
    st.sampled_from([1, 1, 1, 2, 0, -1, None]),
    st.sampled_from(["purchase", "purchase", "view", "dislike", None]),
)
some = st.tuples(st.integers(2, 30), st.integers(0, 9), st.integers(0, 15))
step = st.one_of(
    st.tuples(st.just("insert"), st.lists(line, min_size=1, max_size=12).map(tuple)),
    st.tuples(
        st.sampled_from(
            ["delete", "move", "undate", "reitem", "recustomer", "anonymous", "rebasket",
             "unbasket", "requantity", "rekind"]
        ),
        some,
    ),
    st.tuples(st.just("vanish"), st.tuples(st.integers(0, 15))),
    st.tuples(
        st.just("available"), st.tuples(st.integers(0, 15), st.sampled_from([True, False, None]))
    ),
    st.tuples(
        st.just("person"), st.tuples(st.integers(0, 12), st.sampled_from(["France", "Spain"]))
    ),
)  # fmt: skip


def stored(con: Con) -> dict[str, list[Any]]:
    """Give the stored tables in the order in which they lie."""
    reader = con.cursor()
    return {
        name: reader.execute(f"FROM recsql.{name}").fetchall()
        for name in (*shop.STORED, "user_features")
    }


@pytest.fixture(scope="module", params=SETUPS, ids=lambda setup: setup.name)
def trained_setup(request: pytest.FixtureRequest) -> Iterator[tuple[Con, Setup]]:
    con = make(request.param)
    yield con, request.param
    con.close()


def test_any_changes_refreshed_equal_everything_counted_again(
    trained_setup: tuple[Con, Setup],
) -> None:
    con, setup = trained_setup

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(steps=st.lists(st.lists(step, min_size=1, max_size=3), min_size=1, max_size=4))
    @example(steps=[[("vanish", (4,))], [("insert", ((1, 4, 9, 3, 1, "purchase"),))]])
    @example(steps=[[("insert", ((1, 5, 9, 3, 1, "purchase"), (1, 0, 9, 3, 1, "purchase")))]])
    @example(steps=[[("available", (2, False))], [("available", (2, True))]])
    @example(steps=[[("insert", ((8, 6, -900, 99, 1, "purchase"),))]])
    def check(steps: list[list[Step]]) -> None:
        for changes in steps:
            for change in changes:
                apply(con, setup, change)
            session = Session(con.cursor())
            assert refresh(session, follow).how in ("changed only", "nothing changed")
        refreshed = stored(con)
        rebuild(Session(con.cursor()), "compared", follow)
        assert refreshed == stored(con)

    check()


@pytest.mark.parametrize(
    ("resident", "logged", "artifacts"),
    [(0, 1e9, 4), (0, 0.0, 1), (4, 1e9, 4)],
    ids=["changes read back", "written anew each time", "held in memory"],
)
def test_pairs_are_the_same_however_they_were_kept(
    monkeypatch: pytest.MonkeyPatch, resident: int, logged: float, artifacts: int
) -> None:
    con, setup = make(SETUPS[0]), SETUPS[0]
    monkeypatch.setattr(kept_pairs, "MOST_RESIDENT", resident)
    monkeypatch.setattr(kept_pairs, "MOST_LOGGED", logged)
    monkeypatch.setattr(kept_pairs, "_RESIDENT", OrderedDict())
    train_counted(con)
    for number in range(3):  # odd items are new, and change the codes of the others
        insert(con, setup, [(8, item, 300, number, 1, "purchase") for item in (0, 2 * number + 1)])
        con.execute("DELETE FROM lines WHERE line % 31 = ?", [number])
        assert refresh(Session(con.cursor()), follow).how == "changed only"
    counted = con.execute(
        "SELECT DISTINCT count(*) FROM recsql.artifacts AS a "
        "JOIN recsql.models AS m ON m.model_id = a.model_id AND m.status = 'incumbent' "
        "WHERE m.task IN ('bundle', 'related') GROUP BY a.model_id"
    ).fetchall()
    assert counted == [(artifacts,)]
    refreshed = stored(con)
    rebuild(Session(con.cursor()), "compared", follow)
    assert refreshed == stored(con)


# What a refresh says and keeps


def test_nothing_changed_is_said_and_changes_nothing(trained: Con) -> None:
    before = stored(trained)
    assert trained.execute("CALL recsql.refresh()").fetchall()[0][:4] == (
        "nothing changed",
        "",
        0,
        0,
    )
    assert stored(trained) == before


def test_only_what_changed_is_read_again(trained: Con) -> None:
    trained.execute("INSERT INTO orders VALUES (1, 'i01', '2024-03-05', 'new', 1, 1)")
    how, reason, buyers, days, *_, seconds = trained.execute("CALL recsql.refresh()").fetchall()[0]
    assert (how, reason, buyers, days) == ("changed only", "", 1, 1)
    assert seconds > 0


def test_a_refresh_keeps_the_models_and_writes_a_run(trained: Con) -> None:
    models = "SELECT m.model_id, m.status, m.trained_at FROM recsql.models AS m ORDER BY 1"
    before = trained.execute(models).fetchall()
    trained.execute("INSERT INTO orders VALUES (1, 'i01', '2024-03-05', 'new', 1, 1)")
    trained.execute("CALL recsql.refresh()").fetchall()
    assert trained.execute(models).fetchall() == before
    runs = trained.execute("SELECT r.statement FROM recsql.runs AS r ORDER BY r.run_id").fetchall()
    assert runs == [("train",), ("refresh",), ("drift",)]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE recsql.settings SET value = '5' WHERE name = 'max_group_items'",
        "UPDATE recsql.settings SET value = '7' WHERE name = 'stored_depth'",
        "UPDATE recsql.settings SET value = '0' WHERE name = 'max_pair_megabytes'",
        "INSERT INTO recsql.event_weights VALUES ('purchase', 2)",
    ],
)
def test_a_changed_setting_or_weight_counts_everything_again(trained: Con, change: str) -> None:
    trained.execute(change)
    trained.execute("INSERT INTO orders VALUES (1, 'i01', '2024-03-05', 'new', 1, 1)")
    how, reason, *_ = trained.execute("CALL recsql.refresh()").fetchall()[0]
    assert how == "rebuilt"
    assert reason != ""
    refreshed = stored(trained)
    rebuild(Session(trained.cursor()), "compared", follow)
    assert refreshed == stored(trained)


def test_pairs_that_were_too_many_to_keep_are_counted_again(trained: Con) -> None:
    trained.execute("UPDATE recsql.settings SET value = '0' WHERE name = 'max_pair_megabytes'")
    train_counted(trained)
    trained.execute("INSERT INTO orders VALUES (1, 'i01', '2024-03-05', 'new', 1, 1)")
    how, reason, *_ = trained.execute("CALL recsql.refresh()").fetchall()[0]
    assert (how, "too many to keep (setting max_pair_megabytes)" in reason) == ("rebuilt", True)


def test_a_refresh_after_every_row_is_gone_answers_with_nothing(trained: Con) -> None:
    trained.execute("DELETE FROM orders")
    trained.execute("CALL recsql.refresh()").fetchall()
    assert trained.execute("FROM recommend_bundle('i01')").fetchall() == []
    assert trained.execute("SELECT count(*) FROM recsql.top_items").fetchall() == [(0,)]
    shop.fill(trained)
    trained.execute("CALL recsql.refresh()").fetchall()
    assert trained.execute("FROM recommend_bundle('i01')").fetchall() != []


def test_damaged_pairs_are_refused_with_the_remedy(trained: Con) -> None:
    trained.execute("UPDATE recsql.artifacts SET sha256 = 'x'")
    trained.execute("INSERT INTO orders VALUES (1, 'i01', '2024-03-05', 'new', 1, 1)")
    with pytest.raises(
        recsql.StateError, match=r"must have SHA-256 x, got other bytes\. CALL recs"
    ):
        recsql.refresh(trained)
    recsql.train(trained)
    assert recsql.refresh(trained).rows[0][0] == "nothing changed"


def test_a_present_that_is_set_decides_what_counts(trained: Con) -> None:
    (everything,) = trained.execute("SELECT t.transactions FROM recsql.totals AS t").fetchall()[0]
    trained.execute("UPDATE recsql.settings SET value = '2024-02-01' WHERE name = 'now'")
    assert recsql.refresh(trained).rows[0][0] == "changed only"
    (until,) = trained.execute("SELECT t.transactions FROM recsql.totals AS t").fetchall()[0]
    counted = trained.execute("SELECT count(*) FROM orders WHERE ordered_at <= '2024-02-01'")
    assert counted.fetchall() == [(until,)]
    assert until < everything
    refreshed = stored(trained)
    rebuild(Session(trained.cursor()), "compared", follow)
    assert refreshed == stored(trained)


@pytest.mark.parametrize("value", ["soon", "2024-13-01"])
def test_a_present_that_is_no_time_is_refused(trained: Con, value: str) -> None:
    trained.execute("UPDATE recsql.settings SET value = ? WHERE name = 'now'", [value])
    with pytest.raises(recsql.ParameterError, match=r"Setting now must be a timestamp, got '"):
        recsql.refresh(trained)


def test_a_rebuild_without_customers_keeps_what_was_learned_about_them() -> None:
    con = recsql.connect()
    shop.fill(con)
    shop.bind(con)
    recsql.train(con, task="next", models=["frequency"])
    con.execute("UPDATE orders SET customer = NULL")
    con.execute("UPDATE recsql.settings SET value = '7' WHERE name = 'stored_depth'")
    assert recsql.refresh(con).rows[0][0] == "rebuilt"
    ((said,),) = con.execute(
        "SELECT r.changes ->> '$.not_learned.next' FROM recsql.runs AS r "
        "WHERE r.statement = 'refresh'"
    ).fetchall()
    assert said == "frequency must have purchases of known customers, got none. Bind user_id."
    rows = con.execute("FROM recommend_next(1, k := 3)").fetchall()
    assert [row[3] for row in rows] == ["frequency"] * 3
