"""Ranked-list metrics against values worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import ir_measures
import numpy as np
import pytest

from recsql.metrics.interval import bootstrap_interval
from recsql.metrics.ranked import (
    PER_QUERY,
    accuracy,
    average_precision,
    coverage,
    hit_rate,
    hits,
    mrr,
    ndcg,
    precision,
    recall,
)
from recsql.models.requests import Requests
from recsql.splits.split import Queries


def queries(*truths: list[int]) -> Queries:
    ptr = np.cumsum([0, *(len(truth) for truth in truths)]).astype(np.int64)
    flat = np.array([code for truth in truths for code in truth], dtype=np.int32)
    return Queries(Requests.of_items(np.zeros(len(truths))), ptr, flat)


def lists(*rows: list[int]) -> np.ndarray:
    return np.array(rows, dtype=np.int32)


def test_a_hit_counts_only_for_the_query_that_hid_the_item() -> None:
    found = hits(lists([1, 2, 3], [1, 2, 3]), queries([2], [3, 1]))
    assert found.tolist() == [[False, True, False], [True, False, True]]


def test_the_end_of_a_list_is_never_a_hit() -> None:
    assert hits(lists([5, -1, -1]), queries([5, 0])).tolist() == [[True, False, False]]


def test_precision_divides_by_the_places_and_recall_by_the_hidden_items() -> None:
    hit = np.array([[True, False, True, False]])
    assert precision(hit, np.array([8])).tolist() == [0.5]  # 2 of 4 places
    assert recall(hit, np.array([8])).tolist() == [0.25]  # 2 of 8 hidden items


def test_ndcg_discounts_by_the_logarithm_of_the_rank() -> None:
    # hits at ranks 1 and 3; ideal: both hidden items at ranks 1 and 2
    expected = (1 + 1 / math.log2(4)) / (1 + 1 / math.log2(3))
    hit = np.array([[True, False, True]])
    assert ndcg(hit, np.array([2])) == pytest.approx([expected])


def test_ndcg_of_more_hidden_items_than_places_can_reach_one() -> None:
    assert ndcg(np.array([[True, True]]), np.array([7])).tolist() == [1.0]


def test_the_first_hit_decides_the_reciprocal_rank_and_the_first_place_accuracy() -> None:
    hit = np.array([[False, True, True], [True, False, False], [False, False, False]])
    hidden = np.array([2, 5, 1])
    assert mrr(hit, hidden).tolist() == [0.5, 1.0, 0.0]
    assert accuracy(hit, hidden).tolist() == [0.0, 1.0, 0.0]
    assert hit_rate(hit, hidden).tolist() == [1.0, 1.0, 0.0]
    # precision 1/2 at rank 2 and 2/3 at rank 3, of 2 hidden items; 1 at rank 1, of 5
    assert average_precision(hit, hidden) == pytest.approx([(1 / 2 + 2 / 3) / 2, 1 / 5, 0.0])


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        ("hit_rate", ir_measures.Success @ 10),
        ("map", ir_measures.AP @ 10),
        ("mrr", ir_measures.RR @ 10),
        ("ndcg", ir_measures.nDCG @ 10),
        ("precision", ir_measures.P @ 10),
        ("recall", ir_measures.R @ 10),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_metrics_equal_those_of_ir_measures(name: str, peer: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truths = [rng.choice(40, rng.integers(1, 16), replace=False).tolist() for _ in range(25)]
    found = lists(*(rng.choice(40, 10, replace=False).tolist() for _ in truths))
    asked = queries(*truths)
    values = PER_QUERY[name](hits(found, asked), np.diff(asked.truth_ptr))
    qrels = [
        ir_measures.Qrel(str(row), str(item), 1)
        for row, truth in enumerate(truths)
        for item in truth
    ]
    run = [
        ir_measures.ScoredDoc(str(row), str(item), -float(place))
        for row, items in enumerate(found.tolist())
        for place, item in enumerate(items)
    ]
    expected = {one.query_id: one.value for one in ir_measures.iter_calc([peer], qrels, run)}
    assert values == pytest.approx([expected[str(row)] for row in range(len(truths))])


def test_coverage_counts_each_shown_item_once() -> None:
    assert coverage(lists([1, 2], [2, -1]), 8) == 0.25  # items 1 and 2 of 8


def test_coverage_of_an_empty_catalogue_is_zero() -> None:
    assert coverage(lists([-1]), 0) == 0.0


def test_the_interval_holds_the_mean_and_shrinks_with_more_queries() -> None:
    rng = np.random.default_rng(7)
    few, many = rng.random(50), rng.random(5000)
    low, high = bootstrap_interval(few, 0)
    assert low < few.mean() < high
    narrow = bootstrap_interval(many, 0)
    # the width falls with the square root of 100, about ten times
    assert 6 < (high - low) / (narrow[1] - narrow[0]) < 16


def test_the_interval_is_the_same_for_the_same_seed() -> None:
    values = np.random.default_rng(1).random(100)
    assert bootstrap_interval(values, 3) == bootstrap_interval(values, 3)
