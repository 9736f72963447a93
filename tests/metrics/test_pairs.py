"""Metrics of scored pairs against values worked out by hand and against plain counting."""

from __future__ import annotations

import math

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsql.errors import ParameterError
from recsql.metrics.pairs import auc, average_precision, grouped_auc, precision_recall_curve

# few distinct scores, so that many are equal
scored = st.lists(
    st.tuples(
        st.sampled_from([-math.inf, -1.5, -0.0, 0.0, 0.25, 3.0]), st.booleans(), st.integers(0, 3)
    ),
    max_size=25,
)
Scored = list[tuple[float, bool, int]]


def columns(pairs: Scored) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.array([score for score, _, _ in pairs], dtype=np.float64),
        np.array([positive for _, positive, _ in pairs], dtype=bool),
        np.array([group for _, _, group in pairs], dtype=np.int64),
    )


def slow_auc(pairs: Scored) -> float:
    """Compare every positive pair with every negative one."""
    wins = [
        1.0 if score > other else 0.5 if score == other else 0.0
        for score, positive, _ in pairs
        for other, other_positive, _ in pairs
        if positive and not other_positive
    ]
    return sum(wins) / len(wins) if wins else math.nan


def slow_points(pairs: Scored) -> list[list[float]]:
    """Offer everything from a score up, for each score."""
    points = []
    for score in sorted({one for one, _, _ in pairs}, reverse=True):
        offered = [positive for one, positive, _ in pairs if one >= score]
        n_positive = sum(positive for _, positive, _ in pairs)
        points.append([score, sum(offered) / len(offered), sum(offered) / n_positive])
    return points


def test_auc_counts_the_pairs_won_and_half_of_the_ties() -> None:
    # positives 0.9 and 0.5, negatives 0.5 and 0.1: won 0.9>0.5, 0.9>0.1, 0.5>0.1; tie 0.5=0.5
    score = np.array([0.9, 0.5, 0.5, 0.1])
    assert auc(score, np.array([True, True, False, False])) == 3.5 / 4


@pytest.mark.parametrize(
    ("score", "expected"), [([3, 2, 1], 1.0), ([1, 2, 3], 0.0), ([7] * 3, 0.5)]
)
def test_auc_of_the_best_the_worst_and_a_constant_score(score: list[int], expected: float) -> None:
    assert auc(np.array(score), np.array([True, False, False])) == expected


@pytest.mark.parametrize("positive", [[True, True], [False, False], []])
def test_auc_of_one_kind_of_pairs_is_not_a_number(positive: list[bool]) -> None:
    assert math.isnan(auc(np.zeros(len(positive)), np.array(positive, dtype=bool)))


@given(scored)
def test_auc_equals_comparing_all_pairs(pairs: Scored) -> None:
    score, positive, _ = columns(pairs)
    assert auc(score, positive) == pytest.approx(slow_auc(pairs), nan_ok=True)


@given(scored)
def test_auc_of_the_opposite_scores_is_the_rest(pairs: Scored) -> None:
    score, positive, _ = columns(pairs)
    assert auc(-score, positive) == pytest.approx(1 - auc(score, positive), nan_ok=True)


def test_grouped_auc_weighs_customers_by_their_pairs() -> None:
    # customer 4: 2 pairs, AUC 1; customer 9: 3 pairs, AUC 0; customer 5: no negative, left out.
    # (2 * 1 + 3 * 0) / 5
    score = np.array([2, 1, 1, 2, 3, 5])
    positive = np.array([True, False, True, False, False, True])
    found = grouped_auc(score, positive, np.array([4, 4, 9, 9, 9, 5]))
    assert (found.value, found.n_groups, found.n_left_out) == (0.4, 2, 1)


@given(scored)
def test_grouped_auc_is_the_weighted_mean_of_each_group(pairs: Scored) -> None:
    found = grouped_auc(*columns(pairs))
    groups = [[one for one in pairs if one[2] == group] for group in {one[2] for one in pairs}]
    able = [(slow_auc(of), len(of)) for of in groups if not math.isnan(slow_auc(of))]
    assert (found.n_groups, found.n_left_out) == (len(able), len(groups) - len(able))
    weight = sum(size for _, size in able)
    expected = sum(value * size for value, size in able) / weight if able else math.nan
    assert found.value == pytest.approx(expected, nan_ok=True)


def test_the_curve_takes_equal_scores_together() -> None:
    # from 3 up: 1 of 1 right, 1 of 2 found; from 2 up (two pairs): 2 of 3, 2 of 2; from 1: 2 of 4
    curve = precision_recall_curve(np.array([2, 3, 1, 2]), np.array([True, True, False, False]))
    assert curve.tolist() == [[3, 1, 0.5], [2, 2 / 3, 1], [1, 0.5, 1]]
    # 1 * 1/2 + 2/3 * 1/2 + 1/2 * 0
    score, positive = np.array([2, 3, 1, 2]), np.array([True, True, False, False])
    assert average_precision(score, positive) == pytest.approx(5 / 6)


def test_without_a_positive_pair_there_is_no_curve() -> None:
    score, none = np.array([1.0, 2.0]), np.array([False, False])
    assert precision_recall_curve(score, none).shape == (0, 3)
    assert math.isnan(average_precision(score, none))


@given(scored)
def test_the_curve_equals_offering_everything_from_a_score_up(pairs: Scored) -> None:
    score, positive, _ = columns(pairs)
    curve = precision_recall_curve(score, positive)
    if not positive.any():
        assert len(curve) == 0
        return
    points = slow_points(pairs)
    assert curve.tolist() == [pytest.approx(point) for point in points]
    steps = zip([0.0, *(recall for _, _, recall in points)], points, strict=False)
    area = sum((recall - before) * precision for before, (_, precision, recall) in steps)
    assert average_precision(score, positive) == pytest.approx(area)


@given(scored, st.randoms(use_true_random=False))
def test_the_order_of_the_pairs_does_not_matter(pairs: Scored, random: object) -> None:
    mixed = list(pairs)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    one, other = columns(pairs), columns(mixed)
    assert precision_recall_curve(*one[:2]).tolist() == precision_recall_curve(*other[:2]).tolist()
    assert auc(*one[:2]) == pytest.approx(auc(*other[:2]), rel=0, nan_ok=True)
    assert grouped_auc(*one).value == pytest.approx(grouped_auc(*other).value, rel=0, nan_ok=True)


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_without_ties_equals_that_of_ir_measures(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, positive = rng.permutation(60).astype(np.float64), rng.random(60) < 0.3
    qrels = [ir_measures.Qrel("q", str(n), int(one)) for n, one in enumerate(positive)]
    run = [ir_measures.ScoredDoc("q", str(n), float(one)) for n, one in enumerate(score)]
    expected = ir_measures.calc_aggregate([ir_measures.AP], qrels, run)[ir_measures.AP]
    assert average_precision(score, positive) == pytest.approx(expected)


def test_single_precision_scores_are_compared_as_they_are() -> None:
    score = np.array([0.1, 0.1], dtype=np.float32)
    assert auc(score, np.array([True, False])) == 0.5


@pytest.mark.parametrize("metric", [auc, average_precision, precision_recall_curve])
def test_what_is_no_score_is_refused(metric: object) -> None:
    assert callable(metric)
    with pytest.raises(ParameterError, match="score must be a number for every pair, got NaN"):
        metric(np.array([1.0, math.nan]), np.array([True, False]))
    with pytest.raises(ParameterError, match="one entry a pair, got"):
        metric(np.array([1.0]), np.array([True, False]))


@pytest.mark.parametrize("group", [[0], [0, -1]])
def test_a_group_must_be_given_for_each_pair(group: list[int]) -> None:
    with pytest.raises(ParameterError, match="group must give one number of 0 or above"):
        grouped_auc(np.array([1.0, 2.0]), np.array([True, False]), np.array(group))
