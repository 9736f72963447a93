"""Stored bytes that are damaged: who answers instead, and who says so."""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import shop

import recsql
from recsql import doctor
from recsql.serving import residents

Con = duckdb.DuckDBPyConnection

# of each task: who served first, who serves now, and a call
GENERATIONS = {
    "next": ("frequency", "markov", "recommend_next(1, k := 20)"),
    "for_you": ("ease", "ials", "recommend_for_you(1, k := 20)"),
    "first": ("lightfm", "segment_popularity", "recommend_first(1, k := 20)"),
    "repeat": ("recurrence", "recurrence", "recommend_repeat(1, k := 20)"),
}
TASK = pytest.mark.parametrize("task", GENERATIONS)


@pytest.fixture(scope="module")
def two_generations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop whose first models knew fewer items; each task is served by another model since."""
    path = tmp_path_factory.mktemp("damage") / "shop.duckdb"
    con = recsql.connect(str(path))
    shop.fill(con)
    shop.bind(con)
    recsql.bind_users(con, "customers", user_id="id", attributes=["country"])
    con.execute("CREATE TABLE later AS FROM orders WHERE sku < 'i05'")
    con.execute("DELETE FROM orders WHERE sku < 'i05'")
    for task, (model, _, _) in GENERATIONS.items():
        recsql.train(con, task=task, models=[model])
    con.execute("INSERT INTO orders FROM later")
    con.execute("UPDATE recsql.models SET status = 'candidate'")  # so that another one may serve
    for task, (_, model, _) in GENERATIONS.items():
        recsql.train(con, task=task, models=[model])
    con.close()
    return path


@pytest.fixture
def path(two_generations: Path, tmp_path: Path) -> Path:
    """A copy of that shop."""
    file = tmp_path / "shop.duckdb"
    file.write_bytes(two_generations.read_bytes())
    return file


@pytest.fixture
def con(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Con]:
    """That shop, open, with no model in memory."""
    monkeypatch.setattr(residents, "_RESIDENT", OrderedDict())
    opened = recsql.connect(str(path))
    yield opened
    opened.close()


def rows(con: Con, sql: str) -> list[tuple[Any, ...]]:
    return con.execute(sql).fetchall()


def model_of(con: Con, task: str, status: str) -> str:
    found = rows(
        con,
        f"SELECT DISTINCT m.model_id FROM recsql.models AS m SEMI JOIN recsql.artifacts AS a "
        f"ON a.model_id = m.model_id WHERE m.task = '{task}' AND m.status = '{status}'",
    )
    assert len(found) == 1
    return str(found[0][0])


def damage(con: Con, model_id: str, name: str = "model") -> None:
    """Store one byte more than was written."""
    con.execute(
        "UPDATE recsql.artifacts AS a SET bytes = a.bytes || 'x'::BLOB "
        "WHERE a.model_id = ? AND a.name = ?",
        [model_id, name],
    )


def said_of(path: Path, part: str) -> doctor.Checked:
    return next(found for found in doctor.examine(path) if found.part == part)


@TASK
@pytest.mark.parametrize("name", ["model", "items"])
def test_the_incumbent_of_before_answers_in_place_of_a_damaged_one(
    task: str, name: str, con: Con
) -> None:
    first, now, call = GENERATIONS[task]
    before, serving = model_of(con, task, "retired"), model_of(con, task, "incumbent")
    good = rows(con, f"FROM {call}")
    con.execute(
        "UPDATE recsql.models AS m SET status = CASE WHEN m.model_id = $1 THEN 'incumbent' "
        "ELSE 'retired' END WHERE m.model_id IN ($1, $2)",
        [before, serving],
    )
    wanted = rows(con, f"FROM {call}")  # as it answered while it served
    con.execute(
        "UPDATE recsql.models AS m SET status = CASE WHEN m.model_id = $2 THEN 'incumbent' "
        "ELSE 'retired' END WHERE m.model_id IN ($1, $2)",
        [before, serving],
    )
    residents._RESIDENT.clear()
    damage(con, serving, name)
    with pytest.warns(RuntimeWarning, match=f"Until then {re.escape(before)} answers") as said:
        found = rows(con, f"FROM {call}")
    assert str(said[0].message).startswith(f"The artifact {name} of {serving} must have SHA-256")
    assert "CALL recsql.train()" in str(said[0].message)
    assert found == wanted != good
    if task != "repeat":  # its rows name no model
        assert {row[-1] for row in found} - {"popularity"} == {first}
        assert {row[-1] for row in good} - {"popularity"} == {now}


def test_the_warning_is_said_once(con: Con) -> None:
    damage(con, model_of(con, "next", "incumbent"))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        for _ in range(3):
            rows(con, "FROM recommend_next(1)")
    assert len(said) == 1


def test_a_whole_model_in_memory_goes_on_answering(con: Con) -> None:
    good = rows(con, "FROM recommend_next(1)")
    damage(con, model_of(con, "next", "incumbent"))
    assert rows(con, "FROM recommend_next(1)") == good


def test_repaired_bytes_are_seen_at_the_next_call(con: Con) -> None:
    good = rows(con, "FROM recommend_next(1)")
    con.execute("CREATE TABLE written AS FROM recsql.artifacts")
    residents._RESIDENT.clear()
    damage(con, model_of(con, "next", "incumbent"))
    with pytest.warns(RuntimeWarning, match="must have SHA-256"):
        assert rows(con, "FROM recommend_next(1)") != good
    con.execute(
        "UPDATE recsql.artifacts AS a SET bytes = w.bytes FROM written AS w "
        "WHERE w.model_id = a.model_id AND w.name = a.name"
    )
    assert rows(con, "FROM recommend_next(1)") == good


def test_training_again_makes_a_damaged_model_anew(con: Con, path: Path) -> None:
    damaged = model_of(con, "next", "incumbent")
    damage(con, damaged)
    recsql.train(con, task="next", models=["markov"])
    assert rows(con, "FROM recommend_next(1)")
    con.close()
    assert said_of(path, "task next").status == "ok"
    found = said_of(path, "artifacts")
    assert (found.status, found.remedy) == ("note", "")
    assert found.detail == f"other SHA-256 than stored: {damaged}; no longer in use"


def test_where_every_generation_is_damaged_the_remedy_is_named(con: Con, path: Path) -> None:
    serving = model_of(con, "next", "incumbent")
    for model_id in (serving, model_of(con, "next", "retired")):
        damage(con, model_id)
    refused = f"model of {serving} must have SHA-256 .* got other bytes. CALL recsql.train()"
    with pytest.raises(duckdb.InvalidInputException, match=refused):
        rows(con, "FROM recommend_next(1)")
    con.close()
    found = said_of(path, "task next")
    assert found.detail == f"{serving} is damaged; no earlier model is kept, calls are refused"


def test_the_doctor_says_who_is_damaged_who_answers_and_what_to_do(con: Con, path: Path) -> None:
    serving, before = model_of(con, "next", "incumbent"), model_of(con, "next", "retired")
    damage(con, serving)
    con.close()
    found = said_of(path, "task next")
    assert found.status == "problem"
    answering = f"{serving} is damaged; {before} answers instead: frequency, trained 20"
    assert found.detail.startswith(answering)
    assert found.remedy == f"recsql train {path}"
    assert said_of(path, "task for_you").status == "ok"
    found = said_of(path, "artifacts")
    assert found.status == "problem"
    assert found.detail == f"other SHA-256 than stored: {serving}"


def test_the_doctor_says_that_a_model_is_missing(con: Con, path: Path) -> None:
    serving, before = model_of(con, "repeat", "incumbent"), model_of(con, "repeat", "retired")
    con.execute("DELETE FROM recsql.artifacts AS a WHERE a.model_id = ?", [serving])
    with pytest.warns(RuntimeWarning, match=f"Until then {re.escape(before)} answers"):
        assert rows(con, "FROM due(DATE '2024-01-01', DATE '2025-12-31')")
    con.close()
    assert f"{before} answers instead" in said_of(path, "task repeat").detail


@pytest.mark.parametrize(
    ("damaged", "call"),
    [
        ("for_you/vectors", "similar_items('i05')"),
        ("for_you/vectors", "similar_users(1)"),
        ("related/walk", "recommend_related_for(1, 'i05')"),
        ("bundle/walk", "recommend_bundle_for(1, 'i05')"),
    ],
)
def test_what_has_one_generation_is_refused_with_the_remedy(
    damaged: str, call: str, con: Con, path: Path
) -> None:
    recsql.train(con, task=damaged.split("/")[0])
    assert rows(con, f"FROM {call}")
    residents._RESIDENT.clear()
    con.execute(
        "UPDATE recsql.artifacts AS a SET bytes = a.bytes || 'x'::BLOB WHERE a.model_id = ?",
        [damaged],
    )
    with pytest.raises(duckdb.InvalidInputException, match=r"CALL recsql\.train\(\) to make it"):
        rows(con, f"FROM {call}")
    con.close()
    assert said_of(path, "artifacts").detail == f"other SHA-256 than stored: {damaged}"


def test_recommendations_stored_for_everyone_name_who_answered(con: Con) -> None:
    damage(con, model_of(con, "next", "incumbent"))
    with pytest.warns(RuntimeWarning, match="answers in place of the incumbent"):
        told = rows(con, "CALL recsql.materialize('next', k := 3)")
    assert told[0][1] == "frequency"
    models = rows(con, "SELECT DISTINCT r.model FROM recsql.user_recommendations AS r")
    assert set(models) - {("popularity",)} == {("frequency",)}


def test_a_refresh_goes_on_and_learns_a_damaged_model_again(con: Con) -> None:
    recsql.train(con, task="bundle", models=["basket_copurchase"])
    serving = model_of(con, "next", "incumbent")
    damage(con, serving)
    con.execute("INSERT INTO orders VALUES (1, 'i06', '2024-07-02', 'new', 1, 1)")
    con.execute("UPDATE recsql.settings SET value = '0' WHERE name = 'drift_relearn_share'")
    con.execute("UPDATE recsql.settings SET value = '1' WHERE name = 'drift_new_rows_share'")
    con.execute("UPDATE recsql.settings SET value = '9' WHERE name = 'drift_psi'")
    recsql.refresh(con)
    decided = rows(
        con, "SELECT r.changes ->> 'decision' FROM recsql.runs AS r WHERE r.statement = 'drift'"
    )
    assert decided == [("relearn",)]
    assert model_of(con, "next", "incumbent") == serving
    assert {row[-1] for row in rows(con, "FROM recommend_next(1)")} >= {"markov"}
