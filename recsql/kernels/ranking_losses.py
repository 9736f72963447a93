"""Gradients of losses that put what customers bought above items drawn at random.

A batch is some of the purchases, gathered by customer. Both losses are means over its purchases and
give the gradient of the vectors of customers and of items; what lies between takes room for the
purchases of the batch and what was drawn for them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part, lean_kernel, summing_part
from recsql.kernels._threads import equal_blocks, run_blocks
from recsql.kernels.dense import one_blas_thread
from recsql.kernels.graph_propagation import (
    Edges,
    add_neighbours,
    group_places,
    threads_for,
)
from recsql.kernels.vector_products import add_one

Shorts = npt.NDArray[np.float32]
Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]

CUSTOMERS_A_DRAW = 128  # of a batch share the items that are drawn for the softmax
DRAWS_AT_A_TIME = 256  # whose gradients are kept until they are added up: bounds the memory
BLOCKS = 16  # for each thread


class Batch(NamedTuple):
    """Some purchases, by customer.

    Attributes
    ----------
    user : int32[n_rows]         distinct customers
    ptr : int64[n_rows + 1]      where the items of each begin
    item : int32[n_pairs]        what they bought
    """

    user: Counts
    ptr: Longs
    item: Counts


class Gradient(NamedTuple):
    """The mean loss of a batch and its gradient.

    Attributes
    ----------
    loss : float
    user : float32[n_users, width]    0 for customers that are not in the batch
    item : float32[n_items, width]
    """

    loss: float
    user: Shorts
    item: Shorts


def bpr_gradient(
    batch: Batch, drawn: Counts, user: Shorts, item: Shorts, n_threads: int | None = None
) -> Gradient:
    """Give the gradient of log(1 + exp(score of a drawn item - score of the bought one)).

    Parameters
    ----------
    drawn : int32[n_pairs, n]         items drawn for each purchase; the loss is their mean
    user : float32[n_users, width]
    item : float32[n_items, width]
    n_threads : int, optional         the result does not depend on it

    Source
    ------
    Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009.
    """
    n_rows, (n_pairs, n_drawn) = len(batch.user), drawn.shape
    of_users = np.zeros_like(user)
    of_bought = np.empty(n_pairs, dtype=np.float32)
    of_drawn = np.empty((n_pairs, n_drawn), dtype=np.float32)
    losses = np.empty(n_rows, dtype=np.float64)

    def task(first: int, last: int, _scratch: None) -> None:
        compare_pairs(first, last, *batch, drawn, user, item, of_users, of_bought, of_drawn, losses)

    threads = threads_for(drawn.size * user.shape[1], n_threads)
    run_blocks(task, equal_blocks(np.diff(batch.ptr), BLOCKS * threads), lambda: None, threads)
    customer = np.repeat(batch.user, np.diff(batch.ptr))
    code = np.concatenate([batch.item, drawn.ravel()])
    weight = np.concatenate([of_bought, of_drawn.ravel()])
    customer = np.concatenate([customer, np.repeat(customer, n_drawn)])
    ptr, place = group_places(code, len(item))
    edges = Edges(ptr, customer[place], weight[place])
    of_items = add_neighbours(edges, user, n_threads=n_threads)
    return Gradient(float(losses.sum()), of_users, of_items)


@lean_kernel
def compare_pairs(
    first: int,
    last: int,
    customer: Counts,
    ptr: Longs,
    bought: Counts,
    drawn: Counts,
    user: Shorts,
    item: Shorts,
    of_users: Shorts,
    of_bought: Shorts,
    of_drawn: Shorts,
    losses: npt.NDArray[np.float64],
) -> None:
    """Write loss and gradient of the rows first <= row < last of a batch."""
    n_drawn = drawn.shape[1]
    share = np.float32(1.0 / (drawn.shape[0] * n_drawn))
    for row in range(first, last):
        vector, change = user[customer[row]], of_users[customer[row]]
        losses[row] = 0.0
        for pair in range(ptr[row], ptr[row + 1]):
            score = inner(vector, item[bought[pair]])
            total = np.float32(0.0)
            for place in range(n_drawn):
                margin = inner(vector, item[drawn[pair, place]]) - score
                losses[row] += share * soft_plus(margin)
                weight = share / (np.float32(1.0) + np.exp(-margin))
                of_drawn[pair, place] = weight
                total += weight
                add_one(change, weight, item[drawn[pair, place]])
            of_bought[pair] = -total
            add_one(change, -total, item[bought[pair]])


def softmax_gradient(
    batch: Batch,
    drawn: Counts,
    correction: Shorts,
    user: Shorts,
    item: Shorts,
    n_threads: int | None = None,
) -> Gradient:
    """Give the gradient of -log(share of the bought item in exp(score) of it and of those drawn).

    Parameters
    ----------
    drawn : int32[n_draws, n]           items drawn for each ``CUSTOMERS_A_DRAW`` rows of the batch
    correction : float32[n_draws, n]    added to their scores: -log(n * chance to be drawn)
    user : float32[n_users, width]
    item : float32[n_items, width]
    n_threads : int, optional           the result does not depend on it

    Source
    ------
    Jean et al., "On Using Very Large Target Vocabulary for Neural Machine Translation", ACL 2015,
    section 3; here the bought item is always in the sum and its score is not corrected.
    """
    n_draws, n = drawn.shape
    of_users = np.zeros_like(user)
    of_bought = np.empty(len(batch.item), dtype=np.float32)
    losses = np.empty(len(batch.user), dtype=np.float64)
    of_drawn = np.empty((min(n_draws, DRAWS_AT_A_TIME), n, user.shape[1]), dtype=np.float32)

    def task(draw: int, _last: int, _scratch: None) -> None:
        rows = slice(draw * CUSTOMERS_A_DRAW, (draw + 1) * CUSTOMERS_A_DRAW)
        customers = batch.user[rows]
        ptr = batch.ptr[rows.start : rows.start + len(customers) + 1]
        own, others = user[customers], item[drawn[draw]]
        share = own @ others.T
        share += correction[draw]
        level_scores(share, own, item, ptr, batch.item, of_bought)
        np.exp(share, out=share)
        change = np.zeros_like(own)
        weigh_scores(share, item, ptr, batch.item, of_bought, change, losses[rows])
        change += share @ others
        of_users[customers] = change
        np.matmul(share.T, own, out=of_drawn[draw % DRAWS_AT_A_TIME])

    threads = threads_for(len(batch.user) * n * user.shape[1] // 8, n_threads)
    of_items = np.zeros_like(item)
    for begin in range(0, n_draws, DRAWS_AT_A_TIME):
        end = min(begin + DRAWS_AT_A_TIME, n_draws)
        with one_blas_thread():
            blocks = [(draw, draw + 1) for draw in range(begin, end)]
            run_blocks(task, blocks, lambda: None, threads)
        names, rows = drawn[begin:end].ravel(), of_drawn[: end - begin].reshape(-1, user.shape[1])
        ptr, place = group_places(names, len(item))
        slots = Edges(ptr, place.astype(np.int32), np.ones(len(names), dtype=np.float32))
        of_items = add_neighbours(slots, rows, of_items, n_threads=n_threads)
    ptr, place = group_places(batch.item, len(item))
    customer = np.repeat(batch.user, np.diff(batch.ptr))
    bought = Edges(ptr, customer[place], of_bought[place])
    of_items = add_neighbours(bought, user, of_items, n_threads=n_threads)
    return Gradient(float(losses.sum()), of_users, of_items)


@lean_kernel
def level_scores(
    share: Shorts, own: Shorts, item: Shorts, ptr: Longs, bought: Counts, of_bought: Shorts
) -> None:
    """Write the scores of what was bought; lower all of a customer: the highest drawn becomes 0."""
    for row in range(len(own)):
        highest = share[row, 0]
        for place in range(share.shape[1]):
            highest = max(highest, share[row, place])
        for place in range(share.shape[1]):
            share[row, place] -= highest
        for pair in range(ptr[row], ptr[row + 1]):
            of_bought[pair] = inner(own[row], item[bought[pair]]) - highest


@lean_kernel
def weigh_scores(
    share: Shorts,
    item: Shorts,
    ptr: Longs,
    bought: Counts,
    of_bought: Shorts,
    change: Shorts,
    losses: npt.NDArray[np.float64],
) -> None:
    """Turn powers of drawn and scores of bought items into the gradient by these scores.

    Parameters
    ----------
    share : exp(score) of what was drawn; changed
    of_bought : scores of all purchases of a batch; changed for those of these customers
    change : gradient of the customers, to which that through what they bought is added
    losses : float64[n_rows]    written
    """
    part = np.float32(1.0 / len(bought))
    for row in range(share.shape[0]):
        total = added_up(share[row])
        factor = np.float32(0.0)
        losses[row] = 0.0
        for pair in range(ptr[row], ptr[row + 1]):
            margin = np.log(total) - of_bought[pair]
            weight = part / (np.float32(1.0) + np.exp(-margin))
            losses[row] += part * soft_plus(margin)
            factor += weight / total
            of_bought[pair] = -weight
            add_one(change[row], of_bought[pair], item[bought[pair]])
        for place in range(share.shape[1]):
            share[row, place] *= factor


@summing_part
def added_up(numbers: Shorts) -> np.float32:
    """Give the sum."""
    total = np.float32(0.0)
    for place in range(len(numbers)):
        total += numbers[place]
    return total


@summing_part
def inner(one: Shorts, other: Shorts) -> np.float32:
    """Give the product of two vectors."""
    total = np.float32(0.0)
    for column in range(len(one)):
        total += one[column] * other[column]
    return total


@kernel_part
def soft_plus(margin: np.float32) -> float:
    """Give log(1 + exp(margin)) without overflow."""
    return max(margin, np.float32(0.0)) + np.log1p(np.exp(-abs(margin)))
