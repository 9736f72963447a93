"""Metrics of scored pairs: does a customer's purchase score above what was not bought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from recsql.errors import ParameterError
from recsql.metrics.registry import CUSTOMER_TASKS, Metric

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class GroupedAuc:
    """AUC within groups.

    Attributes
    ----------
    value : mean over the groups, weighed by their pairs, 0 to 1; NaN without a group
    n_groups : groups behind it
    n_left_out : groups of one kind only, which have no AUC
    """

    value: float
    n_groups: int
    n_left_out: int


def auc(score: Array, positive: Array) -> float:
    """Give the chance that a random positive pair scores above a random negative one.

    Tasks: those of customers. Ties: equal scores count half. Exact: wins are counted as integers.

    Parameters
    ----------
    score : float[n]      any finite or infinite number, more is likelier
    positive : bool[n]    whether the pair was a purchase

    Returns
    -------
    0 to 1; NaN where all pairs are positive, or none is

    Raises
    ------
    ParameterError
        The lengths differ, or a score is NaN.

    Source: Mann and Whitney, Annals of Mathematical Statistics 18(1), 1947.
    """
    score, positive = _checked(score, positive)
    wins, possible = _wins(score, positive, np.zeros(len(score), dtype=np.int64), 1)
    return int(wins[0]) / (2 * int(possible[0])) if possible[0] else float("nan")


def grouped_auc(score: Array, positive: Array, group: Array) -> GroupedAuc:
    """Give the mean AUC within groups (customers), each weighed by its number of pairs.

    Tasks: those of customers. Ties: equal scores within a group count half.

    Parameters
    ----------
    score, positive : as for ``auc``
    group : int[n]    whose pair it is, >= 0

    Raises
    ------
    ParameterError
        The lengths differ, a score is NaN, or a group is below 0.

    Source: Zhou et al., "Deep Interest Network", KDD 2018, section 6.3, weighed by impressions.
    """
    score, positive = _checked(score, positive)
    if len(group) != len(score) or (len(group) and int(np.min(group)) < 0):
        raise ParameterError("group must give one number of 0 or above for each score.")
    _, code, size = np.unique(group, return_inverse=True, return_counts=True)
    wins, possible = _wins(score, positive, code, len(size))
    kept = possible > 0
    n_groups = int(kept.sum())
    if n_groups == 0:
        return GroupedAuc(float("nan"), 0, len(size))
    own = wins[kept] / (2 * possible[kept])
    value = float((own * size[kept]).sum() / size[kept].sum())
    return GroupedAuc(value, n_groups, len(size) - n_groups)


def precision_recall_curve(score: Array, positive: Array) -> Array:
    """Give a point for each distinct score: what is right if everything from it up is offered.

    Tasks: those of customers. Ties: equal scores are taken together, so that the order of the
    pairs does not matter.

    Parameters
    ----------
    score, positive : as for ``auc``

    Returns
    -------
    float64[n_points, 3]    score, precision, recall; highest score first, recall never falls and
        ends at 1. Empty where no pair is positive. No point is made up at recall 0.

    Raises
    ------
    ParameterError
        The lengths differ, or a score is NaN.

    Source: Davis and Goadrich, ICML 2006; not interpolated.
    """
    score, positive = _checked(score, positive)
    if not positive.any():
        return np.empty((0, 3))
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    found = np.cumsum(positive[order])[last]
    return np.column_stack([ordered[last], found / (last + 1), found / found[-1]])


def average_precision(score: Array, positive: Array) -> float:
    """Give the area under the steps of the precision-recall curve.

    Tasks: those of customers. Ties: equal scores are one step, at the precision of all of them.

    Returns
    -------
    0 to 1, the share of positive pairs for scores by chance; NaN where no pair is positive

    Raises
    ------
    ParameterError
        The lengths differ, or a score is NaN.

    Source: Buckley and Voorhees, SIGIR 2000; without ties the mean precision at each positive.
    """
    curve = precision_recall_curve(score, positive)
    if len(curve) == 0:
        return float("nan")
    return float((np.diff(curve[:, 2], prepend=0.0) * curve[:, 1]).sum())


def _checked(score: Array, positive: Array) -> tuple[Array, Array]:
    score, positive = np.asarray(score), np.asarray(positive, dtype=bool)
    if score.shape != positive.shape or score.ndim != 1:
        raise ParameterError(
            f"score and positive must have one entry a pair, got {score.shape} "
            f"and {positive.shape}."
        )
    if not np.issubdtype(score.dtype, np.floating):
        score = score.astype(np.float64)
    if np.isnan(score).any():
        raise ParameterError("score must be a number for every pair, got NaN.")
    return score, positive


def _wins(score: Array, positive: Array, group: Array, n_groups: int) -> tuple[Array, Array]:
    """Count, for each group, twice the pairs won (a tie wins once) and those possible: int64."""
    possible = np.bincount(group[positive], minlength=n_groups)
    possible = possible * np.bincount(group[~positive], minlength=n_groups)
    if len(score) == 0:
        return np.zeros(n_groups, dtype=np.int64), possible
    order = np.lexsort((score, group))
    score, group, positive = score[order], group[order], positive[order]
    new_group = np.append(True, group[1:] != group[:-1])
    first = np.flatnonzero(new_group | np.append(True, score[1:] != score[:-1]))
    positives = np.add.reduceat(positive.astype(np.int64), first)
    negatives = np.add.reduceat((~positive).astype(np.int64), first)
    before = np.cumsum(negatives) - negatives
    starts = np.flatnonzero(new_group[first])
    before -= np.repeat(before[starts], np.diff(np.append(starts, len(first))))
    run_wins = positives * (2 * before + negatives)
    wins = np.zeros(n_groups, dtype=np.int64)
    wins[group[first[starts]]] = np.add.reduceat(run_wins, starts)
    return wins, possible


METRICS = (
    Metric(
        "auc",
        CUSTOMER_TASKS,
        True,
        0.0,
        1.0,
        "equal scores count half",
        "chance that a purchase scores above a pair that was not bought",
        "pairs",
        compute=auc,
    ),
    Metric(
        "grouped_auc",
        CUSTOMER_TASKS,
        True,
        0.0,
        1.0,
        "equal scores of one customer count half",
        "AUC within each customer, weighed by the customer's pairs",
        "pairs",
        compute=grouped_auc,
    ),
    Metric(
        "average_precision",
        CUSTOMER_TASKS,
        True,
        0.0,
        1.0,
        "equal scores are one step of the curve",
        "area under the precision-recall curve of scored pairs",
        "pairs",
        compute=average_precision,
    ),
)
