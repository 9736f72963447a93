"""The score of a model: metrics on fixed scales, weighed as recsql.ranking_weights says.

A scale depends on nothing but the metric, so that one more model never changes the order of the
others. What depends on the clock counts in whole decades only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsql.database import Session
from recsql.errors import ParameterError, did_you_mean
from recsql.metrics.registry import metrics_for, registry
from recsql.selection.evaluated import Evaluated
from recsql.store.weights import default_weights

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Ranking:
    """The weights of one task.

    Attributes
    ----------
    weights : above 0, and 1 in total; by metric
    directions : 1 where more is better, -1 where less is
    """

    weights: Mapping[str, float]
    directions: Mapping[str, int]

    def values(self, evaluated: Evaluated) -> Array:
        """Give the score of each query: float64[n_queries]; their mean is that of the model.

        What has no value for a single query adds the same to each; a metric that was not measured
        adds nothing.
        """
        total = np.zeros(evaluated.n_queries)
        measured = {**evaluated.overall, **evaluated.costs}
        for metric, weight in self.weights.items():
            if metric in evaluated.per_query:
                place = evaluated.places(metric)
            elif metric in measured:
                place = registry()[metric].place(measured[metric])
            else:
                continue
            total += weight * (place if self.directions[metric] > 0 else 1 - place)
        return total


def measured_for(task: str) -> list[str]:
    """Name what a training measures for a task; of the registry, more can be computed."""
    needs = {"repeat": ("dates", "cost"), "rating": ("ratings", "cost")}.get(
        task, ("hits", "lists", "cost")
    )
    return [metric.name for metric in metrics_for(task) if metric.needs in needs]


def read_ranking(session: Session, task: str) -> Ranking:
    """Read the weights of a task.

    Raises
    ------
    ParameterError
        No metric of the task weighs anything, a weight is below 0 or no number, a direction is
        neither 1 nor -1, or a metric is unknown or not measured for the task.
    """
    rows = session.rows(
        "SELECT w.metric, w.weight, w.direction FROM recsql.ranking_weights AS w "
        "WHERE w.task = ? ORDER BY w.metric",
        [task],
    )
    if not rows:  # rows that the user deleted count as the preset
        rows = default_weights(task)
    for metric, weight, direction in rows:
        _check(task, metric, weight, direction)
    total = sum(weight for _, weight, _ in rows)
    if not total > 0:
        raise ParameterError(
            f"recsql.ranking_weights must give {task} a weight above 0, got none. "
            f"CALL recsql.use_ranking('quality', task := '{task}')."
        )
    return Ranking(
        {metric: weight / total for metric, weight, _ in rows if weight > 0},
        {metric: direction for metric, _, direction in rows},
    )


def _check(task: str, metric: str, weight: float, direction: int) -> None:
    where = f"task = '{task}' AND metric = '{metric}'"
    if metric not in registry():
        raise ParameterError(
            f"recsql.ranking_weights must name metrics, got {metric!r}."
            f"{did_you_mean(metric, registry())} "
            f"DELETE FROM recsql.ranking_weights WHERE {where}."
        )
    if not 0 <= weight < float("inf"):
        raise ParameterError(
            f"The weight of {metric} for {task} must be at least 0, got {weight}. "
            f"UPDATE recsql.ranking_weights SET weight = 0 WHERE {where}."
        )
    if weight > 0 and metric not in measured_for(task):
        raise ParameterError(
            f"What weighs in {task} must be measured for it: {', '.join(measured_for(task))}, got "
            f"{metric!r}. DELETE FROM recsql.ranking_weights WHERE {where}."
        )
    if direction not in (1, -1):
        raise ParameterError(
            f"The direction of {metric} for {task} must be 1 or -1, got {direction}. "
            f"UPDATE recsql.ranking_weights SET direction = 1 WHERE {where}."
        )
