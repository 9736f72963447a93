"""Rows of models, metrics, selections and runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recsql.database import Session
from recsql.version import __version__


@dataclass(frozen=True)
class StoredModel:
    """A model of a task as it lies in recsql.models."""

    model_id: str
    task: str
    algorithm: str
    params: dict[str, Any]


def incumbents(session: Session) -> list[StoredModel]:
    """Give the incumbent of every trained task, in order of task."""
    rows = session.rows(
        "SELECT m.task, m.model_id, m.algorithm, m.params::VARCHAR FROM recsql.models AS m "
        "WHERE m.status = 'incumbent'"
    )
    found = sorted(rows)  # DuckDB takes as long to plan an order as all the rest
    return [StoredModel(i, task, name, json.loads(params)) for task, i, name, params in found]


def earlier_incumbents(session: Session, task: str) -> list[StoredModel]:
    """Give the retired models of a task whose artifacts are still kept, the newest first."""
    rows = session.rows(
        "SELECT m.model_id, m.algorithm, m.params::VARCHAR FROM recsql.models AS m "
        "SEMI JOIN recsql.artifacts AS a ON a.model_id = m.model_id "
        "WHERE m.task = ? AND m.status = 'retired' ORDER BY m.trained_at DESC, m.model_id DESC",
        [task],
    )
    return [StoredModel(i, task, name, json.loads(params)) for i, name, params in rows]


def damaged_models(session: Session) -> list[str]:
    """Give the id of each model with bytes that do not have the SHA-256 they were stored with."""
    rows = session.rows(
        "SELECT DISTINCT a.model_id FROM recsql.artifacts AS a "
        "WHERE sha256(a.bytes) <> a.sha256 ORDER BY 1"
    )
    return [model_id for (model_id,) in rows]


def next_run_number(session: Session) -> int:
    """Give the number of the run that is about to be written, counted from 1."""
    return int(session.value("SELECT count(*) FROM recsql.runs")) + 1


def retire(session: Session, task: str, *, with_incumbent: bool) -> None:
    """Retire the models of earlier trainings; an incumbent only if another one follows."""
    session.execute(
        "UPDATE recsql.models AS m SET status = 'retired' "
        "WHERE m.task = ? AND m.status <> 'retired' AND (? OR m.status <> 'incumbent')",
        [task, with_incumbent],
    )


def drop_old_artifacts(session: Session, task: str, generations_kept: int) -> None:
    """Delete the artifacts of models of a task that are older than the kept generations."""
    session.execute(
        "DELETE FROM recsql.artifacts AS a WHERE a.model_id IN (SELECT s.model_id FROM "
        "recsql.selections AS s WHERE s.task = ? ORDER BY s.selected_at DESC, s.model_id DESC "
        "OFFSET ?)",
        [task, generations_kept],
    )


def insert_model(session: Session, values: Mapping[str, Any]) -> None:
    """Write a row of recsql.models; ``values`` by column, the rest NULL."""
    row = {**values, "recsql_version": __version__}
    names = ", ".join(row)
    marks = ", ".join("?" for _ in row)
    session.execute(
        f"INSERT INTO recsql.models ({names}, trained_at) VALUES ({marks}, now()::TIMESTAMP)",
        list(row.values()),
    )


def insert_run(
    session: Session, statement: str, reason: str, seconds: float, changes: Mapping[str, Any]
) -> str:
    """Write a row of recsql.runs and give its id."""
    run_id = f"{next_run_number(session):06d}"
    session.execute(
        "INSERT INTO recsql.runs "
        "VALUES (?, ?, ?, now()::TIMESTAMP - to_microseconds(?), ?, ?::JSON)",
        [run_id, statement, reason, int(seconds * 1e6), seconds, json.dumps(changes)],
    )
    return run_id
