"""The numbers of published splits, with settings that the benchmarks chose on validation parts.

The datasets do not come with recsql: these tests run where they lie in RECSQL_DATA, or where the
benchmarks look for them without it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks import gowalla, movielens, repeat_timing, sessions
from benchmarks._data import FOLDER
from benchmarks._personal import popular, purchases_of, recall_and_ndcg, requests_of
from recsql.models.ease import Ease
from recsql.models.graph_filter import GraphFilter
from recsql.models.plain_intervals import ConstantInterval, MeanInterval
from recsql.models.recurrence import Recurrence
from recsql.models.session_knn import SessionKNN


def of(*names: str) -> Any:
    there = all((FOLDER / name).is_dir() for name in names)
    return pytest.mark.skipif(not there, reason="data that do not come with recsql")


@of("movielens_1m")
def test_movielens_leave_one_out_among_99_others() -> None:
    train, hidden, negative, n_items = movielens.read()
    score = movielens.scores_of(Ease().fit(purchases_of(train, n_items)), n_items)
    hits, ndcg = movielens.hits_and_ndcg(score, train, hidden, negative, n_items)
    count = np.bincount(train.item, minlength=n_items).astype(np.float32)
    trivial = movielens.hits_and_ndcg(
        lambda part: np.tile(count, (len(part.ptr) - 1, 1)), train, hidden, negative, n_items
    )
    assert (hits, ndcg) == (pytest.approx(0.7228, abs=0.003), pytest.approx(0.4539, abs=0.003))
    assert hits >= 0.720 > trivial[0]
    assert ndcg >= 0.450 > trivial[1]


@of("gowalla")
def test_gowalla_all_items_ranked() -> None:
    train, test, n_items = gowalla.read()
    model = GraphFilter().fit(purchases_of(train, n_items))
    found = model.recommend(requests_of(train, n_items), gowalla.K).item
    recall, ndcg = recall_and_ndcg(found, test)
    trivial = recall_and_ndcg(popular(train, n_items, gowalla.K), test)
    assert recall > max(0.18, 2 * trivial[0])
    assert ndcg > max(0.15, 2 * trivial[1])


@of("diginetica_sessions")
def test_the_next_item_of_a_session() -> None:
    test = sessions.read("diginetica_sessions")
    model = SessionKNN().fit(sessions.only(test.train))
    hit_rate, mrr = sessions.qualities(sessions.answered(model, test), test.target)
    trivial = sessions.qualities(sessions.followers(test), test.target)
    assert hit_rate >= 0.507 > trivial[0]
    assert mrr >= 0.176 > trivial[1]


@of("uci_online_retail")
def test_when_an_item_is_bought_again() -> None:
    events = repeat_timing.read("uci_online_retail")
    models = [Recurrence(), MeanInterval(), ConstantInterval()]
    rows = repeat_timing.last_protocol("uci", "test", events, models)
    told = {row["model"]: row for row in rows if row["protocol"] == "last, n >= 3"}
    best = min(told["mean_interval"]["MAE days"], told["constant_interval"]["MAE days"])
    assert told["recurrence"]["MAE days"] <= 0.9 * best
    assert 0.77 <= told["recurrence"]["in 80%"] <= 0.83
