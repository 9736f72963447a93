"""Attention of facts, their loss, and propagation over facts and purchases, by slow twins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsql.kernels import graph_propagation, relation_attention
from recsql.kernels.graph_propagation import Edges, Graph, ends, purchase_graph, purchased
from recsql.kernels.groups import Groups
from recsql.kernels.knowledge_propagation import gather_back, spread
from recsql.kernels.relation_attention import (
    Facts,
    Relations,
    attention,
    fact_gradient,
    share_out,
)

Floats = npt.NDArray[np.float64]
WIDTH = 4


class Known(NamedTuple):
    facts: Facts
    other: npt.NDArray[np.int32]
    node: npt.NDArray[np.float32]
    relations: Relations


def known(seed: int, n_nodes: int, n_relations: int, n_facts: int) -> Known:
    rng = np.random.default_rng(seed)
    relation = np.sort(rng.integers(0, n_relations, n_facts))
    head, tail, other = rng.integers(0, n_nodes, (3, n_facts)).astype(np.int32)
    facts = Facts(ends(np.bincount(relation, minlength=n_relations)), head, tail)
    node, step = (
        rng.standard_normal((n, WIDTH)).astype(np.float32) for n in (n_nodes, n_relations)
    )
    matrix = rng.standard_normal((n_relations, WIDTH, WIDTH)).astype(np.float32)
    return Known(facts, other, node, Relations(matrix, step))


def relation_of(facts: Facts) -> npt.NDArray[np.int64]:
    return np.repeat(np.arange(len(facts.ptr) - 1), np.diff(facts.ptr))


def slow_attention(facts: Facts, node: Floats, matrix: Floats, step: Floats) -> Floats:
    found = []
    for relation, head, tail in zip(relation_of(facts), facts.head, facts.tail, strict=True):
        led = np.tanh(node[head] @ matrix[relation] + step[relation])
        found.append((node[tail] @ matrix[relation]) @ led / np.sqrt(node.shape[1]))
    return np.array(found)


def slow_loss(
    facts: Facts, other: npt.NDArray[np.int32], node: Floats, matrix: Floats, step: Floats
) -> float:
    losses = []
    for relation, head, *tails in zip(
        relation_of(facts), facts.head, facts.tail, other, strict=True
    ):
        near, far = (
            np.sum(
                (node[head] @ matrix[relation] + step[relation] - node[tail] @ matrix[relation])
                ** 2
            )
            for tail in tails
        )
        losses.append(np.logaddexp(0.0, near - far))
    return float(np.mean(losses))


shapes = st.tuples(
    st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 4), st.integers(1, 12)
)


@given(shapes)
@settings(max_examples=40, deadline=None)
def test_attention_is_how_far_the_tail_lies_where_the_head_leads(
    shape: tuple[int, int, int, int],
) -> None:
    facts, _, node, relations = known(*shape)
    expected = slow_attention(facts, node, *relations)
    np.testing.assert_allclose(attention(facts, node, relations), expected, rtol=1e-4, atol=1e-5)


def test_facts_are_gone_over_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    facts, other, node, relations = known(1, 6, 3, 40)
    whole = attention(facts, node, relations), fact_gradient(facts, other, node, relations)
    monkeypatch.setattr(relation_attention, "FACTS_AT_A_TIME", 3)
    parts = attention(facts, node, relations), fact_gradient(facts, other, node, relations)
    np.testing.assert_allclose(parts[0], whole[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(parts[1].node, whole[1].node, rtol=1e-4, atol=1e-5)
    for one, two in zip(parts[1].relations, whole[1].relations, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


@given(st.lists(st.lists(st.floats(-50, 50, width=32), max_size=5), max_size=6))
@settings(max_examples=60, deadline=None)
def test_shares_are_the_softmax_of_a_row(rows: list[list[float]]) -> None:
    ptr = ends(np.array([len(row) for row in rows], dtype=np.int64))
    score = np.array([value for row in rows for value in row], dtype=np.float32)
    share = np.empty_like(score)
    share_out(ptr, score, share)
    for row, first, last in zip(rows, ptr, ptr[1:], strict=False):
        power = np.exp(np.array(row) - max(row, default=0.0))
        np.testing.assert_allclose(share[first:last], power / power.sum(), rtol=1e-4, atol=1e-6)


def test_huge_attention_is_shared_without_overflow() -> None:
    share = np.empty(2, dtype=np.float32)
    share_out(np.array([0, 2]), np.float32([1e30, 0.0]), share)
    assert share.tolist() == [1.0, 0.0]


@given(shapes)
@settings(max_examples=20, deadline=None)
def test_the_gradient_of_facts_is_the_slope_of_their_loss(
    shape: tuple[int, int, int, int],
) -> None:
    facts, other, node, relations = known(*shape)
    found = fact_gradient(facts, other, node, relations)
    tables = [table.astype(np.float64) for table in (node, *relations)]
    assert found.loss == pytest.approx(slow_loss(facts, other, *tables), rel=1e-4, abs=1e-6)
    for place, slope in enumerate((found.node, *found.relations)):
        expected = np.zeros(slope.shape)
        for index in np.ndindex(*slope.shape):
            ends_of = []
            for step in (1e-5, -1e-5):
                moved = [table.copy() for table in tables]
                moved[place][index] += step
                ends_of.append(slow_loss(facts, other, *moved))
            expected[index] = (ends_of[0] - ends_of[1]) / 2e-5
        np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=1e-4)


def test_a_fact_that_is_far_from_its_tail_is_finite() -> None:
    # led to 0, the tail lies 100 away and the other one at 0: the loss is 100 squared
    facts = Facts(np.array([0, 1]), np.int32([0]), np.int32([1]))
    relations = Relations(np.ones((1, 1, 1), np.float32), np.zeros((1, 1), np.float32))
    found = fact_gradient(facts, np.int32([2]), np.float32([[0], [100], [0]]), relations)
    assert found.loss == pytest.approx(10_000.0)
    assert found.node.ravel().tolist() == [-200.0, 200.0, 0.0]


class Woven(NamedTuple):
    bought: Graph
    facts: Edges
    back: Edges
    matrix: Floats
    n_firsts: int


def woven(seed: int, n_items: int, n_entities: int, n_users: int) -> Woven:
    """Give purchases and facts, and the whole matrix of what gathers from what."""
    rng = np.random.default_rng(seed)
    table = rng.random((n_users, n_items)) < 0.5
    groups = Groups(ends(table.sum(axis=1)), np.nonzero(table)[1].astype(np.int32))
    bought = purchase_graph(purchased(groups, n_items), n_users, n_items)
    n = n_items + n_entities + n_users
    dense = np.where(rng.random((n, n)) < 0.3, rng.random((n, n)), 0.0)
    dense[n - n_users :, n - n_users :] = 0.0  # no fact joins two customers
    sides = []
    for side in (dense, dense.T):
        head, tail = np.nonzero(side)
        weight = side[head, tail].astype(np.float32)
        sides.append(Edges(ends(np.bincount(head, minlength=n)), tail.astype(np.int32), weight))
    rows, columns = np.maximum(table.sum(axis=1), 1), np.maximum(table.sum(axis=0), 1)
    joined = table / np.sqrt(rows[:, None] * columns[None, :])
    matrix = dense.copy()
    matrix[n_items + n_entities :, :n_items] += joined
    matrix[:n_items, n_items + n_entities :] += joined.T
    return Woven(bought, sides[0], sides[1], matrix, n_items + n_entities)


graphs = st.tuples(
    st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 5), st.integers(1, 6)
)


@given(graphs, st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_layers_are_powers_of_the_whole_matrix(
    shape: tuple[int, int, int, int], n_layers: int
) -> None:
    bought, facts, back, matrix, n_firsts = woven(*shape)
    rng = np.random.default_rng(shape[0])
    first = rng.standard_normal((n_firsts, WIDTH)).astype(np.float32)
    powers = [np.eye(len(matrix))]
    for _ in range(n_layers):
        powers.append(matrix @ powers[-1])
    mean = np.mean(powers, axis=0)
    found = spread(bought, facts, first, n_layers)
    scale = max(1.0, float(np.abs(mean).max()))
    expected = mean[:, :n_firsts] @ first
    np.testing.assert_allclose(found.node, expected, rtol=1e-4, atol=1e-5 * scale)
    gathered = matrix[n_firsts:, :n_firsts] @ found.message
    np.testing.assert_allclose(gathered, expected[n_firsts:], rtol=1e-4, atol=1e-5 * scale)
    slope = rng.standard_normal(found.node.shape).astype(np.float32)
    np.testing.assert_allclose(
        gather_back(bought, back, slope, n_firsts, n_layers),
        (mean.T @ slope)[:n_firsts],
        rtol=1e-4,
        atol=1e-5 * scale,
    )


def test_one_thread_and_two_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_propagation, "WORTH_A_THREAD", 0)
    bought, edges, back, _, n_firsts = woven(0, 40, 30, 50)
    facts, other, node, relations = known(0, n_firsts, 3, 500)
    results = []
    for threads in (1, 2):
        found = spread(bought, edges, node, 3, threads)
        slope = gather_back(bought, back, found.node, n_firsts, 3, threads)
        gradient = fact_gradient(facts, other, node, relations, threads)
        results.append([*found, slope, gradient.node, *gradient.relations])
    for one, two in zip(*results, strict=True):
        assert one.tobytes() == two.tobytes()
