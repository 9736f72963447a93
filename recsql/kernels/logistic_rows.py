"""Logistic regressions on rows of a table, one for each group, with sampled rows as negatives.

A group's factor w minimises the sum over its rows h of log(1 + exp(-s)), plus ``weight`` times that
of log(1 + exp(s)) over its negatives, plus ridge / 2 * w'w, where s = w . h + the offset of the
row. Newton's steps are found by conjugate gradients; nothing of the size width ** 2 is made.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part, lean_kernel, summing_part
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks
from recsql.kernels.groups import Groups

Shorts = npt.NDArray[np.float32]
Longs = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]

SMALLEST_RESIDUAL = 1e-3  # of the gradient, in length
IN_ORDER = 0  # the key with which nothing is drawn


class Rows(NamedTuple):
    """What groups are regressed on.

    Attributes
    ----------
    table : float32[n_rows, width]
    offset : float32[n_rows]        added to every score of a row
    """

    table: Shorts
    offset: Shorts


class Negatives(NamedTuple):
    """Rows that are weak evidence against.

    Attributes
    ----------
    pool : int32[n]             codes to draw from, with replacement
    count : int32[n_groups]     negatives of each group
    weight : float32[n_groups]  of each of them, >= 0
    key : uint64                what the draws depend on beside the group and their number;
                                IN_ORDER: the first ``count`` of the pool
    """

    pool: Counts
    count: Counts
    weight: Shorts
    key: np.uint64


class Rounds(NamedTuple):
    """How far to go.

    Attributes
    ----------
    newton : int      Newton's steps, >= 1
    conjugate : int   steps of conjugate gradients for each of them, >= 1
    length : float    part of a Newton step that is gone, above 0 to 1
    """

    newton: int
    conjugate: int
    length: float


class Scratch(NamedTuple):
    """What a thread needs: the codes of a group, what they weigh, and vectors of its factor."""

    code: Counts
    weight: Shorts
    vectors: Shorts


def improve_groups(
    groups: Groups,
    rows: Rows,
    negatives: Negatives,
    ridge: Shorts,
    rounds: Rounds,
    factors: Shorts,
    n_threads: int | None = None,
) -> None:
    """Move the factor of every group towards its minimum; a group without rows gets 0.

    Parameters
    ----------
    groups : Groups                         0 <= code < n_rows
    rows, negatives, rounds
    ridge : float32[n_groups]               > 0
    factors : float32[n_groups, width]      where to begin; changed
    n_threads : int, optional               the result does not depend on it
    """
    sizes = np.diff(groups.group_ptr)
    most = int((sizes + negatives.count).max(initial=0))
    width = rows.table.shape[1]

    def task(first: int, last: int, scratch: Scratch) -> None:
        improve_groups_of(first, last, *groups, rows, negatives, ridge, rounds, scratch, factors)

    def make_scratch() -> Scratch:
        return Scratch(
            np.empty(most, dtype=np.int32),
            np.empty(most, dtype=np.float32),
            np.empty((5, width), dtype=np.float32),
        )

    threads = available_threads(n_threads)
    blocks = equal_blocks(sizes + negatives.count, 64 * threads)
    run_blocks(task, blocks, make_scratch, threads)


@lean_kernel
def improve_groups_of(
    first: int,
    last: int,
    ptr: Longs,
    code: Counts,
    rows: Rows,
    negatives: Negatives,
    ridge: Shorts,
    rounds: Rounds,
    scratch: Scratch,
    factors: Shorts,
) -> None:
    """Improve the rows first <= group < last of factors."""
    for group in range(first, last):
        n = ptr[group + 1] - ptr[group]
        if n == 0:
            factors[group] = np.float32(0.0)
            continue
        for place in range(n):
            scratch.code[place] = code[ptr[group] + place]
        for draw in range(negatives.count[group]):
            at = draw
            if negatives.key != IN_ORDER:
                at = drawn(negatives.key, group, draw, negatives.pool.shape[0])
            scratch.code[n + draw] = negatives.pool[at]
        chosen = scratch.code[: n + negatives.count[group]]
        for _ in range(rounds.newton):
            newton_step(
                chosen, n, negatives.weight[group], rows, ridge[group], rounds, scratch,
                factors[group],
            )  # fmt: skip


@kernel_part
def drawn(key: np.uint64, group: int, draw: int, n: int) -> int:
    """Draw one of n numbers by mixing three others: the finaliser of splitmix64."""
    mixed = key + np.uint64(group) * np.uint64(0xD1B54A32D192ED03)
    mixed += np.uint64(draw) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.int64(mixed % np.uint64(n))


@summing_part
def newton_step(
    code: Counts,
    n_positive: int,
    negative_weight: float,
    rows: Rows,
    ridge: float,
    rounds: Rounds,
    scratch: Scratch,
    factor: Shorts,
) -> None:
    """Go one Newton step: the first ``n_positive`` rows are for, the others against."""
    table, width = rows.table, rows.table.shape[1]
    vectors, weight = scratch.vectors, scratch.weight
    scale, rest, step, image, move = vectors[0], vectors[1], vectors[2], vectors[3], vectors[4]
    for column in range(width):
        scale[column] = ridge
        rest[column] = -ridge * factor[column]
        move[column] = np.float32(0.0)
    for place in range(code.shape[0]):
        row = code[place]
        score = rows.offset[row]
        for column in range(width):
            score += table[row, column] * factor[column]
        chance = np.float32(1.0) / (np.float32(1.0) + np.exp(-score))
        trust = np.float32(1.0) if place < n_positive else negative_weight
        pull = np.float32(1.0) - chance if place < n_positive else -trust * chance
        weight[place] = trust * chance * (np.float32(1.0) - chance)
        for column in range(width):
            value = table[row, column]
            rest[column] += pull * value
            scale[column] += weight[place] * value * value
    fit = np.float32(0.0)
    for column in range(width):
        scale[column] = np.float32(1.0) / scale[column]
        step[column] = scale[column] * rest[column]
        fit += step[column] * rest[column]
    enough = fit * np.float32(SMALLEST_RESIDUAL * SMALLEST_RESIDUAL)
    for _ in range(rounds.conjugate):
        if not fit > enough:
            break
        apply_weighted(code, weight, table, ridge, step, image)
        curvature = np.float32(0.0)
        for column in range(width):
            curvature += step[column] * image[column]
        length = fit / curvature
        before, fit = fit, np.float32(0.0)
        for column in range(width):
            move[column] += length * step[column]
            rest[column] -= length * image[column]
            fit += scale[column] * rest[column] * rest[column]
        for column in range(width):
            step[column] = scale[column] * rest[column] + fit / before * step[column]
    for column in range(width):
        factor[column] += np.float32(rounds.length) * move[column]


@summing_part
def apply_weighted(
    code: Counts, weight: Shorts, table: Shorts, ridge: float, step: Shorts, image: Shorts
) -> None:
    """Write (sum of weight * h h' + ridge) step into image."""
    width = table.shape[1]
    for column in range(width):
        image[column] = ridge * step[column]
    for place in range(code.shape[0]):
        row = code[place]
        product = np.float32(0.0)
        for column in range(width):
            product += table[row, column] * step[column]
        product *= weight[place]
        for column in range(width):
            image[column] += product * table[row, column]
