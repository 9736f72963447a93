"""Rows of recsql.ranking_weights."""

from __future__ import annotations

from collections.abc import Mapping

from recsql.database import Session
from recsql.metrics.presets import LESS_IS_BETTER, preset_weights


def write_preset(session: Session, preset: str, task: str) -> None:
    """Replace the weights of a task by those of a preset; in the caller's transaction."""
    write_weights(session, task, preset_weights(preset, task))


def write_weights(session: Session, task: str, weights: Mapping[str, float]) -> None:
    """Replace the weights of a task; in the caller's transaction."""
    session.execute("DELETE FROM recsql.ranking_weights AS w WHERE w.task = ?", [task])
    for metric, weight, direction in _with_directions(weights):
        session.execute(
            "INSERT INTO recsql.ranking_weights VALUES (?, ?, ?, ?)",
            [task, metric, weight, direction],
        )


def change_weights(session: Session, task: str, weights: Mapping[str, float]) -> None:
    """Change the weights of a task, of other metrics to 0; rows and directions stay as they are."""
    session.execute("UPDATE recsql.ranking_weights AS w SET weight = 0 WHERE w.task = ?", [task])
    for metric, weight in weights.items():
        session.execute(
            "UPDATE recsql.ranking_weights AS w SET weight = ? WHERE w.task = ? AND w.metric = ?",
            [weight, task, metric],
        )


def default_weights(task: str) -> list[tuple[str, float, int]]:
    """Give (metric, weight, direction) of the preset that a task begins with."""
    return _with_directions(preset_weights("quality", task))


def _with_directions(weights: Mapping[str, float]) -> list[tuple[str, float, int]]:
    return [
        (metric, weight, -1 if metric in LESS_IS_BETTER else 1)
        for metric, weight in sorted(weights.items())
    ]
