"""Slow twins of the models of factors: dense equations, in double precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]


def slow_least_squares(
    table: npt.NDArray[np.float32],
    groups: Sequence[Sequence[int]],
    penalty: npt.NDArray[np.float32],
    ridge: npt.NDArray[np.float32],
) -> Doubles:
    """Solve (H'H + diag(penalty) + ridge) w = H'1 for every group; 0 for one without rows."""
    table = table.astype(np.float64)
    found = []
    for group, own in zip(groups, ridge, strict=True):
        rows = table[list(group)]
        left = rows.T @ rows + np.diag(penalty.astype(np.float64) + float(own))
        found.append(np.linalg.solve(left, rows.sum(axis=0)))
    return np.array(found).reshape(len(groups), table.shape[1])


def slow_logistic(
    rows: npt.NDArray[np.float32],
    offset: npt.NDArray[np.float32],
    label: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
    ridge: float,
    n_rounds: int = 30,
) -> Doubles:
    """Give the minimum of the weighted logistic loss plus ridge / 2 * w'w, by Newton's steps."""
    table = rows.astype(np.float64)
    factor = np.zeros(table.shape[1])
    for _ in range(n_rounds):
        chance = 1.0 / (1.0 + np.exp(-(table @ factor + offset)))
        slope = table.T @ (weight * (label - chance)) - ridge * factor
        curve = (table.T * (weight * chance * (1.0 - chance))) @ table
        factor += np.linalg.solve(curve + ridge * np.eye(len(factor)), slope)
    return factor


def slow_ridges(
    ptr: npt.NDArray[np.int64],
    code: npt.NDArray[np.int32],
    target: Doubles,
    table: Doubles,
    ridge: float,
) -> Doubles:
    """Solve (R'R + ridge) w = R'target for every group; 0 for one without rows."""
    found = np.zeros((len(ptr) - 1, table.shape[1]))
    for group in range(len(found)):
        own = slice(ptr[group], ptr[group + 1])
        rows = table[code[own]]
        left = rows.T @ rows + ridge * np.eye(table.shape[1])
        found[group] = np.linalg.solve(left, rows.T @ target[own])
    return found
