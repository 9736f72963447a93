"""Rows of recsql.ranking_weights."""

from __future__ import annotations

from collections.abc import Mapping

from recsql.database import Session
from recsql.metrics.presets import preset_weights


def write_preset(session: Session, preset: str, task: str) -> None:
    """Replace the weights of a task by those of a preset; in the caller's transaction."""
    write_weights(session, task, preset_weights(preset, task))


def write_weights(session: Session, task: str, weights: Mapping[str, float]) -> None:
    """Replace the weights of a task; in the caller's transaction."""
    from recsql.metrics.registry import registry  # loads numpy, which connecting does without

    session.execute("DELETE FROM recsql.ranking_weights AS w WHERE w.task = ?", [task])
    for metric, weight in weights.items():
        direction = 1 if registry()[metric].higher_is_better else -1
        session.execute(
            "INSERT INTO recsql.ranking_weights VALUES (?, ?, ?, ?)",
            [task, metric, weight, direction],
        )
