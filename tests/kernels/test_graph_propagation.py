"""Propagation over the graph of purchases, gradients of the losses, and Adam, by slow twins."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsql.kernels import graph_propagation
from recsql.kernels.adam import adam_step, first_moments
from recsql.kernels.graph_propagation import (
    Graph,
    add_neighbours,
    ends,
    propagate,
    pull_back,
    purchase_graph,
    purchased,
)
from recsql.kernels.groups import Groups
from recsql.kernels.ranking_losses import (
    CUSTOMERS_A_DRAW,
    Batch,
    Gradient,
    bpr_gradient,
    softmax_gradient,
)

Floats = npt.NDArray[np.float64]
WIDTH = 5


def groups_of(table: npt.NDArray[np.bool_]) -> Groups:
    return Groups(ends(table.sum(axis=1)), np.nonzero(table)[1].astype(np.int32))


def graph_of(table: npt.NDArray[np.bool_]) -> Graph:
    bought = purchased(groups_of(table), table.shape[1])
    return purchase_graph(bought, *table.shape)


def normalised(table: npt.NDArray[np.bool_]) -> Floats:
    rows, columns = np.maximum(table.sum(axis=1), 1), np.maximum(table.sum(axis=0), 1)
    return table / np.sqrt(rows[:, None] * columns[None, :])


def slow_means(table: npt.NDArray[np.bool_], user: Floats, item: Floats, n_layers: int) -> Floats:
    """Give the mean of powers of the whole normalised matrix, customers above items."""
    n_users, n_items = table.shape
    both = np.zeros((n_users + n_items, n_users + n_items))
    both[:n_users, n_users:] = normalised(table)
    both += both.T
    layer = np.concatenate([user, item])
    layers = [layer]
    for _ in range(n_layers):
        layers.append(both @ layers[-1])
    return np.mean(layers, axis=0)


def slow_bpr(scores: Floats, batch: Batch, drawn: npt.NDArray[np.int32]) -> float:
    customer = np.repeat(batch.user, np.diff(batch.ptr))
    margin = scores[customer[:, None], drawn] - scores[customer, batch.item][:, None]
    return float(np.logaddexp(0.0, margin).mean())


def slow_softmax(
    scores: Floats, batch: Batch, drawn: npt.NDArray[np.int32], correction: Floats
) -> float:
    losses = []
    for row, user in enumerate(batch.user):
        draw = row // CUSTOMERS_A_DRAW
        others = scores[user, drawn[draw]] + correction[draw]
        for item in batch.item[batch.ptr[row] : batch.ptr[row + 1]]:
            own = scores[user, item]
            losses.append(np.logaddexp.reduce([own, *others]) - own)
    return float(np.mean(losses))


def batch_of(table: npt.NDArray[np.bool_], rng: np.random.Generator) -> Batch:
    user = rng.permutation(np.flatnonzero(table.any(axis=1))).astype(np.int32)
    ptr, item = groups_of(table[user])
    return Batch(user, ptr, item)


tables = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))


@given(tables, st.integers(1, 4), st.booleans())
@settings(max_examples=60, deadline=None)
def test_layers_are_powers_of_the_normalised_matrix(
    shape: tuple[int, int, int], n_layers: int, own: bool
) -> None:
    n_users, n_items, seed = shape
    rng = np.random.default_rng(seed)
    table = rng.random((n_users, n_items)) < 0.5
    item = rng.standard_normal((n_items, WIDTH)).astype(np.float32)
    user = rng.standard_normal((n_users, WIDTH)).astype(np.float32) if own else None
    layers = propagate(graph_of(table), user, item, n_layers)
    first = np.zeros((n_users, WIDTH)) if user is None else user
    expected = slow_means(table, first, item, n_layers)
    np.testing.assert_allclose(layers.user, expected[:n_users], atol=1e-5)
    np.testing.assert_allclose(layers.item, expected[n_users:], atol=1e-5)
    gathered = normalised(table) @ layers.message + first / (n_layers + 1)
    np.testing.assert_allclose(gathered, expected[:n_users], atol=1e-5)
    back = pull_back(graph_of(table), layers.user, layers.item, n_layers)
    twice = slow_means(table, layers.user, layers.item, n_layers)
    np.testing.assert_allclose(back, twice[n_users:], atol=1e-5)


@given(tables)
@settings(max_examples=40, deadline=None)
def test_a_graph_of_some_purchases_is_that_of_the_smaller_table(
    shape: tuple[int, int, int],
) -> None:
    n_users, n_items, seed = shape
    rng = np.random.default_rng(seed)
    table = rng.random((n_users, n_items)) < 0.5
    kept = rng.random(int(table.sum())) < 0.5
    smaller = np.zeros_like(table)
    smaller[table] = kept
    found = purchase_graph(purchased(groups_of(table), n_items), n_users, n_items, kept)
    for side, expected in zip(found, graph_of(smaller), strict=True):
        for array, wanted in zip(side, expected, strict=True):
            assert np.array_equal(array, wanted)


def test_one_purchase_halves_its_two_ends() -> None:
    # one customer, one item, both bought once: the edge weighs 1; means of (0, 2) and (2, 0)
    layers = propagate(graph_of(np.ones((1, 1), dtype=bool)), None, np.float32([[2.0]]), 1)
    assert layers.user.tolist() == [[1.0]]
    assert layers.item.tolist() == [[1.0]]


def loss_and_gradient(loss: str, seed: int, n_users: int = 7) -> tuple[Gradient, Floats, Floats]:
    """Give what the kernel finds, and central differences of the slow twin."""
    rng = np.random.default_rng(seed)
    n_items = 6
    table = rng.random((n_users, n_items)) < 0.4
    table[0, 0] = True
    batch = batch_of(table, rng)
    user, item = (rng.standard_normal((n, WIDTH)).astype(np.float32) for n in (n_users, n_items))
    if loss == "bpr":
        drawn = rng.integers(0, n_items, (len(batch.item), 3)).astype(np.int32)
        found = bpr_gradient(batch, drawn, user, item)
    else:
        n_draws = -(-len(batch.user) // CUSTOMERS_A_DRAW)
        drawn = rng.integers(0, n_items, (n_draws, 4)).astype(np.int32)
        correction = rng.standard_normal(drawn.shape).astype(np.float32)
        found = softmax_gradient(batch, drawn, correction, user, item)

    def slow(one: Floats, other: Floats) -> float:
        if loss == "bpr":
            return slow_bpr(one @ other.T, batch, drawn)
        return slow_softmax(one @ other.T, batch, drawn, correction)

    assert found.loss == pytest.approx(slow(user.astype(float), item.astype(float)), rel=1e-5)
    slopes = []
    for place, vectors in enumerate((user, item)):
        slope = np.zeros(vectors.shape)
        for index in np.ndindex(*vectors.shape):
            ends_of = []
            for step in (1e-5, -1e-5):
                moved = [user.astype(float), item.astype(float)]
                moved[place][index] += step
                ends_of.append(slow(*moved))
            slope[index] = (ends_of[0] - ends_of[1]) / 2e-5
        slopes.append(slope)
    return found, slopes[0], slopes[1]


@pytest.mark.parametrize("loss", ["bpr", "softmax"])
@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_the_slopes_of_the_loss(loss: str, seed: int) -> None:
    found, of_users, of_items = loss_and_gradient(loss, seed)
    np.testing.assert_allclose(found.user, of_users, atol=2e-6)
    np.testing.assert_allclose(found.item, of_items, atol=2e-6)


def test_more_customers_than_share_a_draw_have_draws_of_their_own() -> None:
    n_users = CUSTOMERS_A_DRAW + 60  # some have no purchases
    found, _, of_items = loss_and_gradient("softmax", 5, n_users)
    np.testing.assert_allclose(found.item, of_items, atol=2e-6)


def test_huge_scores_leave_finite_losses() -> None:
    # one customer, two items 2,000 apart: the loss is 2,000 where the lower one was bought
    user, item = np.float32([[1.0]]), np.float32([[0.0], [2000.0]])
    batch = Batch(np.int32([0]), np.int64([0, 1]), np.int32([0]))
    drawn = np.int32([[1]])
    soft = softmax_gradient(batch, drawn, np.zeros((1, 1), dtype=np.float32), user, item)
    pairs = bpr_gradient(batch, drawn, user, item)
    for found in (soft, pairs):
        assert found.loss == pytest.approx(2000.0)
        assert found.item.tolist() == [[-1.0], [1.0]]
        assert found.user.tolist() == [[2000.0]]
    other = softmax_gradient(
        batch._replace(item=np.int32([1])),
        np.int32([[0]]),
        np.zeros((1, 1), dtype=np.float32),
        user,
        item,
    )
    assert other.loss == 0.0
    assert not other.item.any()


@pytest.mark.parametrize("loss", ["bpr", "softmax"])
def test_one_thread_and_two_give_the_same_bits(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_propagation, "WORTH_A_THREAD", 0)
    rng = np.random.default_rng(0)
    table = rng.random((900, 70)) < 0.1
    graph, batch = graph_of(table), batch_of(table, rng)
    item = rng.standard_normal((70, 24)).astype(np.float32)
    drawn = rng.integers(0, 70, (len(batch.item), 2)).astype(np.int32)
    shared = rng.integers(0, 70, (-(-len(batch.user) // CUSTOMERS_A_DRAW), 40)).astype(np.int32)
    correction = np.zeros(shared.shape, dtype=np.float32)
    results = []
    for threads in (1, 2):
        layers = propagate(graph, None, item, 3, threads)
        if loss == "bpr":
            found = bpr_gradient(batch, drawn, layers.user, layers.item, threads)
        else:
            found = softmax_gradient(batch, shared, correction, *layers[:2], threads)
        back = pull_back(graph, found.user, found.item, 3, threads)
        moved, moments = item.copy(), first_moments(item)
        adam_step(moved, back, moments, number=1, rate=0.1, pull=0.1, n_threads=threads)
        results.append((*layers, np.array(found.loss), found.user, found.item, back, moved))
    for one, two in zip(*results, strict=True):
        assert one.tobytes() == two.tobytes()


def test_rows_are_added_with_their_weights() -> None:
    graph = graph_of(np.array([[True] * 6, [False] * 5 + [True]]))
    table = np.arange(6, dtype=np.float32)[:, None]
    # the first five items have one customer, who has six: 1 / sqrt(6) each; the last has two
    expected = (0 + 1 + 2 + 3 + 4) / np.sqrt(6) + 5 / np.sqrt(12)
    found = add_neighbours(graph.of_users, table, np.float32([[1.0], [2.0]]))
    np.testing.assert_allclose(found[:, 0], [1 + expected, 2 + 5 / np.sqrt(2)], rtol=1e-6)


def test_adam_follows_its_definition() -> None:
    rng = np.random.default_rng(0)
    table = rng.standard_normal((4, 3)).astype(np.float32)
    expected, moments = table.astype(float), first_moments(table)
    mean, square = np.zeros((4, 3)), np.zeros((4, 3))
    for number in range(1, 6):
        gradient = rng.standard_normal((4, 3)).astype(np.float32)
        slope = gradient + 0.3 * expected
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        step = mean / (1 - 0.9**number) / (np.sqrt(square / (1 - 0.999**number)) + 1e-8)
        expected -= 0.05 * step
        adam_step(table, gradient, moments, number=number, rate=0.05, pull=0.3)
        np.testing.assert_allclose(table, expected, rtol=1e-4, atol=1e-5)
