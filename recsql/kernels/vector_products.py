"""Products of many customers' vectors with all items' vectors, the same bits alone or together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsql.kernels._jit import kernel_part, lean_kernel
from recsql.kernels._threads import available_threads, equal_blocks, run_blocks

Shorts = npt.NDArray[np.float32]

ITEMS_AT_A_TIME = 512
BLOCKS = 8  # of rows, for each thread


def score_vectors(
    vector: Shorts,
    bias: Shorts,
    factors: Shorts,
    item_bias: Shorts,
    n_threads: int | None = None,
) -> Shorts:
    """Give bias + item_bias + vector @ factors: float32[n_rows, n_items].

    A product of BLAS adds in an order that depends on how many rows there are; here it does not.

    Parameters
    ----------
    vector : float32[n_rows, n_factors]
    bias : float32[n_rows]
    factors : float32[n_factors, n_items]
    item_bias : float32[n_items]
    n_threads : int, optional    the result does not depend on it
    """
    n_rows, n_items = len(vector), factors.shape[1]
    out = np.empty((n_rows, n_items), dtype=np.float32)

    def task(first: int, last: int, _scratch: None) -> None:
        score_rows(first, last, vector, bias, factors, item_bias, out)

    threads = available_threads(n_threads)
    blocks = equal_blocks(np.ones(n_rows, dtype=np.int64), BLOCKS * threads)
    run_blocks(task, blocks, lambda: None, threads)
    return out


@lean_kernel
def score_rows(
    first: int,
    last: int,
    vector: Shorts,
    bias: Shorts,
    factors: Shorts,
    item_bias: Shorts,
    out: Shorts,
) -> None:
    """Write the rows first <= row < last of out, four factors at a time."""
    n_factors, n_items = factors.shape
    for begin in range(0, n_items, ITEMS_AT_A_TIME):
        end = min(begin + ITEMS_AT_A_TIME, n_items)
        for row in range(first, last):
            scores = out[row, begin:end]
            start(scores, item_bias[begin:end], bias[row])
            factor = 0
            while factor + 4 <= n_factors:
                add_four(
                    scores,
                    vector[row, factor],
                    vector[row, factor + 1],
                    vector[row, factor + 2],
                    vector[row, factor + 3],
                    factors[factor, begin:end],
                    factors[factor + 1, begin:end],
                    factors[factor + 2, begin:end],
                    factors[factor + 3, begin:end],
                )
                factor += 4
            while factor < n_factors:
                add_one(scores, vector[row, factor], factors[factor, begin:end])
                factor += 1


@kernel_part
def start(scores: Shorts, item_bias: Shorts, bias: np.float32) -> None:
    """Write both biases."""
    for item in range(len(scores)):
        scores[item] = item_bias[item] + bias


@kernel_part
def add_one(scores: Shorts, weight: np.float32, factor: Shorts) -> None:
    """Add a factor times its weight."""
    for item in range(len(scores)):
        scores[item] += weight * factor[item]


@kernel_part
def add_four(
    scores: Shorts,
    one: np.float32,
    two: np.float32,
    three: np.float32,
    four: np.float32,
    first: Shorts,
    second: Shorts,
    third: Shorts,
    fourth: Shorts,
) -> None:
    """Add four factors times their weights. Slices from 0 let the compiler use wide registers."""
    for item in range(len(scores)):
        scores[item] += (one * first[item] + two * second[item]) + (
            three * third[item] + four * fourth[item]
        )
