"""How much each fact says about its head, and gradients of the loss that makes facts plausible.

A relation has a matrix that turns vectors of nodes into its own space, and a vector that leads
there from heads to tails. Everything is made for some facts at a time, never for all pairs of
nodes; the bits do not depend on the number of threads.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import lean_kernel
from recsql.kernels.dense import one_blas_thread
from recsql.kernels.graph_propagation import Edges, add_neighbours, group_places

Shorts = npt.NDArray[np.float32]
Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]

FACTS_AT_A_TIME = 32_768


class Relations(NamedTuple):
    """What is learned of relations.

    Attributes
    ----------
    matrix : float32[n_relations, width, width]    a row vector times it is in the relation's space
    step : float32[n_relations, width]             from heads to tails there
    """

    matrix: Shorts
    step: Shorts


class Facts(NamedTuple):
    """Facts in order of their relation.

    Attributes
    ----------
    ptr : int64[n_relations + 1]    where those of a relation begin
    head, tail : int32[n_facts]
    """

    ptr: Longs
    head: Counts
    tail: Counts


class FactGradient(NamedTuple):
    """The mean loss of facts and its gradient.

    Attributes
    ----------
    loss : float
    node : float32[n_nodes, width]
    relations : Relations    of the same shapes as what is learned
    """

    loss: float
    node: Shorts
    relations: Relations


def attention(facts: Facts, node: Shorts, relations: Relations) -> Shorts:
    """Give the attention of each fact before it is shared among those of a head: float32[n_facts].

    Parameters
    ----------
    node : float32[n_nodes, width]

    Source
    ------
    Wang et al., "KGAT: Knowledge Graph Attention Network for Recommendation", KDD 2019, equation 4;
    here divided by the root of the width, so that long vectors do not give one fact all of it.
    """
    root = np.float32(np.sqrt(node.shape[1]))
    found = np.empty(len(facts.head), dtype=np.float32)
    with one_blas_thread():
        for relation, first, last in _parts(facts.ptr):
            matrix, step = relations.matrix[relation], relations.step[relation]
            head = node[facts.head[first:last]] @ matrix
            tail = node[facts.tail[first:last]] @ matrix
            head += step
            np.tanh(head, out=head)
            found[first:last] = np.einsum("ij,ij->i", head, tail) / root
    return found


def _parts(ptr: Longs) -> list[tuple[int, int, int]]:
    """Give (relation, first, last) of parts of the facts."""
    return [
        (relation, first, min(first + FACTS_AT_A_TIME, int(ptr[relation + 1])))
        for relation in range(len(ptr) - 1)
        for first in range(int(ptr[relation]), int(ptr[relation + 1]), FACTS_AT_A_TIME)
    ]


@lean_kernel
def share_out(ptr: Longs, score: Shorts, share: Shorts) -> None:
    """Write the softmax of the scores of each row.

    Parameters
    ----------
    ptr : int64[n_rows + 1]      where the scores of a row begin
    score : float32[n_scores]
    share : float32[n_scores]    written; a row adds up to 1
    """
    for row in range(len(ptr) - 1):
        highest = np.float32(-np.inf)
        for place in range(ptr[row], ptr[row + 1]):
            highest = max(highest, score[place])
        total = 0.0
        for place in range(ptr[row], ptr[row + 1]):
            share[place] = np.exp(score[place] - highest)
            total += share[place]
        for place in range(ptr[row], ptr[row + 1]):
            share[place] = share[place] / total


def fact_gradient(
    facts: Facts, other: Counts, node: Shorts, relations: Relations, n_threads: int | None = None
) -> FactGradient:
    """Give the gradient of log(1 + exp(distance of a fact - distance with another tail)).

    The distance is the square of how far the head, led by the relation, is from the tail.

    Parameters
    ----------
    facts : those of a batch
    other : int32[n_facts]            a tail drawn for each
    node : float32[n_nodes, width]
    n_threads : int, optional         the result does not depend on it

    Source
    ------
    Lin et al., "Learning Entity and Relation Embeddings for Knowledge Graph Completion", AAAI 2015
    (TransR), with the pairwise loss of KGAT, equations 1 and 2.
    """
    n = len(facts.head)
    changed = Relations(np.zeros_like(relations.matrix), np.zeros_like(relations.step))
    of_head, of_tail, of_other = (np.empty((n, node.shape[1]), dtype=np.float32) for _ in range(3))
    loss = 0.0
    with one_blas_thread():
        for relation, first, last in _parts(facts.ptr):
            matrix, step = relations.matrix[relation], relations.step[relation]
            near, far = (
                node[facts.head[first:last]] - node[tail[first:last]]
                for tail in (facts.tail, other)
            )
            here, there = near @ matrix + step, far @ matrix + step
            margin = np.einsum("ij,ij->i", here, here) - np.einsum("ij,ij->i", there, there)
            loss += float(np.logaddexp(np.float32(0), margin).sum(dtype=np.float64)) / n
            weight = (2.0 / n) / (1.0 + np.exp(-np.clip(margin, -80.0, 80.0)))
            here *= weight.astype(np.float32)[:, None]
            there *= -weight.astype(np.float32)[:, None]
            changed.matrix[relation] += near.T @ here + far.T @ there
            changed.step[relation] += here.sum(axis=0) + there.sum(axis=0)
            of_head[first:last] = (here + there) @ matrix.T
            of_tail[first:last] = -(here @ matrix.T)
            of_other[first:last] = -(there @ matrix.T)
    code = np.concatenate([facts.head, facts.tail, other])
    ptr, place = group_places(code, len(node))
    slots = Edges(ptr, place.astype(np.int32), np.ones(len(code), dtype=np.float32))
    rows = np.concatenate([of_head, of_tail, of_other])
    return FactGradient(loss, add_neighbours(slots, rows, n_threads=n_threads), changed)
