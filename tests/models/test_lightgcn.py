"""LightGCN: what it ranks, what is kept, who is held out, and bits alike at 1 and 2 threads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from histories import asked, events, learned, random_rows, table
from processes import needs_chosen_cores, printed_on

from recsql.errors import ParameterError
from recsql.kernels.graph_propagation import ends, propagate, purchase_graph, purchased
from recsql.kernels.groups import Groups
from recsql.models.graph_training import (
    SHARE_HELD_OUT,
    Chances,
    HeldOut,
    Lessons,
    Training,
    found_again,
    hold_out,
)
from recsql.models.lightgcn import LightGCN
from recsql.models.requests import Requests

QUICK = LightGCN(n_factors=8, n_epochs=10)
PAPER = replace(QUICK, loss="bpr", n_negatives=2, batch_size=30, hide_targets=False, n_layers=3)
OWN = replace(QUICK, own_vectors=True, first="random")
SETTINGS = pytest.mark.parametrize(
    "model", [QUICK, PAPER, OWN], ids=["default", "bpr", "own vectors"]
)


def groups_of(rows: list[list[int]]) -> Groups:
    item = np.array([code for row in rows for code in sorted(row)], dtype=np.int32)
    return Groups(ends(np.array([len(row) for row in rows])), item)


@SETTINGS
def test_two_groups_of_customers_are_told_apart(model: LightGCN) -> None:
    rows = [[code for code in range(4) if code != out] for out in range(4)] * 30
    rows += [[code + 4 for code in row] for row in rows]
    fitted = replace(model, learning_rate=0.1).fit(learned(rows, 8))
    found = fitted.recommend(asked([[0], [5, 6]], 8, exclude_bought=True), 3)
    assert set(found.item[0].tolist()) == {1, 2, 3}
    assert set(found.item[1, :2].tolist()) == {4, 7}


@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_own_vectors_are_added_where_it_is_known_who_asks(n_layers: int) -> None:
    rows, n = random_rows(0, 60, 15), 15
    model = replace(OWN, n_layers=n_layers).fit(learned(rows, n))
    gathered = model.fold_in(*groups_of(rows))
    bought = table(rows, n).sum(axis=0) > 0
    known = Requests.of_customers(np.arange(len(rows)), events(rows, n))
    for requests, vectors in (
        (asked(rows, n), gathered),
        (known, gathered + model.own_),
    ):
        expected = vectors @ model.item_vectors.T
        np.testing.assert_allclose(
            model._scores(requests)[:, bought], expected[:, bought], atol=1e-5
        )
    assert model.own_.any()


def test_a_customer_without_a_vector_of_their_own_is_the_mean_of_the_layers() -> None:
    rows, n = random_rows(0, 60, 15), 15
    item = np.random.default_rng(0).standard_normal((n, 4)).astype(np.float32)
    graph = purchase_graph(purchased(groups_of(rows), n), len(rows), n)
    layers = propagate(graph, None, item, 2)
    model = LightGCN().restore(
        {
            "buyers": np.diff(graph.of_items.ptr),
            "factors": layers.item,
            "messages": layers.message
            / np.sqrt(np.maximum(np.diff(graph.of_items.ptr), 1))[:, None],
            "own": np.zeros((0, 4)),
        },
        n,
    )
    np.testing.assert_allclose(model.fold_in(*groups_of(rows)), layers.user, atol=1e-6)


@SETTINGS
def test_an_item_that_nobody_bought_is_never_recommended(model: LightGCN) -> None:
    rows = random_rows(1, 40, 10)
    found = model.fit(learned(rows, 12)).recommend(asked([[0], [1, 2], []], 12), 12)
    assert set(found.item.ravel().tolist()) <= {*range(10), -1}


@SETTINGS
def test_who_bought_nothing_known_gets_what_most_customers_bought(model: LightGCN) -> None:
    rows = [[0, 1], [1, 2], [1, 2], [3]]
    found = model.fit(learned(rows, 6)).recommend(asked([[], [5]], 6), 6)
    assert found.item.tolist() == [[1, 2, 0, 3, -1, -1]] * 2  # customers: 1, 3, 2, 1; 0 of 4 and 5


@SETTINGS
def test_a_customer_gets_the_same_bits_alone_and_among_others(model: LightGCN) -> None:
    rows = random_rows(5, 50, 30)
    fitted = model.fit(learned(rows, 30))
    together = fitted._scores(asked(rows, 30))
    for place, row in enumerate(rows):
        assert np.array_equal(fitted._scores(asked([row], 30))[0], together[place])


@pytest.mark.parametrize("rows", [[[0]], [[0], [0]], [[0, 1]], [[0, 1, 2]] * 3, [[2], [], [1]]])
@SETTINGS
def test_the_smallest_purchases_are_learned_from(model: LightGCN, rows: list[list[int]]) -> None:
    found = model.fit(learned(rows, 4)).recommend(asked(rows, 4), 4)
    assert np.isfinite(found.score).all()
    assert set(found.item[found.item >= 0].tolist()) <= {code for row in rows for code in row}


def test_only_those_whose_own_vectors_are_wanted_have_them() -> None:
    rows = random_rows(2, 40, 10)
    assert QUICK.fit(learned(rows, 10)).arrays()["own"].shape == (0, 8)
    assert OWN.fit(learned(rows, 10)).arrays()["own"].shape == (40, 8)


def test_learning_lowers_the_loss() -> None:
    rows = random_rows(3, 200, 30)
    for loss in ("bpr", "softmax"):
        lessons = Lessons(2, loss, 0.05, 1e-4, 8, 0.5, None, True)
        item = np.random.default_rng(0).standard_normal((30, 8)).astype(np.float32) * 0.1
        training = Training(groups_of(rows), item.astype(np.float32), None, lessons, 0)
        first = training.epoch()
        for _ in range(30):
            last = training.epoch()
        assert last < first - 0.01


def test_items_are_drawn_by_a_power_of_their_customers() -> None:
    chances = Chances.of_counts(np.array([0, 1, 16, 0, 4, 0]), 0.5)
    # roots 1, 4 and 2 of 7: the first seventh is item 1, the next four are 2, the last two are 4
    drawn = chances.items_at((np.arange(7) + 0.5) / 7)
    assert drawn.tolist() == [1, 2, 2, 2, 2, 4, 4]
    assert chances.items_at(np.array([0.0, np.nextafter(1.0, 0.0), 1.0])).tolist() == [1, 4, 4]
    assert np.exp(chances.log[[1, 2, 4]]) == pytest.approx([1 / 7, 4 / 7, 2 / 7])


def test_a_tenth_of_the_purchases_at_most_is_held_out_and_everyone_keeps_two() -> None:
    groups = groups_of(random_rows(4, 500, 40))
    known, held = hold_out(groups, 0)
    n_hidden = len(held.hidden.group_item)
    assert len(known.group_item) + n_hidden == len(groups.group_item)
    assert 0 < n_hidden <= SHARE_HELD_OUT * len(groups.group_item)
    assert (np.diff(held.known.group_ptr) >= 2).all()
    for place, user in enumerate(held.user):
        both = [part.group_item[slice(*part.group_ptr[place : place + 2])] for part in held[1:]]
        whole = groups.group_item[slice(*groups.group_ptr[user : user + 2])]
        assert sorted(np.concatenate(both)) == whole.tolist()


def test_the_quality_is_the_mean_ndcg_of_what_was_held_out() -> None:
    layers = propagate(
        purchase_graph(purchased(groups_of([[0], [1]]), 4), 2, 4),
        None,
        np.zeros((4, 1), np.float32),
        1,
    )
    layers = layers._replace(user=np.float32([[1], [1]]), item=np.float32([[4], [3], [2], [1]]))
    held = HeldOut(np.array([0, 1]), groups_of([[2], [0, 3]]), groups_of([[0], [1]]))
    # the first is shown 1, 2, 3: second place; the other one 0, 2, 3: first and third of two
    expected = (1 / np.log2(3) + (1 + 1 / 2) / (1 + 1 / np.log2(3))) / 2
    assert found_again(held, layers, np.ones(4, dtype=bool)) == pytest.approx(expected)


def test_it_ends_when_patience_does() -> None:
    rows = random_rows(6, 600, 40)
    short, long = (
        LightGCN(n_factors=8, n_epochs=n, patience=5).fit(learned(rows, 40)) for n in (300, 400)
    )
    assert np.array_equal(short.item_vectors, long.item_vectors)


@needs_chosen_cores
def test_it_has_the_same_bits_at_one_and_two_threads() -> None:
    code = """
from histories import digest, asked, learned, random_rows
from recsql.kernels import graph_propagation
from recsql.models.lightgcn import LightGCN
graph_propagation.WORTH_A_THREAD = 0
rows = random_rows(0, 1500, 300)
for loss in ("softmax", "bpr"):
    model = LightGCN(n_factors=40, n_epochs=6, n_negatives=8, loss=loss).fit(learned(rows, 300))
    print(digest(model, model.recommend(asked(rows, 300), 10)))
"""
    alone, together = (printed_on(n_cores, code) for n_cores in (1, 2))
    assert len(alone) == 2
    assert alone == together


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (LightGCN(n_factors=0), "n_factors must be at least 1, got 0"),
        (LightGCN(n_layers=0), "n_layers must be at least 1, got 0"),
        (LightGCN(n_epochs=0), "n_epochs must be at least 1, got 0"),
        (LightGCN(n_negatives=0), "n_negatives must be at least 1, got 0"),
        (LightGCN(patience=0), "patience must be at least 1, got 0"),
        (LightGCN(batch_size=0), "batch_size must be at least 1, got 0"),
        (LightGCN(learning_rate=float("nan")), "learning_rate must be above 0, got nan"),
        (LightGCN(penalty=-1.0), "penalty must be at least 0, got -1.0"),
        (LightGCN(frequency_exponent=float("nan")), "frequency_exponent must be at least 0"),
        (LightGCN(loss="softmx"), "Did you mean 'softmax'"),
        (LightGCN(first="spectral"), "first must be among spectrum, random, got 'spectral'"),
        (LightGCN(seed=-1), "seed must be at least 0, got -1"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(model: LightGCN, sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        model.fit(learned([[0, 1]], 3))
