"""Facts about items: bound, refused, read, followed by a refresh, and named by explain."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

import recsql
from recsql.data.snapshot import read_snapshot
from recsql.database import Session
from recsql.errors import BindError

Con = duckdb.DuckDBPyConnection


@pytest.fixture
def films() -> Con:
    """Give purchases of six films, and facts about them."""
    con = recsql.connect()
    con.execute(
        "CREATE TABLE seen AS SELECT u.range AS who, 'f' || (i.range + u.range % 2 * 3) AS film, "
        "DATE '2024-01-01' + (u.range + i.range)::INTEGER AS day "
        "FROM range(40) AS u, range(3) AS i WHERE (u.range + i.range) % 4 <> 0"
    )
    con.execute(
        "CREATE TABLE facts AS FROM (VALUES ('f0', 'director', 'Ada'), ('f1', 'director', 'Ada'), "
        "('f1', 'director', 'Ada'), ('Ada', 'born in', 'Rome'), ('Rome', 'in', 'Italy'), "
        "('f2', 'sequel', 'f1'), ('f3', NULL, 'Bo'), ('f4', NULL, 'Bo'), ('f5', 'x', NULL), "
        "('f5', 'x', ' '), ('f5', 'x', 'f5')) AS f(thing, how, other)"
    )
    con.execute("CREATE TABLE films AS FROM (VALUES ('f0', 'Alba'), ('f1', 'Brio')) AS f(id, name)")
    recsql.bind_interactions(con, "seen", user_id="who", item_id="film", ts="day")
    recsql.bind_items(con, "films", item_id="id", title="name", attributes=[])
    return con


def bind(con: Con) -> None:
    recsql.bind_knowledge(con, "facts", head="thing", relation="how", tail="other")


def named_facts(con: Con) -> list[tuple[str, str, str]]:
    snapshot = read_snapshot(Session(con.cursor()), with_knowledge=True)
    known = snapshot.knowledge
    assert known is not None
    names = [*snapshot.item_ids.to_pylist(), *known.entities]
    return [
        (names[head], known.relations[relation], names[tail])
        for head, relation, tail in zip(known.head, known.relation, known.tail, strict=True)
    ]


def test_sql_and_python_bind_the_same(films: Con) -> None:
    call = (
        "CALL recsql.bind_knowledge('facts', head := 'thing', relation := 'how', tail := 'other')"
    )
    from_sql = films.execute(call).fetchall()
    bind(films)
    assert from_sql[:2] == [
        ("knowledge", "head", "thing", "VARCHAR", 11, 0, from_sql[0][6], ""),
        ("knowledge", "relation", "how", "VARCHAR", 11, 2, from_sql[1][6], ""),
    ]
    rows = films.execute("SELECT k.tail FROM recsql.knowledge AS k WHERE k.head = 'f0'").fetchall()
    assert rows == [("Ada",)]


def test_facts_up_to_two_steps_from_an_item_are_read_once(films: Con) -> None:
    bind(films)
    assert named_facts(films) == [
        ("f0", "director", "Ada"),
        ("f1", "director", "Ada"),
        ("f2", "sequel", "f1"),
        ("f3", "", "Bo"),
        ("f4", "", "Bo"),
        ("Ada", "born in", "Rome"),
    ]


def test_ids_that_are_numbers_match_as_text(films: Con) -> None:
    films.execute(
        "CREATE TABLE numbers AS SELECT s.who, substr(s.film, 2)::INTEGER AS n FROM seen s"
    )
    films.execute("CREATE TABLE links AS FROM (VALUES (1, 2), (2, 77)) AS l(one, other)")
    recsql.bind_interactions(films, "numbers", user_id="who", item_id="n")
    recsql.bind_knowledge(films, "links", head="one", tail="other")
    snapshot = read_snapshot(Session(films.cursor()), with_knowledge=True)
    assert snapshot.knowledge is not None
    assert snapshot.knowledge.entities == ("77",)
    assert snapshot.knowledge.tail.tolist() == [2, 6]


def test_facts_are_read_only_where_somebody_asks(films: Con) -> None:
    session = Session(films.cursor())
    assert read_snapshot(session, with_knowledge=True).knowledge is None  # not bound
    bind(films)
    assert read_snapshot(session).knowledge is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"head": "thing"}, "tail must be bound for knowledge, got nothing. Pass tail := '…'"),
        ({"tail": "other"}, "head must be bound for knowledge, got nothing"),
        ({"head": "thin", "tail": "other"}, "Did you mean 'thing'"),
        ({"head": "thing", "tail": "other", "filter": "how"}, "filter must be true or false"),
    ],
)
def test_a_binding_that_cannot_be_is_refused(
    films: Con, arguments: dict[str, str], sentence: str
) -> None:
    with pytest.raises(BindError, match=sentence):
        recsql.bind_knowledge(films, "facts", **arguments)


def test_an_empty_table_of_facts_is_found(films: Con) -> None:
    recsql.bind_knowledge(films, "facts", head="thing", tail="other", filter="how = 'nothing'")
    (found,) = [row for row in recsql.validate(films).dicts() if row["source"] == "knowledge"]
    assert (found["check_name"], found["severity"]) == ("empty_source", "warning")


def test_kgat_needs_facts(films: Con) -> None:
    films.execute("UPDATE recsql.settings SET value = 'always' WHERE name = 'networks'")
    rows = recsql.train(films, task="for_you", models=["kgat"]).dicts()
    (row,) = [row for row in rows if row["algorithm"] == "kgat"]
    assert row["status"] == "failed"
    assert "kgat must have facts" in row["error"]
    rows = recsql.train(films, task="for_you").dicts()
    (row,) = [row for row in rows if row["algorithm"] == "kgat"]
    assert row["status"] == "skipped"
    assert row["error"].startswith("there are no facts: CALL recsql.bind_knowledge")


def test_a_path_names_what_both_are_joined_to(films: Con, tmp_path: Path) -> None:
    bind(films)
    recsql.train(films, task="for_you", models=["kgat"])
    films.execute("INSERT INTO seen VALUES (99, 'f0', DATE '2024-03-01')")
    ask = "SELECT e.detail FROM explain(99, ?) AS e WHERE e.kind = 'path'"
    assert films.execute(ask, ["f1"]).fetchall() == [
        ("Alba (f0) was bought, which has director 'Ada', like Brio (f1).",)
    ]
    assert films.execute(ask, ["f3"]).fetchall() == []
    films.execute("INSERT INTO seen VALUES (99, 'f2', DATE '2024-03-02')")
    films.execute("INSERT INTO seen VALUES (99, 'f4', DATE '2024-03-02')")
    details = {row[0] for row in films.execute(ask, ["f1"]).fetchall()}
    assert "f2 was bought, which has sequel Brio (f1)." in details
    assert films.execute(ask, ["f3"]).fetchall() == [
        ("f4 was bought, which is joined to 'Bo', like f3.",)
    ]
    # what is bound as knowledge stays in the database
    recsql.publish(films, str(tmp_path / "films.duckdb"))
    with duckdb.connect(str(tmp_path / "films.duckdb"), read_only=True) as file:
        assert file.execute("SELECT count(*) FROM recsql.item_facts").fetchall() == [(0,)]
        assert file.execute(ask, ["f1"]).fetchall() == []


def test_the_attention_of_an_item_is_shared_among_its_facts(films: Con) -> None:
    bind(films)
    recsql.train(films, task="for_you", models=["kgat"])
    rows = films.execute(
        "SELECT f.item_id, sum(f.attention) FROM recsql.item_facts AS f GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert [item for item, _ in rows] == ["f0", "f1", "f2", "f3", "f4"]
    assert [share for _, share in rows] == pytest.approx([1.0] * 5, abs=1e-5)


def test_another_model_that_serves_leaves_no_paths(films: Con) -> None:
    bind(films)
    recsql.train(films, task="for_you", models=["kgat"])
    recsql.train(films, task="for_you", models=["item_knn"])
    assert films.execute("SELECT count(*) FROM recsql.item_facts").fetchall() == [(0,)]


def test_a_refresh_sees_that_facts_changed(films: Con) -> None:
    bind(films)
    recsql.train(films, task="for_you", models=["kgat"])
    assert recsql.refresh(films).dicts()[0]["how"] == "nothing changed"
    films.execute("INSERT INTO facts VALUES ('f5', 'director', 'Ada')")
    recsql.train(films, task="popular")  # learns nothing from facts
    done = recsql.refresh(films).dicts()[0]
    assert (done["how"], done["reason"]) == ("rebuilt", "the facts that kgat learns from changed")
    rows = films.execute("SELECT f.thing FROM recsql.item_facts AS f WHERE f.item_id = 'f5'")
    assert rows.fetchall() == [("Ada",)]
    assert recsql.refresh(films).dicts()[0]["how"] == "nothing changed"
